"""What stands on the phone and on the agent's desk: the same conversation from its two ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

from sandbox import whatsapp
from sandbox.agent import Told
from sandbox.attachment import shown_as, type_of
from sandbox.callbacks import Customer
from sandbox.conversation.contacts import Message
from sandbox.conversation.outcome import Look
from sandbox.inbox import Brought
from sandbox.journal import Tried
from sandbox.motion import Received
from sandbox.page import records, way
from sandbox.page.records import Records

Ticks = Literal["", "waits", "one", "two", "read", "failed"]
MOST = 40  # of what stands on either side, the newest

_OF_REPORT: Mapping[str, tuple[Ticks, str]] = {
    "QUEUED_ON_CHANNEL": ("one", "on its way to WhatsApp"),
    "DELIVERED": ("two", "delivered"),
    "READ": ("read", "read"),
    "FAILED": ("failed", "not delivered"),
}


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Why a message did not go: a code, what it means, and what to do, as the gateway or Sinch said it."""

    code: str
    says: str
    remedy: str = ""
    by: str = ""


@dataclass(frozen=True, kw_only=True)
class File:
    """A file in a message; `url` is where the page has what Sinch fetched, empty where it fetched nothing."""

    name: str
    kind: str = "link"  # image, audio, video, sticker or link
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Bubble:
    """One message as one side sees it; `mine` is what that side wrote."""

    key: str
    at: float
    mine: bool
    words: str = ""
    file: File | None = None
    ticks: Ticks = ""
    state: str = ""
    trouble: Trouble | None = None
    about: str = ""


def phone(known: Records, customer: Customer) -> list[Bubble]:
    """What the customer has written, and what arrived."""
    found = [
        bubble
        for message in known.messages
        if message.customer.contact_id == customer.contact_id
        for bubble in (_written(known, message) if message.direction == "TO_APP" else _come(known, message))
    ]
    reactions = (
        Bubble(key=f"phone-{name}", at=posts[0].answers[0].sent_at, mine=True, words=_emoji(content))
        for name, posts in known.genuine.items()
        if _is_reaction(content := posts[0].letter.callback.content, customer)
    )
    return _newest([*found, *reactions])


def desk(known: Records, customer: Customer) -> list[Bubble]:
    """What Motion has of the customer, and what the agent sent."""
    heard = [
        _heard(known, name, first)
        for name, arrivals in known.arrivals.items()
        if (first := next((one for one in arrivals if one.accepted), None))
        and records.contact_id(content := records.read(first.body)) == customer.contact_id
        and _said(content)
    ]
    tries = (
        _tried(known, number, one) for number, one in enumerate(known.tries) if one.contact_id == customer.contact_id
    )
    return _newest([*heard, *tries])


def last_from_agent(known: Records, customer: Customer) -> str:
    """The id of the newest message that arrived on the phone, empty where there is none."""
    return next((bubble.about for bubble in reversed(phone(known, customer)) if not bubble.mine), "")


def look(known: Records, message_id: str) -> Look | None:
    """What Sinch fetched for that message and WhatsApp shows, None where there is nothing of the kind."""
    outcome = known.outcomes.get(message_id)
    return next((one for one in outcome.looks if one.rendering.how != "refused"), None) if outcome else None


def _written(known: Records, message: Message) -> Iterator[Bubble]:
    name = way.event(message)
    at_gateway = any(post.accepted for post in known.genuine.get(name, ()))
    at_motion = any(one.accepted for one in known.arrivals.get(name, ()))
    ticks: Ticks = "two" if at_motion else "one" if at_gateway else "waits"
    state = {"two": "Motion has it", "one": "the gateway has it", "waits": "at Sinch"}[ticks]
    yield Bubble(
        key=f"phone-{message.message_id}",
        at=message.at,
        mine=True,
        words=_beside(message.said),
        file=_sent(known, message),
        ticks=ticks,
        state=state,
        about=message.message_id,
    )


def _sent(known: Records, message: Message) -> File | None:
    """The customer's own file."""
    kept = known.kept.get(message.message_id)
    if kept is None:
        return None
    return File(name=kept.name, kind=shown_as(type_of(kept.name)), url=f"/sent/{message.message_id}")


def _heard(known: Records, name: str, first: Received) -> Bubble:
    """One thing that Motion has, with the file that it downloaded of it."""
    content = records.read(first.body)
    number = _number(content)
    file, trouble = _downloaded(known.downloaded(number), number)
    words = _beside((content.get("message") or {}).get("contact_message") or {}) if file else _said(content)
    return Bubble(key=f"desk-{name}", at=first.at, mine=False, words=words, file=file, trouble=trouble, about=number)


def _downloaded(found: Brought | None, number: str) -> tuple[File | None, Trouble | None]:
    if found is None or found.answer is None:
        return None, None
    if found.content is None:
        says = f"Motion has not got the file: {found.answer.error or 'that is what it was answered'}."
        return None, Trouble(code=str(found.answer.status or "no file"), says=says)
    return File(name=found.name, kind=shown_as(found.content_type), url=f"/desk/{number}"), None


def _come(known: Records, message: Message) -> Iterator[Bubble]:
    outcome = known.outcomes.get(message.message_id)
    if outcome is None or outcome.reason:
        return
    fetched = look(known, message.message_id)
    yield Bubble(
        key=f"phone-{message.message_id}",
        at=message.at,
        mine=False,
        words="" if fetched and "media_message" in message.said else way.words(message.said),
        file=_file(fetched, message.message_id) if fetched else None,
        about=message.message_id,
    )


def _file(fetched: Look, message_id: str) -> File:
    name = whatsapp.name(fetched.fetched.decisive, fetched.link)
    kind = fetched.rendering.kind if fetched.rendering.how == "native" else "link"
    return File(name=name, kind=kind, url=f"/files/{message_id}")


def _tried(known: Records, number: int, tried: Tried) -> Bubble:
    ids = [records.attachment_id(link) for link in records.links(tried.message)]
    file = File(name=way.described(tried, known.files)) if ids else None
    call = known.call_of(tried)
    made = call.made if call else ""
    ticks, state, trouble = _fate(known, tried, made)
    return Bubble(
        key=f"desk-sent-{number}",
        at=tried.at,
        mine=True,
        words="" if file else way.words(tried.message),
        file=file,
        ticks=ticks,
        state=state,
        trouble=trouble,
        about=made or (f"attachment {ids[0]}" if ids and ids[0] else tried.contact_id),
    )


def _fate(known: Records, tried: Tried, made: str) -> tuple[Ticks, str, Trouble | None]:
    reports = {str(one.get("status")): one for one in known.told.get(made, ())} if made else {}
    if failed := reports.get("FAILED"):
        return "failed", "not delivered", _reported(failed)
    for status in ("READ", "DELIVERED", "QUEUED_ON_CHANNEL"):
        if status in reports:
            return (*_OF_REPORT[status], None)
    if tried.told is None:
        return "waits", "being sent", None
    if tried.told.accepted:
        return "one", "Sinch has it", None
    return "failed", "not sent", _refused(tried.told)


def _refused(told: Told) -> Trouble:
    about = next((one.get("metadata") or {} for one in told.details if one.get("domain") == "motion-gateway"), {})
    says = about.get("says") or told.message
    code = told.reason or str(told.status or "no answer")
    return Trouble(code=code, says=says, remedy=about.get("remedy", ""), by="gateway" if about else "Sinch")


def _reported(report: Mapping[str, Any]) -> Trouble:
    reason = report.get("reason") or {}
    return Trouble(code=str(reason.get("code", "")), says=str(reason.get("description", "")), by="Sinch's report")


def _said(content: Mapping[str, Any]) -> str:
    message = content.get("message")
    if isinstance(message, Mapping):
        return way.words(message.get("contact_message") or {})
    return _emoji(content)


def _beside(said: Mapping[str, Any]) -> str:
    """The words that go with a file; those of a message without one."""
    card = said.get("media_card_message") or {}
    return str(card.get("caption") or "") if card or "media_message" in said else way.words(said)


def _emoji(content: Mapping[str, Any]) -> str:
    event = content.get("event") or {}
    return str((event.get("contact_message_event") or {}).get("reaction_event", {}).get("emoji", ""))


def _is_reaction(content: Mapping[str, Any], customer: Customer) -> bool:
    return bool(_emoji(content)) and records.contact_id(content) == customer.contact_id


def _number(content: Mapping[str, Any]) -> str:
    return str((content.get("message") or {}).get("id", ""))


def _newest(bubbles: Sequence[Bubble]) -> list[Bubble]:
    return sorted(bubbles, key=attrgetter("at"))[-MOST:]
