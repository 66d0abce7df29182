"""How many events there are in each state is kept, and right whatever becomes of them."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from gateway.delivery import records, recovery
from gateway.delivery.health import Scope
from gateway.phrases import Reason
from gateway.store import census, retention, schema
from gateway.store.census import BEHIND_SECONDS
from gateway.store.engines import Database
from tests.spool_samples import DEED, NOW, accept, meddle, rows, settle, states

pytestmark = pytest.mark.both_engines

LATER = NOW + BEHIND_SECONDS + 100


@pytest.fixture
def counted(spool: Database) -> Database:
    """Five events, a second apart: two delivered, one parked, one rejected, and one that waits."""
    for number in range(1, 4):
        accept(spool, f"m{number}", contact=f"c{number}")
    for event_id, state in ((1, "delivered"), (2, "delivered"), (3, "parked")):
        settle(spool, event_id, state, now=NOW + event_id)
    accept(spool, "m4", stale=True, nonce="n4", now=NOW + 4)
    accept(spool, "m5", now=NOW + 5)
    census.begin(spool)
    follow(spool)
    return spool


def follow(spool: Database, *, now: float = LATER, most: int = 1) -> int:
    return len([*census.pieces(spool, now=now, most=most)])


def kept(spool: Database) -> dict[str, int]:
    """What is in the numbers, and not counted."""
    return {row.state: row.count for row in rows(spool, schema.census) if row.count}


def are_right(spool: Database) -> bool:
    return census.counted(spool) == dict(Counter(states(spool).values()))


def test_what_is_settled_is_kept_as_a_number_and_what_waits_is_counted(counted: Database) -> None:
    assert kept(counted) == {"delivered": 2, "parked": 1, "rejected": 1}
    assert are_right(counted)


def test_before_anything_is_kept_all_is_counted(spool: Database) -> None:
    accept(spool)
    settle(spool, 1, "delivered")
    assert census.counted(spool) == {"delivered": 1}
    assert kept(spool) == {}


def test_what_was_settled_since_is_counted_beside_the_number(counted: Database) -> None:
    settle(counted, 5, "delivered", now=LATER)
    assert kept(counted)["delivered"] == 2
    assert are_right(counted)


@pytest.mark.parametrize("most", [1, 2, 100])
def test_it_follows_in_pieces_and_comes_to_the_same(counted: Database, most: int) -> None:
    census.begin(counted)
    assert (kept(counted), are_right(counted)) == ({}, True)
    for _ in census.pieces(counted, now=LATER, most=most):
        assert are_right(counted)
    assert kept(counted) == {"delivered": 2, "parked": 1, "rejected": 1}


def test_very_many_of_one_moment_are_gone_past(spool: Database) -> None:
    for number in range(1, 6):
        accept(spool, f"m{number}")
        settle(spool, number, "delivered")
    census.begin(spool)
    assert follow(spool, most=2) < 10
    assert kept(spool) == {"delivered": 5}


def test_what_was_settled_just_now_is_left_to_the_next_time(counted: Database) -> None:
    settle(counted, 5, "delivered", now=LATER)
    follow(counted, now=LATER + BEHIND_SECONDS)
    assert kept(counted)["delivered"] == 2
    follow(counted, now=math.nextafter(LATER + BEHIND_SECONDS + 1, math.inf))
    assert kept(counted)["delivered"] == 3


def test_what_is_purged_is_taken_off(counted: Database) -> None:
    keep = retention.Retention(delivered_seconds=100, rejected_seconds=100, parked_seconds=100)
    retention.purge(counted, keep, now=NOW + 102.5)  # two of the three that are that old
    assert kept(counted) == {"parked": 1, "rejected": 1}
    assert are_right(counted)


def test_what_is_erased_is_taken_off(counted: Database) -> None:
    retention.erase(counted, "c3", DEED)
    assert "parked" not in kept(counted)
    assert are_right(counted)


def test_what_is_replayed_is_taken_off_once_and_comes_back(counted: Database) -> None:
    records.replay(counted, [1, 3], DEED)
    assert kept(counted) == {"delivered": 1, "rejected": 1}
    assert are_right(counted)
    settle(counted, 1, "delivered", now=LATER)
    assert are_right(counted)


def test_what_is_revived_with_its_kind_is_taken_off(counted: Database) -> None:
    meddle(counted, schema.event.update().where(schema.event.c.id == 3).values(outcome=f"400 {Reason.KIND_REFUSED}"))
    assert recovery.revive_kind(counted, Scope(7, "MESSAGE_INBOUND")) == 1
    assert "parked" not in kept(counted)
    assert are_right(counted)


def test_a_number_that_is_wrong_is_right_again_once_it_is_begun_anew(counted: Database) -> None:
    meddle(counted, schema.census.update().values(count=1000))
    census.begin(counted)
    assert are_right(counted)
    follow(counted)
    assert are_right(counted)
