"""What is found while the gateway runs, of Motion and of certificates: kept for the office until it is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway import metrics, telemetry
from gateway.clock import Clock
from gateway.delivery import claims, recovery
from gateway.delivery.health import Absence, Change, Health, Scope
from gateway.delivery.schedule import Try
from gateway.phrases import Finding, Line
from gateway.store import Run
from gateway.store.engines import Database

REMEDIES = {
    Finding.MOTION_DOWN: "bring Motion back; nothing is lost meanwhile",
    Finding.MOTION_REFUSES: "look at Motion: does it know this account, and what does its log say?",
    Finding.CLOCK_SKEW: "set this machine's clock, by NTP; Sinch tries again meanwhile",
    Finding.KIND_REFUSED: "turn this trigger off at Sinch, or look at Motion",
    Finding.CERTIFICATE_ENDS: "renew it; if that should happen by itself, find out why it did not",
    Finding.CERTIFICATE_WRONG: "`motion-gateway config check` tells what to do about it",
    Finding.STORE_AWAY: "`motion-gateway doctor` asks the store, and says what to do; all goes on without it",
    Finding.RENEWAL_FAILS: "`motion-gateway certs acme` tries at once, and says what to do",
    Finding.CERTIFICATE_OLD: "reload the gateway, or nginx alone",
}
OF_MOTION = frozenset({Finding.MOTION_DOWN, Finding.MOTION_REFUSES, Finding.KIND_REFUSED})


@dataclass(frozen=True)
class MotionTrouble:
    """Something that is so of Motion, or of a certificate."""

    finding: str
    about: str  # an account, or a kind of an account: `Scope.named`; or the setting that names a file
    reason: str  # a status, or why there was none; or what is wrong with the file
    since: float  # epoch seconds

    @property
    def scope(self) -> Scope:
        return Scope.of(self.about)

    @property
    def remedy(self) -> str:
        return REMEDIES[Finding(self.finding)]


class Patiently(Protocol):
    def __call__(self, write: Callable[[], object], *, forever: bool = False) -> None:
        """Outlast a spool that cannot be written: `forever`, or until the next round."""


def known(database: Database) -> list[MotionTrouble]:
    """What is so by now, the oldest first. Raises SpoolUnavailable."""
    return [MotionTrouble(*row) for row in database.ask(lambda run: run("troubles"))]


def keep(database: Database, trouble: MotionTrouble) -> None:
    """Let the office know. Raises SpoolUnavailable."""
    database.tell(lambda run: run("keep_trouble", **vars(trouble)))


def end(database: Database, finding: str, about: str) -> None:
    """Forget it: it is over, or was of another courier. Raises SpoolUnavailable."""
    database.tell(lambda run: run("end_trouble", finding=finding, about=about))


def heed(database: Database) -> Callable[[Health], None]:
    """Read what all couriers know of Motion, for a courier's health to know as well. Raises SpoolUnavailable."""
    rows, away = database.ask(lambda run: (run("troubles"), run("absences", finding=Finding.MOTION_DOWN)))
    absences = {Scope.of(about): Absence(probe_at, probes) for about, probe_at, probes in away}
    told = [MotionTrouble(*row) for row in rows]
    refused = {each.scope: each.since for each in told if each.finding == Finding.KIND_REFUSED}
    refusing = [each.scope for each in told if each.finding == Finding.MOTION_REFUSES]
    return lambda health: health.heed(absences, refused, refusing)


class TroubleBook:
    """Tells what begins and what is over. Safe to use from several threads."""

    def __init__(self, spool: Database, *, clock: Clock, patiently: Patiently) -> None:
        self._spool, self._clock, self._patiently = spool, clock, patiently

    def change(self, change: Change, *, reason: str) -> None:
        """Tell where Motion went away, and what it is back for."""
        for scope, absence in change.left.items():
            if scope == change.gone:
                self.begin(Finding.MOTION_DOWN, scope, reason, probe_at=absence.probe_at)
            else:
                self._put_off(scope, absence)
        for scope in change.back:
            self.over(Finding.MOTION_DOWN, scope)

    def begin(self, finding: Finding, about: Scope, reason: str, *, probe_at: float = 0.0) -> None:
        """Tell of something that is so from now on."""
        trouble = MotionTrouble(finding, about.named, reason, self._clock.now())
        telemetry.find(finding, **_fields(about), reason=reason, remedy=trouble.remedy)
        self.keep(trouble, probe_at=probe_at)

    def keep(self, trouble: MotionTrouble, *, probe_at: float = 0.0) -> None:
        """Let the office know, and the other couriers: they leave Motion alone until then."""

        def work(run: Run) -> None:
            run("keep_trouble", **vars(trouble))
            run("leave_alone", finding=trouble.finding, about=trouble.about, probe_at=probe_at)

        self._patiently(lambda: self._spool.tell(work))

    def _put_off(self, about: Scope, absence: Absence) -> None:
        which = {"finding": Finding.MOTION_DOWN, "about": about.named}
        self._patiently(lambda: self._spool.tell(lambda run: run("put_off_probe", **which, **vars(absence))))

    def over(self, finding: Finding, about: Scope) -> None:
        """Tell that Motion is there again, or takes something of an account again."""
        telemetry.note(Line.MOTION_IS_UP, **_fields(about))
        self._patiently(lambda: end(self._spool, finding, about.named))

    def taken_again(self, about: Scope) -> None:
        """Tell that a refused kind is taken, and let what was parked for that follow."""

        def follow() -> None:
            events = recovery.revive_kind(self._spool, about)
            end(self._spool, Finding.KIND_REFUSED, about.named)
            telemetry.note(Line.KIND_IS_TAKEN, **_fields(about), events=events)

        self._patiently(follow)

    def hurry(self) -> None:
        """Let every waiting lane be tried at once."""
        self._patiently(lambda: recovery.hurry(self._spool, now=self._clock.now()))


def tell(taken: claims.Claim, attempt: Try, *, verdict: str, milliseconds: float, signed_anew: bool = False) -> None:
    """Count a try, and log it."""
    connector = str(taken.connector_id)
    metrics.count(metrics.DELIVERIES, connector, verdict)
    metrics.observe(metrics.DELIVERY_SECONDS, milliseconds / 1000)
    if not attempt.delivered:
        metrics.count(metrics.DELIVERY_FAILURES, connector, attempt.reason)
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
            telemetry.VERDICT: verdict,
            telemetry.SIGNED: "anew" if signed_anew else None,
        },
    )


def _fields(about: Scope) -> dict[str, object]:
    told = {telemetry.CONNECTOR: about.connector_id, telemetry.KIND: about.kind}
    return {name: value for name, value in told.items() if value not in (None, "")}
