"""Writes the spool's file anew, so that nothing is left in it of what was deleted, beside others who wait to write.

Rule 1. Whoever waits to write waits for this longer than for anything else: `WAIT_SECONDS`.
Rule 2. The first door has the right of way: once it has waited for `GIVES_WAY_SECONDS`, this is given up. SQLite cannot
        be stopped any more while it commits what it has made; that takes no longer than the making.
"""

from __future__ import annotations

import threading
from pathlib import Path

from gateway import clock, lock
from gateway.store import sqlite
from gateway.store.sqlite import Connection

LOCK = "rewrite.lock"
WAIT_SECONDS = 15.0  # nginx waits for a door for 20
GIVES_WAY_SECONDS = 5.0
LOOK_SECONDS = 0.05
EMPTYING_SECONDS = 5.0  # at the most
TRY_SECONDS = 0.001


def is_under_way(spool: Path) -> bool:
    """Tell whether a process writes this spool's file anew."""
    return lock.is_held(spool.with_name(LOCK))


def run(
    spool: Path,
    driver: Connection,
    way: lock.RightOfWay,
    *,
    patience_seconds: float = EMPTYING_SECONDS,
    gives_way_seconds: float = GIVES_WAY_SECONDS,
) -> bool:
    """Write it anew and empty its log; False where somebody who reads keeps it from that for longer than our patience.

    Raises the driver's errors, that of an interruption where it has given way; and OSError.
    """
    done = threading.Event()
    with lock.held(spool.with_name(LOCK), patience_seconds=GIVES_WAY_SECONDS):
        watch = threading.Thread(target=_give_way, args=(driver, way, done, gives_way_seconds), daemon=True)
        watch.start()
        try:
            driver.execute("VACUUM")
        finally:
            done.set()
            watch.join()
        return _log_is_empty(driver, min(patience_seconds, EMPTYING_SECONDS))


def _log_is_empty(driver: Connection, patience_seconds: float) -> bool:
    """Copy back what is in the log and empty it: between others, as soon as none of them is at it."""
    driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()  # most of it, while they write
    deadline = clock.steady() + patience_seconds
    while not sqlite.empty_log(driver):  # SQLite's own waiting looks ever more seldom
        if clock.steady() >= deadline:
            return False
        clock.pause(TRY_SECONDS)
    return True


def _give_way(driver: Connection, way: lock.RightOfWay, done: threading.Event, patience_seconds: float) -> None:
    waited_seconds = 0.0
    while not done.wait(LOOK_SECONDS):
        waited_seconds = waited_seconds + LOOK_SECONDS if way.is_claimed() else 0.0
        if waited_seconds >= patience_seconds:
            driver.interrupt()
