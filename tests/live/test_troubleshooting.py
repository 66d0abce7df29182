"""The page for the night against a running gateway: each cause is planted, and its command prints what is promised."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain

import pytest
from click.testing import CliRunner

from gateway.cli import group
from gateway.diagnosis import reasons
from gateway.diagnosis.fate import WINDOWS
from sandbox import callbacks
from sandbox.callbacks import Customer
from sandbox.conversation.account import Account, Key
from sandbox.faults import NONE, Fault
from tests.live.call_house import CallHouse, opened, text
from tests.seed_samples import SEED
from tests.spool_samples import until
from tests.test_diagnosis_reasons import LISTED, MANUAL
from tests.test_docs_troubleshooting import CAUSES

PAGE = {cause: (command, re.findall(r"`([^`]+)`", prints)) for cause, command, prints in CAUSES}
LARGE = 26 * 1024 * 1024  # bytes, more than Motion lets through
Told = str  # what to trace


@pytest.fixture(scope="module")
def calls() -> Iterator[CallHouse]:
    with opened(started=False, limits={"unknown_tokens_per_address": "off"}) as calls:
        calls.house.tables["account"] = calls.house.tables["account"][:1]
        calls.house.start()
        yield calls


def printed(calls: CallHouse, *typed: str) -> str:
    return CliRunner().invoke(group, ["--config", str(calls.house.config), *typed]).stdout


def customer(calls: CallHouse) -> Customer:
    """One who has written, here too."""
    made = calls.customer()
    assert calls.house.sinch().send(callbacks.text("hello", by=made)).accepted
    return made


def sent_file(calls: CallHouse, name: str, content: bytes, *, deleted: bool = False) -> Told:
    file = calls.house.archive.put(name, content)
    if deleted:
        calls.house.archive.delete(file.attachment_id)
    assert not calls.agent().send_file(customer(calls).contact_id, file.attachment_id).accepted
    return calls.link(file.attachment_id)


def sent(calls: CallHouse, message: dict[str, object]) -> Told:
    one = customer(calls)
    assert not calls.agent().send(one.contact_id, message).accepted
    return one.phone


def reported(calls: CallHouse, code: str, channel_code: str = "") -> Told:
    one, reason = customer(calls), {"code": code, "sub_code": "UNSPECIFIED_SUB_CODE", "channel_code": channel_code}
    assert calls.house.sinch().send(callbacks.report("FAILED-window", reason=reason, by=one)).accepted
    return one.phone


# Of who has just written, trace does not say that they wrote long ago.
EXPLAINED = {*chain.from_iterable(MANUAL.values()), *LISTED["sinch"]} - {*WINDOWS}


@pytest.mark.parametrize("code", sorted(EXPLAINED))
def test_every_code_of_the_manual_and_of_sinch_is_traced_to_what_it_means(calls: CallHouse, code: str) -> None:
    meaning = reasons.explain(code)
    assert meaning
    told = " ".join(printed(calls, "trace", reported(calls, code)).split())
    assert "The customer did not get message" in told
    assert f": {meaning.sentence}" in told
    assert f" Do {meaning.remedy} Who " in told


TEMPLATE = {"template_message": {"omni_template": {"template_id": "welcome", "version": "1"}}}


def paged(calls: CallHouse) -> Told:
    """What one wrote while a page of another server stood before Motion."""
    calls.house.motion.set_fault(Fault(name="login"))
    one = customer(calls)
    calls.house.settle()
    calls.house.motion.set_fault(NONE)
    return one.phone


TRACED: dict[str, Callable[[CallHouse], Told]] = {
    "another server where Motion should be": paged,
    "file deleted at Motion": lambda c: sent_file(c, "offer.pdf", b"%PDF-1.4", deleted=True),
    "type that WhatsApp does not take": lambda c: sent_file(c, SEED["GIF"].name, SEED["GIF"].make()),
    "file too large": lambda c: sent_file(c, "film.mp4", bytes(LARGE)),
    "text too long": lambda c: sent(c, text("a" * 5000)),
    "template": lambda c: sent(c, TEMPLATE),
    "outside the 24-hour window": lambda c: reported(c, "OUTSIDE_ALLOWED_SENDING_WINDOW", "131047"),
    "blocked by Meta": lambda c: reported(c, "INACTIVE_CREDENTIAL", "368"),
    "rate limited": lambda c: reported(c, "RATE_LIMITED", "131056"),
    "not opted in": lambda c: reported(c, "RECIPIENT_NOT_OPTED_IN"),
}


@pytest.mark.parametrize("cause", [cause for cause, (command, _) in PAGE.items() if command == "trace"])
def test_a_trace_ends_with_the_cause_that_was_planted_who_acts_and_what_to_do(calls: CallHouse, cause: str) -> None:
    what, words = TRACED[cause](calls), PAGE[cause][1]
    told = printed(calls, "trace", what)
    ending = told[told.index("\n Why") :]
    assert [word for word in words if word in ending], told
    assert re.search(r"\n Do +\w+", ending)
    assert re.search(r"\n Who +\w+", ending)


def called(calls: CallHouse, *, region: str = "eu", **app: str) -> None:
    account = Account(app=replace(callbacks.APP, **app), region=region)
    assert not calls.agent(account).send(customer(calls).contact_id, text()).accepted


RECEIVE = "/api/whatsapp/accounts/7/notify"
LOOKED_AT: dict[str, Callable[[CallHouse], object]] = {
    "wrong host in the webhook URL": lambda c: c.house.ask(RECEIVE, host="old.example.com", method="POST"),
    "wrong path in the webhook URL": lambda c: c.house.ask("/api/whatsapp/account/7", method="POST"),
    "wrong region": lambda c: called(c, region="us"),
    "wrong project": lambda c: called(c, project_id="another"),
    "wrong app": lambda c: called(c, app_id="another"),
    "wrong key in Motion's account": lambda c: c.agent(Account(key=Key(key_secret="another"))).reply("01X", "x"),
}
WITHOUT_A_KEY = {"callbacks.elsewhere", "calls.refused"}  # of Sinch's; what it tells with one, test_webhook.py plants


@pytest.mark.parametrize("cause", LOOKED_AT)
def test_doctor_tells_from_what_was_turned_away_what_it_cannot_ask_sinch(calls: CallHouse, cause: str) -> None:
    LOOKED_AT[cause](calls)
    [identifier] = WITHOUT_A_KEY.intersection(PAGE[cause][1])

    def told() -> bool:
        said = json.loads(printed(calls, "doctor", "--json"))["complaints"]
        found = " ".join(each["sentence"] for each in said if each["id"] == identifier)
        return PAGE[cause][1][-1] in found

    until(told, f"{cause} is told")
