"""The record of what Motion sent: what is kept, how it is found, and when it goes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import CommandError, SpoolUnavailable
from gateway.ingress import intake
from gateway.outbound import record
from gateway.outbound.record import LONGEST_SEND_SECONDS, LONGEST_TEXT, Attached, Draft, Sent
from gateway.store import Choice, schema
from gateway.store.engines import Database
from gateway.store.reports import Evidence
from tests.examples import examples
from tests.spool_samples import NOW, draft, meddle, reported, rows

pytestmark = pytest.mark.both_engines

PICTURE = Attached(field="message.media_message.url", attachment_id="4711", digest="ab" * 32, verdict="native", code="")
GIF = Attached(field="message.card.url", attachment_id="4712", digest="", verdict="refused", code="CHANNEL_FAILURE")


def begin(spool: Database, *drafts: Draft) -> list[int]:
    return [record.begin(spool, given, now=NOW) for given in drafts]


def end(spool: Database, send_id: int, outcome: str, *, now: float = NOW + 1, **told: Any) -> None:
    record.settle(spool, send_id, outcome=outcome, status=told.pop("status", 200), now=now, **told)


def sent(given: Draft, **told: Any) -> Sent:
    """What is read of `given` as it is when it was begun, but for `told`."""
    begun: dict[str, Any] = {
        "send_id": 1,
        "outcome": "sending",
        "status": None,
        "code": "",
        "words": "",
        "message_id": "",
        "tries": 0,
        "started_at": NOW,
        "ended_at": None,
        "evidence": Evidence(),
    }
    return Sent(**(vars(given) | begun | told))


FULL = draft(kind="card_message", identity="39333", attachments=(PICTURE, GIF))


def test_a_message_that_goes_out_is_kept_as_it_is(spool: Database) -> None:
    assert begin(spool, FULL) == [1]
    assert record.shown(spool, "1", now=NOW) == sent(FULL)


ENDS = {
    "accepted": {"status": 200, "message_id": "M1", "tries": 1},
    "rejected": {"status": 404, "code": "NOT_FOUND", "tries": 1, "words": "No such contact; contact_id: is unknown"},
    "unsent": {"status": 503, "code": "SINCH_UNREACHABLE", "tries": 3},
    "unknown": {"status": 504, "code": "SEND_FATE_UNKNOWN", "tries": 1},
}


@pytest.mark.parametrize(("outcome", "told"), ENDS.items(), ids=ENDS)
def test_it_ends(spool: Database, outcome: str, told: dict[str, Any]) -> None:
    begin(spool, FULL, draft(2))
    end(spool, 1, outcome, **told)
    assert record.shown(spool, "1", now=NOW) == sent(FULL, outcome=outcome, ended_at=NOW + 1, **told)
    assert record.shown(spool, "2", now=NOW).outcome == "sending"


def test_what_never_leaves_is_refused_and_has_ended_at_once(spool: Database) -> None:
    told: dict[str, Any] = {"status": 400, "code": "CHANNEL_FAILURE", "words": "WhatsApp takes no GIF."}
    assert record.refuse(spool, FULL, **told, now=NOW) == 1
    assert record.shown(spool, "1", now=NOW) == sent(FULL, outcome="refused", ended_at=NOW, **told)


def test_what_sinch_says_is_kept_bounded_and_printable(spool: Database) -> None:
    begin(spool, FULL)
    end(spool, 1, "rejected", status=400, words="no\x1b[2J\u202e\n" + "x" * 5000)
    words = record.shown(spool, "1", now=NOW).words
    assert words.isprintable()
    assert (words[:3], len(words)) == ("no\N{REPLACEMENT CHARACTER}", record.LONGEST_WORDS)


def test_a_reference_is_used_once(spool: Database) -> None:
    begin(spool, draft())
    with pytest.raises(SpoolUnavailable):
        begin(spool, replace(draft(), connector_id=8))
    assert len(rows(spool, schema.send)) == 1


def test_an_id_is_used_once_also_where_its_row_is_gone(spool: Database) -> None:
    begin(spool, draft(1))
    meddle(spool, schema.send.delete())
    assert begin(spool, draft(2)) == [2]


def test_many_may_send_at_once(spool: Database) -> None:
    def one(number: int) -> None:
        end(spool, record.begin(spool, draft(number), now=NOW), "accepted", message_id=f"M{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(60)))
    found = record.listed(spool, most=99, now=NOW)
    assert {(one.reference, one.message_id) for one in found} == {(f"mg-{n}", f"M{n}") for n in range(60)}


@pytest.mark.parametrize(
    ("age", "outcome"),
    [(LONGEST_SEND_SECONDS - 1, "sending"), (LONGEST_SEND_SECONDS, "sending"), (LONGEST_SEND_SECONDS + 1, "unknown")],
)
def test_a_row_that_its_process_left_behind_is_of_unknown_outcome(spool: Database, age: float, outcome: str) -> None:
    begin(spool, draft())
    assert record.shown(spool, "1", now=NOW + age).outcome == outcome
    assert [one.outcome for one in record.listed(spool, Choice(state=outcome), most=9, now=NOW + age)] == [outcome]
    other = {"sending": "unknown", "unknown": "sending"}[outcome]
    assert record.listed(spool, Choice(state=other), most=9, now=NOW + age) == []


FILTERS = {
    "everything": ({}, [5, 4, 3, 2, 1]),
    "the newest": ({"most": 2}, [5, 4]),
    "a connector": ({"connector_id": 8}, [5, 3]),
    "a connector nobody has": ({"connector_id": 9}, []),
    "an outcome": ({"state": "accepted"}, [3, 1]),
    "both": ({"state": "accepted", "connector_id": 8}, [3]),
    "the newest of an outcome": ({"state": "accepted", "most": 1}, [3]),
    "without an answer": ({"state": "unknown"}, [2]),
}


@pytest.mark.parametrize(("wanted", "found"), FILTERS.values(), ids=FILTERS)
def test_listed_is(spool: Database, wanted: dict[str, Any], found: list[int]) -> None:
    wanted = dict(wanted)
    begin(spool, draft(1), draft(2), draft(3, connector_id=8), draft(4), draft(5, connector_id=8))
    for send_id, outcome in ((1, "accepted"), (2, "unknown"), (3, "accepted"), (4, "rejected")):
        end(spool, send_id, outcome)
    most = wanted.pop("most", 10)
    listed = record.listed(spool, Choice(**wanted), most=most, now=NOW)
    assert [one.send_id for one in listed] == found


NAMES = {
    "its id": ("2", 2),
    "its reference": ("mg-2", 2),
    "its message id": ("M2", 2),
    "a message id in digits that are the id of another": ("3", 3),
    "a message id in digits that are nobody's id": ("44", 4),
    "the message id that a report told": ("M5", 5),
}


@pytest.fixture
def known(spool: Database) -> Database:
    """Sends 1 to 6: 2 is M2, 3 is M3, 4 is 44, 1 is called 3, 5 was not answered and is M5, 6 goes out."""
    begin(spool, *[draft(number) for number in range(1, 7)])
    for send_id, message in ((1, "3"), (2, "M2"), (3, "M3"), (4, "44")):
        end(spool, send_id, "accepted", message_id=message)
    end(spool, 5, "unknown")
    for message, correlation in (("M2", "mg-2"), ("M5", "mg-5")):
        intake.accept(spool, reported(message, correlation=correlation), now=NOW)
    return spool


@pytest.mark.parametrize(("name", "send_id"), NAMES.values(), ids=NAMES)
def test_a_message_is_found_by(known: Database, name: str, send_id: int) -> None:
    assert record.shown(known, name, now=NOW).send_id == send_id


@pytest.mark.parametrize("name", ["", "0", "99", "mg-99", "M99", "m2", "9" * 18, "9" * 400, "٢", "-2", "2 ", "\x00"])
def test_nothing_is_found_by(known: Database, name: str) -> None:
    with pytest.raises(CommandError, match="nothing that was sent goes by"):
        record.shown(known, name, now=NOW)


def test_a_message_id_of_two_connectors_leads_to_the_ids_of_both(spool: Database) -> None:
    begin(spool, draft(1), draft(2, connector_id=8))
    for send_id in (1, 2):
        end(spool, send_id, "accepted", message_id="M1")
    intake.accept(spool, reported("M1", "READ", connector=8), now=NOW)
    with pytest.raises(CommandError, match=r"^several go by M1; choose one by its id: 2, 1$"):
        record.shown(spool, "M1", now=NOW)
    fates = [record.shown(spool, name, now=NOW).fate for name in ("1", "2")]
    assert [fate and fate.status for fate in fates] == [None, "READ"]


def test_a_message_id_that_is_in_doubt_leads_to_nothing(spool: Database) -> None:
    begin(spool, draft(1, correlation_id="tkt"), draft(2, correlation_id="tkt"))
    intake.accept(spool, reported("M1", correlation="tkt"), now=NOW)
    with pytest.raises(CommandError, match="nothing that was sent goes by M1"):
        record.shown(spool, "M1", now=NOW)


PLAIN = {
    "usual": ("c1", "c1"),
    "of other letters": ("é👋 x", "é👋 x"),
    "a line feed": ("a\nb", "a�b"),
    "an escape": ("\x1b[2J", "�[2J"),
    "a zero byte": ("a\x00b", "a�b"),
    "a lone surrogate": ("a\ud800b", "a�b"),
    "as long as may be": ("x" * LONGEST_TEXT, "x" * LONGEST_TEXT),
    "too long": ("x" * (LONGEST_TEXT + 1), "x" * LONGEST_TEXT),
}


@pytest.mark.parametrize(("text", "kept"), PLAIN.values(), ids=PLAIN)
def test_a_text_is_kept(spool: Database, text: str, kept: str) -> None:
    begin(spool, draft(contact_id=text, attachments=(replace(PICTURE, field=text),)))
    end(spool, 1, "rejected", code=text, message_id=text)
    found = record.shown(spool, "1", now=NOW)
    assert (found.contact_id, found.attachments[0].field, found.code, found.message_id) == (kept,) * 4
    record.refuse(spool, draft(2), status=400, code=text, now=NOW)
    assert record.shown(spool, "2", now=NOW).code == kept


@pytest.mark.parametrize(("identity", "kept"), [("+39333", "39333"), ("39333", "39333"), ("", ""), ("+", "")])
def test_the_plus_of_a_phone_number_is_stripped(spool: Database, identity: str, kept: str) -> None:
    begin(spool, draft(identity=identity))
    assert record.shown(spool, "1", now=NOW).identity == kept


anything = st.text(st.characters(), max_size=300)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(60))
@given(anything, anything, anything, anything)
def test_whatever_motion_and_sinch_write_is_kept_and_found(
    spool: Database, contact: str, identity: str, correlation: str, message: str
) -> None:
    number = len(rows(spool, schema.send)) + 1
    [send_id] = begin(spool, draft(number, contact_id=contact, identity=identity, correlation_id=correlation))
    end(spool, send_id, "accepted", message_id=message)
    found = record.shown(spool, f"mg-{number}", now=NOW)
    assert found.send_id == send_id
    assert all(text.isprintable() for text in vars(found).values() if isinstance(text, str))
