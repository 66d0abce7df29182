"""What doctor says of Sinch: each wrong state by its name, with its remedy, and nothing of what is secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.config import validation
from gateway.diagnosis import sinch_checks
from gateway.diagnosis.complaint import Complaint, Context, Level
from sandbox import faults
from sandbox.conversation.account import KEY
from sandbox.conversation.api import ConversationApi
from sandbox.conversation.plants import OTHER_SECRET, TABLE, Field
from tests.config_samples import account, document
from tests.service_samples import NOW
from tests.sinch_samples import KEYED, OURS, SECRET, origins

SIGNED = OURS | {"webhook_secrets": [SECRET]}
pytestmark = pytest.mark.usefixtures("field")

# What doctor says of each row of sandbox/conversation/plants.py.
TOLD = {
    "fine": None,
    "foreign": None,
    "wrong-key": "sinch.key_refused",
    "foreign-key": "sinch.key_foreign",
    "wrong-project": "sinch.no_project",
    "wrong-region": "sinch.wrong_region",
    "no-app": "sinch.no_app",
    "dispatch": "sinch.dispatch_mode",
    "no-channel": "sinch.no_channel",
    "inactive": "sinch.channel_inactive",
    "pending": "sinch.channel_inactive",
    "no-webhook": "sinch.webhook_missing",
    "no-messages": "sinch.trigger_messages",
    "no-reports": "sinch.trigger_reports",
    "few-triggers": "sinch.triggers",
    "no-secret": "sinch.webhook_unsigned",
    "other-secret": "sinch.webhook_secret",
    "masked-secret": "sinch.webhook_secret_untold",
    "oauth": "sinch.webhook_oauth",
    "grpc": "sinch.webhook_type",
    "dismiss": "sinch.webhook_type",
    "at-motion": "sinch.webhook_at_motion",
    "also-at-motion": "sinch.webhook_past_us",
    "wrong-connector": "sinch.webhook_astray",
    "wrong-path": "sinch.webhook_astray",
    "wrong-host": "sinch.webhook_elsewhere",
    "http": "sinch.webhook_astray",
    "two": "sinch.webhook_twice",
    "full": "sinch.webhooks_full",
}


def context(api: ConversationApi, *accounts: dict[str, Any], **tables: Any) -> Context:
    known = [*accounts] or [account(**SIGNED, **KEYED)]
    part = validation.validate(document(account=known, sinch=origins(api), **tables), {})
    assert part.problems == ()
    return Context(part, NOW)


def told(found: Iterator[Complaint]) -> list[Complaint]:
    said = [*found]
    for secret in (SECRET, OTHER_SECRET, KEY.key_secret, "simulated-channel-token", "simulated-callback-secret"):
        assert secret not in repr(said)
    return said


def test_every_wrong_state_of_sinch_is_told_by_its_name_with_what_mends_it(api: ConversationApi, field: Field) -> None:
    assert set(TOLD) == set(TABLE)
    for name, expected in TOLD.items():
        field.plant(name)
        said = told(sinch_checks.sinch(context(api)))
        assert [each.id for each in said] == ([expected] if expected else []), name
        assert all(each.about == "7" and each.remedy.endswith(".") for each in said)


DOOR = {  # to Sinch, for Motion
    "server": {"outbound_clients": ["192.0.2.5"], "outbound_address": "192.0.2.4"},
    "attachments": {"token_keys": ["a key of the tests, which is long enough"]},
}
TROUBLES = {
    "away": (faults.DOWN, "sinch.unreachable", Level.FAULT),
    "failing": (faults.status(503), "sinch.failing", Level.WARNING),
    "limiting": (faults.status(429), "sinch.rate_limited", Level.WARNING),
}


@pytest.mark.parametrize(("fault", "identifier", "level"), TROUBLES.values(), ids=TROUBLES)
def test_a_sinch_in_trouble_makes_one_complaint_however_many_accounts_there_are(
    api: ConversationApi, fault: faults.Fault, identifier: str, level: Level
) -> None:
    several = [
        account(**KEYED, connector_id=number, app_id=f"app-{number}", webhook_secrets=[f"secret number {number}"])
        for number in range(1, 8)
    ]
    api.set_fault(fault)
    [said] = told(sinch_checks.sinch(context(api, *several, **DOOR), pause=lambda _seconds: None))
    assert (said.id, said.level, said.about) == (identifier, level, "1, 2, 3, 4, 5, 6, 7")


def test_an_account_without_a_key_is_noted_with_the_settings_that_give_it_one(api: ConversationApi) -> None:
    api.forget()
    [said] = sinch_checks.sinch(context(api, account(**SIGNED)))
    assert (said.id, said.level, api.calls) == ("sinch.no_key", Level.NOTE, ())
    assert "account.key_id and account.key_secret_file" in said.remedy


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"webhooks": 7}', b'{"webhooks": [7, {"target": {}, "triggers": [{}]}]}', b"9" * 5000]
)
def test_an_answer_in_no_form_that_sinch_knows_ends_in_a_complaint(api: ConversationApi, body: bytes) -> None:
    api.eu.set_fault(faults.Fault(name="other", body=body))
    assert {each.level for each in told(sinch_checks.sinch(context(api)))} == {Level.FAULT}


def test_what_sinch_objects_to_is_told_in_its_words_without_what_a_terminal_would_obey(api: ConversationApi) -> None:
    said = json.dumps({"error": {"message": "no\x1b[2J" + "x" * 500}}).encode()
    api.eu.set_fault(faults.status(400, body=said))
    [complaint] = told(sinch_checks.sinch(context(api)))
    assert (complaint.id, "\x1b" in complaint.sentence, len(complaint.sentence) < 350) == ("sinch.refused", False, True)
