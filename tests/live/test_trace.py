"""`trace` through the running gateway: a cause is planted, and the command names it with its remedy."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.diagnosis import reasons
from sandbox import attachment, callbacks, certificates, faults
from sandbox.callbacks import App, Customer
from sandbox.motion import Motion
from tests import document_samples
from tests.live import call_house
from tests.live.call_house import CallHouse
from tests.live.house import House, opened

PROXY_TOKEN = "planted-proxy-token-of-traces"
OTHER_SECRET = "another secret of some length"
NOBODY = 424_242  # the id of no attachment

_numbers = itertools.count()


def new_customer() -> Customer:
    return callbacks.customer(f"traced {next(_numbers)}")


def concluded(house: House, *words: str) -> list[dict[str, Any]]:
    """What the stories end with."""
    told = json.loads(house.command("trace", *words, "--json"))
    return [one for story in told["stories"] for one in story["conclusions"]]


def assert_named(house: House, words: str, says: str, remedy: str) -> None:
    """`trace` names cause and remedy, at its end."""

    def named() -> bool:
        told = house.command("trace", words)
        ends = told[told.find("\n Why ") :]
        return says in ends and remedy in ends

    house.wait_for(named)


@pytest.fixture(scope="module")
def _closed() -> Iterator[House]:
    off = {"unknown_tokens_per_address": "off"}
    links = {"proxy_token": PROXY_TOKEN, "max_bytes": "1MB"}
    with opened(limits=off, attachments=links, spool={"keep_rejected": "1d"}) as house:
        yield house


@pytest.fixture
def house(_closed: House) -> Iterator[House]:
    """One whose private door is closed, and whose Motion takes everything again afterwards."""
    yield _closed
    _closed.motion.set_fault(faults.NONE)
    _closed.settle()


@pytest.fixture(scope="module")
def calls() -> Iterator[CallHouse]:
    with call_house.opened() as calls:
        yield calls


# What a customer wrote.

MOTIONS: dict[str, tuple[faults.Fault, str, str]] = {
    "it knows no such account": (faults.status(404), "answered 404", "account.connector_id"),
    "it wants another token": (faults.status(401), "answered 401", "Receive URL"),
    "it is down": (faults.DOWN, "Nothing listens", "motion.url"),
    "its proxy answers alone": (faults.status(502), "502", "Motion"),
}


@pytest.mark.parametrize(("fault", "says", "remedy"), MOTIONS.values(), ids=MOTIONS)
def test_motion_takes_nothing(house: House, fault: faults.Fault, says: str, remedy: str) -> None:
    house.motion.set_fault(fault)
    customer = new_customer()
    assert house.sinch().send(callbacks.text("x", by=customer)).status == 200
    assert_named(house, f"+{customer.phone}", says, remedy)
    house.motion.set_fault(faults.NONE)
    house.settle()
    [fine] = concluded(house, customer.contact_id)
    assert fine["fine"]
    assert "before that" in fine["sentence"]


def test_motions_certificate_is_not_believed(tmp_path: Path) -> None:
    files = certificates.issue(tmp_path, "localhost", "127.0.0.1")
    with Motion(tls=files.context()) as motion, opened(motion={"url": motion.url}) as house:
        customer = new_customer()
        house.sinch().send(callbacks.text("x", by=customer))
        assert_named(
            house, customer.contact_id, "certificate has expired, has another name, or its CA", "motion.ca_file"
        )
        house.kill("courier")


TURNED_AWAY: dict[str, tuple[dict[str, Any], str, str]] = {
    "another secret at Sinch": ({"secret": OTHER_SECRET}, "signature wrong", "account.webhook_secrets"),
    "no secret at Sinch": ({"secret": None}, "signature header missing", "Secret token"),
    "another connector id": ({"connector_id": 70}, "unknown connector, rightly signed", "account.connector_id"),
}


@pytest.mark.parametrize(("variant", "says", "remedy"), TURNED_AWAY.values(), ids=TURNED_AWAY)
def test_a_callback_is_turned_away(house: House, variant: dict[str, Any], says: str, remedy: str) -> None:
    customer = new_customer()
    house.sinch(**variant).send(callbacks.text("x", by=customer))

    def named() -> bool:
        told = house.command("trace", f"+{customer.phone}", status=1)
        assert customer.phone not in told
        return says in told and remedy in told

    house.wait_for(named)


def test_callbacks_are_turned_away_from_some_moment_on(house: House) -> None:
    customer = new_customer()
    house.sinch().send(callbacks.text("this arrives", by=customer))
    house.settle()
    house.sinch(secret=OTHER_SECRET).send(callbacks.text("this does not", by=customer))
    assert_named(house, customer.contact_id, "signature wrong", "account.webhook_secrets")


def test_the_app_is_in_dispatch_mode(house: House) -> None:
    customer = new_customer()
    house.sinch().send(callbacks.text("x", by=customer, app=App(dispatch=True)))
    assert_named(house, f"+{customer.phone}", "DISPATCH", "Conversation")


# What was sent to one, with the private door closed.

CODES = (
    "DELIVERY_REJECTED_DUE_TO_POLICY",
    "RECIPIENT_NOT_OPTED_IN",
    "RATE_LIMITED",
    "TEMPLATE_NOT_FOUND",
    "INACTIVE_CREDENTIAL",
)


@pytest.mark.parametrize("code", CODES)
def test_a_report_says(house: House, code: str) -> None:
    customer, message_id = new_customer(), f"01TRACE{next(_numbers):019d}"
    reason = {"code": code, "sub_code": "UNSPECIFIED_SUB_CODE", "channel_code": ""}
    house.sinch().send(callbacks.report("FAILED-media", message_id=message_id, reason=reason, by=customer))
    meaning = reasons.known()[code]
    says = f"The customer did not get message {message_id}: {meaning.sentence}"
    assert_named(house, message_id, says, f"{meaning.remedy}\n Who")


def test_an_answer_was_outside_the_window(house: House) -> None:
    customer, message_id = new_customer(), f"01TRACE{next(_numbers):019d}"
    house.sinch().send(callbacks.text("x", by=customer))
    house.sinch().send(callbacks.report("FAILED-window", message_id=message_id, by=customer))
    assert_named(house, message_id, "though a message of the customer's came here", "another number of this customer")


FILES: dict[str, tuple[Callable[[House], str], str, str, str]] = {
    "it was deleted at Motion": (
        lambda house: link(NOBODY),
        "MEDIA_NOT_REACHABLE",
        f"probably attachment {NOBODY} (its name was never learnt): Motion has no such file",
        "sends it again",
    ),
    "the proxy token is wrong": (
        lambda house: link(put(house, "picture.txt"), token="wrong"),
        "MEDIA_NOT_REACHABLE",
        "token refused",
        "attachments.proxy_token",
    ),
    "WhatsApp does not take its type": (
        lambda house: link(put(house, "letter.doc", document_samples.old_word())),
        "CHANNEL_FAILURE",
        "probably letter.doc: A Word document in the old format",
        "PDF",
    ),
    "it is too large": (
        lambda house: link(put(house, "large.txt", b"x" * 1_500_000)),
        "MEDIA_TOO_LARGE",
        "attachments.max_bytes",
        "smaller",
    ),
}


def link(attachment_id: int, *, token: str = PROXY_TOKEN) -> str:
    return attachment.link("", attachment_id, token=token)


def put(house: House, name: str, content: bytes = b"a text") -> int:
    return house.archive.put(name, content).attachment_id


@pytest.mark.parametrize(("plant", "code", "says", "remedy"), FILES.values(), ids=FILES)
def test_a_file_cannot_be_had(house: House, plant: Callable[[House], str], code: str, says: str, remedy: str) -> None:
    customer, message_id, target = new_customer(), f"01TRACE{next(_numbers):019d}", plant(house)
    assert house.ask(target, method="GET").status >= 400
    house.wait_for(lambda: "token refused" in house.command("turned-away", "list") or "wrong" not in target)
    house.sinch().send(callbacks.report("FAILED-media", message_id=message_id, reason={"code": code}, by=customer))
    assert_named(house, message_id, says, remedy)


def test_the_link_itself_is_asked_about(house: House) -> None:
    attachment_id = put(house, "hello.txt")
    house.ask(link(attachment_id), method="GET")
    house.wait_for(lambda: "fetched 1 time" in house.command("trace", link(attachment_id)))
    wrong = house.command("trace", f"https://gateway.example.org{link(attachment_id, token='wrong')}")
    assert "This link leads to another host" in wrong
    assert "wrong" not in wrong.replace("wrong host", "")


def test_it_works_while_the_gateway_is_down(house: House) -> None:
    customer = new_customer()
    house.sinch().send(callbacks.text("x", by=customer))
    house.settle()
    house.stop()
    try:
        assert "Motion has event" in house.command("trace", customer.contact_id)
    finally:
        house.start()


# What was sent to one through the private door.

Sending = Callable[[CallHouse, Customer], object]
SENT: dict[str, tuple[Sending, str, str]] = {
    "a type that WhatsApp does not take": (
        lambda calls, to: calls.agent().send_file(
            to.contact_id, put(calls.house, "report.doc", document_samples.old_word())
        ),
        "The customer did not get report.doc: A Word document",
        "PDF",
    ),
    "a file that was deleted at Motion": (
        lambda calls, to: calls.agent().send_file(to.contact_id, NOBODY),
        f"The customer did not get attachment {NOBODY} (its name was never learnt): Motion has no such file",
        "sends it again",
    ),
    "a text that is too long": (
        lambda calls, to: calls.agent().reply(to.contact_id, "x" * 5000),
        "The text has 5000 characters",
        "several messages",
    ),
    "a template": (
        lambda calls, to: calls.agent().send(to.contact_id, {"template_message": {"omni_template": {}}}),
        "templates do not pass",
        "24 hours",
    ),
    "a call that Sinch does not understand": (
        lambda calls, to: calls.agent().send("01NOSUCHCONTACT00000000000", call_house.text()),
        "Sinch did not take it (INVALID_ARGUMENT)",
        "XCALLY support",
    ),
}


@pytest.mark.parametrize(("send", "says", "remedy"), SENT.values(), ids=SENT)
def test_a_message_does_not_arrive(calls: CallHouse, send: Sending, says: str, remedy: str) -> None:
    send(calls, calls.customer())
    assert_named(calls.house, str(calls.record()[0].reference), says, remedy)


def test_sinch_is_away(calls: CallHouse) -> None:
    customer = calls.customer()
    with contextlib.ExitStack() as over:
        over.callback(calls.quiet)
        agent = calls.agent(basic=True)
        agent.reply(customer.contact_id, "the first asks for a token")
        calls.api.set_fault(faults.DOWN)
        agent.reply(customer.contact_id, "x")
    assert_named(calls.house, str(calls.record()[0].reference), "could not be handed over to Sinch", "status.sinch.com")


def test_an_answer_is_outside_the_window_of_a_customer_who_wrote_long_ago(calls: CallHouse) -> None:
    customer = callbacks.customer("long ago")
    for account in calls.api.accounts:
        said = {"text_message": {"text": "Hola"}}
        at = calls.api.contacts.clock() - 90_000
        calls.api.contacts.wrote(customer, account, said=said, message_id=f"{account.region}-old", at=at)
    calls.agent().reply(customer.contact_id, "x")
    calls.wait_for_fate(customer, "FAILED")
    assert_named(calls.house, customer.contact_id, "older than 24", "until the customer writes again")


def test_what_arrived_is_said_to_have_arrived(calls: CallHouse) -> None:
    customer = calls.customer()
    calls.agent().reply(customer.contact_id, "x")
    sent = calls.wait_for_fate(customer)
    [found] = concluded(calls.house, sent.message_id)
    assert found["fine"]
    assert f"The customer has message {sent.message_id}" in found["sentence"]
