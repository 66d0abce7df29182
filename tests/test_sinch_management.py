"""Apps and webhooks as Sinch tells them, and any bytes in their place."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from gateway.config import Account
from gateway.sinch import SinchError
from gateway.sinch.management import Management, Objection
from gateway.sinch.webhooks import TRIGGERS, Doing, Step
from sandbox import faults
from sandbox.callbacks import APP
from sandbox.conversation.api import ConversationApi
from tests import config_samples
from tests.sinch_samples import KEYED, OURS, SECRET, TARGET, origins

pytestmark = pytest.mark.usefixtures("field")


@pytest.fixture
def account() -> Account:
    return config_samples.settings(account=[config_samples.account(**OURS | KEYED)]).accounts[0]


@pytest.fixture
def management(api: ConversationApi) -> Iterator[Management]:
    made = Management(config_samples.settings(sinch=origins(api)).sinch, pause=lambda _seconds: None)
    yield made
    made.close()


def test_an_app_and_its_webhooks_are_read(management: Management, account: Account) -> None:
    app, [webhook] = management.app(account), management.webhooks(account)
    assert (app.mode, [(one.name, one.status) for one in app.channels]) == ("CONVERSATION", [("WHATSAPP", "ACTIVE")])
    assert (webhook.target, webhook.target_type, webhook.secret, webhook.oauth) == (TARGET, "HTTP", SECRET, False)
    assert webhook.triggers >= set(TRIGGERS)
    assert management.app_ids(account) == (APP.app_id,)


def test_only_what_a_step_names_is_changed(api: ConversationApi, management: Management, account: Account) -> None:
    [before] = management.webhooks(account)
    management.carry_out(account, Step(do=Doing.CHANGE, webhook=before, fields={"secret": "other"}))
    [after] = api.webhooks.of(APP.app_id)
    assert (after.secret, after.target, set(after.triggers)) == ("other", TARGET, before.triggers)
    assert json.loads(api.calls[-1].body) == {"secret": "other"}
    management.carry_out(account, Step(do=Doing.DELETE, webhook=before))
    assert management.webhooks(account) == ()


def test_what_changes_something_is_never_asked_for_twice(
    api: ConversationApi, management: Management, account: Account
) -> None:
    [webhook] = management.webhooks(account)
    api.forget()
    api.eu.script(faults.reset())
    with pytest.raises(SinchError):
        management.carry_out(account, Step(do=Doing.DELETE, webhook=webhook))
    assert len(api.calls) == 1


HOSTILE = {
    "no object": b"[1]",
    "no JSON": b"<html>",
    "other types": b'{"id": 7, "processing_mode": [], "channel_credentials": {"a": 1}, "webhooks": {}, "apps": [1]}',
    "types within": b'{"channel_credentials": [{"channel": 1, "state": "x"}], "webhooks": [{"triggers": [{}, 1]}]}',
    "deep": b"[" * 100_000,
    "half a pair": b'{"webhooks": [{"target": "\\ud800", "id": "\\u001b[2J", "target_type": "\\u202e"}]}',
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_any_bytes_end_in_what_is_known_or_in_our_own_words(
    api: ConversationApi, management: Management, account: Account, body: bytes
) -> None:
    api.eu.set_fault(faults.status(400, body=body))
    with pytest.raises(Objection) as caught:
        management.app(account)
    assert caught.value.reason.isprintable()
    api.eu.set_fault(faults.status(200, body=body))
    app = management.app(account)
    shown = [app.mode, *(f"{webhook.webhook_id}{webhook.target_type}" for webhook in management.webhooks(account))]
    assert "".join(shown).isprintable()
    assert isinstance(management.app_ids(account), tuple)
