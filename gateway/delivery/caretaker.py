"""Keeps the spool small, apart from the loop that delivers: purges, counts, and has the log begin anew.

Rule 1. Nobody waits for a purge longer than for any other writer: a piece of it has few rows, fewer where they take
        long (`store.piecemeal`), and after it others have their turn for as long as it took, within
        `LEAST_PAUSE_SECONDS` and `MOST_PAUSE_SECONDS`.
Rule 2. It ends: it takes what is past its time when it begins, and no pause is longer than `MOST_PAUSE_SECONDS`.
Rule 3. Whoever answers callbacks does not copy the log back into the file: this does, before it is as large that they
        would have to (`store.pool`), and has it begin anew in a turn of its own among those who write.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from gateway import clock, telemetry
from gateway.clock import Clock
from gateway.config import Settings
from gateway.errors import SpoolUnavailable
from gateway.phrases import Line
from gateway.store import census, retention
from gateway.store.engines import Database

PURGE, PURGE_SECONDS = "purge", 600.0
COUNT_SECONDS = 30.0
LOOK_SECONDS = 0.1  # at the log
PIECE = 200  # rows in one transaction, at the most: some milliseconds
LEAST_PAUSE_SECONDS, MOST_PAUSE_SECONDS = 0.02, 0.2  # so that a disk has more to do than this
LAST_SECONDS = 5.0  # that a piece may take which is under way at the end


class Caretaker:
    """Looks after a spool in a thread of its own."""

    def __init__(self, settings: Settings, spool: Database, *, clock: Clock, name: str = "") -> None:
        """`name`: the node's, where there are others, of which one purges; "" is alone."""
        self._settings, self._spool, self._clock, self._name = settings, spool, clock, name
        self._pace = retention.Pace()
        self._purge_at = self._count_at = 0.0  # steady seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="caretaker", daemon=True)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Look after it for as long as this lasts."""
        self._thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            self._thread.join(LAST_SECONDS)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self._spool.shorten_log()
                self._count()
                self._purge()
            except SpoolUnavailable:  # which the courier tells
                self._stopping.wait(MOST_PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001 - a thread's last word; the next round may go well
                telemetry.failure(Line.UNEXPECTED, error)

    def _count(self) -> None:
        if clock.steady() < self._count_at:
            return
        if not self._count_at:
            census.begin(self._spool)
        self._count_at = clock.steady() + COUNT_SECONDS
        self._in_pieces(census.pieces(self._spool, now=self._clock.now()))

    def _purge(self) -> None:
        if clock.steady() < self._purge_at:
            return
        self._purge_at, now = clock.steady() + PURGE_SECONDS, self._clock.now()
        if self._name and not retention.take_turn(self._spool, PURGE, now=now, every_seconds=PURGE_SECONDS):
            return
        spool, session = self._settings.spool, self._settings.ops.session_ttl
        keep = retention.Retention(spool.keep_delivered, spool.keep_rejected, spool.keep_parked, session)
        late = self._pace.late(self._spool, now=now)
        if deleted := self._in_pieces(retention.pieces(self._spool, keep, now=late, most=PIECE)):
            telemetry.note(Line.PURGED, events=deleted)

    def _in_pieces(self, pieces: Iterator[int]) -> int:
        """Do one after another, with pauses, until it is to stop. Returns the sum of what they yield."""
        done, began = 0, clock.steady()
        for some in pieces:
            done += some
            took = clock.steady() - began
            if self._stopping.wait(pause_seconds(took)):
                break
            self._spool.shorten_log()
            began = clock.steady()
        return done


def pause_seconds(took_seconds: float) -> float:
    """Say for how long others have their turn, after a piece that took so long."""
    return min(max(took_seconds, LEAST_PAUSE_SECONDS), MOST_PAUSE_SECONDS)
