"""Nodes with a vault each, before one Motion and one store."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

from gateway import paths
from gateway.attachments.decision import Item, LinkClaim
from gateway.attachments.fetch import Shelf
from gateway.attachments.sharing import Share
from gateway.delivery import trouble
from gateway.store import engines
from tests import config_samples, spool_samples
from tests.peer_samples import Peer, answers
from tests.service_samples import HandClock

FILE = b"Dear customer, here is your offer.\n" * 100
DIGEST = hashlib.sha256(FILE).digest()
HAS = answers(FILE, "Content-Type: text/plain", 'Content-Disposition: attachment; filename="offer.txt"')
GONE = answers(b"", status="404 Not Found")
HOUR = 3600.0


class Node:
    """One of the gateways, at the moment at which it was made; on a spool of its own, where `url` names no other."""

    def __init__(
        self, folder: Path, motion: Peer, store: dict[str, Any], *, url: str = "sqlite", rest_seconds: float = 0
    ) -> None:
        folder.mkdir(exist_ok=True)
        if url == "sqlite" and not (folder / paths.SPOOL).exists():
            spool_samples.migrate(folder / paths.SPOOL)
        self._made = (folder, motion, store, url)
        settings = config_samples.settings(
            server={"state_dir": str(folder), "min_free": "0kB", "node": folder.name},
            motion={"url": f"http://127.0.0.1:{motion.port}", "timeout": "5s"},
            attachments={"token_keys": ["a key of the tests, long enough"]} | store,
            spool={"url": url},
        )
        self.vault, self.clock = paths.vault(settings), HandClock(time.time())
        self.spool = engines.opened(settings, patience_seconds=5)
        times = {"patience_seconds": 10.0, "rest_seconds": rest_seconds}
        self.shelf = Shelf(settings, self.spool, self.vault, clock=self.clock, **times)

    def again(self) -> Node:
        """Start it anew, where it was killed."""
        folder, motion, store, url = self._made
        return Node(folder, motion, store, url=url)

    @property
    def share(self) -> Share:
        return self.shelf.required_share()

    def item(self, digest: bytes | None = None, *, attachment_id: str = "7") -> Item:
        return self.shelf.take(LinkClaim(attachment_id=attachment_id, digest=digest))

    def take(self, digest: bytes | None = None) -> bytes:
        return self.shelf.path(self.item(digest)).read_bytes()

    def mint(self, attachment_id: str = "7") -> bytes:
        """The digest of what a link leads to that is made now."""
        item = self.item(attachment_id=attachment_id)
        self.shelf.hold(attachment_id, digest=item.digest, until=self.clock.now() + HOUR)
        return item.digest

    def places(self) -> list[str]:
        """Where attachment 7 is: here, as "here", and elsewhere."""
        known = self.shelf.known("7")
        assert known is not None
        return (["here"] if known.stored else []) + self.shelf.places(known)

    def files(self) -> list[str]:
        """Those of its vault, by the first letters of their name."""
        return sorted(path.name[:8] for path in self.vault.glob("??/*"))

    def troubles(self) -> list[str]:
        return [found.reason for found in trouble.known(self.spool)]

    def told(self, statement: str, **values: object) -> list[Any]:
        """What a named statement gives back in its spool."""
        return self.spool.tell(lambda run: run(statement, **values))

    def close(self) -> None:
        self.shelf.close()
        self.spool.close()
