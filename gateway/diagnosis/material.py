"""What one story is made of, as it was gathered: events, sends, files, and what happened beside them.

Of what customers and agents write, it holds nothing but what kind of message it was.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from gateway import printable
from gateway.attachments.decision import KnownAttachment
from gateway.delivery.records import EventRecord
from gateway.inbound.arrivals import InboundFile
from gateway.ingress import events
from gateway.inspection.rulebook import VerdictKind
from gateway.inspection.verdicts import Verdict
from gateway.outbound.record import Sent
from gateway.store.reports import Filed
from gateway.store.turned_away import Turned

# What may be said of a message whose file could not be had, or was not taken.
BLAMES_FILE = re.compile(r"MEDIA_|ATTACHMENT_|CHANNEL_FAILURE$|BAD_REQUEST$")
GO_ON = ("contact", "conversation")  # kinds of stories that are never at their end
BESIDE_SECONDS = 900.0  # so long before or after something else may belong to it
# Who is turned away says nothing that could be believed of whom it is about.
WHOSE = {"ingress": "; not known whose", "attachments": "; not known of which file"}  # by door
NAMELESS = "its name was never learnt"
SAID = ("contact_message", "contact_event", "contact_message_event")  # where a callback has what was said
_CONTENT = re.compile(r"(\w+)_(?:message|event)")
MESSAGES = (events.INBOUND, "MESSAGE_INBOUND_SMART_CONVERSATION_REDACTION")  # named by their own id


@dataclass(frozen=True, kw_only=True)
class Kept:
    """An event, and what its body says of itself."""

    record: EventRecord
    message_id: str = ""  # of the message that it brings, or tells of
    conversation_id: str = ""
    content: str = ""  # what kind of message: text, media …
    filed: Filed | None = None  # what it reports of a message
    files: tuple[InboundFile, ...] = ()  # that its customer sent, where the gateway fetches them


@dataclass(frozen=True)
class Shelved:
    """An attachment, and what WhatsApp makes of its file as the settings are now."""

    record: KnownAttachment
    verdict: Verdict | None
    places: tuple[str, ...] = ()  # where its file is beside the vault that is meant: nodes, and the store

    @property
    def name(self) -> str:
        return self.record.name or f"attachment {self.record.attachment_id} ({NAMELESS})"

    @property
    def named(self) -> str:
        """Its name with its id."""
        return f"{self.record.name} ({self.record.attachment_id})" if self.record.name else self.name

    @property
    def refused(self) -> bool:
        return self.verdict is not None and self.verdict.kind is VerdictKind.REFUSED

    @property
    def troubled_at(self) -> float:
        """When it could not be had, or was seen to be refused; 0.0 where nothing is wrong with it."""
        failed = self.record.failure.at if self.record.failure else 0.0
        return max(failed, (self.record.acquired_at or 0.0) if self.refused else 0.0)

    def was_just_troubled(self, at: float) -> bool:
        """Whether that was so close before a moment that what happened then may come of it."""
        return 0 <= at - self.troubled_at <= BESIDE_SECONDS


@dataclass(frozen=True, kw_only=True)
class Material:
    """All that there is for one story. `events` and `sends`: the newest; `earlier`: how many more there are."""

    kind: str
    name: str
    events: tuple[Kept, ...] = ()
    sends: tuple[Sent, ...] = ()
    files: tuple[Shelved, ...] = ()
    suspects: tuple[Shelved, ...] = ()  # files that what is reported may be about
    turned: tuple[Turned, ...] = ()
    earlier: int = 0
    link: str = ""  # what is wrong with the link that was asked about
    ahead: int | None = None  # the event that the newest one that waits is waiting for
    wrote_at: float | None = None  # when the customer wrote last before what was sent last
    door_open: bool = False  # the private one

    def kind_of(self, word: str) -> str:
        """Tell what a word is that names these."""
        if any(word == contact_id for contact_id, _ in self.contacts):
            return "contact"
        told = [kept.record for kept in self.events]
        if word in {record.request_id for record in told} | {sent.request_id for sent in self.sends}:
            return "request"
        if any(word == kept.conversation_id for kept in self.events):
            return "conversation"
        named = {kept.message_id for kept in self.events} | {sent.message_id for sent in self.sends}
        return "message" if word in named else "reference"

    @property
    def connectors(self) -> tuple[int, ...]:
        return tuple(sorted({*(k.record.connector_id for k in self.events), *(s.connector_id for s in self.sends)}))

    @property
    def contacts(self) -> tuple[tuple[str, str], ...]:
        """Of each its id and channel identity, as far as they are known."""
        told = [(k.record.contact_id, k.record.identity) for k in self.events]
        known = {contact_id: identity for contact_id, identity in told if identity}
        told += [(sent.contact_id, sent.identity) for sent in self.sends]
        return tuple(dict.fromkeys((one, known.get(one, identity)) for one, identity in told if one or identity))

    @property
    def began_at(self) -> float | None:
        moments = [*(kept.record.accepted_at for kept in self.events), *(sent.started_at for sent in self.sends)]
        return min(moments, default=None)

    @property
    def newest_at(self) -> float | None:
        """When the last of it came, or was sent."""
        moments = [*(kept.record.accepted_at for kept in self.events), *(sent.started_at for sent in self.sends)]
        return max(moments, default=None)

    @property
    def counted(self) -> str:
        """Say of how much it is the material."""
        number = len(self.events) + len(self.sends) + self.earlier
        return f"{number} events and sends" if self.sends else printable.counted(number, "event")

    @property
    def passed_by(self) -> bool:
        """Whether a message that is none of `sends` did not come by the private door, though that is open."""
        return self.door_open and not self.earlier and not any(sent.evidence.doubtful for sent in self.sends)

    @property
    def blame_files_at(self) -> list[float]:
        """When it was reported that a message failed for what may be its file, which is not known."""
        known = {sent.message_id for sent in self.sends if sent.attachments}
        filed = [kept.filed for kept in self.events if kept.filed and kept.filed.message_id not in known]
        return [told.reported_at for told in filed if blames_file(told)]

    @property
    def refusals(self) -> list[Turned]:
        """Who was turned away and may belong to it: of one message, while that happened; of a customer, since then."""
        accounts, goes_on = {str(number) for number in self.connectors}, self.kind in GO_ON
        ended_at = max((kept.record.accepted_at for kept in self.events), default=float("inf"))
        doors = {"outbound"} if goes_on else set()
        doors |= {"attachments"} if self.kind in ("attachment", "link") or self.blame_files_at else set()
        return [
            row
            for row in self.turned
            if row.door in doors or (row.door == "ingress" and row.about in accounts)
            if goes_on or row.first_at <= ended_at + BESIDE_SECONDS
        ]


def content(record: EventRecord, body: bytes, *, files: tuple[InboundFile, ...] = ()) -> Kept:
    """Tell what the body of an event says of itself. Never raises.

    What it reports is read from the body where it is filed nowhere: an older release has taken it in.
    """
    report = record.told or events.read(body, connector_id=record.connector_id).report
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        envelope = None
    inner = [value for value in envelope.values() if isinstance(value, dict)] if isinstance(envelope, dict) else []
    found = {name: _text(inner, name) for name in ("id", "message_id", "conversation_id")}
    said = [value[name] for value in inner for name in SAID if isinstance(value.get(name), dict)]
    return Kept(
        record=record,
        message_id=report.message_id if report else found["id" if record.kind in MESSAGES else "message_id"],
        conversation_id=found["conversation_id"],
        files=files,
        filed=Filed(**vars(report), event_id=record.event_id, reported_at=record.accepted_at) if report else None,
        content=next((kind[1] for one in said for name in one if (kind := _CONTENT.fullmatch(name))), ""),
    )


def blames_file(told: Filed) -> bool:
    """Whether a report may be about a file."""
    codes = (told.code, told.sub_code)
    return told.status == "FAILED" and any(BLAMES_FILE.match(code) for code in codes)


def _text(inner: list[dict[str, Any]], name: str) -> str:
    found = next((value[name] for value in inner if isinstance(value.get(name), str)), "")
    return printable.text(found[:256])
