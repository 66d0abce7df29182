"""The spool's file is written anew: who waits for it, and for whom it does not go on."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, cast

import pytest

from gateway import lock
from gateway.errors import SpoolUnavailable
from gateway.lock import RightOfWay
from gateway.store import Run, compaction
from gateway.store.embedded import WAY
from gateway.store.engines import Database
from gateway.store.sqlite import Connection
from tests.spool_samples import locked, until

PATIENCE_SECONDS = 0.1


@pytest.fixture
def writer(spool: Database) -> Iterator[Database]:
    with closing(Database(spool.path, patience_seconds=PATIENCE_SECONDS)) as opened:
        yield opened


def write(run: Run) -> str:
    run("prove_writable")
    return "written"


def test_who_writes_waits_longer_for_a_file_that_is_written_anew(writer: Database) -> None:
    assert not compaction.is_under_way(writer.path)
    with ThreadPoolExecutor(1) as pool, lock.held(writer.path.with_name(compaction.LOCK), patience_seconds=0):
        with locked(writer.path):
            began, writing = time.monotonic(), pool.submit(writer.tell, write)
            until(lambda: time.monotonic() - began > 4 * PATIENCE_SECONDS, "it has waited")
            assert not writing.done()
        assert writing.result(60) == "written"


def test_and_no_longer_for_what_somebody_else_holds(writer: Database) -> None:
    with (
        ThreadPoolExecutor(1) as pool,
        lock.held(writer.path.with_name("another.lock"), patience_seconds=0),
        locked(writer.path),
        pytest.raises(SpoolUnavailable, match=r"^spool locked$"),
    ):
        pool.submit(writer.tell, write).result(compaction.WAIT_SECONDS / 3)


class Slow:
    """A driver that is at it until somebody interrupts it."""

    def __init__(self) -> None:
        self.begun, self.interrupted = threading.Event(), threading.Event()

    def execute(self, _told: str) -> None:
        self.begun.set()
        assert self.interrupted.wait(60)
        raise sqlite3.OperationalError

    def interrupt(self) -> None:
        self.interrupted.set()


def test_it_gives_way_once_the_first_door_has_waited_for_long_and_not_to_who_came_and_went(spool: Database) -> None:
    ours, doors = RightOfWay(spool.path.with_name(WAY)), RightOfWay(spool.path.with_name(WAY))
    slow = Slow()
    with ThreadPoolExecutor(1) as pool, closing(ours), closing(doors):
        running = pool.submit(
            compaction.run, spool.path, cast("Connection", slow), ours, gives_way_seconds=4 * compaction.LOOK_SECONDS
        )
        assert slow.begun.wait(60)
        with doors.claimed():
            assert compaction.is_under_way(spool.path)
        assert not slow.interrupted.is_set()
        with doors.claimed():
            assert slow.interrupted.wait(60)
        with pytest.raises(sqlite3.OperationalError):
            running.result(60)
    assert not compaction.is_under_way(spool.path)


def test_one_that_has_given_way_says_so(spool: Database) -> None:
    spool.ask(lambda run: run("count_events"))
    reader: Any = spool._engine._pool._idle[0]
    reader.set_progress_handler(lambda: 1, 1)  # interrupts it
    with pytest.raises(SpoolUnavailable, match=r"^spool needed for callbacks$"):
        spool.rewrite()
    reader.set_progress_handler(None, 0)
    spool.rewrite()
