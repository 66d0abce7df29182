"""Taking callbacks in: what is new, what is a repeat, and what is kept without being delivered."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.delivery import claims, records
from gateway.errors import SpoolUnavailable
from gateway.ingress import events, intake
from gateway.ingress.intake import Callback, Filing, Outcome, Receipt
from gateway.phrases import Reason
from gateway.store import Run, schema, tickets
from gateway.store.engines import Database
from gateway.store.tickets import Ticket
from tests.examples import examples
from tests.postgresql import EmptySpool
from tests.spool_samples import callback, meddle, migrate, rows

pytestmark = pytest.mark.both_engines


def accept(spool: Database, *callbacks: Callback) -> list[Receipt]:
    return [intake.accept(spool, told, now=1000.0 + number) for number, told in enumerate(callbacks)]


def stored(spool: Database) -> list[tuple[str, int]]:
    """State and repeats of every event."""
    return [(row.state, row.repeats) for row in rows(spool, schema.event)]


@dataclass(frozen=True)
class Case:
    then: Callback
    outcome: Outcome
    event_id: int
    stored: list[tuple[str, int]]


FIRST = callback(nonce="n1")
CASES = {
    "the same nonce and the same bytes": Case(callback(nonce="n1"), Outcome.REPEAT, 1, [("pending", 1)]),
    "the same nonce, the same bytes, too old by now": Case(
        callback(nonce="n1", stale=True), Outcome.REPEAT, 1, [("pending", 1)]
    ),
    "the same nonce, other bytes of the same event": Case(
        callback(nonce="n1", text="other"), Outcome.NONCE_REUSED, 2, [("pending", 0), ("rejected", 0)]
    ),
    "the same nonce, another event": Case(
        callback("m2", nonce="n1"), Outcome.NONCE_REUSED, 2, [("pending", 0), ("rejected", 0)]
    ),
    "the same nonce, other bytes, too old": Case(
        callback(nonce="n1", text="other", stale=True), Outcome.NONCE_REUSED, 2, [("pending", 0), ("rejected", 0)]
    ),
    "the same event, signed again": Case(callback(nonce="n2"), Outcome.REPEAT, 1, [("pending", 1)]),
    "the same event in other bytes": Case(
        callback(nonce="n2", text="other"), Outcome.DUPLICATE, 2, [("pending", 0), ("duplicate", 0)]
    ),
    "another event": Case(callback("m2", nonce="n2"), Outcome.ACCEPTED, 2, [("pending", 0), ("pending", 0)]),
    "another event, too old": Case(
        callback("m2", nonce="n2", stale=True), Outcome.STALE, 2, [("pending", 0), ("rejected", 0)]
    ),
    "the same event under an unknown nonce, too old": Case(
        callback(nonce="n2", stale=True), Outcome.STALE, 2, [("pending", 0), ("rejected", 0)]
    ),
    "the same event, not signed": Case(callback(), Outcome.REPEAT, 1, [("pending", 1)]),
    "the same event in other bytes, not signed": Case(
        callback(text="other"), Outcome.DUPLICATE, 2, [("pending", 0), ("duplicate", 0)]
    ),
    "the same nonce, bytes and event at another connector": Case(
        callback(nonce="n1", connector=8), Outcome.ACCEPTED, 2, [("pending", 0), ("pending", 0)]
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_after_a_first_callback(spool: Database, case: Case) -> None:
    first, second = accept(spool, FIRST, case.then)
    assert first == Receipt(Outcome.ACCEPTED, 1)
    assert second == Receipt(case.outcome, case.event_id)
    assert stored(spool) == case.stored


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_however_often_it_comes_it_is_kept_once(spool: Database, case: Case) -> None:
    accept(spool, FIRST, *[case.then] * 4)
    assert [state for state, _ in stored(spool)] == [state for state, _ in case.stored]


KEPT = {
    "in other bytes": (Outcome.DUPLICATE, {"text": "other"}),
    "too old": (Outcome.STALE, {"stale": True}),
}


@pytest.mark.parametrize(("outcome", "changes"), KEPT.values(), ids=KEPT)
def test_what_is_kept_is_kept_once_however_often_it_is_signed_anew(
    spool: Database, outcome: Outcome, changes: dict[str, Any]
) -> None:
    again = [callback(nonce=f"n{number}", **changes) for number in range(2, 6)]
    _, *receipts = accept(spool, FIRST, *again)
    assert receipts == [Receipt(outcome, 2)] * 4
    assert stored(spool)[1][1] == 3


def test_a_stale_callback_leaves_its_nonce_unknown(spool: Database) -> None:
    assert [receipt.outcome for receipt in accept(spool, callback(nonce="n1", stale=True), callback(nonce="n1"))] == [
        Outcome.STALE,
        Outcome.ACCEPTED,
    ]


def test_a_reused_nonce_goes_on_standing_for_its_first_bytes(spool: Database) -> None:
    thief = callback("m2", nonce="n1")
    assert [receipt.outcome for receipt in accept(spool, FIRST, thief, FIRST, thief)] == [
        Outcome.ACCEPTED,
        Outcome.NONCE_REUSED,
        Outcome.REPEAT,
        Outcome.NONCE_REUSED,
    ]


def test_the_nonce_of_a_duplicate_stands_for_the_bytes_of_the_duplicate(spool: Database) -> None:
    duplicate = callback(nonce="n2", text="other")
    assert [receipt.outcome for receipt in accept(spool, FIRST, duplicate, duplicate, callback(nonce="n2"))] == [
        Outcome.ACCEPTED,
        Outcome.DUPLICATE,
        Outcome.REPEAT,
        Outcome.NONCE_REUSED,
    ]


def test_an_event_that_was_delivered_is_not_delivered_again(spool: Database) -> None:
    accept(spool, FIRST)
    [taken] = claims.claim(spool, due_by=2000, now=2000, most=1, lease_seconds=90)
    claims.delivered(spool, taken, outcome="200", now=2000)
    assert accept(spool, callback(nonce="n2")) == [Receipt(Outcome.REPEAT, 1)]
    assert not claims.look(spool, due_by=9999, now=2000).due


def test_the_same_callback_at_the_same_time_is_accepted_once(spool: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda _: intake.accept(spool, FIRST, now=1000.0), range(40)))
    assert sorted(receipt.outcome.value for receipt in receipts) == ["accepted"] + ["repeat"] * 39
    assert stored(spool) == [("pending", 39)]


def test_a_transaction_that_fails_leaves_neither_nonce_nor_event_nor_lane(spool: Database) -> None:
    unstorable = callback(nonce="n1", query={1, 2})
    with pytest.raises(SpoolUnavailable):
        accept(spool, unstorable)
    meddle(spool, "DROP TABLE lane")  # the last that is written
    with pytest.raises(SpoolUnavailable):
        accept(spool, FIRST)
    assert rows(spool, schema.event) == rows(spool, schema.nonce) == []


def test_everything_of_a_callback_is_kept_as_it_came(spool: Database) -> None:
    given = callback(
        contact="c1", identity="+39333", headers=(("X-B", "2"), ("x-b", "\xe9"), ("X-A", "")), query="a=%2f&b"
    )
    accept(spool, given)
    [row] = rows(spool, schema.event)
    assert row.body == given.body
    assert row.headers == [["X-B", "2"], ["x-b", "\xe9"], ["X-A", ""]]
    assert (row.query, row.contact_id, row.identity) == ("a=%2f&b", "c1", "39333")
    assert (row.state, row.original, row.accepted_at, row.settled_at) == ("pending", True, 1000.0, None)
    [taken] = claims.claim(spool, due_by=2000, now=2000, most=1, lease_seconds=90)
    assert (taken.body, taken.headers, taken.query) == (given.body, given.headers, given.query)


@pytest.mark.parametrize("outcome", [outcome.value for outcome in (Outcome.DUPLICATE, Outcome.STALE)])
def test_what_is_kept_waits_for_nobody_and_says_why(spool: Database, outcome: str) -> None:
    changes = {"text": "other"} if outcome == "duplicate" else {"stale": True}
    accept(spool, FIRST, callback(nonce="n2", **changes))
    assert (
        records.shown(spool, 2).outcome == {"duplicate": "same event as 1", "stale": Reason.SIGNATURE_TOO_OLD}[outcome]
    )
    [taken] = claims.claim(spool, due_by=2000, now=2000, most=9, lease_seconds=90)
    claims.delivered(spool, taken, outcome="200", now=2000)
    assert not claims.look(spool, due_by=2000, now=2000).due


LANES = {
    "a contact": ({"contact": "c1"}, "7:contact:c1"),
    "a contact with an identity": ({"contact": "c1", "identity": "+39333"}, "7:contact:c1"),
    "an identity": ({"contact": "", "identity": "+39333"}, "7:identity:39333"),
    "an identity without +": ({"contact": "", "identity": "39333"}, "7:identity:39333"),
    "neither": ({"contact": ""}, f"7:alone:{callback().event.key.hex()}"),
    "another connector": ({"contact": "c1", "connector": 8}, "8:contact:c1"),
}


@pytest.mark.parametrize(("given", "lane"), LANES.values(), ids=LANES)
def test_the_lane_of(spool: Database, given: dict[str, Any], lane: str) -> None:
    accept(spool, callback(**given))
    assert [row.lane for row in rows(spool, schema.lane)] == [lane]
    assert [row.lane for row in rows(spool, schema.event)] == [lane]


def test_a_lane_that_waits_keeps_its_time_when_another_event_comes(spool: Database) -> None:
    accept(spool, FIRST)
    [taken] = claims.claim(spool, due_by=2000, now=2000, most=1, lease_seconds=90)
    claims.postpone(spool, taken, outcome="503", due_at=2060, failures=1, failing_since=2000, now=2000)
    accept(spool, callback("m2", nonce="n2"))
    assert [row.due_at for row in rows(spool, schema.lane)] == [2060]


# What the JSON of others may hold, and a database may refuse: no name of anything, and kept as the bytes that it is.
WORDS = st.sampled_from(["c1", "c2", "ü\u2028", "nul\0nul", "\ud800", "x" * 300, "+39333", ""]) | st.text(max_size=4)
ODD = st.sampled_from([2**64, -(2**63) - 1, 10**400, 1e308, None, True, ["c1"], {"id": "c1"}])
REASON = st.fixed_dictionaries({"code": WORDS | ODD, "description": WORDS | ODD})


@st.composite
def odd_callbacks(draw: st.DrawFn) -> Callback:
    """Inbound messages and delivery reports with anything in them, of a few nonces and events."""
    told = {"contact_id": draw(WORDS | ODD), "channel_identity": {"channel": "WHATSAPP", "identity": draw(WORDS | ODD)}}
    message_id = draw(st.sampled_from(["m1", "m2", "m3"]) | WORDS)
    if draw(st.booleans()):
        document: dict[str, Any] = {"message": told | {"id": message_id, "text": draw(WORDS | ODD)}}
    else:
        report = {"message_id": message_id, "status": draw(st.sampled_from(["DELIVERED", "FAILED"]) | WORDS)}
        document = {"correlation_id": draw(WORDS | ODD), "message_delivery_report": told | report | draw(REASON)}
    body = json.dumps(document).encode()
    return callback(
        body=body,
        event=events.read(body, connector_id=7),
        nonce=draw(st.sampled_from([None, "n1", "n2", "n3", "n4"])),
        stale=draw(st.integers(0, 5)) == 5,
        headers=[("x-odd", draw(st.text(st.characters(max_codepoint=255), max_size=4)))],
    )


@given(st.lists(odd_callbacks(), max_size=8), st.integers(1, 8))
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_postgresql_takes_in_several_at_once_as_sqlite_one_after_another(
    empty_spool: EmptySpool, tmp_path: Path, callbacks: list[Callback], size: int
) -> None:
    migrate(tmp_path / "one.sqlite3")
    with (
        closing(Database(tmp_path / "one.sqlite3", patience_seconds=1)) as one,
        closing(Database(empty_spool.url(), patience_seconds=5)) as other,
    ):
        expected = accept(one, *callbacks)
        found = [
            receipt for first in range(0, len(callbacks), size) for receipt in at_once(other, callbacks[first:][:size])
        ]
        assert [receipt.outcome for receipt in found] == [receipt.outcome for receipt in expected]
        for table in (schema.event, schema.nonce, schema.lane, schema.report, schema.heard):
            assert told_apart_from_numbers(other, table) == told_apart_from_numbers(one, table)
        bodies = {row.id: row.body for row in rows(other, schema.event)}
        for told, receipt in zip(callbacks, found, strict=True):
            assert receipt.outcome is not Outcome.ACCEPTED or bodies[receipt.event_id] == told.body


def at_once(spool: Database, callbacks: list[Callback]) -> list[Receipt]:
    """As several greenlets do at the same time."""
    waiting = [Ticket(Filing(told, now=1000.0), (told.lane,)) for told in callbacks]
    with spool._engine.turn(sorted({lane for ticket in waiting for lane in ticket.lanes})) as run:
        tickets.do(waiting, run, at_once=True)
    return [ticket.result() for ticket in waiting]


def told_apart_from_numbers(spool: Database, table: sa.Table) -> list[Any]:
    """Its rows, without the ids of events, which a sequence draws, and without times."""
    left = {"id", "event_id", "first_event", "accepted_at", "seen_at", "reported_at", "at", "settled_at", "outcome"}
    told = ({name: value for name, value in row._asdict().items() if name not in left} for row in rows(spool, table))
    return sorted(map(repr, told))


def test_what_no_text_of_postgresql_can_hold_is_filed_without_it(empty_spool: EmptySpool) -> None:
    with closing(Database(empty_spool.url(), patience_seconds=5)) as spool:
        odd = callback(query="a=\0&b=\ud800", headers=(("x-odd", "\0\ud800"),))
        assert at_once(spool, [odd, callback("m2")]) == [Receipt(Outcome.ACCEPTED, 1), Receipt(Outcome.ACCEPTED, 2)]
        assert accept(spool, callback("m3", query="\0")) == [Receipt(Outcome.ACCEPTED, 3)]
        found = rows(spool, schema.event)
    assert [row.query for row in found] == ["a=\ufffd&b=\ufffd", "", "\ufffd"]
    assert found[0].headers == [["x-odd", "\0\ud800"]]
    assert found[0].body == odd.body


def test_who_is_overtaken_by_another_node_looks_once_more(empty_spool: EmptySpool) -> None:
    looked = []

    def work(run: Run) -> Receipt:
        looked.append("before" if len(looked) < 2 else "after")
        if looked[-1] == "before":  # the other's nonce is not there yet, and is when ours is written
            run("insert_nonce", connector_id=7, nonce="n1", body_digest=b"", event_id=1, seen_at=1.0)
        return Receipt(Outcome.REPEAT, 1)

    with closing(Database(empty_spool.url(), patience_seconds=5)) as spool:
        accept(spool, FIRST)
        assert spool.tell(work, lanes=(FIRST.lane,)) == Receipt(Outcome.REPEAT, 1)
    assert looked == ["before", "before", "after"]
