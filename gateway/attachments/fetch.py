"""Hands out Motion's attachments: acquired once, inspected, kept in the vault.

Rule 1. However many ask for an attachment, one downloads it; the others wait, and share what comes of it. That Motion
        has none they share if they asked before Motion was asked; who came later asks anew.
Rule 2. A file is inspected before it has its name in the vault, and recorded together with getting it.
Rule 3. What is known of an attachment is read once and decided upon (`decision`); what was written is handed back, and
        not read again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from gateway import metrics
from gateway.attachments import decision, eviction, sharing, vault
from gateway.attachments.acquisition import Acquisition, Scanning
from gateway.attachments.decision import Acquire, Item, KnownAttachment, LinkClaim, Refuse, Serve
from gateway.attachments.register import LOCAL, Fetches, Register
from gateway.attachments.sharing import REST_SECONDS, Share
from gateway.attachments.vault import Incoming, Vault
from gateway.clock import Clock, steady
from gateway.config import Settings
from gateway.errors import CommandError, NotFound, TooLarge, Unavailable
from gateway.inspection import content, inspector
from gateway.inspection.structure import Inspection
from gateway.motion import download, require_id
from gateway.phrases import Reason
from gateway.store import audit
from gateway.store.engines import Database

PATIENCE_SECONDS = 25.0  # beyond Motion's time by default, below nginx's with us
TIDY_SECONDS = 3600.0
INSPECTED_SECONDS = 15.0  # more than looking into a file takes
WAITING = 56  # of a worker's threads: the others are for files that are here


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
        rest_seconds: float = REST_SECONDS,
    ) -> None:
        """`folder`: the vault's. `patience_seconds`: with who acquires the same; `rest_seconds`: of a store away."""
        self._patience_seconds = patience_seconds
        self._link_ttl = settings.attachments.link_ttl
        self._register = Register.of(settings, spool)
        self._vault = Vault(folder)
        self._source = download.Source(settings.motion, settings.attachments)
        bounds = eviction.Bounds.of(settings)
        self._share, self._node = None, settings.server.node
        if settings.attachments.store:
            self._share = Share(settings, self._register, self._vault, clock=clock, rest_seconds=rest_seconds)
        self._turn_seconds = settings.motion.timeout + settings.attachments.store_seconds + INSPECTED_SECONDS
        self._sharing = Acquisition(self._source, self._vault, self._register, bounds, clock, self._share)
        self._acquisition = replace(self._sharing, bounds=replace(bounds, share_bytes=None))
        self._scanning = Scanning.of(settings, self._vault, self._register, clock)
        self._clock = clock
        self._tidied_at = 0.0
        self._places = threading.BoundedSemaphore(WAITING)

    def known(self, attachment_id: str) -> KnownAttachment | None:
        """Tell what is known of any id, whether there is such an attachment or not. Raises SpoolUnavailable."""
        record = self._register.find(attachment_id)
        if record is None or record.digest is None:
            return record
        here = self._vault.holds(record.digest, record.size_bytes)  # which the register may not know yet
        return record if record.stored is here else replace(record, stored=here)

    def take(self, claim: LinkClaim, *, admit: Callable[[], None] | None = None) -> Item:
        """Hand out the attachment, acquired if it is not here. Raises NotFound, TooLarge, Unavailable.

        `admit` is called before Motion is asked, and may raise. What a link was granted nobody scans again.
        """
        if not claim.customers:
            require_id(claim.attachment_id)
        decided = self._decided(claim, asked_at := self._clock.now())
        item = self._served(decided) if isinstance(decided, Serve) else self._waited_for(claim, asked_at, admit)
        if claim.granted or not self._scanning.is_due(item):
            return item
        with self._place():
            return self._scanning.run(item)

    def fetched(self, item: Item, *, until: float | None = None) -> None:
        """Count a fetch. `until`: the end of the token it came by; None for the link that Motion built."""
        now, first = self._clock.now(), item.first_fetched_at
        if until is not None:
            fetched = Fetches(1, now, None, until)
        elif first is not None:
            fetched = Fetches(1, now, None, first + self._link_ttl)
        else:
            fetched = Fetches(1, now, now, now + self._link_ttl)
        self._register.count(item.attachment_id, fetched, revoked_before=item.revoked_before)

    def hold(
        self,
        attachment_id: str,
        *,
        digest: bytes,
        until: float,
        deed: audit.Deed | None = None,
        file: Path | None = None,
    ) -> bool:
        """Keep these bytes for a link that is minted and lives until then: they stay the same, and go after others.

        `deed`: of the operator who mints it; `file`: that has them, where the vault may not. Tells whether the store
        has them too, where there is one: else other nodes have them as long as Motion does.
        Raises NotFound, and holds nothing, for what is no id, and while links to other bytes of it live.
        """
        require_id(attachment_id)
        now = self._clock.now()
        if not self._register.held(attachment_id, digest=digest, until=until, now=now, deed=deed):
            raise NotFound(Reason.OTHER_BYTES)
        if self._share and file:
            self._register.tell(lambda run: run("name_bytes", attachment_id=attachment_id, digest=digest))
        return self._share is None or self._share.give(digest, file=file)  # before the link goes out, to any node

    def path(self, item: Item) -> Path:
        """Tell where its file is in the vault."""
        return self._vault.path(item.digest)

    def revoke(self, attachment_id: str, deed: audit.Deed) -> int:
        """Let no link of it open anything that was made until now; returns the new `revoked_before`."""
        require_id(attachment_id)
        before = decision.revocation(self._clock.now())
        self._register.revoked(attachment_id, deed, before=before)
        if self._share:
            with suppress(Unavailable):  # it is tried again
                self._share.let_go()
        return before

    def places(self, record: KnownAttachment) -> list[str]:
        """List where its file is beside this vault, so far as there is a store."""
        return self._register.places(record.digest) if self._share and record.digest else []

    def listed(self, *, most: int, among: Collection[str] | None = None, since: float = 0.0) -> list[KnownAttachment]:
        """List the attachments that something happened to last; of `among` alone, and since that moment."""
        return self._register.listed(most=most, among=among, since=since)

    def evict(self, attachment_ids: Sequence[str], deed: audit.Deed) -> int:
        """Delete the files of these attachments; returns how many. A link that lives has them fetched anew.

        Raises CommandError, and deletes none, if the vault has no file of one of them.
        """
        return eviction.evict_named(self._vault, self._register, attachment_ids, deed)

    def evict_all(self, deed: audit.Deed) -> int:
        """Delete every file but those that customers sent and that are kept for now; returns how many."""
        return eviction.evict_all(self._vault, self._register, deed, now=self._clock.now())

    def required_share(self) -> Share:
        """Give the store behind the vault. Raises CommandError where there is none."""
        if self._share is None:
            raise CommandError("there is no store behind the vault: attachments.store names none")
        return self._share

    def tidy(self) -> None:
        """Clear away what processes that died left behind, and what is long over.

        For the start of the attachments door's process; again every hour, with the next acquisition.
        """
        now = self._tidied_at = self._clock.now()
        eviction.tidy(self._vault, self._register, now=now)

    def keep_shared(self) -> None:
        """Give the store what it has not, and let go what no link to lives, now and again from here on."""
        sharing.keep(self._share, self._register, node=self._node)

    def close(self) -> None:
        """Write what was counted, and let go of the connections to Motion."""
        self._register.close()
        self._source.close()
        if self._share:
            self._share.close()

    def _decided(self, claim: LinkClaim, asked_at: float) -> Serve | Acquire:
        """Read what is known, and decide. Raises what is refused, and Unavailable where a wrong file cannot go."""
        known, now = self.known(claim.attachment_id), self._clock.now()
        decided = decision.decide(known, claim, now, asked_at=asked_at)
        if isinstance(decided, Refuse):
            raise decided.error(decided.reason)
        if eviction.drop_altered(self._vault, self._register, decided.record, now=now):
            return self._decided(claim, asked_at)
        return decided

    def _waited_for(self, claim: LinkClaim, asked_at: float, admit: Callable[[], None] | None) -> Item:
        ends_at = steady() + self._patience_seconds
        with self._place(), self._vault.incoming(claim.attachment_id, patience_seconds=self._patience_seconds) as file:
            decided = self._decided(claim, asked_at)  # another may have acquired it while we waited
            if isinstance(decided, Acquire) and admit:
                admit()
            if isinstance(decided, Serve):
                item = self._served(decided)
            else:
                item = self._had(decided, file, claim, asked_at, ends_at)
        self._tidy_at_times()
        return item

    def _had(self, decided: Acquire, file: Incoming, claim: LinkClaim, asked_at: float, ends_at: float) -> Item:
        """Acquire it, as the only node that does where several share a store."""
        if self._share is None or self._register.place == LOCAL:
            return self._acquired(decided, file, claim)
        with self._share.turn(claim.attachment_id, seconds=self._turn_seconds, ends_at=ends_at):
            anew = self._decided(claim, asked_at)  # another node may have acquired it while we waited
            return self._served(anew) if isinstance(anew, Serve) else self._acquired(anew, file, claim)

    def _acquired(self, decided: Acquire, incoming: Incoming, claim: LinkClaim) -> Item:
        began = self._clock.now()
        try:
            with metrics.downloading():
                return (self._acquisition if claim.link_ttl is None else self._sharing).run(decided, incoming)
        except (NotFound, TooLarge, Unavailable) as error:
            attachment_id = decided.record.attachment_id
            now = began if isinstance(error, NotFound) else self._clock.now()
            self._register.failed(attachment_id, error, digest=decided.wanted, now=now)
            raise

    def _served(self, decided: Serve) -> Item:
        return Item.of(decided.record, decided.digest, decided.seen or self._inspected(decided))

    def _inspected(self, decided: Serve) -> Inspection:
        with vault.in_our_words(), content.of_file(self._vault.path(decided.digest)) as file:
            seen = inspector.inspect(file, name=decided.record.name)
        self._register.inspected(decided.record.attachment_id, seen, digest=decided.digest)
        return seen

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Be one of those who may wait for Motion at the same time. Raises Unavailable."""
        if not self._places.acquire(blocking=False):
            raise Unavailable(Reason.CROWDED)
        try:
            yield
        finally:
            self._places.release()

    def _tidy_at_times(self) -> None:
        if self._clock.now() - self._tidied_at >= TIDY_SECONDS:
            with suppress(Unavailable):  # another time will do
                self.tidy()
