"""Brings a file into the vault, from the store or from Motion: inspected, given its name, recorded, and shared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.attachments import content_disposition, eviction
from gateway.attachments.decision import Acquire, Item, KnownAttachment
from gateway.attachments.register import Register
from gateway.attachments.sharing import Share
from gateway.attachments.vault import Incoming, Vault, in_our_words
from gateway.clock import Clock
from gateway.config import Settings
from gateway.errors import NotFound
from gateway.inspection import content, inspector, scanner
from gateway.inspection.structure import Inspection
from gateway.motion import download
from gateway.phrases import Reason


class Bringer(Protocol):
    """Where files come from: Motion, or a link of a customer's."""

    def fetch(
        self, attachment_id: str, write: Callable[[bytes], object], *, expect: Callable[[int], None]
    ) -> download.Download:
        """Hand the bytes to `write`, before that their number to `expect`. Raises NotFound, TooLarge, Unavailable."""


@dataclass(frozen=True)
class Acquisition:
    """How a file comes into the vault: downloaded, inspected, given its name, recorded, and given to the store."""

    source: Bringer
    vault: Vault
    register: Register
    bounds: eviction.Bounds
    clock: Clock
    share: Share | None = None  # the store behind the vault, where there is one

    def run(self, decided: Acquire, incoming: Incoming) -> Item:
        """Bring it in, and hand back what was written of it. Raises NotFound, TooLarge, Unavailable."""
        came = self._brought(decided, incoming) or self._downloaded(decided, incoming)
        self.vault.sync(incoming)
        seen = inspector.inspect(content.Content(incoming.file, size_bytes=came.size_bytes), name=came.promise.name)
        if not came.proved:
            download.require_no_page(came, seen)
        item = self._store(decided.record, incoming, came, seen)
        if self.share:
            self.share.give(came.digest)
        return item

    def _brought(self, decided: Acquire, incoming: Incoming) -> download.Download | None:
        """Have it from the store, if that is known to have what is wanted."""
        if self.share is None or decided.wanted is None:
            return None
        write, expect = self._into(incoming)
        size_bytes = self.share.bring(decided.wanted, write, expect=expect)
        if size_bytes is None:
            self.vault.begin_anew(incoming)
            return None
        promise = content_disposition.Promise(file=True, name=decided.record.name)
        return download.Download(
            digest=decided.wanted, size_bytes=size_bytes, promise=promise, declared="", proved=True
        )

    def _downloaded(self, decided: Acquire, incoming: Incoming) -> download.Download:
        write, expect = self._into(incoming)
        came = self.source.fetch(decided.record.attachment_id, write, expect=expect)
        if decided.wanted not in (None, came.digest):
            raise NotFound(Reason.OTHER_BYTES)
        return came

    def _into(self, incoming: Incoming) -> tuple[Callable[[bytes], None], Callable[[int], None]]:
        """Write it, with room that was taken before: at once, or piece by piece where nobody says a length."""
        reserved_bytes = 0

        def expect(size_bytes: int) -> None:
            nonlocal reserved_bytes
            with self.vault.alone():
                self._make_room(size_bytes, on_disk=0)
                self.vault.reserve(incoming, size_bytes)
            reserved_bytes = size_bytes

        def write(chunk: bytes) -> None:
            if not reserved_bytes and self.vault.free_bytes() < self.bounds.free_bytes + len(chunk):
                with self.vault.alone():
                    self._make_room(len(chunk), on_disk=0)
            self.vault.write(incoming, chunk)

        return write, expect

    def _store(self, former: KnownAttachment, incoming: Incoming, came: download.Download, seen: Inspection) -> Item:
        size, now = came.size_bytes, self.clock.now()
        with self.vault.alone():
            if not self.vault.holds(came.digest, size):
                self._make_room(size, on_disk=size)
            self.vault.keep(incoming, came.digest)  # also where it is: these bytes are the right ones
            if former.digest != came.digest:
                eviction.drop_former(self.vault, self.register, former)
            name, attachment_id = came.promise.name, former.attachment_id
            record = self.register.acquired(attachment_id, digest=came.digest, name=name, seen=seen, now=now)
        return Item.of(record, came.digest, seen)

    def _make_room(self, size_bytes: int, *, on_disk: int) -> None:
        now = self.clock.now()
        eviction.make_room(self.vault, self.register, self.bounds, size_bytes=size_bytes, on_disk=on_disk, now=now)


@dataclass(frozen=True)
class Scanning:
    """How what is in the vault is looked through for viruses, where the settings name who does."""

    clamd: scanner.Scanner | None
    vault: Vault
    register: Register
    clock: Clock

    @classmethod
    def of(cls, settings: Settings, files: Vault, register: Register, clock: Clock) -> Scanning:
        """Make it as the settings say."""
        asked = scanner.Scanner.of(settings.inbound.scan, away=settings.inbound.scan_away)
        return cls(asked, files, register, clock)

    def is_due(self, item: Item) -> bool:
        """Tell whether that would take a while: it was not, or not lately."""
        return self.clamd is not None and scanner.is_due(item.inspection, now=self.clock.now())

    def run(self, item: Item, *, somebody_waits: bool = True) -> Item:
        """Look through it, and record what was found. Raises Unavailable where it could not be, and is held."""
        if self.clamd is None:
            return item
        with in_our_words(), self.vault.path(item.digest).open("rb") as file:
            now, about = self.clock.now(), item.attachment_id
            seconds = scanner.SECONDS if somebody_waits else scanner.UNHURRIED_SECONDS
            seen = self.clamd.looked(item.inspection, file, about=about, now=now, seconds=seconds)
        if seen is item.inspection:
            return item
        self.register.inspected(item.attachment_id, seen, digest=item.digest)
        return replace(item, inspection=seen)
