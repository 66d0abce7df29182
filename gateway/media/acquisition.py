"""Brings an attachment from Motion into the vault: downloaded, inspected, given its name, recorded."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.clock import Clock
from gateway.errors import NotFound
from gateway.media import eviction, register, source
from gateway.media.eviction import Bounds
from gateway.media.inspection import inspector
from gateway.media.inspection.content import Content
from gateway.media.inspection.inspector import Inspection
from gateway.media.source import Download, Source
from gateway.media.vault import Incoming, Vault
from gateway.spool.database import Database


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

        download = self.source.fetch(attachment_id, lambda chunk: self.vault.write(incoming, chunk), expect=expect)
        if wanted not in (None, download.digest):
            raise NotFound(source.OTHER_BYTES)
        self.vault.sync(incoming)
        content = Content(incoming.file, size_bytes=download.size_bytes)
        seen = inspector.inspect(content, name=download.promise.name)
        source.require_no_page(download, seen)
        self._store(attachment_id, incoming, download, seen)

    def _store(self, attachment_id: str, incoming: Incoming, download: Download, seen: Inspection) -> None:
        size = download.size_bytes
        with self.vault.alone():
            if not self.vault.holds(download.digest, size):
                self._make_room(size, on_disk=size)
                self.vault.keep(incoming, download.digest)
            self._drop_former(attachment_id, download.digest)
            register.acquired(
                self.database,
                attachment_id,
                digest=download.digest,
                name=download.promise.name,
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
