"""The webhooks of an app at the simulated Sinch, what may be wrong with them, and how callbacks follow them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox import callbacks, signing
from sandbox.callbacks import ANA, APP
from sandbox.conversation.api import ConversationApi
from sandbox.conversation.control import ApiRemote, of_api
from sandbox.conversation.plants import TABLE
from sandbox.conversation.webhooks import TRIGGERS
from sandbox.sinch import Sinch
from tests.sinch_samples import PROJECT, SECRET, TARGET, call, send, violations

OF_APP = f"{PROJECT}/apps/{APP.app_id}/webhooks"
RIGHT = {"app_id": APP.app_id, "target": TARGET, "target_type": "HTTP", "secret": SECRET, "triggers": [*TRIGGERS]}


def asked(api: ConversationApi, method: str, target: str, content: object = None) -> Any:
    answer = call(api, target, method=method, body=b"" if content is None else json.dumps(content).encode())
    return json.loads(answer.body) if answer.status == 200 else answer


def test_a_webhook_is_made_shown_changed_and_deleted(api):
    made = asked(api, "POST", f"{PROJECT}/webhooks", RIGHT)
    assert {**made, "id": ""} == {**RIGHT, "id": "", "client_credentials": None}
    one = f"{PROJECT}/webhooks/{made['id']}"
    assert asked(api, "GET", OF_APP)["webhooks"] == [made] == [asked(api, "GET", one)]
    changed = asked(api, "PATCH", f"{one}?update_mask=secret,triggers", {"triggers": ["OPT_IN"], "target": "ignored"})
    assert changed == {**made, "secret": "", "triggers": ["OPT_IN"]}
    assert asked(api, "DELETE", one) == {}
    assert asked(api, "GET", one).status == 404
    api.assert_nothing_unexpected()


def test_a_webhook_that_says_no_type_gets_nothing(api):
    made = asked(api, "POST", f"{PROJECT}/webhooks", {**RIGHT, "target_type": None})
    assert made["target_type"] == "DISMISS"


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"app_id": "wrong"}, "app_id"),
        ({"target": "gateway.example.test"}, "target"),
        ({"target": TARGET + "x" * 742}, "target"),
        ({"target": "https://conversation-api.prod1.sinch.com/x"}, "target"),
        ({"target_type": "SMTP"}, "target_type"),
        ({"triggers": []}, "triggers"),
        ({"triggers": ["UNSPECIFIED_TRIGGER"]}, "triggers"),
        ({"client_credentials": {"client_id": "x"}}, "client_credentials"),
    ],
    ids=str,
)
def test_what_sinch_does_not_take_is_told_by_its_field(api, changes, wrong):
    assert violations(asked(api, "POST", f"{PROJECT}/webhooks", {**RIGHT, **changes})) == [wrong]


def test_a_target_stands_once_and_five_webhooks_are_all(api):
    for number in range(5):
        asked(api, "POST", f"{PROJECT}/webhooks", {**RIGHT, "target": f"{TARGET}/{number}"})
    assert violations(asked(api, "POST", f"{PROJECT}/webhooks", RIGHT)) == ["app_id"]
    [first, *_] = asked(api, "GET", OF_APP)["webhooks"]
    again = asked(api, "PATCH", f"{PROJECT}/webhooks/{first['id']}?update_mask=target", {"target": f"{TARGET}/1"})
    assert violations(again) == ["target"]
    assert violations(asked(api, "PATCH", f"{PROJECT}/webhooks/{first['id']}?update_mask=id", {})) == ["update_mask"]


def test_webhooks_are_not_made_below_an_app_and_not_for_a_foreign_one(api):
    assert asked(api, "POST", OF_APP, RIGHT).status == 501
    assert asked(api, "GET", OF_APP.replace(APP.app_id, signing.ulid(0))).status == 404
    assert asked(api, "POST", f"{PROJECT}/webhooks", {**RIGHT, "app_id": signing.ulid(0)}).status == 404


def test_callbacks_are_signed_as_their_webhook_says_and_go_where_it_leads(api, field):
    sinch = Sinch(url=TARGET, secret="whatever the sender had")
    text, report = callbacks.text("Hola"), callbacks.report()
    assert api.webhooks.follow(sinch, text).secret == SECRET
    for name, texts, reports in (
        ("no-messages", False, True),
        ("no-reports", True, False),
        ("dismiss", False, False),
        ("at-motion", False, False),
        ("no-webhook", False, False),
    ):
        field.plant(name)
        followed = [api.webhooks.follow(sinch, one) is not None for one in (text, report)]
        assert followed == [texts, reports], name
    field.plant("no-secret")
    assert api.webhooks.follow(sinch, text).secret is None


def test_a_report_without_its_trigger_is_told_to_nobody(api, field):
    field.plant("no-reports")
    api.reports.sinch = Sinch(url=TARGET, secret=SECRET)
    api.wrote(ANA)
    send(api)
    assert [item.receipt for item in api.reports.wait_for(2)] == [None, None]


def test_each_wrong_state_can_be_planted_from_afar_and_is_taken_back(api, field):
    def seen() -> object:
        app = call(api, f"{PROJECT}/apps/{APP.app_id}")
        hooks = [{**one, "id": ""} for one in asked(api, "GET", OF_APP)["webhooks"]] if app.status == 200 else []
        return app.status, app.body, hooks

    with of_api(api, field) as control:
        remote, fine = ApiRemote(control.url), seen()
        for name in TABLE:
            remote.plant(name)
            assert (seen() == fine) == (name == "fine"), name
            remote.plant("fine")
            assert seen() == fine
        assert [one["target"] for one in remote.webhooks()] == [TARGET]
