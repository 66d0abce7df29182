"""Brings an attachment from Motion into the vault: downloaded, inspected, given its name, recorded."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.attachments import eviction, register
from gateway.attachments.eviction import Bounds
from gateway.attachments.vault import Incoming, Vault
from gateway.clock import Clock
from gateway.errors import NotFound
from gateway.inspection import inspector
from gateway.inspection.content import Content
from gateway.inspection.inspector import Inspection
from gateway.motion import download
from gateway.motion.download import Download, Source
from gateway.store.engines import Database


@dataclass(frozen=True)
class Acquisition:
    """How it is done; what it needs is made by others."""

    source: Source
    vault: Vault
    database: Database
    bounds: Bounds
    clock: Clock

    def run(self, attachment_id: str, incoming: Incoming, *, wanted: bytes | None) -> None:
        """`wanted`: the digest that the bytes must have; None: any. Raises NotFound, TooLarge, Unavailable."""

        def expect(size_bytes: int) -> None:
            with self.vault.alone():
                self._make_room(size_bytes, on_disk=0)
                self.vault.reserve(incoming, size_bytes)

        came = self.source.fetch(attachment_id, lambda chunk: self.vault.write(incoming, chunk), expect=expect)
        if wanted not in (None, came.digest):
            raise NotFound(download.OTHER_BYTES)
        self.vault.sync(incoming)
        content = Content(incoming.file, size_bytes=came.size_bytes)
        seen = inspector.inspect(content, name=came.promise.name)
        download.require_no_page(came, seen)
        self._store(attachment_id, incoming, came, seen)

    def _store(self, attachment_id: str, incoming: Incoming, came: Download, seen: Inspection) -> None:
        size = came.size_bytes
        with self.vault.alone():
            if not self.vault.holds(came.digest, size):
                self._make_room(size, on_disk=size)
                self.vault.keep(incoming, came.digest)
            self._drop_former(attachment_id, came.digest)
            register.acquired(
                self.database,
                attachment_id,
                digest=came.digest,
                name=came.promise.name,
                seen=seen,
                now=self.clock.now(),
            )

    def _drop_former(self, attachment_id: str, digest: bytes) -> None:
        """The bytes that it had before, if it had others and no other attachment has them."""
        known = register.find(self.database, attachment_id)
        if known is None or known.digest in (None, digest) or not known.stored:
            return
        if not register.shared(self.database, known):
            eviction.evict(self.vault, self.database, [eviction.Stored(known.digest or b"", known.size_bytes)])

    def _make_room(self, size_bytes: int, *, on_disk: int) -> None:
        now = self.clock.now()
        eviction.make_room(self.vault, self.database, self.bounds, size_bytes=size_bytes, on_disk=on_disk, now=now)
