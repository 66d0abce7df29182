"""WhatsApp's window for answers: when it closes, of whom nothing is known, and what is said and refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.ingress import intake
from gateway.outbound import record, window
from gateway.store import retention
from gateway.store.engines import Database
from gateway.store.retention import Retention
from tests import config_samples
from tests.call_door_samples import MESSAGE_ID, CallDoor, assert_refused, opened, sending
from tests.door_samples import logged
from tests.spool_samples import DEED, callback, meddle, settle

pytestmark = pytest.mark.both_engines

HOUR = 3600.0
DAY = 24 * HOUR
CODE = "OUTSIDE_ALLOWED_SENDING_WINDOW"
NUMBER = "34600111222"
BY_NUMBER = {"identified_by": {"channel_identities": [{"channel": "WHATSAPP", "identity": NUMBER}]}}


@pytest.fixture
def door(spool: Database) -> Iterator[CallDoor]:
    with opened(spool) as made:
        yield made


@pytest.fixture
def strict(spool: Database) -> Iterator[CallDoor]:
    """One that refuses."""
    with opened(spool, outbound={"window": "refuse"}) as made:
        yield made


def hear(door: CallDoor, contact: str = "contact-1", *, identity: str = NUMBER, number: int = 1, **more: Any) -> int:
    """The customer writes now."""
    said = callback(f"m{number}", contact=contact, identity=identity, **more)
    receipt = intake.accept(door.services.spool, said, now=door.clock.now())
    assert receipt.event_id is not None
    return receipt.event_id


def last(door: CallDoor) -> tuple[str, float | None]:
    """How the window stood for what was sent last."""
    row = door.sends[-1]
    return row.window, row.heard_at


STANDINGS = {
    "nobody knows": (None, window.UNKNOWN),
    "right now": (0.0, window.OPEN),
    "by a clock that went back": (-HOUR, window.OPEN),
    "a second less than a day": (DAY - 1, window.OPEN),
    "a day": (DAY, window.OPEN),
    "a second more": (DAY + 1, window.CLOSED),
    "a year": (365 * DAY, window.CLOSED),
}


@pytest.mark.parametrize(("age", "standing"), STANDINGS.values(), ids=STANDINGS)
def test_it_is_open_for_a_day(age: float | None, standing: str) -> None:
    now = 1_700_000_000.0
    assert window.judged(None if age is None else now - age, now=now).window == standing


NUMBERS = {
    "as Sinch has it": "34600111222",
    "with a plus": "+34600111222",
    "with blanks": "+34 600 111-222",
    "with two zeros": "0034 600111222",
    "with brackets": "(+34) 600.111.222",
}


@pytest.mark.parametrize("written", NUMBERS.values(), ids=NUMBERS)
def test_a_number_is_known_however_it_is_written(strict: CallDoor, written: str) -> None:
    assert window.number(written) == NUMBER
    hear(strict, "")
    strict.clock.advance(DAY + HOUR)
    whom = {"identified_by": {"channel_identities": [{"channel": "WHATSAPP", "identity": written}]}}
    assert_refused(strict.call(body=sending(recipient=whom)), CODE, field="recipient")


@pytest.mark.parametrize("name", ["US.13491208655302741918", "ana", ""])
def test_what_is_no_number_stays_as_it_is(name: str) -> None:
    assert window.number(name) == name


@pytest.mark.parametrize("whom", [{"contact_id": "contact-1"}, BY_NUMBER], ids=["by contact", "by number"])
def test_by_default_a_message_that_comes_too_late_is_sent_and_told(
    door: CallDoor, whom: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    hear(door)
    heard_at = door.clock.now()
    door.clock.advance(DAY + 1)
    with logged(capfd, "outbound") as read:
        answer = door.call(body=sending(recipient=whom))
        [line] = read()
    assert (answer.status_code, answer.headers[window.HEADER]) == (200, "closed")
    assert json.loads(answer.data)["message_id"] == MESSAGE_ID
    assert last(door) == (window.CLOSED, heard_at)
    assert (line["event"], line["window"]) == ("outbound", "closed")
    assert NUMBER not in str(line)


def test_or_is_refused_in_words_that_an_agent_understands(strict: CallDoor) -> None:
    hear(strict)
    strict.clock.advance(DAY + 90 * 60)
    answer = strict.call()
    error = assert_refused(answer, CODE, field="recipient")
    assert "The customer wrote last 25 hours ago." in error["message"]
    assert answer.headers[window.HEADER] == "closed"
    assert strict.heard == []
    row = strict.sends[-1]
    assert (row.outcome, row.code, row.window) == (record.REFUSED, CODE, window.CLOSED)


@pytest.mark.parametrize("age", [0.0, DAY - 1, DAY])
def test_who_is_answered_in_time_hears_nothing_of_it(
    strict: CallDoor, age: float, capfd: pytest.CaptureFixture[str]
) -> None:
    hear(strict)
    strict.clock.advance(age)
    with logged(capfd, "outbound") as read:
        answer = strict.call()
        [line] = read()
    assert answer.status_code == 200
    assert window.HEADER not in answer.headers
    assert "window" not in line
    assert last(strict)[0] == window.OPEN


def test_each_message_of_the_customer_opens_it_anew(strict: CallDoor) -> None:
    hear(strict)
    strict.clock.advance(2 * DAY)
    assert_refused(strict.call(), CODE, field="recipient")
    hear(strict, number=2)  # taken in a moment before the agent tries again
    assert strict.call().status_code == 200


@pytest.mark.parametrize("whom", ["contact-2", ""], ids=["another contact", "no contact"])
def test_of_whom_nobody_has_heard_nothing_is_known(strict: CallDoor, whom: str) -> None:
    hear(strict)
    strict.clock.advance(2 * DAY)
    assert strict.call(body=sending(recipient={"contact_id": whom})).status_code == 200
    assert last(strict) == (window.UNKNOWN, None)


def test_who_wrote_to_another_account_did_not_write_to_this_one(strict: CallDoor) -> None:
    hear(strict, connector=8)
    strict.clock.advance(2 * DAY)
    assert strict.call().status_code == 200
    assert last(strict) == (window.UNKNOWN, None)


def test_a_number_that_has_become_another_contact_is_the_same_customer(strict: CallDoor) -> None:
    hear(strict)
    strict.clock.advance(2 * DAY)
    hear(strict, "contact-2", number=2)  # Sinch may merge the two, and Motion answers the first
    assert strict.call().status_code == 200
    assert last(strict)[0] == window.OPEN


def test_a_customer_without_contact_is_no_other_without_contact(strict: CallDoor) -> None:
    hear(strict, "", identity="49170")
    strict.clock.advance(2 * DAY)
    assert strict.call(body=sending(recipient=BY_NUMBER)).status_code == 200
    assert last(strict) == (window.UNKNOWN, None)


FREE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "an account with another channel": ({"account": [config_samples.account(channels=["WHATSAPP", "INSTAGRAM"])]}, {}),
    "a message that may go elsewhere": ({}, {"channel_priority_order": ["WHATSAPP", "INSTAGRAM"]}),
    "a template": (
        {"outbound": {"allow_templates": True}},
        {"message": {"template_message": {"omni_template": {"template_id": "t", "version": "1"}}}},
    ),
}


@pytest.mark.parametrize(("tables", "more"), FREE.values(), ids=FREE)
def test_what_the_window_does_not_count_for_is_not_judged(
    spool: Database, tables: dict[str, Any], more: dict[str, Any]
) -> None:
    tables = tables | {"outbound": {"window": "refuse"} | tables.get("outbound", {})}
    with opened(spool, **tables) as door:
        hear(door)
        door.clock.advance(2 * DAY)
        answer = door.call(body=sending(**more))
        assert (answer.status_code, last(door)) == (200, ("", None))
        assert window.HEADER not in answer.headers


def test_a_template_is_refused_for_what_it_is(strict: CallDoor) -> None:
    hear(strict)
    strict.clock.advance(2 * DAY)
    said = {"template_message": {"omni_template": {"template_id": "t", "version": "1"}}}
    answer = strict.call(body=sending(said))
    assert_refused(answer, "TEMPLATES_NOT_ALLOWED", field="message.template_message")


@pytest.mark.parametrize("kept_seconds", [1, 7 * int(DAY)])
def test_what_is_purged_is_not_forgotten_while_it_counts(strict: CallDoor, kept_seconds: int) -> None:
    settle(strict.services.spool, hear(strict), "delivered", now=strict.clock.now())
    keep = Retention(kept_seconds, kept_seconds, kept_seconds)
    strict.clock.advance(DAY + 1)
    retention.purge(strict.services.spool, keep, now=strict.clock.now())
    assert_refused(strict.call(), CODE, field="recipient")
    strict.clock.advance(7 * DAY)
    retention.purge(strict.services.spool, keep, now=strict.clock.now())
    assert strict.call().status_code == 200


def test_who_writes_while_it_is_purged_is_not_forgotten(strict: CallDoor) -> None:
    spool = strict.services.spool
    hear(strict)
    strict.clock.advance(3 * DAY)
    [old] = spool.ask(lambda run: run("old_heard", before=strict.clock.now(), most=1))
    hear(strict, number=2)
    names = dict(zip(("contact_id", "identity", "connector_id"), old, strict=True))
    spool.tell(lambda run: run("drop_heard", before=strict.clock.now(), **names))
    strict.call()
    assert last(strict)[0] == window.OPEN


@pytest.mark.parametrize("name", ["contact-1", f"+{NUMBER}"])
def test_who_is_erased_has_never_written(strict: CallDoor, name: str) -> None:
    settle(strict.services.spool, hear(strict), "delivered", now=strict.clock.now())
    retention.erase(strict.services.spool, name, DEED)
    strict.clock.advance(2 * DAY)
    assert strict.call().status_code == 200
    assert last(strict) == (window.UNKNOWN, None)


def test_a_repeat_and_what_is_not_believed_open_nothing(strict: CallDoor) -> None:
    hear(strict, nonce="n" * 16)
    strict.clock.advance(2 * DAY)
    hear(strict, nonce="n" * 16)
    hear(strict, number=2, stale=True, nonce="o" * 16)
    hear(strict, number=3, text="other bytes", nonce="n" * 16)
    assert_refused(strict.call(), CODE, field="recipient")


def test_a_clock_that_goes_back_takes_no_time_from_anybody(strict: CallDoor) -> None:
    hear(strict)
    heard_at = strict.clock.now()
    strict.clock.advance(-HOUR)
    hear(strict, number=2)
    strict.call()
    assert last(strict) == (window.OPEN, heard_at)


def test_where_it_cannot_be_read_nothing_is_said_of_it(strict: CallDoor) -> None:
    hear(strict)
    strict.clock.advance(2 * DAY)
    meddle(strict.services.spool, "DROP TABLE heard")
    assert strict.call().status_code == 200
    assert last(strict) == (window.UNKNOWN, None)
