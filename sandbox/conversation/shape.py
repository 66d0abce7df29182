"""The vendor's first check of a send: what is wrong with the shape of its body, field by field.

Unknown fields are let through, as a proto reader that is older than its caller does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.conversation.refusal import Violation

KINDS = (
    "text_message",
    "media_message",
    "choice_message",
    "card_message",
    "carousel_message",
    "list_message",
    "location_message",
    "contact_info_message",
    "template_message",
)
OVERRIDES = ("explicit_channel_message", "explicit_channel_omni_message", "channel_specific_message")
MOST_CHOICES = 10
MOST_METADATA = 1024
MOST_CONVERSATION_METADATA = 2048
MOST_CORRELATION_ID = 128
_MOST_OUTER_CHOICES = 3
_MOST_LEVELS = 100
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_DURATION = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?s")
_LINK = re.compile(r"https?://[^\s/]+\S*", re.IGNORECASE)

Test = Callable[[Any], bool]


def read(body: bytes) -> dict[str, Any] | None:
    """The object that these bytes say, None where they say none, or one that no proto reader takes."""
    try:
        content = json.loads(body.decode(), parse_constant=_refuse)
        json.dumps(content, ensure_ascii=False).encode()  # which half a surrogate pair is not
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and _levels(content) <= _MOST_LEVELS else None


def _levels(content: object) -> int:
    """How deep it is nested."""
    level, inner = 0, [content]
    while inner := [value for value in inner if isinstance(value, dict | list)]:
        level += 1
        inner = [one for value in inner for one in (value.values() if isinstance(value, dict) else value)]
    return level


def _refuse(constant: str) -> object:
    raise ValueError(constant)


@dataclass(frozen=True)
class Rule:
    """What must hold of the value at `field`, whose names are joined by dots; an `optional` one may be absent."""

    field: str
    test: Test
    description: str
    optional: bool = False

    def violations(self, content: Any) -> Iterator[Violation]:  # noqa: ANN401 - it is JSON
        value = at(content, self.field)
        if value is None and self.optional:
            return
        if not self.test(value):
            yield self.field, self.description


def at(content: Any, field: str) -> Any:  # noqa: ANN401 - it is JSON
    """The value there, None where there is none."""
    for name in field.split("."):
        content = content.get(name) if isinstance(content, dict) else None
    return content


def _text(most: int = 1_000_000, *, least: int = 0) -> Test:
    return lambda value: isinstance(value, str) and least <= len(value) <= most


def _matching(pattern: re.Pattern[str]) -> Test:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _items(most: int, *, least: int = 1) -> Test:
    return lambda value: isinstance(value, list) and least <= len(value) <= most


def _within(most: float) -> Test:
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and -most <= value <= most


def _one_of(*names: str) -> Test:
    return lambda value: value in names


def _properties(value: Any) -> bool:  # noqa: ANN401 - it is JSON
    return isinstance(value, dict) and all(isinstance(text, str) and len(text) <= 1024 for text in value.values())


def _json_object(value: Any) -> bool:  # noqa: ANN401 - it is JSON
    return isinstance(value, dict) and len(json.dumps(value, ensure_ascii=False)) <= MOST_CONVERSATION_METADATA


def _nonempty(value: Any) -> bool:  # noqa: ANN401 - it is JSON
    return isinstance(value, dict) and bool(value)


_SAID = _text(least=1)
_ANY_ITEMS = _items(1_000_000)
is_ulid, is_link = _matching(_ULID), _matching(_LINK)

ENVELOPE = (
    Rule("app_id", is_ulid, "invalid id"),
    Rule("recipient", _nonempty, "must be set"),
    Rule("recipient.contact_id", is_ulid, "invalid id", optional=True),
    Rule("recipient.identified_by.channel_identities", _ANY_ITEMS, "must not be empty", optional=True),
)
EVENT = Rule("event", _nonempty, "must be set")
TRANSCODE = (
    Rule("app_id", is_ulid, "invalid id"),
    Rule("app_message", _nonempty, "must be set"),
    Rule("channels", _ANY_ITEMS, "must not be empty"),
)
_SEND = (
    Rule("message", _nonempty, "must be set"),
    Rule("message_metadata", _text(MOST_METADATA), f"at most {MOST_METADATA} characters", optional=True),
    Rule("correlation_id", _text(MOST_CORRELATION_ID), f"at most {MOST_CORRELATION_ID} characters", optional=True),
    Rule("conversation_metadata", _json_object, f"at most {MOST_CONVERSATION_METADATA} characters", optional=True),
    Rule("queue", _one_of("NORMAL_PRIORITY", "HIGH_PRIORITY"), "unknown value", optional=True),
    Rule("processing_strategy", _one_of("DEFAULT", "DISPATCH_ONLY"), "unknown value", optional=True),
    Rule("ttl", _matching(_DURATION), "invalid duration", optional=True),
    Rule("callback_url", _matching(_LINK), "invalid URL", optional=True),
    Rule("channel_priority_order", _items(100, least=0), "must be a list", optional=True),
    Rule("channel_properties", _properties, "texts of at most 1024 characters", optional=True),
)
_BY_KIND = {
    "text_message": (Rule("text", _SAID, "must not be empty"),),
    "media_message": (
        Rule("url", _matching(_LINK), "invalid URL"),
        Rule("thumbnail_url", _matching(_LINK), "invalid URL", optional=True),
        Rule("filename_override", _text(), "must be a text", optional=True),
    ),
    "choice_message": (
        Rule("text_message.text", _SAID, "must not be empty"),
        Rule("choices", _items(MOST_CHOICES), f"1 to {MOST_CHOICES} choices"),
    ),
    "card_message": (
        Rule("title", _SAID, "must not be empty"),
        Rule("media_message.url", _matching(_LINK), "invalid URL", optional=True),
        Rule("choices", _items(MOST_CHOICES, least=0), f"at most {MOST_CHOICES} choices", optional=True),
    ),
    "carousel_message": (
        Rule("cards", _items(MOST_CHOICES), f"1 to {MOST_CHOICES} cards"),
        Rule("choices", _items(_MOST_OUTER_CHOICES, least=0), f"at most {_MOST_OUTER_CHOICES} choices", optional=True),
    ),
    "list_message": (Rule("title", _SAID, "must not be empty"), Rule("sections", _ANY_ITEMS, "must not be empty")),
    "location_message": (
        Rule("title", _SAID, "must not be empty"),
        Rule("coordinates.latitude", _within(90), "-90 to 90"),
        Rule("coordinates.longitude", _within(180), "-180 to 180"),
    ),
    "contact_info_message": (
        Rule("name.full_name", _SAID, "must not be empty"),
        Rule("phone_numbers", _ANY_ITEMS, "must not be empty"),
    ),
    "template_message": (
        Rule("channel_template", _nonempty, "must not be empty", optional=True),
        Rule("omni_template.template_id", _SAID, "must not be empty", optional=True),
    ),
}


def of_send(content: dict[str, Any], *, dispatch: bool = False) -> tuple[Violation, ...]:
    """All that is wrong with such a body; without contacts, a `dispatch` app knows no contact id."""
    found = [violation for rule in ENVELOPE + _SEND for violation in rule.violations(content)]
    return (*found, *of_recipient(content, dispatch=dispatch), *_of_message(content.get("message")))


def of_recipient(content: dict[str, Any], *, dispatch: bool = False) -> Iterator[Violation]:
    """What the rules for single fields cannot say of a recipient."""
    recipient = content.get("recipient")
    if not isinstance(recipient, dict) or not recipient:
        return
    if not recipient.keys() & {"contact_id", "identified_by"}:
        yield "recipient", "neither contact_id nor identified_by"
    if dispatch and recipient.get("contact_id"):
        yield "recipient.contact_id", "the app keeps no contacts"
    identities = at(recipient, "identified_by.channel_identities")
    for identity in identities if isinstance(identities, list) else ():
        if not (isinstance(identity, dict) and _SAID(identity.get("channel")) and _SAID(identity.get("identity"))):
            yield "recipient.identified_by.channel_identities", "channel and identity must be set"


def _of_message(message: Any) -> Iterator[Violation]:  # noqa: ANN401 - it is JSON
    if not isinstance(message, dict) or not message:
        return
    kinds = [kind for kind in KINDS if message.get(kind) is not None]
    if len(kinds) > 1 or not (kinds or any(message.get(name) for name in OVERRIDES)):
        yield "message", "exactly one kind of message must be set"
    for kind in kinds:
        for rule in _BY_KIND[kind]:
            yield from ((f"message.{kind}.{field}", said) for field, said in rule.violations(message[kind]))
