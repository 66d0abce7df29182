"""What a delivery try means, and when to try again. Pure decisions; the courier acts on them.

Rule 1. 2xx is delivered. No answer, 408, 425, 429 and 5xx may pass by themselves. All else is a
        refusal, which may be the event's own fault.
Rule 2. Motion is down when it cannot be reached, when it answers 502, 503 or 504, when two contacts in
        a row wait in vain for an answer, or when three in a row get anything but 2xx. One contact that
        waits in vain may have an event that Motion chokes on. It is up again with the next 2xx.
Rule 3. Failures count only while Motion is up. After 5 refusals or 8 failures an event is parked,
        but only if Motion has taken something from another contact since this event began to fail:
        else the failures say more of Motion than of the event.
Rule 4. An event that still fails after `retry_for`, and after 8 tries while Motion was up, is parked.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.phrases import Reason

LONGEST_WAIT_SECONDS = 300.0
LONGEST_PROBE_WAIT_SECONDS = 15.0  # how late we may notice that Motion is back
MOST_REFUSALS = 5
MOST_FAILURES = 8
CONTACTS_IN_A_ROW = 3
HANGING_IN_A_ROW = 2

PASSING = frozenset({408, 425, 429})
AWAY = frozenset({502, 503, 504})


@dataclass(frozen=True)
class Try:
    """What came of one delivery. `status` is None if there was no answer."""

    status: int | None
    reason: str
    retry_after_seconds: float = 0.0
    hung: bool = False  # no whole answer within the deadline

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        """An answer that will not change by itself."""
        return self.status is not None and not self.delivered and self.status < 500 and self.status not in PASSING

    @property
    def away(self) -> bool:
        """Nobody looked at the event: Motion is not there."""
        return self.status in AWAY or (self.status is None and not self.hung)


@dataclass(frozen=True)
class FailureRecord:
    """How an event has failed so far."""

    failures: int = 0  # while Motion was up
    failing_since: float | None = None  # epoch seconds


@dataclass(frozen=True)
class Again:
    """Try the event again after `wait_seconds`."""

    wait_seconds: float
    record: FailureRecord


@dataclass(frozen=True)
class Park:
    reason: str


@dataclass
class Health:
    """Whether Motion is there, judged by what became of the last tries."""

    down: bool = False
    _failing_lanes: set[str] = field(default_factory=set)
    _hanging_lanes: set[str] = field(default_factory=set)

    def note(self, lane: str, attempt: Try) -> bool:
        """Take the outcome of a try into account. Returns whether `down` changed."""
        before = self.down
        if attempt.delivered:
            self._failing_lanes.clear()
            self._hanging_lanes.clear()
            self.down = False
        else:
            self._failing_lanes.add(lane)
            if attempt.hung:
                self._hanging_lanes.add(lane)
            self.down = self.down or attempt.away or self._many()
        return self.down is not before

    def _many(self) -> bool:
        return len(self._failing_lanes) >= CONTACTS_IN_A_ROW or len(self._hanging_lanes) >= HANGING_IN_A_ROW


def after_failure(
    attempt: Try,
    record: FailureRecord,
    *,
    motion_was_up: bool,
    others_delivered: bool,
    now: float,
    retry_for_seconds: float,
    chance: float,
) -> Again | Park:
    """What to do with an event that failed. `chance` in [0, 1) spreads the tries (full jitter)."""
    since = now if record.failing_since is None else record.failing_since
    failures = record.failures + motion_was_up
    if motion_was_up and others_delivered and failures >= (MOST_REFUSALS if attempt.refused else MOST_FAILURES):
        return Park(f"{failures} {Reason.OTHERS_ARRIVED}")
    if motion_was_up and not attempt.away and failures >= MOST_FAILURES and now - since > retry_for_seconds:
        return Park(Reason.RETRIED_TOO_LONG)
    if not motion_was_up:
        return Again(0.0, record)  # it waits for its turn as a probe
    return Again(_wait(attempt, failures, chance), FailureRecord(failures, since))


def next_probe_seconds(probes: int, retry_after_seconds: float) -> float:
    """How long to leave Motion alone after `probes` tries have failed."""
    wait = min(LONGEST_PROBE_WAIT_SECONDS, 2.0 ** min(probes, 10))
    return max(wait, min(retry_after_seconds, LONGEST_WAIT_SECONDS))


def _wait(attempt: Try, failures: int, chance: float) -> float:
    longest = min(LONGEST_WAIT_SECONDS, 2.0 ** min(failures - 1, 10))
    return max(longest * chance, min(attempt.retry_after_seconds, LONGEST_WAIT_SECONDS))
