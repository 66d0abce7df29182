"""A shelf that is filled by hand: the real one's promises, without Motion and without a database."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.attachments.shelf import Item, Shelf, Standing
from gateway.errors import GatewayError, NotFound
from gateway.inspection import content, inspector

ACQUIRED_AT = 1_699_999_000.0
NOTHING_KNOWN = Standing(first_fetched_at=None, revoked_before=None)


@dataclass
class HandShelf(Shelf):
    """`fetches`: the attachments of the fetches that were counted, and the end of the token each came by."""

    folder: Path
    items: dict[str, Item] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)
    troubles: dict[str, GatewayError] = field(default_factory=dict)
    fetches: list[tuple[str, float | None]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    holds: list[tuple[str, bytes, float]] = field(default_factory=list)

    def put(self, attachment_id: str, file: bytes, *, name: str = "") -> Item:
        """Let Motion have had this file."""
        digest = hashlib.sha256(file).digest()
        item = Item(
            attachment_id=attachment_id,
            digest=digest,
            size_bytes=len(file),
            inspection=inspector.inspect(content.of_bytes(file), name=name),
            name=name,
            acquired_at=ACQUIRED_AT,
            first_fetched_at=None,
            revoked_before=None,
        )
        self.items[attachment_id] = item
        path = self.path(item)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file)
        return item

    def know(self, attachment_id: str, **known: float) -> None:
        self.standings[attachment_id] = replace(self.standing(attachment_id), **known)  # type: ignore[arg-type]

    def standing(self, attachment_id: str) -> Standing:
        return self.standings.get(attachment_id, NOTHING_KNOWN)

    def take(self, attachment_id: str, *, digest: bytes | None = None) -> Item:
        self.taken.append(attachment_id)
        if attachment_id in self.troubles:
            raise self.troubles[attachment_id]
        item = self.items.get(attachment_id)
        if item is None or digest not in (None, item.digest):
            raise NotFound("no such attachment")
        return item

    def hold(self, attachment_id: str, *, digest: bytes, until: float) -> None:
        if f"hold {attachment_id}" in self.troubles:
            raise self.troubles[f"hold {attachment_id}"]
        self.holds.append((attachment_id, digest, until))

    def fetched(self, item: Item, *, until: float | None = None) -> None:
        self.fetches.append((item.attachment_id, until))

    def path(self, item: Item) -> Path:
        return self.folder / item.digest.hex()[:2] / item.digest.hex()
