"""Brings a file into the vault, from the store that vaults share or from Motion: inspected, named, recorded, and given
to the store.

Rule 1. The local vault serves; the store is asked where that has nothing, and given what that has got.
Rule 2. Nobody waits for a store in trouble twice: after a failure it is left alone for `REST_SECONDS`, and all goes on
        without it: files come from Motion, and links go out.
Rule 3. A store that has other bytes than it should is told as that, and asked for nothing else: Motion is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from gateway import clock, telemetry
from gateway.attachments import content_disposition, eviction
from gateway.attachments.decision import Acquire, Item, KnownAttachment
from gateway.attachments.register import Register
from gateway.attachments.vault import Incoming, Vault
from gateway.clock import Clock
from gateway.config import Settings
from gateway.errors import NotFound, SpoolUnavailable, StoreTrouble
from gateway.inspection import content, inspector
from gateway.inspection.structure import Inspection
from gateway.motion import download
from gateway.phrases import Finding, Line, Reason
from gateway.store.engines import Database

REST_SECONDS = 10.0
PUTS = 4  # at a time in a process: each has its file in memory
MOST_KNOWN = 20_000  # files of which is remembered that the store has them; some 2 MB


class Share:
    """The store behind one vault. Safe to use from several threads. Making one opens no connection."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        files: Vault,
        *,
        clock: Clock,
        rest_seconds: float = REST_SECONDS,
    ) -> None:
        from gateway.attachments.bucket import Bucket  # only who has a store loads what signs

        self.bucket = Bucket(settings.attachments, clock=clock)
        self._node, self._most_bytes = settings.server.node, settings.attachments.max_bytes
        self._database, self._files, self._clock = database, files, clock
        self._rest_seconds, self._resting_until = rest_seconds, 0.0
        self._trouble: str | None = ""  # that was told last; "": it is not known whether there is any
        self._known: dict[bytes, None] = {}
        self._doubted: set[bytes] = set()  # of which it had other bytes
        self._guard, self._putting = threading.Lock(), threading.BoundedSemaphore(PUTS)

    def bring(self, digest: bytes, write: Callable[[bytes], object], *, expect: Callable[[int], None]) -> int | None:
        """Hand the bytes of that name to `write`, as `Bucket.fetch` does; None where they cannot be had from there.

        What was written counts only where their number is returned. Raises what the two raise.
        """
        if self._is_resting():
            return None
        try:
            size_bytes = self.bucket.fetch(digest, write, expect=expect, most_bytes=self._most_bytes)
        except StoreTrouble as error:
            if error.reason == Reason.STORE_BYTES:
                telemetry.find(Finding.STORE_ALTERED, digest=digest.hex())
                self._forget(digest)
                self._doubted.add(digest)
            else:
                self._failed(error.reason)
            return None
        self._well()
        self._forget(digest) if size_bytes is None else self._remember(digest)
        return size_bytes

    def give(self, digest: bytes) -> bool:
        """Let the store have that file of the vault; tells whether it has."""
        if digest in self._known:
            return True
        if self._is_resting():
            return False
        with self._putting:
            content = self._files.read(digest)
            if content is None:
                return False
            try:
                self.bucket.put(digest, content, anew=digest in self._doubted)
            except StoreTrouble as error:
                self._failed(error.reason)
                return False
        self._well()
        self._doubted.discard(digest)
        self._remember(digest)
        return True

    def close(self) -> None:
        self.bucket.close()

    def _is_resting(self) -> bool:
        return clock.steady() < self._resting_until

    def _failed(self, reason: str) -> None:
        """Leave it alone for a while, and let the operator hear of it once."""
        self._resting_until = clock.steady() + self._rest_seconds
        with self._guard:
            before, self._trouble = self._trouble, reason
        if before != reason:
            telemetry.find(Finding.STORE_AWAY, reason=reason)
            found = {"finding": Finding.STORE_AWAY, "about": self._node, "reason": reason, "since": self._clock.now()}
            with suppress(SpoolUnavailable):
                self._database.tell(lambda run: run("keep_trouble", **found))

    def _well(self) -> None:
        """Say that it is there again, where it was away."""
        with self._guard:
            before, self._trouble = self._trouble, None
        if before is None:
            return
        if before:
            telemetry.note(Line.STORE_IS_BACK)
        with suppress(SpoolUnavailable):
            self._database.tell(lambda run: run("end_trouble", finding=Finding.STORE_AWAY, about=self._node))

    def _remember(self, digest: bytes) -> None:
        with self._guard:
            self._known[digest] = None
            if len(self._known) > MOST_KNOWN:
                del self._known[next(iter(self._known))]

    def _forget(self, digest: bytes) -> None:
        with self._guard:
            self._known.pop(digest, None)


@dataclass(frozen=True)
class Acquisition:
    """How a file comes into the vault: downloaded, inspected, given its name, recorded, and given to the store."""

    source: download.Source
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
