"""What is past its time goes in small pieces, beside the loop that delivers and never in it; the log stays short."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.delivery import caretaker
from gateway.delivery.caretaker import Caretaker
from gateway.delivery.courier import Courier
from gateway.motion.notify import Notifier
from gateway.store import Run, pool, retention, schema, sqlite
from gateway.store.engines import Database
from gateway.store.retention import Retention
from gateway.store.tickets import T, Work
from tests import config_samples
from tests.service_samples import HandClock
from tests.spool_samples import NOW, accept, migrate, multiply, rows, settle, states, until

WEEK = Retention(delivered_seconds=100, rejected_seconds=100, parked_seconds=None)


class Pieces(Database):
    """Remembers of each transaction in which thread it ran, what it ran, and how many rows came back."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, patience_seconds=5)
        self.told: list[tuple[str, str, int]] = []

    def tell(self, work: Work[T], *, lanes: Collection[str] = ()) -> T:
        thread = threading.current_thread().name

        def noted(run: Run) -> T:
            def noting(name: str, /, **values: object) -> list[Any]:
                found = run(name, **values)
                self.told.append((thread, name, len(found)))
                return found

            return work(noting)

        return super().tell(noted, lanes=lanes)

    def of(self, name: str) -> list[tuple[str, int]]:
        """In which thread a statement ran, and on how many rows."""
        return [(thread, count) for thread, ran, count in self.told if ran == name]


@pytest.fixture
def pieces(tmp_path: Path) -> Iterator[Pieces]:
    path = tmp_path / "spool.sqlite3"
    migrate(path)
    with closing(Pieces(path)) as opened:
        yield opened


def keep(spool: Database, count: int) -> None:
    """Have so many delivered events."""
    accept(spool)
    settle(spool, 1, "delivered", now=NOW)
    multiply(spool, schema.event, count, id="i", key="CAST(i AS text)")


def test_the_thread_that_delivers_deletes_nothing_and_a_piece_is_no_larger_than_it_may_be(pieces: Pieces) -> None:
    keep(pieces, 3 * caretaker.PIECE + 1)
    settings, clock = config_samples.settings(), HandClock(NOW + 365 * 24 * 3600.0)
    accept(pieces, "m2", now=clock.now())  # how late it is, it knows from what came last
    carrier = Courier(settings, pieces, Notifier(settings), clock=clock, poll_seconds=0.001)
    delivering = threading.Thread(target=carrier.run, name="delivering")
    delivering.start()
    try:
        with Caretaker(settings, pieces, clock=clock).at_work():
            until(lambda: len(rows(pieces, schema.event)) == 1, "what is old gone")
    finally:
        carrier.stop()
        delivering.join()
    purged = pieces.of("purge_events")
    assert {thread for thread, _ in purged} == {"caretaker"}
    counts = [count for _, count in purged if count]
    assert sum(counts) == 3 * caretaker.PIECE + 1
    assert max(counts) == caretaker.PIECE
    assert "delivering" in {thread for thread, _ in pieces.of("take_lanes")}


def test_a_purge_that_is_told_to_stop_does_so_after_the_piece_at_hand_and_the_next_one_takes_the_rest(
    pieces: Pieces,
) -> None:
    keep(pieces, 250)
    going = retention.pieces(pieces, WEEK, now=NOW + 101, most=100)
    assert next(going) == 100
    going.close()
    assert len(states(pieces)) == 150
    assert sum(retention.pieces(pieces, WEEK, now=NOW + 101, most=100)) == 150


def test_what_comes_in_while_it_purges_does_not_keep_it_from_its_end(pieces: Pieces) -> None:
    keep(pieces, 150)
    for number, _ in enumerate(retention.pieces(pieces, WEEK, now=NOW + 101, most=100)):
        assert number < 10
        accept(pieces, f"new {number}", now=NOW + 101)
    assert "delivered" not in states(pieces).values()


def fill_log(spool: Database, message: str, pages: int) -> None:
    accept(spool, message, body=message.encode() + bytes(pages * 4096))


def test_a_log_that_is_due_is_copied_back_and_begins_anew(pieces: Pieces) -> None:
    fill_log(pieces, "m1", pool.DUE_FRAMES)
    log, size = Path(f"{pieces.path}-wal"), pieces.path.stat().st_size
    full = log.stat().st_size
    pieces.shorten_log()
    assert pieces.path.stat().st_size > size + pool.DUE_FRAMES * 4096
    fill_log(pieces, "m2", pool.DUE_FRAMES - 100)
    assert log.stat().st_size == full  # what is new stands in the room of what was copied


def test_a_log_that_is_short_is_left_alone(pieces: Pieces) -> None:
    fill_log(pieces, "m1", pool.DUE_FRAMES // 2)
    size = pieces.path.stat().st_size
    pieces.shorten_log()
    assert pieces.path.stat().st_size == size  # nothing was copied to it


def test_a_log_is_due_long_before_a_writer_would_have_to_copy_it(pieces: Pieces) -> None:
    with closing(sqlite.connect(pieces.path, patience_seconds=1)) as driver:
        [[pages]] = driver.execute("PRAGMA wal_autocheckpoint").fetchall()
    assert pages >= 2 * pool.DUE_FRAMES


def test_a_log_begins_anew_though_somebody_writes_without_a_pause(pieces: Pieces) -> None:
    over, writing = threading.Event(), Database(pieces.path, patience_seconds=60)

    def write() -> None:
        with closing(writing):
            number = 0
            while not over.is_set():
                fill_log(writing, f"m{number}", 100)
                number += 1

    def is_anew() -> bool:
        pieces.shorten_log()
        with pieces.path.with_name(f"{pieces.path.name}-wal").open("rb") as log:
            return log.read(32)[16:24] != begun[16:24]  # its salts: sqlite.org/fileformat2.html, 4.1

    fill_log(pieces, "first", pool.LONG_FRAMES)
    begun = Path(f"{pieces.path}-wal").read_bytes()[:32]
    writer = threading.Thread(target=write)
    writer.start()
    try:
        until(is_anew, "a log that begins anew")
    finally:
        over.set()
        writer.join()


def test_before_a_log_begins_anew_it_is_copied_while_nobody_else_may_write(pieces: Pieces) -> None:
    fill_log(pieces, "m1", pool.LONG_FRAMES)
    told: list[tuple[str, bool]] = []
    pieces.ask(lambda run: run("newest_accepted"))
    with closing(sqlite.connect(pieces.path, patience_seconds=0)) as other:

        def may_write() -> bool:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite.Error:
                return False
            other.rollback()
            return True

        def note(statement: str) -> None:
            if "wal_checkpoint" in statement:
                told.append((statement.rpartition("(")[2], may_write()))

        for driver in pieces._engine._pool._opened:  # type: ignore[attr-defined]
            driver.set_trace_callback(note)
        pieces.shorten_log()
    assert told == [("PASSIVE)", True), ("PASSIVE)", False), ("RESTART)", True)]


@pytest.mark.parametrize(
    ("took", "pause"),
    [(0.0, caretaker.LEAST_PAUSE_SECONDS), (0.07, 0.07), (9.0, caretaker.MOST_PAUSE_SECONDS)],
    ids=["none", "some", "too long"],
)
def test_behind_a_piece_others_have_their_turn_for_as_long_as_it_took(took: float, pause: float) -> None:
    assert caretaker.pause_seconds(took) == pause


@pytest.mark.parametrize(
    ("frames", "left", "due", "anew"),
    [
        (pool.DUE_FRAMES, pool.DUE_FRAMES - 1, False, False),
        (pool.DUE_FRAMES, pool.DUE_FRAMES, True, False),
        (pool.LONG_FRAMES - 1, 1, False, False),
        (pool.LONG_FRAMES, 1, True, True),
        (pool.LONG_FRAMES, pool.FEW_FRAMES, True, True),
        (pool.LONG_FRAMES, pool.FEW_FRAMES + 1, True, False),
        (pool.LONG_FRAMES, 0, False, True),
        (pool.MOST_FRAMES, pool.FEW_FRAMES + 1, True, True),
    ],
)
def test_when_a_log_is_copied_back_and_when_it_may_begin_anew(frames: int, left: int, *, due: bool, anew: bool) -> None:
    log = pool.Log(frames, left)
    assert (log.is_due, log.may_begin_anew) == (due, anew)


def test_who_reads_keeps_the_log_from_beginning_anew_and_nobody_from_writing(pieces: Pieces) -> None:
    fill_log(pieces, "m1", 10)

    def look(run: Run) -> None:
        run("newest_accepted")
        fill_log(pieces, "m2", pool.DUE_FRAMES)
        pieces.shorten_log()
        accept(pieces, "m3")

    pieces.ask(look)
    assert len(states(pieces)) == 3
