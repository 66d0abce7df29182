"""Hands one event to Motion, learns from what comes of it, and writes that down.

Rule 1. What became of a try is written down before the next one of its contact begins. If it cannot
        be written, it is tried to be written until it can.
Rule 2. An event that has had its tries keeps its contact in hand while those behind it are tried once each.
Rule 3. Nothing is begun that could not end within its lease: a courier that was stopped for long may find what it had
        in hand in the hand of another.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from gateway import metrics, store, telemetry
from gateway.clock import Clock
from gateway.config import Settings
from gateway.delivery import claims, knowledge, parcel, schedule, trouble
from gateway.delivery.room import Bearing
from gateway.delivery.schedule import Again, FailureRecord, Park, Try, Witness
from gateway.errors import SpoolUnavailable, UpstreamError
from gateway.inbound.arrivals import Contents
from gateway.motion.notify import Notifier
from gateway.phrases import Finding, Line, Reason
from gateway.store.engines import Database

_PAGE = re.compile(rb"\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE)
MOST_IN_VAIN = 5  # of those behind an event, in a row, before its contact is left alone


@dataclass(frozen=True)
class Result:
    """What came of a try, and what is to be done where it failed."""

    attempt: Try
    step: Again | Park | None
    witness: Witness
    away: bool
    away_altogether: bool  # for the whole account, and not for this kind of it alone

    @property
    def outcome(self) -> str:
        """As it is kept with the event."""
        reason = self.attempt.reason
        return f"{reason}: {self.step.reason}" if isinstance(self.step, Park) else reason


class Handover:
    """Safe to use from several threads."""

    def __init__(
        self,
        settings: Settings,
        spool: Database,
        motion: Notifier,
        *,
        clock: Clock,
        patiently: trouble.Patiently,
        lease_seconds: float,
    ) -> None:
        self._settings, self._spool, self._motion, self._now = settings, spool, motion, clock.now
        self._patiently, self._lease_seconds = patiently, lease_seconds
        self._packer = parcel.Packer(settings, spool, patiently=patiently)
        self._known = knowledge.Knowledge(settings, spool, clock=clock, patiently=patiently)
        self.bearing = Bearing(settings.spool.deliveries)
        self._stopping = False

    def stop(self) -> None:
        """Look behind no event any more."""
        self._stopping = True

    @property
    def known(self) -> knowledge.Knowledge:
        """What is known of Motion."""
        return self._known

    def carry(self, taken: claims.Claim, arrived: Callable[[], None], *, probe: bool) -> None:
        """Try a claimed event, and perhaps those behind it. `arrived` is called before that is written down."""
        contents = self._packer.look(taken, now=self._now())
        if contents is None or not self._may_begin(taken, contents, probe=probe):
            return
        result = self._try(taken, contents, probe=probe)
        if result.step is None:
            arrived()
            self._end(taken, lambda: claims.delivered(self._spool, taken, outcome=result.outcome, now=self._now()))
        elif isinstance(result.step, Park):
            self._end(taken, lambda: claims.park(self._spool, taken, outcome=result.outcome, now=self._now()))
            self._parked(taken, result)
        elif result.step.look_behind and self._known.lets_look_behind(taken.scope):
            self._keep_failing(taken, result.step.record, result.outcome)
            self._look_behind(taken, result, result.step)
        else:
            self._postpone(taken, result.step, result.outcome)

    def _may_begin(self, taken: claims.Claim, contents: Contents, *, probe: bool) -> bool:
        """Tell whether its files are there, and a try could end within its lease; else let go of the lane."""
        now, until = self._now(), contents.waits_until
        if until:
            self._end(taken, lambda: parcel.let_wait(self._spool, taken, until=until, now=now, probe=probe))
            return False
        if self._lasts(taken):
            return True
        telemetry.note(Line.NOT_BEGUN, event_id=taken.event_id)
        self._end(taken, lambda: claims.free(self._spool, taken, due_at=now))
        return False

    def _lasts(self, taken: claims.Claim) -> bool:
        """Tell whether a try could end within its lease."""
        return self._now() + self._settings.spool.deadline <= taken.leased_until

    def _look_behind(self, taken: claims.Claim, result: Result, step: Again) -> None:
        wait = step.wait_seconds
        last, helped, took = self._try_those_behind(taken)
        if helped:
            wait = schedule.wait_after_help(result.attempt, step, wordless=taken.scope.wordless)
        due_at = self._now() + wait
        self._end(last, lambda: claims.free(self._spool, last, due_at=due_at))
        if result.witness.nothing and not (took or result.away):
            self._known.all_refused(taken.scope, result.attempt.reason, looked=last is not taken)
        elif result.witness.other_kinds and not taken.scope.wordless:
            self._known.kind_refused(taken.scope, result.attempt.reason)

    def _try_those_behind(self, head: claims.Claim) -> tuple[claims.Claim, bool, bool]:
        """Try the events of the lane behind its first once each, as far as they tell something of it.

        Returns the one that is in hand at the end, whether one was taken that tells, and whether any was.
        """
        last, vain, took, proved = head, 0, False, False
        while vain < MOST_IN_VAIN and not proved and not self._stopping:
            following = self._next_behind(last)
            contents = self._packer.look(following, now=self._now()) if following else None
            if following is None or contents is None:
                break
            if contents.waits_until or not self._lasts(following):
                self._leave_untried(following)
                break
            last = following
            result = self._try(following, contents, probe=False)
            self._settle_behind(following, result)
            vain = 0 if result.step is None else vain + 1
            took = took or result.step is None
            proved = result.step is None and following.scope == head.scope
            if result.away_altogether or (result.attempt.silent and not following.scope.wordless):
                break
        return last, proved or (took and head.scope.wordless), took

    def _leave_untried(self, taken: claims.Claim) -> None:
        self._write(lambda: parcel.uncount(self._spool, taken))

    def _next_behind(self, last: claims.Claim) -> claims.Claim | None:
        try:
            return claims.claim_behind(self._spool, last, now=self._now(), lease_seconds=self._lease_seconds)
        except SpoolUnavailable:
            return None  # later, with the next try of the first

    def _settle_behind(self, taken: claims.Claim, result: Result) -> None:
        if isinstance(result.step, Again):
            self._keep_failing(taken, result.step.record, result.outcome)
            return
        end = {"state": store.PARKED if result.step else store.DELIVERED, "outcome": result.outcome}
        self._write(lambda: claims.settle_behind(self._spool, taken, **end, now=self._now()))
        if result.step:
            self._parked(taken, result)

    def _parked(self, taken: claims.Claim, result: Result) -> None:
        self._known.forget(taken.event_id)
        if isinstance(result.step, Park) and result.step.reason == Reason.KIND_REFUSED:
            self._known.kind_refused(taken.scope, result.attempt.reason)
        else:
            telemetry.find(Finding.EVENT_PARKED, event_id=taken.event_id, reason=result.outcome)

    def _try(self, taken: claims.Claim, contents: Contents, *, probe: bool) -> Result:
        witness = self._known.witness(taken)
        started = self._now()
        packed = self._packer.pack(taken, contents, now=started)
        attempt = self._post(taken, packed)
        ended, step = self._now(), None
        if self.bearing.learn(attempt.status, ended - started):
            telemetry.note(Line.AT_ONCE, deliveries=self.bearing.most)
        with self._known.learned(taken, attempt, witness, probe=probe) as news:
            if not attempt.delivered:
                step = self._next_step(taken, attempt, witness, away=news.away, one_try=news.one_try)
            verdict = "delivered" if step is None else "parked" if isinstance(step, Park) else "again"
            ms = round((ended - started) * 1000, 1)
            trouble.tell(taken, attempt, verdict=verdict, milliseconds=ms, signed_anew=packed.signed_anew)
        if attempt.delivered:
            metrics.observe(metrics.DELIVERED_AFTER, max(0.0, ended - taken.accepted_at))
            self._tell(taken, contents)
        return Result(attempt, step, witness, news.away, news.away_altogether)

    def _tell(self, taken: claims.Claim, contents: Contents) -> None:
        for finding in contents.findings:
            telemetry.find(finding, event_id=taken.event_id)
        if contents.findings:
            self._write(lambda: parcel.note(self._spool, taken, contents.findings))

    def _next_step(
        self, taken: claims.Claim, attempt: Try, witness: Witness, *, away: bool, one_try: bool
    ) -> Again | Park:
        return schedule.after_failure(
            attempt,
            FailureRecord(taken.failures, taken.failing_since),
            away=away,
            witness=witness,
            wordless=taken.scope.wordless,
            one_try=one_try,
            now=self._now(),
            retry_for_seconds=self._settings.spool.retry_for,
            chance=random.random(),  # noqa: S311 - it spreads tries, it guards nothing
        )

    def _post(self, taken: claims.Claim, packed: parcel.Parcel) -> Try:
        telemetry.begin(taken.request_id)
        try:
            answer = self._motion.notify(
                taken.connector_id,
                packed.body,
                query=taken.query,
                headers=packed.headers,
                request_id=taken.request_id,
                address=taken.address,
            )
        except UpstreamError as error:
            return Try(None, error.reason)
        wait = answer.retry_after_seconds(now=self._now()) or 0.0
        odd = f": {Reason.ANSWER_PAGE}" if answer.status < 300 and _PAGE.match(answer.body) else ""
        return Try(answer.status, f"{answer.status}{odd}", retry_after_seconds=wait)

    def _postpone(self, taken: claims.Claim, step: Again, outcome: str) -> None:
        record, now = vars(step.record), self._now()
        due_at = now + step.wait_seconds
        self._end(taken, lambda: claims.postpone(self._spool, taken, outcome=outcome, due_at=due_at, now=now, **record))

    def _keep_failing(self, taken: claims.Claim, record: FailureRecord, outcome: str) -> None:
        now = self._now()
        self._write(lambda: claims.keep_failing(self._spool, taken, outcome=outcome, now=now, **vars(record)))

    def _end(self, taken: claims.Claim, write: Callable[[], bool]) -> None:
        """Write down what became of a claim, and tell where another has it by now: who may try the event as well."""

        def end() -> None:
            if not write():
                telemetry.find(Finding.LEASE_LOST, event_id=taken.event_id)

        self._write(end)

    def _write(self, write: Callable[[], object]) -> None:
        self._patiently(write, forever=True)
