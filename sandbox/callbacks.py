"""The callbacks that a simulated customer causes: Sinch's documented shapes, with fresh ids and times.

The shapes come from `data/` (vendor OpenAPI and SDK fixtures); every value in it is invented, and the
real host of inbound media is not published.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox import signing

_DATA = Path(__file__).parent / "data"
_ULID = re.compile(r"01JQ8V[0-9A-Z]{20}")
_PRECISE_TIMES = frozenset({"accepted_time", "accept_time"})
_ROUND_TIMES = frozenset({"event_time", "last_received"})

# The ids that all samples share; every other ULID in them becomes a fresh one.
_SAMPLE_APP = "01JQ8V4M2Z7T5X9C3N6B1K0DHA"
_SAMPLE_PROJECT = "7f1c9a52-3b08-4d6e-9a4f-5d2b8e61c0f3"
_SAMPLE_CONTACT = "01JQ8V7S0M4R2P8W6Y3E5T9QZB"
_SAMPLE_CONVERSATION = "01JQ8V7S1QX0H5J7K2N4V6B8DC"
_SAMPLE_CUSTOMER_PHONE = "34600111222"
_SAMPLE_BUSINESS_PHONE = "34911000333"
_SAMPLE_NAME = "Ana Prueba"


@dataclass(frozen=True, kw_only=True)
class App:
    """The Sinch app that calls back. In `dispatch` mode contact and conversation ids are empty strings."""

    app_id: str = _SAMPLE_APP
    project_id: str = _SAMPLE_PROJECT
    phone: str = _SAMPLE_BUSINESS_PHONE
    dispatch: bool = False


@dataclass(frozen=True, kw_only=True)
class Customer:
    """Somebody with a phone; the same name is the same contact in every run."""

    name: str
    contact_id: str
    conversation_id: str
    phone: str


@dataclass(frozen=True)
class Callback:
    """What Sinch is about to say, before it is bytes; `name` is that of the sample it was made from."""

    name: str
    content: Mapping[str, Any] = field(repr=False)


def customer(name: str) -> Customer:
    """The customer of that name."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest())
    return Customer(
        name=name,
        contact_id="01" + signing.spell(seed)[2:],
        conversation_id="01" + signing.spell(seed >> 128)[2:],
        phone=f"3460{seed % 10_000_000:07d}",
    )


ANA = customer("ana")
APP = App()


def text(words: str, *, by: Customer = ANA, app: App = APP) -> Callback:
    """The customer writes `words`."""
    callback = sample("MESSAGE_INBOUND/text", by=by, app=app)
    callback.content["message"]["contact_message"]["text_message"]["text"] = words
    return callback


def file(link: str, *, caption: str = "", by: Customer = ANA, app: App = APP) -> Callback:
    """The customer sends the file at `link`, with words where there is a `caption`."""
    kind, name = ("media_card_message", "media-with-caption") if caption else ("media_message", "media")
    callback = sample(f"MESSAGE_INBOUND/{name}", by=by, app=app)
    callback.content["message"]["contact_message"][kind] |= {"url": link} | ({"caption": caption} if caption else {})
    return callback


def reaction(emoji: str = "❤️", *, to: str | None = None, by: Customer = ANA, app: App = APP) -> Callback:
    """The customer reacts to the message with the id `to`, a fresh one by default."""
    callback = sample("EVENT_INBOUND/reaction", by=by, app=app)
    event = callback.content["event"]["contact_message_event"]["reaction_event"]
    event.update(emoji=emoji, message_id=to or event["message_id"])
    return callback


def report(
    status: str = "DELIVERED",
    *,
    message_id: str | None = None,
    reason: Mapping[str, str] | None = None,
    by: Customer = ANA,
    app: App = APP,
) -> Callback:
    """A delivery report; `status` is one of the samples' (`DELIVERED`, `READ`, `FAILED-media` …).

    `reason` replaces fields of the reason that a failed one gives.
    """
    callback = sample(f"MESSAGE_DELIVERY/{status}", by=by, app=app)
    content = callback.content["message_delivery_report"]
    if reason:
        content["reason"].update(reason)
    content["message_id"] = message_id or content["message_id"]
    return callback


def sample(name: str, *, by: Customer = ANA, app: App = APP) -> Callback:
    """The sample of that name, e.g. `MESSAGE_INBOUND/media`, as this customer would cause it now.

    Raises KeyError where there is no such sample.
    """
    now = time.time()
    return Callback(name, _renewed(_payloads()[name], values=_values(by, app), now=now))


def names() -> tuple[str, ...]:
    """The names of all samples."""
    return tuple(_payloads())


def resource(name: str, *, by: Customer = ANA, app: App = APP) -> dict[str, Any]:
    """An `app`, a `contact` or a `conversation` as Sinch shows it."""
    shown: dict[str, Any] = _renewed(_read("resources")[name], values=_values(by, app), now=time.time())
    return shown


def _payloads() -> dict[str, Any]:
    payloads: dict[str, Any] = _read("callbacks")["payloads"]
    return payloads


@functools.cache
def _read(file: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((_DATA / f"{file}.json").read_text("utf-8"))
    return content


def _values(by: Customer, app: App) -> dict[str, str]:
    values = {
        _SAMPLE_APP: app.app_id,
        _SAMPLE_PROJECT: app.project_id,
        _SAMPLE_CONTACT: "" if app.dispatch else by.contact_id,
        _SAMPLE_CONVERSATION: "" if app.dispatch else by.conversation_id,
        _SAMPLE_CUSTOMER_PHONE: by.phone,
        _SAMPLE_BUSINESS_PHONE: app.phone,
        _SAMPLE_NAME: by.name.title(),
    }
    return values | ({"CONVERSATION": "DISPATCH"} if app.dispatch else {})


def _renewed(value: Any, *, values: dict[str, str], now: float, key: str = "") -> Any:  # noqa: ANN401 - it is JSON
    if isinstance(value, dict):
        return {name: _renewed(inner, values=values, now=now, key=name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_renewed(inner, values=values, now=now) for inner in value]
    if key in _PRECISE_TIMES | _ROUND_TIMES:
        return _moment(now, precise=key in _PRECISE_TIMES)
    if isinstance(value, str) and value not in values and _ULID.fullmatch(value):
        values[value] = signing.ulid(now)
    return values.get(value, value) if isinstance(value, str) else value


def _moment(now: float, *, precise: bool) -> str:
    moment = datetime.fromtimestamp(now, UTC)
    return moment.isoformat(timespec="microseconds" if precise else "seconds").replace("+00:00", "Z")
