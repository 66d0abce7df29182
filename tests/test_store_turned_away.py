"""The ring of what was turned away: what is counted, what stays of a kind that is full, and what is never kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.outbound import refusals
from gateway.phrases import Reason
from gateway.store import migrations, retention, turned_away
from gateway.store.engines import Database
from gateway.store.turned_away import MOST, Ring, Turned
from tests.service_samples import NOW, HandClock
from tests.together import together

pytestmark = pytest.mark.both_engines

UNKNOWN = ("ingress", "unknown connector")


class Later:
    """Does what is to be done later when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def __call__(self, _seconds: float, work: Callable[[], None]) -> None:
        self.waiting.append(work)

    def do(self) -> None:
        waiting, self.waiting = self.waiting, []
        for work in waiting:
            work()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def later() -> Later:
    return Later()


@pytest.fixture
def ring(spool: Database, clock: HandClock, later: Later) -> Ring:
    return Ring(spool, clock=clock, later=later)


def told(spool: Database) -> list[tuple[str, str, int]]:
    return [(row.reason, row.about, row.count) for row in turned_away.listed(spool)]


def turned(about: str, count: int = 1, at: float = NOW) -> Turned:
    return Turned(*UNKNOWN, about=about, address="192.0.2.1", count=count, first_at=at, last_at=at)


def test_it_is_counted_and_written_once_for_all(ring: Ring, spool: Database, clock: HandClock, later: Later) -> None:
    for address in ("192.0.2.1", "192.0.2.2"):
        ring.note(*UNKNOWN, about="70", address=address)
        clock.advance(5)
    assert told(spool) == []
    assert len(later.waiting) == 1
    later.do()
    [row] = turned_away.listed(spool)
    assert row == Turned(*UNKNOWN, about="70", address="192.0.2.2", count=2, first_at=NOW, last_at=NOW + 5)


def test_what_several_processes_count_is_added(spool: Database, clock: HandClock) -> None:
    for _ in range(2):
        later = Later()
        ring = Ring(spool, clock=clock, later=later)
        ring.note(*UNKNOWN, about="70")
        ring.note("ingress", "signature wrong", about="7")
        later.do()
        clock.advance(1)
    assert told(spool) == [("signature wrong", "7", 2), ("unknown connector", "70", 2)]


def test_what_is_no_kind_is_not_kept(ring: Ring, spool: Database, later: Later) -> None:
    ring.note("ingress", Reason.SPOOL_LOCKED, about="7")
    ring.note("attachments", "unknown connector")
    assert (later.waiting, told(spool)) == ([], [])


@pytest.mark.parametrize("about", ["x" * 65, "a b", "\x1b[2J", "a\nb", "ü", "+34600111222", "a?token=x"])
def test_no_text_of_a_strangers_choice_is_kept(ring: Ring, spool: Database, later: Later, about: str) -> None:
    ring.note(*UNKNOWN, about=about)
    later.do()
    assert told(spool) == [("unknown connector", "other", 1)]


def test_where_it_cannot_be_written_it_is_written_with_what_comes_next(tmp_path: Path, clock: HandClock) -> None:
    later, path = Later(), tmp_path / "spool.sqlite3"
    spool = Database(path, patience_seconds=0.1)
    ring = Ring(spool, clock=clock, later=later)
    path.touch()  # no table in it yet
    ring.note(*UNKNOWN, about="70")
    later.do()
    path.unlink()
    spool.close()
    migrations.migrate(path)
    ring.note(*UNKNOWN, about="70")
    later.do()
    assert told(spool) == [("unknown connector", "70", 2)]
    spool.close()


def test_it_makes_no_spool_where_there_is_none(tmp_path: Path, clock: HandClock) -> None:
    later, path = Later(), tmp_path / "spool.sqlite3"
    Ring(Database(path, patience_seconds=0.1), clock=clock, later=later).note(*UNKNOWN)
    later.do()
    assert not path.exists()


def test_a_flood_of_strangers_neither_grows_it_nor_drives_out_what_matters(
    ring: Ring, spool: Database, clock: HandClock, later: Later
) -> None:
    ring.note(*UNKNOWN, about="70")  # once, and before them all
    ring.note("ingress", "signature wrong", about="7")
    for number in range(5000):
        clock.advance(0.01)
        ring.note(*UNKNOWN, about=str(1_000_000 + number))
        if number % 100 == 0:
            ring.note(*UNKNOWN, about="71")  # again and again, among them
            later.do()
    ring.note(*UNKNOWN, about="72")  # once, and after them
    later.do()
    rows = {(reason, about): count for reason, about, count in told(spool)}
    assert len(rows) == MOST + 1
    assert rows["signature wrong", "7"] == 1
    assert rows["unknown connector", "70"] == 1
    assert rows["unknown connector", "71"] == 50
    assert rows["unknown connector", "72"] == 1


def test_who_repeats_some_does_not_drive_out_the_latest(
    ring: Ring, spool: Database, clock: HandClock, later: Later
) -> None:
    for _ in range(3):
        for number in range(MOST):
            ring.note(*UNKNOWN, about=str(1_000_000 + number))
        later.do()
    clock.advance(1)
    ring.note(*UNKNOWN, about="70")
    later.do()
    assert ("unknown connector", "70", 1) in told(spool)


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(1, 9), st.integers(0, 99)), max_size=120))
def test_what_stays_is_bounded_and_holds_the_most_frequent_and_the_latest(
    seen: list[tuple[int, int, int]],
) -> None:
    rows = turned_away.merged([], [turned(str(about), count, NOW + at) for about, count, at in seen])
    stays = turned_away.kept(rows)
    assert len(stays) == min(len(rows), MOST)
    assert {row.about for row in stays} <= {row.about for row in rows}
    if rows:
        assert max(row.count for row in stays) == max(row.count for row in rows)
        assert max(row.last_at for row in stays) == max(row.last_at for row in rows)


def test_old_rows_go_with_what_was_rejected(ring: Ring, spool: Database, clock: HandClock, later: Later) -> None:
    ring.note(*UNKNOWN, about="70")
    later.do()
    clock.advance(90)
    ring.note(*UNKNOWN, about="71")
    later.do()
    week = retention.Retention(delivered_seconds=9999, rejected_seconds=60, parked_seconds=None)
    retention.purge(spool, week, now=clock.now())
    assert told(spool) == [("unknown connector", "71", 1)]


@together("kind", turned_away.kinds(), ids=" ".join)
def test_every_kind_is_a_reason_that_there_is_and_has_one_remedy(kind: tuple[str, str]) -> None:
    door, reason = kind
    row = turned_away.kinds()[kind]
    if door == "outbound" and reason in refusals.rows():
        assert not row.remedy
        assert "{" not in refusals.rows()[reason].remedy
    else:
        assert row.remedy
        assert door == "edge" or reason in {*Reason, "unknown connector, rightly signed"}
