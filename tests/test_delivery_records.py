"""What the operator sees of the spool and does to it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.delivery import claims, records, recovery
from gateway.errors import CommandError
from gateway.store import Choice, Place
from gateway.store.engines import Database
from tests.spool_samples import DEED, NOW, accept, die, order, settle, states

pytestmark = pytest.mark.both_engines


def test_the_newest_are_listed_first(spool: Database) -> None:
    for number in range(1, 6):
        accept(spool, f"m{number}")
    found = records.listed(spool, most=3)
    assert [record.event_id for record in found] == [5, 4, 3]


FILTERS = {
    "everything": ((None, None), [3, 2, 1]),
    "a state": (("pending", None), [3, 2]),
    "a state nobody is in": (("parked", None), []),
    "a connector": ((None, 8), [3]),
    "both": (("pending", 7), [2]),
    "a connector nobody has": ((None, 9), []),
}


@pytest.mark.parametrize(("wanted", "found"), FILTERS.values(), ids=FILTERS)
def test_listed_is(spool: Database, wanted: tuple[str | None, int | None], found: list[int]) -> None:
    accept(spool, "m1")
    settle(spool, 1, "delivered")
    accept(spool, "m2")
    accept(spool, "m3", connector=8)
    state, connector = wanted
    listed = records.listed(spool, Choice(state=state, connector_id=connector), most=10)
    assert [record.event_id for record in listed] == found


def test_a_record_tells_everything_but_the_content(spool: Database) -> None:
    accept(spool, identity="+39333", contact="c1", nonce="n1")
    accept(spool, identity="+39333", contact="c1", nonce="n1")
    settle(spool, 1, "delivered", now=NOW + 5)
    assert records.shown(spool, 1) == records.EventRecord(
        event_id=1,
        connector_id=7,
        state="delivered",
        kind="MESSAGE_INBOUND",
        contact_id="c1",
        identity="39333",
        request_id="request-m1",
        accepted_at=NOW,
        settled_at=NOW + 5,
        tries=1,
        repeats=1,
        outcome="delivered",
        size_bytes=len(records.body(spool, 1)),
        header_names=("content-type",),
        findings=(),
        history=(),
        told=None,
    )


@pytest.mark.parametrize("body", [b"\x00\xff\r\n", b"", "\u20ac".encode() * 3], ids=["binary", "empty", "UTF-8"])
def test_the_body_is_shown_byte_for_byte_and_counted_in_bytes(spool: Database, body: bytes) -> None:
    accept(spool, body=body)
    assert records.body(spool, 1) == body
    assert records.shown(spool, 1).size_bytes == len(body)


def test_an_event_that_is_not_there_cannot_be_shown(spool: Database) -> None:
    with pytest.raises(CommandError, match="there is no event 1; `events list` shows"):
        records.shown(spool, 1)


@pytest.mark.parametrize("state", ["delivered", "parked"])
def test_a_settled_event_is_delivered_once_more(spool: Database, state: str) -> None:
    accept(spool)
    settle(spool, 1, state)
    records.replay(spool, [1], DEED)
    assert order(spool) == [1]


@pytest.mark.parametrize("changes", [{"text": "other"}, {"stale": True}], ids=["duplicate", "rejected"])
def test_what_was_kept_without_delivery_can_be_replayed(spool: Database, changes: dict[str, Any]) -> None:
    accept(spool, nonce="n1")
    settle(spool, 1, "delivered")
    accept(spool, nonce="n2", **changes)
    records.replay(spool, [2], DEED)
    assert order(spool) == [2]


def test_a_replayed_event_starts_afresh(spool: Database) -> None:
    accept(spool)
    die(spool, recovery.MOST_DEATHS)
    records.replay(spool, [1], DEED)
    [taken] = claims.claim(spool, due_by=NOW, now=NOW, most=1, lease_seconds=90)
    assert (taken.failures, taken.failing_since) == (0, None)
    assert recovery.start(spool, "", now=NOW, longest_wait_seconds=300).parked == ()


def test_replayed_events_keep_their_order_and_come_before_newer_ones(spool: Database) -> None:
    for number in range(1, 5):
        accept(spool, f"m{number}")
    for event_id in (1, 2, 3):
        settle(spool, event_id, "parked")
    records.replay(spool, [3, 1], DEED)
    assert order(spool) == [1, 3, 4]


def test_a_replay_does_not_wait_for_the_time_its_lane_waits_for(spool: Database) -> None:
    for number in (1, 2):
        accept(spool, f"m{number}")
    settle(spool, 1, "parked")
    [taken] = claims.claim(spool, due_by=NOW, now=NOW, most=1, lease_seconds=90)
    claims.postpone(spool, taken, outcome="503", due_at=NOW + 300, failures=1, failing_since=NOW, now=NOW)
    records.replay(spool, [1], DEED)
    assert order(spool) == [1, 2]


def fail(spool: Database, *outcomes: str, now: float = NOW) -> None:
    """Try the one event that waits once for each of these, a second apart."""
    for second, outcome in enumerate(outcomes):
        [taken] = claims.claim(spool, due_by=NOW, now=NOW, most=1, lease_seconds=90)
        record = {"outcome": outcome, "failures": 1, "failing_since": now}
        claims.postpone(spool, taken, due_at=0, now=now + second, **record)


def told(spool: Database) -> list[tuple[float, str]]:
    return [(tried.at, tried.outcome) for tried in records.shown(spool, 1).history]


def test_the_tries_before_the_last_one_are_kept_and_so_is_how_it_ended_before_a_replay(spool: Database) -> None:
    accept(spool, "m1")
    fail(spool, "503", "connection refused")
    settle(spool, 1, "parked", now=NOW + 9)
    assert told(spool) == [(NOW, "503"), (NOW + 1, "connection refused")]
    records.replay(spool, [1], DEED)
    assert told(spool)[2:] == [(NOW + 9, "parked")]


def test_of_very_many_tries_the_newest_are_kept(spool: Database) -> None:
    accept(spool, "m1")
    fail(spool, *(f"outcome {number}" for number in range(200)))
    kept = told(spool)
    assert 50 < len(kept) < 100
    assert kept[-1] == (NOW + 199, "outcome 199")


def test_a_replay_does_not_overtake_what_is_being_delivered(spool: Database) -> None:
    for number in (1, 2):
        accept(spool, f"m{number}")
    settle(spool, 1, "parked")
    [taken] = claims.claim(spool, due_by=NOW, now=NOW, most=1, lease_seconds=90)
    records.replay(spool, [1], DEED)
    assert claims.claim(spool, due_by=NOW, now=NOW, most=1, lease_seconds=90) == []
    claims.delivered(spool, taken, outcome="200", now=NOW)
    assert order(spool) == [1]


REFUSED = {
    "not there": ([1, 99], "there is no event 99; nothing was replayed"),
    "still pending": ([1, 2], "event 2 is still pending; nothing was replayed"),
}


@pytest.mark.parametrize(("wanted", "said"), REFUSED.values(), ids=REFUSED)
def test_a_replay_with_one_that_cannot_be_replays_none(spool: Database, wanted: list[int], said: str) -> None:
    accept(spool, "m1")
    settle(spool, 1, "parked")
    accept(spool, "m2")
    with pytest.raises(CommandError, match=f"^{said}$"):
        records.replay(spool, wanted, DEED)
    assert states(spool) == {1: "parked", 2: "pending"}


def test_parked_ids_come_in_the_order_of_acceptance(spool: Database) -> None:
    for number in range(1, 5):
        accept(spool, f"m{number}", contact=f"c{number}")
    for event_id in (3, 1):
        settle(spool, event_id, "parked")
    assert records.parked_ids(spool) == [1, 3]


LISTED = {
    "a contact by its id": (Choice(contact="c2"), [7, 2]),
    "by its number, waiting or not": (Choice(contact="+39333"), [6, 3, 1]),
    "and of it what waits": (Choice(contact="39333", state="pending"), [6, 3]),
    "and of that what came since": (Choice(contact="39333", state="pending", since=NOW + 5), [6]),
    "since then": (Choice(since=NOW + 5), [7, 6, 5]),
    "since then in a state": (Choice(since=NOW + 2, state="delivered"), [4, 2]),
    "an account": (Choice(connector_id=8), [5, 4]),
    "an account in a state": (Choice(connector_id=8, state="delivered"), [4]),
    "a message of either account": (Choice(message_id="m4"), [4]),
    "one that was kept, not delivered": (Choice(message_id="m7"), [7]),
    "nobody": (Choice(contact="nobody"), []),
    "no contact": (Choice(contact=""), []),
    "in the midst of the list": (Choice(), [7, 6, 5, 4, 3, 2, 1]),
}


@pytest.mark.parametrize(("chosen", "found"), LISTED.values(), ids=LISTED)
def test_by_whichever_index_the_same_is_found_part_by_part(spool: Database, chosen: Choice, found: list[int]) -> None:
    for number, told in enumerate(
        (
            {"identity": "+39333"},
            {"contact": "c2"},
            {"identity": "+39333", "contact": "c3"},
            {"connector": 8, "contact": "c4"},
            {"connector": 8, "contact": "c5"},
            {"identity": "+39333"},
            {"contact": "c2", "stale": True, "nonce": "n7"},
        ),
        1,
    ):
        accept(spool, f"m{number}", now=NOW + number, **told)
    for event_id in (1, 2, 4):
        settle(spool, event_id, "delivered", now=NOW + 9)
    assert [one.event_id for one in records.listed(spool, chosen, most=10)] == found
    parts, place = list[int](), Place()
    while part := records.listed(spool, chosen, most=2, place=place):
        parts += [one.event_id for one in part]
        place = Place(id=parts[-1])
    assert parts == found
    if found:
        above = records.listed(spool, chosen, most=10, place=Place(id=found[-1], way=-1))
        assert [one.event_id for one in above] == found[:-1]
