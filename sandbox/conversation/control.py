"""The control endpoints of a simulated Conversation API, and the client that speaks to them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox import callbacks
from sandbox.callbacks import Callback, Customer
from sandbox.conversation import shape
from sandbox.conversation.api import ConversationApi
from sandbox.conversation.ledger import Call
from sandbox.conversation.mishap import MEANINGS, STAGES, Mishap
from sandbox.conversation.origin import Origin
from sandbox.panel import Client, Panel

_MISHAP = "/_sandbox/mishap"
_SENT = "/_sandbox/sent"
_WROTE = "/_sandbox/wrote"
_READ = "/_sandbox/read"
_EXPIRE = "/_sandbox/expire"
_RELEASE = "/_sandbox/release"
EVERYWHERE = "all"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One `messages:send` as Sinch's side tells it; `reports` are the statuses that were reported, with their codes."""

    number: int
    at: float
    origin: str
    what: str
    message_id: str
    answered: int | None
    ended: bool
    reports: tuple[str, ...]


class ApiControl(Panel):
    """The server's side; a context manager around a running ConversationApi."""

    def __init__(self, api: ConversationApi, *, port: int = 0) -> None:
        self._api = api
        rows = {
            ("PUT", _MISHAP): self._set_mishap,
            ("GET", _SENT): self._show_sent,
            ("DELETE", _SENT): self._forget,
            ("POST", _WROTE): self._wrote,
            ("POST", _READ): self._read,
            ("POST", _EXPIRE): self._expire,
            ("POST", _RELEASE): self._release,
        }
        super().__init__(rows, port=port)

    def _set_mishap(self, body: bytes) -> object:
        said = json.loads(body)
        chosen = _mishap(said["mishap"])
        for origin in self._origins(said["origin"]):
            origin.set_mishap(chosen)
        return {}

    def _origins(self, name: str) -> Sequence[Origin]:
        return tuple(self._api.origins.values()) if name == EVERYWHERE else (self._api.origins[name],)

    def _show_sent(self, _: bytes) -> object:
        return [dataclasses.asdict(_told(call, self._api)) for call in self._api.sends]

    def _forget(self, _: bytes) -> object:
        self._api.ledger.forget()
        return {}

    def _wrote(self, body: bytes) -> object:
        said = json.loads(body)
        self._api.note(Callback("MESSAGE_INBOUND", said["content"]), callbacks.customer(said["customer"]))
        return {}

    def _read(self, body: bytes) -> object:
        self._api.read(json.loads(body)["message_id"])
        return {}

    def _expire(self, _: bytes) -> object:
        self._api.tokens.expire()
        return {}

    def _release(self, _: bytes) -> object:
        self._api.release()
        return {}


class ApiRemote(Client):
    """The client's side. Raises ControlError."""

    whom = "Sinch"

    def set_mishap(self, mishap: Mishap, *, origin: str = EVERYWHERE) -> None:
        """Of one origin, or of all."""
        body = mishap.body.decode() if mishap.body is not None else None
        self.call("PUT", _MISHAP, {"origin": origin, "mishap": {**dataclasses.asdict(mishap), "body": body}})

    def sent(self) -> tuple[Sent, ...]:
        """Every send that Sinch has heard."""
        return tuple(Sent(**{**item, "reports": tuple(item["reports"])}) for item in self.call("GET", _SENT))

    def forget(self) -> None:
        self.call("DELETE", _SENT)

    def wrote(self, callback: Callback, customer: Customer) -> None:
        """That customer has written what the callback says: the window is open."""
        self.call("POST", _WROTE, {"customer": customer.name, "content": callback.content})

    def read(self, message_id: str) -> None:
        """The customer has read it."""
        self.call("POST", _READ, {"message_id": message_id})

    def expire(self) -> None:
        """All access tokens end now."""
        self.call("POST", _EXPIRE)

    def release(self) -> None:
        self.call("POST", _RELEASE)


def _mishap(content: Mapping[str, Any]) -> Mishap:
    if content["name"] not in MEANINGS or content["at"] not in STAGES:
        raise ValueError(f"no such mishap: {content['name']} at {content['at']}")
    headers = tuple((name, value) for name, value in content["headers"])
    body = content["body"].encode() if content["body"] is not None else None
    return Mishap(**{**content, "headers": headers, "body": body})


def _told(call: Call, api: ConversationApi) -> Sent:
    reports = api.reports.of(call.made) if call.made else ()
    return Sent(
        number=call.number,
        at=call.at,
        origin=call.origin,
        what=_subject(call.body) if call.whole else "(broken off)",
        message_id=call.made,
        answered=call.answered,
        ended=call.ended,
        reports=tuple(f"{item.status} {item.reason['code']}" if item.reason else item.status for item in reports),
    )


def _subject(body: bytes) -> str:
    """The kind of the message, and the words of a text or the link of a file."""
    message = (shape.read(body) or {}).get("message")
    kind = next((name for name in shape.KINDS if isinstance(message, dict) and name in message), "not a message")
    words = shape.at(message, f"{kind}.text") or shape.at(message, f"{kind}.url") or ""
    return f"{kind}: {words}" if words else kind
