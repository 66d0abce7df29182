"""Fetches the files that customers send in as soon as their callbacks are committed, has them looked at, keeps them.

Rule 1. It is a process of its own: what is hostile is neither fetched nor looked into where events are delivered.
Rule 2. Of each link something is written down: that its file is here, that it is held back and why, or why there is
        none. What may pass by itself is tried again, later each time, for `inbound.retry_for`; no callback waits so
        long.
Rule 3. All of customers' files may fill half of the vault: they write as much as they like, and what goes out needs
        the other half.
Rule 4. What cannot be scanned while the scanner is away is held, and looked at again until it can be.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from queue import SimpleQueue

from gateway import clock, metrics, paths, telemetry
from gateway.attachments import acquisition, decision, eviction, register, sharing, vault
from gateway.clock import Clock
from gateway.config import Settings
from gateway.errors import NotFound, SpoolUnavailable, TooLarge, Unavailable
from gateway.inbound import arrivals, errands, policy, source
from gateway.phrases import Finding, Line, Reason
from gateway.services import Services
from gateway.store import retention
from gateway.store.engines import Database

AT_ONCE = 8  # one host that drips keeps one of them for `inbound.timeout`
POLL_SECONDS = 0.2  # so long a file waits at the most until it is seen, where nobody wakes us
SPOOL_RETRY_SECONDS = 1.0
LEASE_GRACE_SECONDS = 240.0  # beside a try's own time: for looking into a file, and for a spool that is busy
LONGEST_PAUSE_SECONDS = 300.0
SCAN_AGAIN_SECONDS = 20.0
TIDY_SECONDS = 3600.0
STOP_SECONDS = 3.0


class Library:
    """Where files are kept: the vault, what is known of it, and the store behind it, where there is one."""

    def __init__(self, settings: Settings, spool: Database, *, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self.register = register.Register.of(settings, spool)
        self.vault = vault.Vault(paths.vault(settings))
        self._share = (
            sharing.Share(settings, self.register, self.vault, clock=clock) if settings.attachments.store else None
        )
        self._scanning = acquisition.Scanning.of(settings, self.vault, self.register, clock)
        self._source, self._pace = source.MediaSource(settings), retention.Pace()
        self._bounds = replace(eviction.Bounds.of(settings), share_bytes=None)

    def bring(self, errand: errands.Errand) -> tuple[decision.Item, str]:
        """Bring the file of a link into the vault, if it is not there; with the type that Sinch called it, "" if none.

        Raises NotFound, TooLarge, Unavailable.
        """
        declared = ""
        known = self.register.find(errand.attachment_id) or decision.KnownAttachment(attachment_id=errand.attachment_id)
        if known.digest and known.inspection and self.vault.holds(known.digest, known.size_bytes):
            item = decision.Item.of(known, known.digest, known.inspection)
        else:
            self._require_room(0)
            there = self._source.of(errand.url, admit=self._require_room)
            ways = (there, self.vault, self.register, self._bounds, self._clock, self._share)
            with self.vault.incoming(errand.attachment_id, patience_seconds=0.0) as incoming:
                item = acquisition.Acquisition(*ways).run(decision.Acquire(record=known, wanted=None), incoming)
            declared = there.declared
        now = self._clock.now()
        self.register.held(errand.attachment_id, digest=item.digest, until=now + self._settings.inbound.keep, now=now)
        return item, declared

    def scanned(self, item: decision.Item) -> decision.Item:
        """Have it looked through for viruses. Raises Unavailable where nobody can."""
        return self._scanning.run(item, somebody_waits=False)

    def tidy(self) -> None:
        """Clear away what processes that died have left, what nobody knows, and what has been kept for its time.

        Raises Unavailable.
        """
        now = self._clock.now()
        eviction.end_customers(self.vault, self.register, now=self._pace.late(self.register.database, now=now))
        eviction.tidy(self.vault, self.register, now=now)

    def close(self) -> None:
        self.register.close()
        if self._share:
            self._share.close()

    def _require_room(self, size_bytes: int) -> None:
        """Raises Unavailable where customers' files would fill more than their half of the vault."""
        [[used_bytes]] = self.register.ask("customers_bytes", now=self._clock.now())
        if used_bytes + size_bytes > self._settings.attachments.vault_max_bytes // 2:
            telemetry.find(Finding.VAULT_FULL)
            raise Unavailable(Reason.MEDIA_FULL)


class Fetcher:
    """Follows the links of one node, several at once."""

    def __init__(self, shared: Services, library: Library, *, clock: Clock, settled: Callable[[], object]) -> None:
        """`settled` is called when the last file of an event is seen to: its delivery need not wait any more."""
        settings = shared.settings
        wanted = {each.connector_id for each in settings.accounts if settings.media_of(each) != "pass"}
        lease_seconds = settings.inbound.timeout + settings.attachments.store_seconds + LEASE_GRACE_SECONDS
        self._errands = errands.Fetching(shared.spool, shared.node, lease_seconds, wanted.__contains__)
        self._library, self._clock, self._settled = library, clock, settled
        self._retry_for = settings.inbound.retry_for
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._free, self._guard = AT_ONCE, threading.Lock()
        self._tidy_at = 0.0

    def run(self) -> None:
        """Fetch until `stop` is called; what is in hand then has some seconds, and is fetched anew by the next one."""
        tasks: SimpleQueue[errands.Errand | None] = SimpleQueue()
        hands = [threading.Thread(target=self._work, args=[tasks], name="fetch", daemon=True) for _ in range(AT_ONCE)]
        for hand in hands:
            hand.start()
        self._patiently(self._errands.begin)
        telemetry.note(Line.FETCHER_STARTED)
        try:
            while not self._stopping.is_set():
                self._wake.clear()
                self._patiently(lambda: self._dispatch(tasks.put), forever=False)
                self._wake.wait(POLL_SECONDS)
        finally:
            for _ in hands:
                tasks.put(None)
            ends_at = clock.steady() + STOP_SECONDS
            for hand in hands:
                hand.join(max(0.0, ends_at - clock.steady()))
            with suppress(SpoolUnavailable):
                self._errands.let_go()
        telemetry.note(Line.FETCHER_STOPPED)

    def wake(self) -> None:
        """Look now: there may be something new."""
        self._wake.set()

    def stop(self) -> None:
        self._stopping.set()
        self.wake()

    def carry(self, errand: errands.Errand) -> None:
        """Follow one link, and write down what came of it."""
        try:
            found = self._found(errand)
        except (NotFound, TooLarge) as error:
            found = errands.Ending(state=arrivals.FAILED, reason=error.reason)
        except Unavailable as error:
            now, reason = self._clock.now(), error.reason
            if now < errand.accepted_at + self._retry_for:
                metrics.count(metrics.INBOUND_FILES, str(errand.connector_id), "again")
                self._patiently(lambda: self._postpone(errand, reason, now))
                return
            found = errands.Ending(state=arrivals.FAILED, reason=reason)
        self._end(errand, found)

    def _found(self, errand: errands.Errand) -> errands.Ending:
        """Say what became of it. Raises NotFound, TooLarge, Unavailable."""
        if errand.deadly:
            raise NotFound(Reason.MEDIA_KILLS)
        item, declared = self._library.bring(errand)
        try:
            item = self._library.scanned(item)
        except Unavailable as error:
            found, again = _judged(item, declared), self._clock.now() + SCAN_AGAIN_SECONDS
            reason = found.reason if found.state == arrivals.HELD else error.reason
            return replace(found, state=arrivals.HELD, reason=reason, due_at=again)
        return _judged(item, declared)

    def _end(self, errand: errands.Errand, found: errands.Ending) -> None:
        """Write it down, and let the operator hear of what Motion does not get."""
        last: list[bool] = []
        self._patiently(lambda: last.append(self._errands.settle(errand, found, now=self._clock.now())))
        if any(last):
            self._settled()
        if errand.held and found.state == arrivals.HELD:
            return
        metrics.count(metrics.INBOUND_FILES, str(errand.connector_id), found.state)
        said = {"event_id": errand.event_id, "attachment_id": errand.attachment_id, "reason": found.reason}
        if found.state == arrivals.FAILED:
            telemetry.find(Finding.MEDIA_FAILED, **said)
        elif found.state == arrivals.HELD:
            telemetry.find(Finding.MEDIA_HELD, **said)

    def _postpone(self, errand: errands.Errand, reason: str, now: float) -> None:
        longest = min(LONGEST_PAUSE_SECONDS, 2.0 ** min(errand.tries - 1, 16))
        pause = longest * (0.5 + random.random() / 2)  # noqa: S311 - it spreads tries, it guards nothing
        self._errands.postpone(errand, reason, due_at=now + pause, now=now)

    def _dispatch(self, put: Callable[[errands.Errand], None]) -> None:
        """Hand out what is due, as far as hands are free."""
        now = self._clock.now()
        self._tidy(now)
        self._errands.note_new(now=now, most=AT_ONCE * 4)
        taken = self._errands.take(now=now, most=self._free) if self._free else []
        with self._guard:
            self._free -= len(taken)
        for errand in taken:
            put(errand)

    def _work(self, tasks: SimpleQueue[errands.Errand | None]) -> None:
        while (errand := tasks.get()) is not None:
            try:
                self.carry(errand)
            except Exception as error:  # noqa: BLE001 - a thread's last word; the lease frees the link
                telemetry.failure(Line.UNEXPECTED, error, event_id=errand.event_id)
            finally:
                with self._guard:
                    self._free += 1
                self.wake()

    def _tidy(self, now: float) -> None:
        if now >= self._tidy_at:
            self._tidy_at = now + TIDY_SECONDS
            with suppress(Unavailable):  # another time will do
                self._library.tidy()

    def _patiently(self, write: Callable[[], object], *, forever: bool = True) -> None:
        """Outlast a spool that is locked or away: `forever` until it is written, else until the next round."""
        while True:
            try:
                write()
                return
            except SpoolUnavailable as error:
                telemetry.find(Finding.SPOOL_UNAVAILABLE, reason=error.reason)
                if self._stopping.wait(SPOOL_RETRY_SECONDS) or not forever:
                    return


def _judged(item: decision.Item, declared: str) -> errands.Ending:
    """Say what becomes of a file that is here."""
    ruling = policy.judge(item.inspection, name=item.name, declared=declared)
    return errands.Ending(
        state=arrivals.HELD if ruling.entry is policy.Admission.HOLD else arrivals.KEPT,
        reason="" if ruling.entry is policy.Admission.LET else ruling.row,
        digest=item.digest,
        size_bytes=item.size_bytes,
        name=ruling.name,
        mime=ruling.mime,
        verdict=str(ruling.entry),
        inspection=item.inspection,
    )
