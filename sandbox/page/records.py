"""What is known of a running sandbox at one moment, in the form in which the page wants it: looked up by message."""

from __future__ import annotations

import functools
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.archive import Download
from sandbox.conversation.contacts import Message
from sandbox.conversation.ledger import Call
from sandbox.conversation.media import Asked, Kept
from sandbox.conversation.outcome import Outcome
from sandbox.house import House
from sandbox.inbox import AGENT, Brought
from sandbox.journal import Posted, Tried
from sandbox.motion import Received

INBOUND, REPORT = "MESSAGE_INBOUND", "MESSAGE_DELIVERY"
_ATTACHMENT = re.compile(r"/api/attachments/([0-9]{1,12})/download")


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """Somebody has asked somebody for a customer's file; the answer was whole at that moment in Unix seconds."""

    at: float
    by: str
    at_whom: str
    answered: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Records:
    """A look at everything; the newest of each kind come last."""

    messages: Sequence[Message]
    posts: Sequence[Posted]
    tries: Sequence[Tried]
    received: Sequence[Received]
    sends: Sequence[Call]
    outcomes: Mapping[str, Outcome]
    files: Mapping[int, str]
    downloads: Sequence[Download]
    kept: Mapping[str, Kept]  # at Sinch, by the customer's message
    asked: Sequence[Asked]
    brought: Sequence[Brought]
    forgotten_at: float = 0.0  # by Motion, all that it had heard

    @functools.cached_property
    def arrivals(self) -> Mapping[str, Sequence[Received]]:
        """What Motion heard, by the event that it tells."""
        return _grouped((event(read(one.body)), one) for one in self.received)

    @functools.cached_property
    def genuine(self) -> Mapping[str, Sequence[Posted]]:
        """What Sinch posted, by the event that it tells."""
        return _grouped((event(one.letter.callback.content), one) for one in self.posts if not one.pretending)

    @functools.cached_property
    def reports(self) -> Mapping[str, Sequence[Posted]]:
        """Delivery reports that Sinch posted, by the message they are about."""
        pairs = ((one.letter.callback.content.get("message_delivery_report"), one) for one in self.posts)
        return _grouped((about["message_id"], one) for about, one in pairs if about and not one.pretending)

    @functools.cached_property
    def told(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Delivery reports that Motion has, by the message they are about."""
        heard = (read(one.body).get("message_delivery_report") for one in self.received if one.accepted)
        return _grouped((str(about.get("message_id")), about) for about in heard if isinstance(about, dict))

    @functools.cached_property
    def waiting(self) -> int:
        """How many events the gateway has taken that Motion does not have yet."""
        has = {about for about, heard in self.arrivals.items() if any(one.accepted for one in heard)}
        return sum(about not in has for about in self.genuine if self.taken_at(about) > self.forgotten_at)

    def taken_at(self, name: str) -> float:
        """When the gateway had taken that event, in Unix seconds; 0 where it has not."""
        answers = (answer for post in self.genuine.get(name, ()) for answer in post.answers if answer.status == 200)
        return min((answer.sent_at + answer.seconds for answer in answers), default=0.0)

    def fetches(self, message_id: str) -> Iterator[Fetch]:
        """Of the file that a customer's message names: at Sinch, and where else Motion was told that it is."""
        kept = self.kept.get(message_id)
        for one in self.asked:
            if kept and one.link == kept.link and one.seconds is not None:
                by, said = "Motion" if one.by == AGENT else "Gateway", str(one.answered or "broken off")
                yield Fetch(at=one.at + one.seconds, by=by, at_whom="Sinch", answered=said, seconds=one.seconds)
        for mine in self.brought:
            at_sinch = kept is not None and mine.named.link == kept.link
            answer = mine.answer if mine.message_id == message_id else None
            if answer and not (at_sinch and answer.status):
                whom, at = "Sinch" if at_sinch else "gateway", (answer.sent_at or mine.at) + answer.seconds
                said = str(answer.status or answer.error)
                yield Fetch(at=at, by="Motion", at_whom=whom, answered=said, seconds=answer.seconds)

    def downloaded(self, message_id: str) -> Brought | None:
        """What Motion has of the file that a message names, the last of several downloads."""
        return next((one for one in reversed(self.brought) if one.message_id == message_id), None)

    def call_of(self, tried: Tried) -> Call | None:
        """The send that this try became at Sinch: by the message's id, else by its words and its time."""
        made = tried.told.message_id if tried.told else ""
        if made:
            return next((call for call in self.sends if call.made == made), None)
        ended = tried.told.answer.sent_at + tried.told.answer.seconds if tried.told else float("inf")
        near = (call for call in self.sends if tried.at <= call.at <= ended)
        return next((call for call in near if _recipient(read(call.body)) == tried.contact_id), None)


def of(house: House) -> Records:
    """The records as they are now."""
    api, messages = house.api, tuple(reversed(house.api.contacts.messages()))
    ids = (message.message_id for message in messages if message.direction == "TO_CONTACT")
    return Records(
        messages=messages,
        posts=house.journal.posts.items,
        tries=house.journal.tries.items,
        received=house.motion.received,
        sends=api.sends,
        outcomes={number: found for number in ids if (found := api.reports.outcome(number))},
        files=house.archive.names(),
        downloads=house.archive.downloads,
        kept=_kept(house, messages),
        asked=api.media.items,
        brought=house.motion.inbox.items if house.motion.inbox else (),
        forgotten_at=house.motion.forgotten_at,
    )


def _kept(house: House, messages: Sequence[Message]) -> dict[str, Kept]:
    named = ((one.message_id, media.get("url", "")) for one in messages for media in _media(one))
    return {number: found for number, link in named if (found := house.api.media.kept(link))}


def _media(message: Message) -> Iterator[Mapping[str, Any]]:
    if message.direction == "TO_APP":
        yield from (message.said[kind] for kind in ("media_message", "media_card_message") if kind in message.said)


@functools.lru_cache(maxsize=4096)
def read(body: bytes) -> Mapping[str, Any]:
    """The object in a body, empty where it is none."""
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def event(content: Mapping[str, Any]) -> str:
    """What tells one event from another; the same event may be posted by several letters."""
    for name, about in content.items():
        if isinstance(about, Mapping) and (number := about.get("id") or about.get("message_id")):
            return f"{name} {number} {about.get('status', '')}"
    return ""


def contact_id(content: Mapping[str, Any]) -> str:
    """Whom a callback is about, empty where it does not say."""
    return next((str(about["contact_id"]) for about in content.values() if _has_contact(about)), "")


def attachment_id(link: str) -> int | None:
    """The attachment that a link leads to, None where it leads elsewhere."""
    found = _ATTACHMENT.search(link)
    return int(found[1]) if found else None


def links(message: Mapping[str, Any]) -> Iterator[str]:
    """The media of a message that an agent sends."""
    for kind in ("media_message", "card_message"):
        about = message.get(kind) or {}
        url = (about.get("media_message") or about).get("url")
        if url:
            yield str(url)


def _has_contact(about: object) -> bool:
    return isinstance(about, Mapping) and "contact_id" in about


def _recipient(content: Mapping[str, Any]) -> str:
    recipient = content.get("recipient")
    return str(recipient.get("contact_id", "")) if isinstance(recipient, dict) else ""


def _grouped(pairs: Iterator[tuple[str, Any]]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for name, one in pairs:
        found[name].append(one)
    return dict(found)
