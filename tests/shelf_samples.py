"""A shelf that is filled by hand: the real one's promises, without Motion and without a database."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway import __version__
from gateway.attachments import decision
from gateway.attachments.decision import Item, KnownAttachment, LinkClaim, Refuse
from gateway.attachments.fetch import Shelf
from gateway.errors import GatewayError, NotFound
from gateway.inspection import content, inspector
from tests.service_samples import HandClock

ACQUIRED_AT = 1_699_999_000.0


@dataclass
class HandShelf(Shelf):
    """`fetches`: the attachments of the fetches that were counted, and the end of the token each came by.

    `taken`: those that a claim came through to, whether they were there or not.
    """

    folder: Path
    clock: HandClock
    items: dict[str, Item] = field(default_factory=dict)
    records: dict[str, KnownAttachment] = field(default_factory=dict)
    troubles: dict[str, GatewayError] = field(default_factory=dict)
    fetches: list[tuple[str, float | None]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    holds: list[tuple[str, bytes, float]] = field(default_factory=list)

    def put(self, attachment_id: str, file: bytes, *, name: str = "") -> Item:
        """Let Motion have had this file."""
        digest, seen = hashlib.sha256(file).digest(), inspector.inspect(content.of_bytes(file), name=name)
        has: dict[str, Any] = {"digest": digest, "size_bytes": len(file), "name": name}
        self.know(attachment_id, **has, inspection=seen, inspected_by=__version__, stored=True, acquired_at=ACQUIRED_AT)
        links = {"first_fetched_at": None, "revoked_before": None}
        item = self.items[attachment_id] = Item(attachment_id=attachment_id, inspection=seen, **has, **links)
        path = self.path(item)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file)
        return item

    def know(self, attachment_id: str, **known: Any) -> None:
        before = self.records.get(attachment_id, KnownAttachment(attachment_id=attachment_id))
        self.records[attachment_id] = replace(before, **known)

    def known(self, attachment_id: str) -> KnownAttachment | None:
        return self.records.get(attachment_id)

    def take(self, claim: LinkClaim, *, admit: Callable[[], None] | None = None) -> Item:
        decided = decision.decide(self.known(claim.attachment_id), claim, self.clock.now())
        if isinstance(decided, Refuse):
            raise decided.error(decided.reason)
        if isinstance(decided, decision.Acquire) and admit:
            admit()
        self.taken.append(claim.attachment_id)
        if claim.attachment_id in self.troubles:
            raise self.troubles[claim.attachment_id]
        if isinstance(decided, decision.Acquire):
            raise NotFound("no such attachment")
        return self.items[claim.attachment_id]

    def hold(self, attachment_id: str, *, digest: bytes, until: float) -> None:
        if f"hold {attachment_id}" in self.troubles:
            raise self.troubles[f"hold {attachment_id}"]
        self.holds.append((attachment_id, digest, until))

    def fetched(self, item: Item, *, until: float | None = None) -> None:
        self.fetches.append((item.attachment_id, until))

    def path(self, item: Item) -> Path:
        return self.folder / item.digest.hex()[:2] / item.digest.hex()
