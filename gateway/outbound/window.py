"""WhatsApp's window for answers, 24 hours from what the customer wrote last: the gateway alone sees both directions.

Rule 1. Closed is said only of whom somebody here has heard: of others it is not known, and nothing is refused to them.
        So it is with a gateway that is younger than the window, and with what was erased.
Rule 2. Whatever comes from a customer on WhatsApp opens it (`ingress.events`), also what Meta may not count. It is kept
        in the event's transaction, and stays where the event goes before the window closes (`store.retention`).
Rule 3. The time is ours, when it was taken in and now: Meta's begins a little earlier, so that what is closed here is
        closed there. What is just as old as the window is within it.
Rule 4. Where a message may go out on another channel, and of templates, nothing is said.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

from gateway.errors import SpoolUnavailable
from gateway.outbound import message, message_fields, record, refusals
from gateway.printable import span
from gateway.store.engines import Database

OPEN, CLOSED, UNKNOWN = "open", "closed", "not known"
HEADER = "X-Motion-Gateway-Window"  # on answers to what was sent when it was closed
SECONDS = 24 * 3600.0  # Meta's customer service window
_SPELLED = re.compile(r"[0-9 ()./+-]+")  # a phone number, as people write it


@dataclass(frozen=True)
class Standing:
    """Whether it is open, and when the customer wrote last, in epoch seconds; "" where nothing is said of a message."""

    window: str = ""
    heard_at: float | None = None


def of(database: Database, send: message.Send, *, channels: frozenset[str], connector_id: int, now: float) -> Standing:
    """Tell how it stands with whom a message goes to; `channels`: those on which it may go out."""
    if channels != {message_fields.WHATSAPP} or send.templates:
        return Standing()
    whom = {"contact_id": send.contact_id or None, "identity": number(send.identity) or None}
    heard_at = None
    with suppress(SpoolUnavailable):  # who cannot read it will not be able to send either, and says why
        [[heard_at]] = database.ask(lambda run: run("last_heard", connector_id=connector_id, **whom))
    return judged(heard_at, now=now)


def judged(heard_at: float | None, *, now: float) -> Standing:
    """Judge by when the customer wrote last; None: nobody here knows."""
    if heard_at is None:
        return Standing(UNKNOWN)
    return Standing(CLOSED if now - heard_at > SECONDS else OPEN, heard_at)


def require_open(draft: record.Draft, *, now: float) -> None:
    """Raises Refused where it is closed: OUTSIDE_ALLOWED_SENDING_WINDOW."""
    if draft.window == CLOSED and draft.heard_at is not None:
        raise refusals.Refused("OUTSIDE_ALLOWED_SENDING_WINDOW", field="recipient", ago=span(now - draft.heard_at))


def number(identity: str) -> str:
    """Spell a phone number as Sinch does, whoever has written it; what is none stays as it is."""
    return re.sub("[^0-9]", "", identity).removeprefix("00") if _SPELLED.fullmatch(identity) else identity


def late(seconds: float) -> str:
    """Say what is wrong with an answer that comes so long after what it answers."""
    return f"it comes too late: the customer wrote last {span(seconds)} before, and WhatsApp takes answers for 24 hours"
