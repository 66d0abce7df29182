"""Sinch's own Python SDK before the gateway, changed only in where it calls: in both forms, with either's key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import pytest

from gateway.config.listeners import SINCH_NAMES
from sandbox import faults
from sandbox.callbacks import ANA, APP
from sandbox.conversation.account import Key
from tests import document_samples
from tests.live.call_house import CallHouse, opened
from tests.live.house import PATIENCE_SECONDS, ROOT
from tests.live.private_edge import NAME
from tests.picture_samples import picture, written

RAISED = "sinch.domains.conversation.api.v1.exceptions.ConversationException"
AUTHENTICATION = "sinch.domains.authentication.exceptions.AuthenticationException"


class Sdk:
    """The SDK in a process of its own."""

    def __init__(self, calls: CallHouse, *, names: bool, key: Key | None = None) -> None:
        self.calls = calls
        key = key or calls.key()
        hosts = {NAME: calls.address} if not names else dict.fromkeys(SINCH_NAMES.values(), calls.address)
        base = {"conversation_origin": f"{calls.origin}/eu", "auth_origin": calls.origin}
        port = calls.sinch_port if names else int(calls.origin.rpartition(":")[2])
        first = {
            "hosts": {name: (address, port) for name, address in hosts.items()},
            "client": {"key_id": key.key_id, "key_secret": key.key_secret, "conversation_region": "eu"},
            "origins": {} if names else base,
        }
        environment = os.environ | {"REQUESTS_CA_BUNDLE": str(calls.ca), "NO_PROXY": "*"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.live.sdk_client"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._say(first)

    def close(self) -> None:
        self._ways()[0].close()
        assert self._process.wait(PATIENCE_SECONDS) == 0
        self._ways()[1].close()

    def call(self, name: str, *, project_id: str = APP.project_id, **arguments: Any) -> dict[str, Any]:
        """What came of a call: what it was told, or what it raised."""
        self._say({"call": name, "with": arguments, "project_id": project_id})
        found: dict[str, Any] = json.loads(self._ways()[1].readline())
        return found

    def send(self, kind: str, **arguments: Any) -> dict[str, Any]:
        """A message to Ana."""
        return self.call(f"messages.send_{kind}_message", app_id=APP.app_id, contact_id=ANA.contact_id, **arguments)

    def _say(self, line: dict[str, Any]) -> None:
        print(json.dumps(line), file=self._ways()[0], flush=True)

    def _ways(self) -> tuple[IO[str], IO[str]]:
        assert self._process.stdin
        assert self._process.stdout
        return self._process.stdin, self._process.stdout


@contextmanager
def _opened(*, vaulted: bool) -> Iterator[CallHouse]:
    with opened(vaulted=vaulted, sinch_names=True, outbound={"allow_management": True}) as calls:
        calls.api.wrote(ANA)
        yield calls
        calls.api.assert_nothing_unexpected()


@pytest.fixture(scope="module")
def passing() -> Iterator[CallHouse]:
    """A gateway through which Motion's own credentials pass."""
    with _opened(vaulted=False) as calls:
        yield calls


@pytest.fixture(scope="module")
def keeping() -> Iterator[CallHouse]:
    """A gateway that keeps them."""
    with _opened(vaulted=True) as calls:
        yield calls


WAYS = {
    f"{whose}, {how}": (house, names)
    for whose, house in (("Motion's keys", "passing"), ("the gateway's key", "keeping"))
    for how, names in (("by the base URL", False), ("by Sinch's own names", True))
}


@pytest.fixture(scope="module", params=WAYS.values(), ids=WAYS)
def _sdk(request: pytest.FixtureRequest) -> Iterator[Sdk]:
    house, names = request.param
    sdk = Sdk(request.getfixturevalue(house), names=names)
    yield sdk
    sdk.close()


@pytest.fixture
def sdk(_sdk: Sdk) -> Iterator[Sdk]:
    _sdk.calls.api.forget()
    yield _sdk
    _sdk.calls.api.set_fault(faults.NONE)


LOCATION = {"title": "Here", "coordinates": {"latitude": 45.1, "longitude": 9.2}}
CHOICE = {"text_message": {"text": "Chair?"}, "choices": [{"text_message": {"text": "Yes"}, "postback_data": "y"}]}


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("text", {"text": "Buenos días 🪑"}),
        ("location", {"location_message": LOCATION}),
        ("choice", {"choice_message": CHOICE}),
    ],
    ids=["text", "location", "choice"],
)
def test_it_sends(sdk: Sdk, kind: str, arguments: dict[str, Any]) -> None:
    told = sdk.send(kind, **arguments)
    [call] = sdk.calls.api.accepted
    assert told["told"]["message_id"] == call.made
    said = json.loads(call.body)
    expected = arguments if kind == "text" else arguments[f"{kind}_message"]
    assert said["message"][f"{kind}_message"] == expected
    assert said["correlation_id"].startswith("mg-")


@pytest.mark.parametrize("kind", ["media", "card"])
def test_it_sends_a_file_of_motions(sdk: Sdk, kind: str) -> None:
    content = written(picture(), "JPEG")
    file = sdk.calls.house.archive.put("chair.jpg", content)
    media = {"url": sdk.calls.link(file.attachment_id)}
    card = {"title": "Chair", "media_message": media}
    told = sdk.send(kind, **{f"{kind}_message": media if kind == "media" else card})
    [call] = sdk.calls.api.accepted
    assert told["told"]["message_id"] == call.made
    sdk.calls.api.reports.wait_for(lambda sent: any(one.message_id == call.made for one in sent))
    ended = sdk.calls.api.reports.outcome(call.made)
    assert [look.fetched.content for look in (ended.looks if ended else ())] == [content]


def test_it_reads_messages_contacts_and_the_app(sdk: Sdk) -> None:
    sent = sdk.send("text", text="to be read")["told"]["message_id"]
    assert sdk.call("messages.get", message_id=sent)["told"]["app_message"]["text_message"]["text"] == "to be read"
    listed = sdk.call("messages.list", app_id=APP.app_id, page_size=3)["told"]
    assert sent == listed[0]["id"]
    assert len(listed) == len(sdk.calls.api.contacts.messages())  # over several pages
    [contact] = sdk.call("contacts.list")["told"]
    assert sdk.call("contacts.get", contact_id=ANA.contact_id)["told"] == contact
    assert contact["channel_identities"][0]["identity"] == ANA.phone
    assert sdk.call("apps.get", app_id=APP.app_id)["told"]["id"] == APP.app_id
    [app] = sdk.call("apps.list")["told"]
    assert app["id"] == APP.app_id


def test_it_asks_for_a_token_once_and_for_another_when_that_has_expired(sdk: Sdk) -> None:
    before = len(sdk.calls.api.tokens.given)
    for _ in range(3):
        assert "told" in sdk.send("text", text="Hola")
    sdk.calls.api.tokens.expire()
    assert "told" in sdk.send("text", text="Hola")
    assert len(sdk.calls.api.tokens.given) == before + 1
    assert (len(sdk.calls.api.accepted), len(sdk.calls.api.sends)) == (4, 5)


OURS: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "too long a text": ("text", {"text": "x" * 4097}, 400, "MESSAGE_SPLIT_REQUIRED: The text has 4097 characters"),
    "a template": (
        "template",
        {"template_message": {"omni_template": {"template_id": "t", "version": "1"}}},
        403,
        "TEMPLATES_NOT_ALLOWED: Message templates do not pass",
    ),
    "another project": ("text", {"text": "x", "project_id": "another"}, 403, "PROJECT_NOT_CONFIGURED: "),
}


@pytest.mark.parametrize(("kind", "arguments", "status", "words"), OURS.values(), ids=OURS)
def test_it_raises_our_refusal_of(sdk: Sdk, kind: str, arguments: dict[str, Any], status: int, words: str) -> None:
    raised = sdk.send(kind, **arguments)
    assert (raised["raised"], raised["status"]) == (RAISED, status)
    assert raised["message"].startswith(words)
    assert sdk.calls.api.sends == ()


def test_it_raises_our_refusal_of_a_file(sdk: Sdk) -> None:
    for name, content, code in (
        ("wave.gif", written(picture(), "GIF"), "CHANNEL_FAILURE"),
        ("letter.docx", document_samples.word(), "MEDIA_TYPE_UNSUPPORTED"),
    ):
        file = sdk.calls.house.archive.put(name, content)
        raised = sdk.send("media", media_message={"url": sdk.calls.link(file.attachment_id)})
        assert (raised["raised"], raised["status"]) == (RAISED, 400)
        assert raised["message"].startswith(f"{code}: ")
    assert sdk.calls.api.sends == ()


def test_it_raises_what_becomes_of_a_message_that_sinch_never_answered(sdk: Sdk) -> None:
    sdk.calls.api.eu.set_fault(faults.reset("answer-body"))
    raised = sdk.send("text", text="Hola")
    assert (raised["raised"], raised["status"]) == (RAISED, 504)
    assert raised["message"].startswith("SEND_FATE_UNKNOWN: ")
    assert len(sdk.calls.api.sends) == 1


def test_it_raises_sinchs_own_errors_as_they_are(sdk: Sdk) -> None:
    bad = sdk.call("messages.send_text_message", app_id=APP.app_id, contact_id="wrong", text="x")
    assert bad == {"raised": RAISED, "message": "Invalid argument  INVALID_ARGUMENT", "status": 400}
    unknown = sdk.call("messages.get", message_id="unknown")
    words = "The requested resource could not be found  NOT_FOUND"
    assert unknown == {"raised": RAISED, "message": words, "status": 404}
    sdk.calls.api.eu.set_fault(faults.status(429, retry_after="0"))
    assert sdk.send("text", text="x") == {
        "raised": RAISED,
        "message": "Quota exceeded  RESOURCE_EXHAUSTED",
        "status": 429,
    }


def test_it_raises_what_a_wrong_key_is_told(sdk: Sdk) -> None:
    stranger = Sdk(sdk.calls, names=False, key=Key(key_id="wrong", key_secret="a wrong key of the tests"))
    raised = stranger.send("text", text="x")
    stranger.close()
    assert (raised["raised"], raised["status"]) == (AUTHENTICATION, 401)
    said = "GATEWAY_KEY_WRONG: The call does not show" if sdk.calls.vaulted else "Client authentication failed"
    assert raised["message"].startswith(said)
    assert sdk.calls.api.sends == ()
