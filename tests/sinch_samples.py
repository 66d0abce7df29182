"""The simulated Conversation API: what settings say of it, bodies of sends, and ways to post them."""

from __future__ import annotations

import base64
import json
from typing import Any

from sandbox.callbacks import ANA, APP
from sandbox.connection import Answer, Request, Route, exchange
from sandbox.conversation.account import KEY, Key
from sandbox.conversation.api import ConversationApi

PROJECT = f"/v1/projects/{APP.project_id}"
SEND = f"{PROJECT}/messages:send"
TOKEN = "/oauth2/token"
SECRET = "the webhook secret of these tests"
RECEIVE_PATH = "/api/whatsapp/accounts/7/notify"
TARGET = f"https://gateway.example.com{RECEIVE_PATH}"
# What settings say of its first account, and of that one's key.
OURS = {"project_id": APP.project_id, "app_id": APP.app_id}
KEYED = {"key_id": KEY.key_id, "key_secret": KEY.key_secret}


def origins(api: ConversationApi) -> dict[str, str]:
    """What settings say of where it is."""
    return {name: origin.url for name, origin in api.origins.items()}


def basic(key: Key = KEY) -> str:
    return "Basic " + base64.b64encode(f"{key.key_id}:{key.key_secret}".encode()).decode()


def send_body(message: Any = None, **changes: Any) -> dict[str, Any]:
    """A whole send; fields that are changed to None go."""
    content = {
        "app_id": APP.app_id,
        "recipient": {"contact_id": ANA.contact_id},
        "message": message if message is not None else {"text_message": {"text": "Buenos días"}},
        **changes,
    }
    return {name: value for name, value in content.items() if value is not None}


def call(
    api: ConversationApi,
    target: str,
    *,
    method: str = "GET",
    origin: str = "eu",
    body: bytes = b"",
    headers: tuple[tuple[str, str], ...] | None = None,
    timeout_seconds: float = 5,
) -> Answer:
    """One request, with the key shown as Basic unless headers say otherwise."""
    chosen = (("authorization", basic()), ("content-type", "application/json")) if headers is None else headers
    route = Route(url=api.origins[origin].url, timeout_seconds=timeout_seconds)
    return exchange(route, Request(method=method, target=target, headers=chosen, body=body))


def send(api: ConversationApi, content: object = None, **how: Any) -> Answer:
    body = json.dumps(send_body() if content is None else content).encode()
    return call(api, how.pop("target", SEND), **{"method": "POST", "body": body, **how})


def ask_token(
    api: ConversationApi, *, authorization: str = "", body: bytes = b"grant_type=client_credentials", **how: Any
) -> Answer:
    form = ("content-type", "application/x-www-form-urlencoded")
    headers = (("authorization", authorization or basic()), form)
    return call(api, TOKEN, **{"method": "POST", "origin": "auth", "headers": headers, "body": body, **how})


def token(api: ConversationApi) -> str:
    return json.loads(ask_token(api).body)["access_token"]


def bearer(text: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {text}"), ("content-type", "application/json"))


def violations(answer: Answer) -> list[str]:
    """The fields that a 400 complains of."""
    (detail,) = json.loads(answer.body)["error"]["details"]
    return [item["field"] for item in detail["field_violations"]]
