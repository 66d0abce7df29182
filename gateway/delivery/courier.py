"""Carries events from the spool to Motion: side by side for different contacts, in order for each.

Rule 1. There is one courier: it holds `lock` for as long as it lives, and frees what a courier before
        it died with.
Rule 2. While Motion is down one event at a time is tried, of another contact each time.
Rule 3. What became of a try is written down before the next one of its contact begins. If it cannot
        be written, it is tried to be written until it can.
Rule 4. What was in hand when a courier died is suspected of having killed it: such events are tried
        one by one and alone, so that the innocent are told from the one that kills again.
Rule 5. Asked to stop, it takes nothing new and finishes what is in flight.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from gateway import telemetry
from gateway.clock import Clock
from gateway.config import Settings
from gateway.delivery import claims, schedule
from gateway.delivery.claims import Claim
from gateway.delivery.schedule import Again, FailureRecord, Health, Park, Try
from gateway.errors import SpoolUnavailable, UpstreamError, UpstreamTimeout
from gateway.motion.notify import Notifier
from gateway.phrases import Finding, Line, Reason
from gateway.store import retention
from gateway.store.engines import Database

LEASE_SECONDS = 90.0
POLL_SECONDS = 0.1  # how long a new event waits at the most until it is seen
PURGE_SECONDS = 600.0
SPOOL_RETRY_SECONDS = 1.0


class Courier:
    def __init__(
        self,
        settings: Settings,
        spool: Database,
        motion: Notifier,
        *,
        clock: Clock,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._poll_seconds = poll_seconds
        self._settings = settings
        self._spool = spool
        self._motion = motion
        self._clock = clock
        self._health = Health()
        self._probes = 0
        self._probe_at = 0.0
        self._in_flight = 0
        self._state = threading.Lock()  # guards the five above
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._purge_at = 0.0
        self._suspects: list[str] = []  # lanes
        self._alone = False  # a suspect is in flight, or was the last that was

    def run(self) -> None:
        """Deliver until `stop` is called, then finish what is in flight."""
        self._recover()
        with ThreadPoolExecutor(self._settings.spool.deliveries, thread_name_prefix="delivery") as pool:
            while not self._stopping.is_set():
                self._wake.clear()
                self._patiently(lambda: self._dispatch(pool.submit))
                self._wake.wait(self._poll_seconds)
        telemetry.note(Line.COURIER_STOPPED)

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()

    def _recover(self) -> None:
        longest = schedule.LONGEST_WAIT_SECONDS
        recovered = claims.recover(self._spool, now=self._clock.now(), longest_wait_seconds=longest)
        self._suspects.extend(recovered.suspects)
        for event_id in recovered.parked:
            telemetry.find(Finding.EVENT_PARKED, event_id=event_id, reason=Reason.KILLED_COURIERS)
        telemetry.note(Line.COURIER_STARTED)

    def _dispatch(self, submit: Callable[..., object]) -> None:
        now = self._clock.now()
        self._purge(now)
        room, probing = self._room(now)
        for taken in self._claim(now, room, probing=probing) if room else []:
            with self._state:
                self._in_flight += 1
            submit(self._carry, taken, probing=probing)

    def _claim(self, now: float, room: int, *, probing: bool) -> list[Claim]:
        lease = max(LEASE_SECONDS, 3 * self._settings.spool.deadline)
        self._alone = bool(self._suspects)
        if self._suspects:
            suspect = claims.claim_suspect(self._spool, self._suspects[0], now=now, lease_seconds=lease)
            self._suspects.pop(0)
            return [suspect] if suspect else []
        due_by = math.inf if probing else now  # a probe need not be due
        if not claims.any_due(self._spool, due_by=due_by, now=now):
            return []
        return claims.claim(self._spool, due_by=due_by, now=now, most=room, lease_seconds=lease)

    def _room(self, now: float) -> tuple[int, bool]:
        """How many events to take, and whether as a probe."""
        with self._state:
            idle = self._in_flight == 0
            if self._health.down:
                return int(idle and now >= self._probe_at), True
            if self._suspects or self._alone:
                return int(idle), False
            return self._settings.spool.deliveries - self._in_flight, False

    def _carry(self, taken: Claim, *, probing: bool) -> None:
        try:
            started = self._clock.now()
            attempt = self._post(taken)
            took = round((self._clock.now() - started) * 1000, 1)
            self._settle(taken, attempt, was_up=self._note(taken, attempt, probing=probing), milliseconds=took)
        except Exception as error:  # noqa: BLE001 - a thread's last word; the lease frees the event
            telemetry.failure(Line.UNEXPECTED, error, event_id=taken.event_id)
        finally:
            with self._state:
                self._in_flight -= 1
            self._wake.set()

    def _post(self, taken: Claim) -> Try:
        try:
            answer = self._motion.notify(
                taken.connector_id,
                taken.body,
                query=taken.query,
                headers=taken.headers,
                request_id=taken.request_id,
                address=taken.address,
            )
        except UpstreamError as error:
            return Try(None, error.reason, hung=isinstance(error, UpstreamTimeout))
        wait = answer.retry_after_seconds(now=self._clock.now()) or 0.0
        return Try(answer.status, str(answer.status), retry_after_seconds=wait)

    def _settle(self, taken: Claim, attempt: Try, *, was_up: bool, milliseconds: float) -> None:
        if attempt.delivered:
            verdict = "delivered"
            self._patiently(
                lambda: claims.delivered(self._spool, taken, outcome=attempt.reason, now=self._clock.now()),
                forever=True,
            )
        else:
            verdict = self._settle_failure(taken, attempt, was_up=was_up)
        telemetry.decision(
            Line.DELIVERY,
            **{
                telemetry.EVENT: taken.event_id,
                telemetry.CONNECTOR: taken.connector_id,
                telemetry.KIND: taken.kind,
                telemetry.REQUEST_ID: taken.request_id,
                telemetry.TRY: taken.tries,
                telemetry.STATUS: attempt.status,
                telemetry.REASON: attempt.reason,
                telemetry.MILLISECONDS: milliseconds,
                "verdict": verdict,
            },
        )

    def _note(self, taken: Claim, attempt: Try, *, probing: bool) -> bool:
        """Judge Motion by this try; returns whether it was up when the try ended."""
        with self._state:
            was_up = not self._health.down
            changed = self._health.note(taken.lane, attempt)
            down = self._health.down
            self._probes = self._probes + 1 if probing else 0
            wait = schedule.next_probe_seconds(self._probes, attempt.retry_after_seconds)
            self._probe_at = self._clock.now() + wait
        if changed and down:
            telemetry.find(Finding.MOTION_DOWN)
        if changed and not down:
            telemetry.note(Line.MOTION_IS_UP)
            self._patiently(lambda: claims.hurry(self._spool, now=self._clock.now()))
        return was_up

    def _settle_failure(self, taken: Claim, attempt: Try, *, was_up: bool) -> str:
        now = self._clock.now()
        next_step = schedule.after_failure(
            attempt,
            FailureRecord(taken.failures, taken.failing_since),
            motion_was_up=was_up,
            others_delivered=self._others_delivered(taken),
            now=now,
            retry_for_seconds=self._settings.spool.retry_for,
            chance=random.random(),  # noqa: S311 - it spreads tries, it guards nothing
        )
        if isinstance(next_step, Park):
            reason = f"{attempt.reason}: {next_step.reason}"
            self._patiently(lambda: claims.park(self._spool, taken, outcome=reason, now=now), forever=True)
            telemetry.find(Finding.EVENT_PARKED, event_id=taken.event_id, reason=reason)
            return "parked"
        self._patiently(lambda: self._postpone(taken, attempt, next_step, now), forever=True)
        return "again"

    def _postpone(self, taken: Claim, attempt: Try, next_step: Again, now: float) -> None:
        claims.postpone(
            self._spool,
            taken,
            outcome=attempt.reason,
            due_at=now + next_step.wait_seconds,
            failures=next_step.record.failures,
            failing_since=next_step.record.failing_since,
        )

    def _others_delivered(self, taken: Claim) -> bool:
        since = taken.failing_since
        try:
            return since is not None and claims.delivered_to_others_since(self._spool, taken, since)
        except SpoolUnavailable:
            return False  # no evidence against the event

    def _purge(self, now: float) -> None:
        if now < self._purge_at:
            return
        self._purge_at = now + PURGE_SECONDS
        spool = self._settings.spool
        keep = retention.Retention(spool.keep_delivered, spool.keep_rejected, spool.keep_parked)
        deleted = retention.purge(self._spool, keep, now=now)
        if deleted:
            telemetry.note(Line.PURGED, events=deleted)

    def _patiently(self, write: Callable[[], object], *, forever: bool = False) -> None:
        """Outlast a spool that is locked or full: `forever` until it is written, else until the next round."""
        while True:
            try:
                write()
                return
            except SpoolUnavailable as error:
                telemetry.find(Finding.SPOOL_UNAVAILABLE, reason=error.reason)
                if self._stopping.wait(SPOOL_RETRY_SECONDS) or not forever:
                    return
