"""Hands out Motion's attachments: acquired once, inspected, kept in the vault.

Rule 1. However many ask for an attachment, one downloads it; the others wait, and share what comes of it.
Rule 2. A file is inspected before it has its name in the vault, and recorded together with getting it.
Rule 3. What has failed is not tried again for `REMEMBERED_SECONDS`: by then whoever was told to come again comes again,
        and a file that has appeared meanwhile is found.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gateway import __version__
from gateway.attachments import eviction, register, vault
from gateway.attachments.acquisition import Acquisition
from gateway.attachments.eviction import Bounds
from gateway.attachments.register import Record
from gateway.attachments.vault import Incoming, Vault
from gateway.clock import Clock
from gateway.config import Settings
from gateway.errors import RETRY_AFTER_SECONDS, CommandError, GatewayError, NotFound, TooLarge, Unavailable
from gateway.inspection import content, inspector
from gateway.inspection.inspector import Inspection
from gateway.motion import download
from gateway.motion.download import Source
from gateway.store.engines import Database

PATIENCE_SECONDS = 25.0  # beyond Motion's time by default, below nginx's with us
REMEMBERED_SECONDS = {
    NotFound.status: RETRY_AFTER_SECONDS,
    Unavailable.status: RETRY_AFTER_SECONDS,
    TooLarge.status: 60,  # it does not shrink, and each try costs as much as we take
}
_REFUSALS: dict[int, type[GatewayError]] = {error.status: error for error in (NotFound, TooLarge, Unavailable)}
TIDY_SECONDS = 3600.0
WAITING = 56  # of a worker's threads: the others are for files that are here
CROWDED = "too many wait for Motion"


@dataclass(frozen=True, kw_only=True)
class Item:
    """An attachment whose file is in the vault."""

    attachment_id: str
    digest: bytes  # SHA-256
    size_bytes: int
    inspection: Inspection
    name: str  # that Motion gave it, whatever it is made of; "" if none
    acquired_at: float
    first_fetched_at: float | None  # by the link that Motion built
    revoked_before: int | None  # tokens minted before that second open nothing


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the links of an attachment are worth: to be asked before `take`, which may have to go to Motion."""

    first_fetched_at: float | None = None
    revoked_before: int | None = None


class Shelf:
    """Safe to use from several threads and processes. Making one does nothing yet."""

    def __init__(
        self,
        settings: Settings,
        spool: Database,
        folder: Path,
        *,
        clock: Clock,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """`folder`: of the vault. `patience_seconds`: with another who acquires the same attachment."""
        self._patience_seconds = patience_seconds
        self._link_ttl = settings.attachments.link_ttl
        self._database = spool
        self._vault = Vault(folder)
        self._source = Source(settings.motion, settings.attachments)
        bounds = Bounds(vault_bytes=settings.attachments.vault_max_bytes, free_bytes=settings.server.min_free)
        self._acquisition = Acquisition(self._source, self._vault, spool, bounds, clock)
        self._clock = clock
        self._tidied_at = 0.0
        self._places = threading.BoundedSemaphore(WAITING)

    def standing(self, attachment_id: str) -> Standing:
        """Of any id, whether there is such an attachment or not. Raises SpoolUnavailable."""
        known = register.find(self._database, attachment_id)
        if known is None:
            return Standing()
        return Standing(first_fetched_at=known.first_fetched_at, revoked_before=known.revoked_before)

    def take(self, attachment_id: str, *, digest: bytes | None = None) -> Item:
        """The attachment, acquired if it is not here; `digest`: only with these bytes.

        Raises NotFound, TooLarge, Unavailable.
        """
        download.require_id(attachment_id)
        found = self._here(attachment_id, digest)
        if found:
            return found
        with self._place(), self._vault.incoming(attachment_id, patience_seconds=self._patience_seconds) as incoming:
            found = self._here(attachment_id, digest)  # another may have acquired it while we waited
            if found is None:
                self._acquire(attachment_id, digest, incoming)
                found = self._here(attachment_id, digest)
        self._tidy_at_times()
        if found is None:
            raise Unavailable(vault.UNWRITABLE)
        return found

    def fetched(self, item: Item, *, until: float | None = None) -> None:
        """Count a fetch. `until`: the end of the token it came by; None for the link that Motion built."""
        now = self._clock.now()
        end = now + self._link_ttl if until is None else until
        register.fetched(self._database, item.attachment_id, now=now, until=end, by_motions_link=until is None)

    def hold(self, attachment_id: str, *, digest: bytes, until: float) -> None:
        """A link to these bytes of it is minted that lives until then: they stay the same, and go after others.

        Raises NotFound, and holds nothing, for what is no id, and while links to other bytes of it live.
        """
        download.require_id(attachment_id)
        now = self._clock.now()
        if not register.held(self._database, attachment_id, digest=digest, until=until, now=now):
            raise NotFound(download.OTHER_BYTES)

    def path(self, item: Item) -> Path:
        """Of the file in the vault."""
        return self._vault.path(item.digest)

    def revoke(self, attachment_id: str) -> int:
        """Let no link of it open anything that was made until now; returns the new `revoked_before`."""
        download.require_id(attachment_id)
        before = int(self._clock.now()) + 1
        register.revoked(self._database, attachment_id, before=before)
        return before

    def listed(self, *, most: int) -> list[Record]:
        """What is known of the attachments that something happened to last."""
        return register.listed(self._database, most=most)

    def evict(self, attachment_ids: Sequence[str]) -> int:
        """Delete the files of these attachments; returns how many. A link that lives has them fetched anew.

        Raises CommandError, and deletes none, if the vault has no file of one of them.
        """
        with self._vault.alone():
            digests = {self._stored(attachment_id) for attachment_id in attachment_ids}
            going = [file for file in eviction.stored(self._database) if file.digest in digests]
            eviction.evict(self._vault, self._database, going)
        return len(going)

    def evict_all(self) -> int:
        """Delete every file; returns how many."""
        with self._vault.alone():
            going = eviction.stored(self._database)
            eviction.evict(self._vault, self._database, going)
        return len(going)

    def tidy(self) -> None:
        """Clear away what processes that died left behind, and what is long over.

        For the start of the attachments door's process; again every hour, with the next acquisition.
        """
        now = self._tidied_at = self._clock.now()
        self._vault.clear_leftovers()
        with self._vault.alone():
            eviction.reconcile(self._vault, self._database)
            eviction.evict(self._vault, self._database, eviction.over(self._database, now=now))
        register.purge(self._database, now=now)

    def close(self) -> None:
        self._source.close()

    def _stored(self, attachment_id: str) -> bytes:
        known = register.find(self._database, attachment_id)
        if known is None or known.digest is None or not known.stored:
            raise CommandError(f"the vault has no file of attachment {attachment_id}; nothing was evicted")
        return known.digest

    def _here(self, attachment_id: str, digest: bytes | None) -> Item | None:
        """The attachment if it is here; None if it must be fetched. Raises what is remembered."""
        known = register.find(self._database, attachment_id)
        if known is None:
            return None
        if known.digest and digest in (None, known.digest) and self._vault.holds(known.digest, known.size_bytes):
            return self._item(known, known.digest)
        wanted = self._wanted(known, digest)
        if digest and wanted != digest:
            raise NotFound(download.OTHER_BYTES)
        self._raise_remembered(known, wanted)
        return None

    def _acquire(self, attachment_id: str, digest: bytes | None, incoming: Incoming) -> None:
        known = register.find(self._database, attachment_id)
        wanted = self._wanted(known, digest)
        try:
            self._acquisition.run(attachment_id, incoming, wanted=wanted)
        except (NotFound, TooLarge, Unavailable) as error:
            register.failed(self._database, attachment_id, error, digest=wanted, now=self._clock.now())
            raise

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of those who may wait for Motion at the same time. Raises Unavailable."""
        if not self._places.acquire(blocking=False):
            raise Unavailable(CROWDED)
        try:
            yield
        finally:
            self._places.release()

    def _wanted(self, known: Record | None, digest: bytes | None) -> bytes | None:
        """The bytes that the attachment must have; None: any. A change at Motion changes nothing for a live link."""
        return known.digest if known and known.digest and known.live_until > self._clock.now() else digest

    def _raise_remembered(self, known: Record, wanted: bytes | None) -> None:
        failure = known.failure
        if failure is None or failure.digest != wanted:
            return
        if failure.at <= self._clock.now() < failure.at + REMEMBERED_SECONDS[failure.status]:
            raise _REFUSALS[failure.status](failure.reason)

    def _item(self, known: Record, digest: bytes) -> Item:
        seen = known.inspection
        if seen is None or known.inspected_by != __version__:
            with vault.in_our_words(), content.of_file(self._vault.path(digest)) as file:
                seen = inspector.inspect(file, name=known.name)
            register.inspected(self._database, known.attachment_id, seen)
        return Item(
            attachment_id=known.attachment_id,
            digest=digest,
            size_bytes=known.size_bytes,
            inspection=seen,
            name=known.name,
            acquired_at=known.acquired_at or 0.0,
            first_fetched_at=known.first_fetched_at,
            revoked_before=known.revoked_before,
        )

    def _tidy_at_times(self) -> None:
        if self._clock.now() - self._tidied_at >= TIDY_SECONDS:
            with suppress(Unavailable):  # another time will do
                self.tidy()
