"""What becomes of a message that Sinch has taken: the checks that come too late for its answer.

The order of the checks, and that a text may be too long, are our choice: XCALLY's manual knows MESSAGE_SPLIT_REQUIRED,
Sinch's pages do not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox import whatsapp
from sandbox.connection import Answer
from sandbox.conversation.contacts import Message
from sandbox.fetching import Fetched, Fetcher, Tried
from sandbox.whatsapp import Rendering

WINDOW_SECONDS = 24 * 3600
MOST_CHARACTERS = 4096
# What holds links, under which names: Sinch's own messages, then those of WhatsApp.
_BY_KEY = {
    **dict.fromkeys(("media_message", "media"), ("url", "thumbnail_url")),
    **dict.fromkeys(("image", "video", "audio", "document", "sticker"), ("link",)),
}

Reason = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Look:
    """One link of a message, and what came of fetching it."""

    link: str
    fetched: Fetched
    rendering: Rendering


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Why the message failed, None where it is delivered; and what was fetched for it."""

    reason: Reason | None = None
    looks: tuple[Look, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Case:
    """A message, with what decides about it."""

    message: Message
    last_written: float | None
    now: float


def decide(case: Case, fetcher: Fetcher | None) -> Outcome:
    """Media is fetched only for a message that nothing else stops, and not at all without a fetcher."""
    for check, reason in _CHECKS:
        if check(case):
            return Outcome(reason=reason)
    looks = tuple(_look(link, fetcher) for link in dict.fromkeys(links(case.message.said))) if fetcher else ()
    refused = next((look.rendering for look in looks if look.rendering.how == "refused"), None)
    return Outcome(reason=_of_media(refused) if refused else None, looks=looks)


def links(said: Any, key: str = "") -> Iterator[str]:  # noqa: ANN401 - it is JSON
    """Every media link in a message, wherever it stands."""
    if isinstance(said, list):
        for one in said:
            yield from links(one, key)
    elif isinstance(said, dict):
        yield from (said[name] for name in _BY_KEY.get(key, ()) if isinstance(said.get(name), str))
        for name, inner in said.items():
            yield from _explicit(inner) if name == "explicit_channel_message" else links(inner, name)
    elif isinstance(said, str) and key.endswith(".link"):  # a parameter of a template
        yield said


def _explicit(by_channel: Any) -> Iterator[str]:  # noqa: ANN401 - it is JSON
    for text in by_channel.values() if isinstance(by_channel, dict) else ():
        try:
            yield from links(json.loads(text))
        except (ValueError, TypeError, RecursionError):
            continue


def _look(link: str, fetcher: Fetcher) -> Look:
    try:
        fetched = fetcher.fetch(link)
    except ValueError as error:
        fetched = Fetched(link=link, tried=(Tried("GET", Answer(error=f"not a link: {error}")),))
    return Look(link=link, fetched=fetched, rendering=whatsapp.judge(fetched))


def _reason(code: str, description: str, *, sub_code: str = "UNSPECIFIED_SUB_CODE", channel_code: str = "") -> Reason:
    reason = {"code": code, "description": description, "sub_code": sub_code}
    return reason | ({"channel_code": channel_code} if channel_code else {})


def _of_media(rendering: Rendering) -> Reason:
    said = f"The underlying channel reported: {rendering.description}"
    return _reason(rendering.reason, said, sub_code=rendering.sub_code, channel_code="131053")


def _outside_window(case: Case) -> bool:
    if "template_message" in case.message.said:
        return False
    return case.last_written is None or case.now - case.last_written >= WINDOW_SECONDS


def _too_long(case: Case) -> bool:
    text = case.message.said.get("text_message")
    return isinstance(text, dict) and len(text["text"]) > MOST_CHARACTERS


_CHECKS: tuple[tuple[Callable[[Case], bool], Reason], ...] = (
    (
        lambda case: not case.message.customer.phone,
        _reason("CONTACT_NOT_FOUND", "There is no such contact"),
    ),
    (
        lambda case: not case.message.account.whatsapp,
        _reason("CHANNEL_CONFIGURATION_MISSING", "The app has no credential for the channel"),
    ),
    (
        _outside_window,
        _reason(
            "OUTSIDE_ALLOWED_SENDING_WINDOW",
            "The underlying channel reported: re-engagement message",
            channel_code="131047",
        ),
    ),
    (_too_long, _reason("MESSAGE_SPLIT_REQUIRED", f"The text has more than {MOST_CHARACTERS} characters")),
)
