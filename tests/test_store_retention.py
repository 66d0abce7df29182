"""What is purged and when; erasing a contact: what goes, what stays, and that no copy is left."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from gateway.delivery import claims
from gateway.diagnosis import traffic
from gateway.errors import CommandError
from gateway.ingress import intake
from gateway.ingress.signature import FUTURE_TOLERANCE_SECONDS
from gateway.outbound import record
from gateway.store import audit, retention, schema, sqlite
from gateway.store.engines import Database
from gateway.store.retention import PURGE_CHUNK as CHUNK
from gateway.store.retention import Erased, Pace, Retention
from tests.spool_samples import DEED, NOW, accept, draft, meddle, multiply, order, reported, rows, settle, states

pytestmark = pytest.mark.both_engines

RETENTION = Retention(delivered_seconds=100, rejected_seconds=200, parked_seconds=300)
AGES = {"delivered": 100, "duplicate": 100, "rejected": 200, "parked": 300}


@pytest.mark.parametrize(("extra", "left"), [(-1, 1), (0, 1), (1, 0)], ids=["younger", "just as old", "older"])
@pytest.mark.parametrize("state", AGES)
def test_a_settled_event_goes_when_it_is_past_its_time(spool: Database, state: str, extra: int, left: int) -> None:
    accept(spool)
    settle(spool, 1, "delivered", now=NOW)
    meddle(spool, schema.event.update().values(state=state))
    gone = retention.purge(spool, RETENTION, now=NOW + AGES[state] + extra)
    assert (len(states(spool)), gone) == (left, 1 - left)


@pytest.mark.parametrize(("state", "left"), [("parked", 1), ("delivered", 0)])
def test_forever_is_forever(spool: Database, state: str, left: int) -> None:
    accept(spool)
    settle(spool, 1, state)
    retention.purge(spool, Retention(delivered_seconds=1, rejected_seconds=1, parked_seconds=None), now=NOW * 1000)
    assert len(states(spool)) == left


def of_customer(spool: Database, event_id: int, *, at: float = NOW) -> None:
    """A file that came with that event, of which the register knows too."""
    told = {"number": 1, "connector_id": 7, "place": "url", "url": "https://media.sinch.com/1", "state": "kept"}
    known = {"digest": b"1" * 32, "size_bytes": 3, "name": "passport.jpg"}
    meddle(
        spool,
        schema.inbound_file.insert().values(event_id=event_id, at=at, **told, **known),
        schema.attachment.insert().values(attachment_id=f"in{event_id}.1", **known),
    )


def test_what_is_known_of_a_customers_file_goes_after_its_event(spool: Database) -> None:
    accept(spool)
    of_customer(spool, 1)
    settle(spool, 1, "delivered", now=NOW)
    retention.purge(spool, RETENTION, now=NOW + 100)
    assert len(rows(spool, schema.inbound_file)) == 1
    retention.purge(spool, RETENTION, now=NOW + 101)
    assert rows(spool, schema.inbound_file) == []


def test_with_the_events_of_a_contact_goes_what_is_known_of_its_files(spool: Database) -> None:
    for contact in ("c1", "c2"):
        accept(spool, f"m-{contact}", contact=contact)
    for event_id in (1, 2):
        of_customer(spool, event_id)
        settle(spool, event_id, "delivered")
    retention.erase(spool, "c1", DEED)
    assert [file.event_id for file in rows(spool, schema.inbound_file)] == [2]
    assert [known.attachment_id for known in rows(spool, schema.attachment)] == ["in2.1"]


def test_what_is_pending_is_never_purged(spool: Database) -> None:
    accept(spool)
    assert retention.purge(spool, Retention(0, 0, 0), now=NOW * 1000) == 0
    assert order(spool) == [1]


@pytest.mark.parametrize(("extra", "known"), [(-1, True), (0, True), (1, False)], ids=["younger", "just", "older"])
def test_nonces_are_kept_two_hours_longer_than_delivered_events(spool: Database, extra: int, *, known: bool) -> None:
    accept(spool, nonce="n1")
    assert max(FUTURE_TOLERANCE_SECONDS, traffic.HOUR_SECONDS) < retention.NONCES_LONGER_SECONDS
    retention.purge(spool, RETENTION, now=NOW + 100 + retention.NONCES_LONGER_SECONDS + extra)
    assert bool(rows(spool, schema.nonce)) is known


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_more_than_a_chunk_is_purged_to_the_last(spool: Database, extra: int) -> None:
    count = retention.PURGE_CHUNK + extra
    accept(spool)
    settle(spool, 1, "delivered")
    multiply(spool, schema.event, count, id="i", original="FALSE")
    assert retention.purge(spool, RETENTION, now=NOW + 101) == count
    assert states(spool) == {}


@pytest.mark.of_the_file
def test_what_was_purged_cannot_be_read_in_the_pages_that_it_leaves_free(spool: Database) -> None:
    accept(spool, text="SECRET " * 100)
    settle(spool, 1, "delivered")
    multiply(spool, schema.event, 100, id="i", original="FALSE")
    assert sqlite.empty_log(spool._engine._writing)
    assert spool.path.read_bytes().count(b"SECRET") >= 100 * 100
    retention.purge(spool, RETENTION, now=NOW + 101)
    assert sqlite.empty_log(spool._engine._writing)
    assert b"SECRET" not in spool.path.read_bytes()


@pytest.mark.parametrize(("extra", "left"), [(-1, 1), (0, 1), (1, 0)], ids=["younger", "just as old", "older"])
def test_a_send_goes_when_it_has_ended_for_so_long(spool: Database, extra: float, left: int) -> None:
    record.begin(spool, draft(), now=NOW)
    record.settle(spool, 1, outcome="accepted", status=200, now=NOW + 50)
    retention.purge(spool, RETENTION, now=NOW + 150 + extra)
    assert len(rows(spool, schema.send)) == left


@pytest.mark.parametrize(("extra", "left"), [(-1, 1), (0, 1), (1, 0)], ids=["younger", "just as old", "older"])
def test_a_send_that_never_ended_goes_as_long_after_it_began(spool: Database, extra: float, left: int) -> None:
    record.begin(spool, draft(), now=NOW)
    retention.purge(spool, RETENTION, now=NOW + 100 + extra)
    assert len(rows(spool, schema.send)) == left


@pytest.mark.parametrize(("extra", "left"), [(-1, 1), (0, 1), (1, 0)], ids=["younger", "just as old", "older"])
def test_a_report_goes_when_it_came_so_long_ago(spool: Database, extra: float, left: int) -> None:
    intake.accept(spool, reported("M1"), now=NOW)
    assert retention.purge(spool, RETENTION, now=NOW + 100 + extra) == 0  # of events, which is not delivered yet
    assert len(rows(spool, schema.report)) == left


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_more_than_a_chunk_of_sends_and_reports_is_purged_to_the_last(spool: Database, extra: int) -> None:
    count = retention.PURGE_CHUNK + extra
    record.begin(spool, draft(), now=NOW)
    intake.accept(spool, reported("M1"), now=NOW)
    multiply(spool, schema.send, count, id="i", reference="CAST(i AS TEXT)")
    multiply(spool, schema.report, count, event_id="i")
    assert (len(rows(spool, schema.send)), len(rows(spool, schema.report))) == (count, count)
    retention.purge(spool, RETENTION, now=NOW + 101)
    assert rows(spool, schema.send) == rows(spool, schema.report) == []


CONTACTS = {
    "the contact id": ({"contact": "c1"}, "c1"),
    "the number": ({"contact": "", "identity": "39333"}, "39333"),
    "the number with +": ({"contact": "", "identity": "39333"}, "+39333"),
    "the number that came with +": ({"contact": "", "identity": "+39333"}, "39333"),
    "the number, where both are known": ({"contact": "c1", "identity": "+39333"}, "+39333"),
}


@pytest.mark.parametrize(("told", "name"), CONTACTS.values(), ids=CONTACTS)
def test_a_contact_is_erased_by(spool: Database, told: dict[str, Any], name: str) -> None:
    accept(spool, "m1", **told)
    settle(spool, 1, "delivered")
    accept(spool, "m2", contact="somebody else", identity="3933")
    settle(spool, 2, "delivered")
    assert retention.erase(spool, name, DEED) == Erased(events=1)
    assert states(spool) == {2: "delivered"}


@pytest.mark.parametrize("name", ["", "+"])
def test_nobody_is_erased_by_a_name_that_names_nobody(spool: Database, name: str) -> None:
    accept(spool, contact="")
    settle(spool, 1, "delivered")
    with pytest.raises(CommandError, match="nothing was erased"):
        retention.erase(spool, name, DEED)
    assert states(spool) == {1: "delivered"}


def test_what_is_not_delivered_yet_is_erased_only_when_that_is_asked_for(spool: Database) -> None:
    accept(spool, "m1")
    settle(spool, 1, "delivered")
    accept(spool, "m2")
    assert retention.erase(spool, "c1", DEED) == Erased(events=1, left=1)
    assert states(spool) == {2: "pending"}
    assert order(spool) == [2]
    accept(spool, "m3")
    assert retention.erase(spool, "c1", DEED, pending_too=True) == Erased(events=2)
    assert states(spool) == {}
    assert rows(spool, schema.lane) == []


def test_many_events_are_erased_in_pieces_between_which_others_write_and_the_record_counts_all(spool: Database) -> None:
    accept(spool)
    settle(spool, 1, "delivered")
    multiply(spool, schema.event, 2 * CHUNK + 1, id="i", original="FALSE")
    heard: list[Erased | None] = []

    with closing(Database(spool._place, patience_seconds=1)) as other:

        def hear(gone: Erased | None) -> None:
            other.tell(lambda run: run("prove_writable"))
            [deed] = audit.listed(spool, most=9)
            heard.append(gone)
            assert gone is None or deed.about == f"a contact: {gone}"

        assert retention.erase(spool, "c1", DEED, tell=hear) == Erased(events=2 * CHUNK + 1)
    assert heard == [*(Erased(events=count) for count in (CHUNK, 2 * CHUNK, 2 * CHUNK + 1)), None]
    assert states(spool) == {}


def test_an_erased_event_in_the_couriers_hand_leaves_its_lane_in_order(spool: Database) -> None:
    accept(spool, "m1")
    [taken] = claims.claim(spool, due_by=NOW, now=NOW, most=1, lease_seconds=90)
    retention.erase(spool, "c1", DEED, pending_too=True)
    accept(spool, "m2")
    assert claims.claim(spool, due_by=NOW, now=NOW, most=1, lease_seconds=90) == []
    claims.delivered(spool, taken, outcome="200", now=NOW)
    assert order(spool) == [2]


@pytest.mark.of_the_file
@pytest.mark.parametrize("seed", [19, 25])
def test_of_an_erased_contact_no_byte_is_left_in_the_file_or_its_log(spool: Database, seed: int) -> None:
    # Enough traffic that pages are split and merged: those keep copies which a DELETE does not reach. Some builds
    # of SQLite overwrite at least what they delete; it shall not depend on that.
    spool.tell(lambda run: run("prove_writable"))
    spool._engine._writing.execute("PRAGMA secure_delete=OFF")
    chance = random.Random(seed)
    for number in range(150):
        who = "ERASED" if chance.random() < 0.2 else f"c{number % 20}"
        accept(spool, f"m{number}", contact=who, text=(f"{who} SECRET " * chance.randrange(1, 6)))
        if chance.random() < 0.5:
            for taken in claims.claim(spool, due_by=NOW, now=NOW, most=4, lease_seconds=90):
                draw, said = chance.random(), "x" * chance.randrange(60)
                if draw < 0.3:
                    claims.delivered(spool, taken, outcome=said, now=NOW)
                elif draw < 0.5:
                    claims.park(spool, taken, outcome=said, now=NOW)
                else:
                    claims.postpone(spool, taken, outcome=said, due_at=NOW, failures=number, failing_since=NOW, now=NOW)
    erased = retention.erase(spool, "ERASED", DEED, pending_too=True)
    assert (erased.events > 10, erased.left) == (True, 0)
    for path in (spool.path, spool.path.with_name(spool.path.name + "-wal")):
        assert b"ERASED" not in path.read_bytes()
    assert b"c1 SECRET" in spool.path.read_bytes()


@pytest.mark.of_the_file
def test_an_erasure_that_could_not_be_finished_says_so_and_can_be_repeated(spool: Database) -> None:
    accept(spool, contact="ERASED")
    with closing(sqlite3.connect(spool.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT body FROM event").fetchall()
        with pytest.raises(CommandError, match=r"^1 erased, but copies .* \(spool locked\): run this again$"):
            retention.erase(spool, "ERASED", DEED, pending_too=True)
        reader.execute("ROLLBACK")
    assert retention.erase(spool, "ERASED", DEED) == Erased(events=0)
    assert b"ERASED" not in spool.path.read_bytes()


def test_what_was_sent_to_a_contact_is_erased_with_the_reports_on_it(spool: Database) -> None:
    for number, (contact, identity) in enumerate(
        [("c1", ""), ("", "+39333"), ("c2", "39333"), ("c2", "3933"), ("", "")], start=1
    ):
        send_id = record.begin(spool, draft(number, contact_id=contact, identity=identity), now=NOW)
        record.settle(spool, send_id, outcome="accepted", status=200, message_id=f"M{number}", now=NOW)
        intake.accept(spool, reported(f"M{number}", contact_id=f"another {number}"), now=NOW)
    assert retention.erase(spool, "+39333", DEED) == Erased(events=0, sends=2)
    assert [row.id for row in rows(spool, schema.send)] == [1, 4, 5]
    assert [row.message_id for row in rows(spool, schema.report)] == ["M1", "M4", "M5"]
    assert retention.erase(spool, "c1", DEED) == Erased(events=0, sends=1)
    assert [row.message_id for row in rows(spool, schema.report)] == ["M4", "M5"]


def test_the_reports_of_erased_events_go_and_those_of_kept_ones_stay(spool: Database) -> None:
    intake.accept(spool, reported("M1", "DELIVERED"), now=NOW)
    intake.accept(spool, reported("M2", "DELIVERED", contact_id="c2"), now=NOW)
    intake.accept(spool, reported("M1", "READ"), now=NOW)
    settle(spool, 1, "delivered")
    assert retention.erase(spool, "c1", DEED) == Erased(events=1, left=1)
    assert [(row.message_id, row.status) for row in rows(spool, schema.report)] == [("M2", "DELIVERED"), ("M1", "READ")]


def test_the_reports_on_a_send_without_an_answer_go_with_it(spool: Database) -> None:
    record.settle(spool, record.begin(spool, draft(1), now=NOW), outcome="unknown", status=504, now=NOW)
    record.begin(spool, draft(2, contact_id="c2"), now=NOW)
    for number in (1, 2):
        intake.accept(spool, reported(f"M{number}", correlation=f"mg-{number}", contact_id=""), now=NOW)
    assert retention.erase(spool, "c1", DEED) == Erased(events=0, sends=1)
    assert [row.message_id for row in rows(spool, schema.report)] == ["M2"]


def test_a_send_that_was_erased_while_it_went_out_does_not_come_back(spool: Database) -> None:
    send_id = record.begin(spool, draft(), now=NOW)
    assert retention.erase(spool, "c1", DEED) == Erased(events=0, sends=1)
    record.settle(spool, send_id, outcome="accepted", status=200, message_id="M1", now=NOW)
    assert rows(spool, schema.send) == []


DAY = 86_400.0
SIGNED = "x-sinch-webhook-signature-timestamp"


def signed_at(spool: Database, moment: float, message: str = "m1", *, now: float | None = None) -> None:
    """A callback that Sinch signed then, and we took in when our clock said `now`."""
    accept(spool, message, headers=((SIGNED, f"{moment:.0f}"),), nonce=f"nonce {message}", now=now or moment)


def test_a_courier_whose_clock_is_a_month_ahead_forgets_nothing_however_long_it_runs(spool: Database) -> None:
    signed_at(spool, NOW)
    settle(spool, 1, "delivered")
    pace, week = Pace(), Retention(7 * int(DAY), 7 * int(DAY), None)
    for ran in (0.0, 600.0, 6 * DAY):
        assert retention.purge(spool, week, now=pace.late(spool, now=NOW + 30 * DAY + ran)) == 0
    assert len(rows(spool, schema.nonce)) == len(rows(spool, schema.event)) == 1
    assert retention.purge(spool, week, now=pace.late(spool, now=NOW + 38 * DAY)) == 1


@pytest.mark.parametrize(
    ("clock", "late"),
    [(NOW + 30 * DAY, NOW), (NOW + 600, NOW), (NOW - 30 * DAY, NOW - 30 * DAY), (NOW, NOW)],
    ids=["a month ahead", "a little ahead", "a month behind", "right"],
)
@pytest.mark.parametrize("signed", [True, False])
def test_a_courier_that_starts_takes_the_time_from_the_newest_callback(
    spool: Database, clock: float, late: float, *, signed: bool
) -> None:
    if signed:
        signed_at(spool, NOW, now=NOW + 200 * DAY)
        signed_at(spool, NOW - DAY, "m2")
    else:
        accept(spool)
    assert Pace().late(spool, now=clock) == late


def test_time_goes_on_while_nothing_comes_and_is_moved_on_by_what_comes(spool: Database) -> None:
    signed_at(spool, NOW)
    pace = Pace()
    assert pace.late(spool, now=NOW + 30 * DAY) == NOW
    assert pace.late(spool, now=NOW + 40 * DAY) == NOW + 10 * DAY
    signed_at(spool, NOW + 25 * DAY, "m2")
    assert pace.late(spool, now=NOW + 40 * DAY) == NOW + 25 * DAY


def test_an_event_is_not_settled_before_it_was_accepted_whatever_the_couriers_clock_says(spool: Database) -> None:
    accept(spool)
    settle(spool, 1, "delivered", now=NOW - 30 * DAY)
    assert retention.purge(spool, RETENTION, now=NOW) == 0
