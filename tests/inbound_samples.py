"""Callbacks that name files of customers, and what the spool says of these files."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import sqlalchemy as sa

from gateway.inbound import arrivals
from gateway.store import schema
from gateway.store.engines import Database
from tests.spool_samples import NOW, meddle

SINCHS = "https://media.sinch.com/o/4f0c2a1e?sig=abc"
KEY = "a key of these tests for links"
THROUGH: dict[str, Any] = {
    "server": {"outbound_clients": ["127.0.0.1"], "outbound_names": ["gateway.internal"]},
    "attachments": {"token_keys": [KEY]},
    "inbound": {"media": "through", "wait": "30s", "keep": "7d"},
}
PICTURE = b"the bytes of a picture"
DIGEST = hashlib.sha256(PICTURE).digest()


def body(message: str = "m1", *, contact: str = "c1", links: int = 1) -> bytes:
    """A message with that many links to files, written as nobody else would."""
    cards = [{"media_message": {"url": f"{SINCHS}&n={number}"}} for number in range(1, links + 1)]
    told = {"id": message, "contact_id": contact, "contact_message": {"carousel_message": {"cards": cards}}}
    return json.dumps({"app_id": "app-1", "message": told}, indent=1).replace("/o/", "\\/o/").encode() + b"\r\n"


def known(spool: Database, event_id: int, *states: str, media: int = 0, reason: str = "", vault: bool = True) -> None:
    """Have the spool say so of the links of an event, in their order; `media` are still to be seen to.

    `vault`: their bytes are there.
    """
    rows = [
        {
            "event_id": event_id,
            "number": number,
            "connector_id": 7,
            "place": "message.contact_message",
            "url": f"{SINCHS}&n={number}",
            "state": state,
            "digest": DIGEST if state not in (arrivals.WAITING, arrivals.FAILED) else None,
            "size_bytes": len(PICTURE),
            "name": f"photo {number}.jpg",
            "mime": "image/jpeg",
            "reason": reason,
            "at": NOW,
        }
        for number, state in enumerate(states, 1)
    ]
    event, attachment, stored = schema.event, schema.attachment, schema.stored_file
    file = {"digest": DIGEST, "size_bytes": len(PICTURE)}
    meddle(
        spool,
        sa.delete(attachment).where(attachment.c.attachment_id.startswith(f"in{event_id}.")),
        sa.delete(stored).where(stored.c.digest == DIGEST),
        *(
            sa.insert(attachment).values(attachment_id=f"in{event_id}.{row['number']}", acquired_at=NOW, **file)
            for row in rows
            if row["digest"]
        ),
        *([sa.insert(stored).values(place="", since=NOW, **file)] if vault else []),
        sa.delete(schema.inbound_file).where(schema.inbound_file.c.event_id == event_id),
        *(sa.insert(schema.inbound_file).values(**row) for row in rows),
        sa.update(event).where(event.c.id == event_id).values(media=media),
    )
