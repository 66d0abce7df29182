"""What a delivery try means, and when to try again. Pure decisions; the courier acts on them.

Rule 1. 2xx is delivered. No answer, 408, 425, 429 and 5xx may pass by themselves. All else is a
        refusal, which may be the event's own fault.
Rule 2. While Motion is away nothing counts and nothing is parked. Every other try counts.
Rule 3. After 5 refusals or 8 failures an event is parked, but only if Motion has taken another of its kind since it
        began to fail: else the failures say more of Motion than of the event.
Rule 4. Where Motion takes other kinds and none of this one, the kind is refused: it is parked after its tries, or after
        one where that is known; but what carries words of a customer waits.
Rule 5. What has had its tries, and what has no words while Motion is away for its kind, lets those behind it be tried
        once each: they are the evidence where nobody else writes.
Rule 6. An event that still fails after `retry_for`, and after 8 tries, is parked, unless nobody looked at it.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.phrases import Reason

LONGEST_WAIT_SECONDS = 300.0
LONGEST_WAIT_WITH_OTHERS_SECONDS = 16.0  # of an event past its first tries, while others of its account are taken
LONGEST_WAIT_AFTER_HELP_SECONDS = 8.0
LONGEST_PROBE_WAIT_SECONDS = 15.0  # how late we may notice that Motion is back
MOST_REFUSALS = 5
MOST_FAILURES = 8

PASSING = frozenset({408, 425, 429})
AWAY = frozenset({502, 503, 504})
UNREACHABLE = frozenset(
    {
        *(Reason.NO_HOST, Reason.CONNECTION_REFUSED, Reason.TLS_REFUSED),
        *(reason for reason in Reason if reason.name.startswith("PROXY_")),
    }
)


@dataclass(frozen=True)
class Try:
    """What came of one delivery. `status` is None if there was no answer."""

    status: int | None
    reason: str
    retry_after_seconds: float = 0.0

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        """An answer that will not change by itself."""
        return self.status is not None and not self.delivered and self.status < 500 and self.status not in PASSING

    @property
    def silent(self) -> bool:
        """Motion was there, and gave no whole answer: the event itself may be why."""
        return self.status is None and self.reason not in UNREACHABLE

    @property
    def away(self) -> bool:
        """Nobody looked at the event: Motion is not there."""
        return self.status in AWAY or (self.status is None and not self.silent)


@dataclass(frozen=True)
class Witness:
    """What other events tell of one that failed."""

    own_kind: bool = False  # one of its kind was taken since it began to fail
    other_kinds: bool = False  # others of its account are taken, and none of its kind since that began to fail
    nothing: bool = True  # of its account nothing was taken since it began to fail


@dataclass(frozen=True)
class FailureRecord:
    """How an event has failed so far."""

    failures: int = 0  # while Motion was not away
    failing_since: float | None = None  # epoch seconds


@dataclass(frozen=True)
class Again:
    """Try the event again after `wait_seconds`, and before that those behind it, where it says so."""

    wait_seconds: float
    record: FailureRecord
    look_behind: bool = False


@dataclass(frozen=True)
class Park:
    reason: str


def after_failure(
    attempt: Try,
    record: FailureRecord,
    *,
    away: bool,
    witness: Witness,
    wordless: bool,
    one_try: bool,
    now: float,
    retry_for_seconds: float,
    chance: float,
) -> Again | Park:
    """What to do with an event that failed. `chance` in [0, 1) spreads the tries (full jitter).

    `one_try`: its kind is known as refused. `wordless`: it carries no words of a customer.
    """
    if away:
        return Again(0.0, record, look_behind=wordless)  # it waits for its turn as a probe
    since = now if record.failing_since is None else record.failing_since
    failures = record.failures + 1
    exhausted = failures >= (MOST_REFUSALS if attempt.refused or wordless else MOST_FAILURES)
    if witness.own_kind and exhausted:
        return Park(f"{failures} {Reason.OTHERS_ARRIVED}")
    if wordless and witness.other_kinds and (exhausted or one_try):
        return Park(Reason.KIND_REFUSED)
    if not attempt.away and failures >= MOST_FAILURES and now - since > retry_for_seconds:
        return Park(Reason.RETRIED_TOO_LONG)
    tired = exhausted or (failures >= MOST_REFUSALS and attempt.status not in PASSING)
    behind = not witness.own_kind and (tired or (wordless and (one_try or witness.other_kinds)))
    return Again(_wait(attempt, failures, witness, chance), FailureRecord(failures, since), look_behind=behind)


def wait_after_help(attempt: Try, step: Again, *, wordless: bool) -> float:
    """How long an event waits when something behind it was taken: its next try decides."""
    longest = 0.0 if wordless or attempt.refused else LONGEST_WAIT_AFTER_HELP_SECONDS
    return min(step.wait_seconds, longest)


def next_probe_seconds(probes: int, retry_after_seconds: float) -> float:
    """How long to leave Motion alone after `probes` tries have failed."""
    wait = min(LONGEST_PROBE_WAIT_SECONDS, 2.0 ** min(probes, 10))
    return max(wait, min(retry_after_seconds, LONGEST_WAIT_SECONDS))


def _wait(attempt: Try, failures: int, witness: Witness, chance: float) -> float:
    most = LONGEST_WAIT_SECONDS
    if failures > MOST_REFUSALS and (witness.own_kind or witness.other_kinds):
        most = LONGEST_WAIT_WITH_OTHERS_SECONDS
    longest = min(most, 2.0 ** min(failures - 1, 10))
    return max(longest * chance, min(attempt.retry_after_seconds, LONGEST_WAIT_SECONDS))
