"""What the tries of other events tell of one that failed: Motion is away, refuses a kind, or this event alone.

Rule 1. Motion is away as a whole where it cannot be reached; for an account where it answers 502, 503 or 504 to what
        carries words of a customer; for a kind of an account where it says so to another kind, or lets two contacts in
        a row wait in vain or breaks off. Any other answer ends it.
Rule 2. Where Motion took something else meanwhile, it is not away: a failure is the event's own, or its kind's.
Rule 3. Testimony counts where it was there before a try began: what failed meanwhile may have failed with the rest.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from gateway.delivery.schedule import Try, Witness, next_probe_seconds
from gateway.ingress import events

HOUR_SECONDS = 3600.0
HANGING_IN_A_ROW = 2
LOOK_SECONDS = 15.0  # between looks behind failing events of an account of which nothing is taken


class Scope(NamedTuple):
    """What Motion may be away for: all, an account, or a kind of callback of an account."""

    connector_id: int | None = None
    kind: str = ""

    @property
    def account(self) -> Scope:
        return Scope(self.connector_id)

    @property
    def wordless(self) -> bool:
        """Whether such events carry no words of a customer: refused as a kind, they make way."""
        return not events.carries_words(self.kind)

    @classmethod
    def of(cls, named: str) -> Scope:
        """Read what `named` wrote."""
        connector, _, kind = named.partition(" ")
        return cls(int(connector) if connector else None, kind)

    @property
    def named(self) -> str:
        """As it is kept, and shown: `8`, `8 CONTACT_CREATE`, or nothing for all."""
        return " ".join(filter(None, ("" if self.connector_id is None else str(self.connector_id), self.kind)))

    def covers(self, other: Scope) -> bool:
        """Whether an event of that account and kind is meant."""
        return self.connector_id in (None, other.connector_id) and self.kind in ("", other.kind)


EVERYTHING = Scope()


class Testimony:
    """What Motion took and what it did not, in the order in which that became known."""

    def __init__(self) -> None:
        self._moment = 0
        self._taken: dict[Scope, int] = {}
        self._failing: dict[Scope, int] = {}  # since when nothing of a kind was taken
        self._began: dict[int, int] = {}  # when an event began to fail

    def took(self, about: Scope, event_id: int) -> None:
        self._moment += 1
        self._taken[about] = self._moment
        self._failing.pop(about, None)
        self.forget(event_id)

    def missed(self, about: Scope, event_id: int) -> None:
        self._moment += 1
        self._failing.setdefault(about, self._moment)
        self._began.setdefault(event_id, self._moment)

    def forget(self, event_id: int) -> None:
        self._began.pop(event_id, None)

    def of(self, about: Scope, event_id: int) -> Witness:
        """What is known by now of an event that is about to be tried."""
        since, failing = self._began.get(event_id), self._failing.get(about)
        if since is None and failing is None:
            return Witness()
        of_account = [(kind, at) for kind, at in self._taken.items() if kind.connector_id == about.connector_id]
        return Witness(
            own_kind=since is not None and since < self._taken.get(about, 0),
            other_kinds=failing is not None
            and any(at > failing and kind not in self._failing for kind, at in of_account),
            nothing=since is None or all(at <= since for _, at in of_account),
        )


@dataclass
class Absence:
    """Motion is away; it is left alone until `probe_at` (epoch seconds)."""

    probe_at: float
    probes: int = 0


@dataclass(frozen=True)
class Change:
    """What a try has changed: where Motion went away, what it is back for, and how long it is left alone."""

    gone: Scope | None = None
    back: tuple[Scope, ...] = ()
    left: Mapping[Scope, Absence] = field(default_factory=dict)  # where it went away, or was probed in vain


@dataclass(frozen=True)
class Known:
    """What was refused before something was taken: its kind, or all of its account."""

    kind: bool = False
    account: bool = False


@dataclass
class Health:
    """Whether Motion is there, for what, and which kinds it refuses."""

    evidence: Testimony = field(default_factory=Testimony)
    absences: dict[Scope, Absence] = field(default_factory=dict)
    answering: set[Scope] = field(default_factory=set)  # kinds of which Motion has answered the last try
    refused: dict[Scope, float] = field(default_factory=dict)  # kinds, and when one gets all its tries again
    # Accounts of which nothing is taken, and when those behind a failing event were looked at last.
    refusing: dict[Scope, float] = field(default_factory=dict)
    _trials: dict[Scope, int] = field(default_factory=dict)
    _waiting: dict[Scope, set[str]] = field(default_factory=dict)  # lanes that waited in vain, of a kind, in a row

    def is_away(self, about: Scope) -> bool:
        return any(scope.covers(about) for scope in self.absences)

    def learn(
        self, about: Scope, event_id: int, lane: str, attempt: Try, witness: Witness, *, now: float, probe: bool
    ) -> tuple[Change, Known]:
        """Take the outcome of a try into account; `witness`: what was known when it began.

        Returns what changed of Motion's absence and, where something was taken, what was refused until then.
        """
        (self.evidence.took if attempt.delivered else self.evidence.missed)(about, event_id)
        (self.answering.discard if attempt.status is None else self.answering.add)(about)
        change = self._note(about, lane, attempt, witness, now=now, probe=probe)
        return change, self._take(about) if attempt.delivered else Known()

    def _note(self, about: Scope, lane: str, attempt: Try, witness: Witness, *, now: float, probe: bool) -> Change:
        back = tuple(scope for scope in self._ended_by(about, attempt, witness) if self.absences.pop(scope, None))
        scope = self._missing(about, lane, attempt, witness)
        gone = None if scope in self.absences else scope
        if gone is not None:
            self.absences[gone] = Absence(now)
        of_it = [(other, absence) for other, absence in self.absences.items() if other.covers(about)]
        for _, absence in of_it:
            absence.probes += probe
            absence.probe_at = now + next_probe_seconds(absence.probes, attempt.retry_after_seconds)
        left = {other: replace(absence) for other, absence in of_it if probe or other == gone}
        return Change(gone=gone, back=back, left=left)

    def heed(self, absences: dict[Scope, Absence], refused: dict[Scope, float], refusing: Collection[Scope]) -> None:
        """Know what all couriers know: where Motion is away, which kinds it refuses since when, and which accounts."""
        for scope in self.absences.keys() - absences:
            self._waiting.pop(scope, None)
        self.absences = absences
        self.refused = {about: self.refused.get(about, since + HOUR_SECONDS) for about, since in refused.items()}
        self.refusing = {account: self.refusing.get(account, -math.inf) for account in refusing}

    def _ended_by(self, about: Scope, attempt: Try, witness: Witness) -> list[Scope]:
        """Where an answer shows that Motion is there, or another event that was taken."""
        ended = [about] if witness.own_kind or witness.other_kinds else []
        if attempt.status is None:
            return ended
        self._waiting.pop(about, None)
        return [*ended, EVERYTHING, *([] if attempt.away else [about, about.account])]

    def _missing(self, about: Scope, lane: str, attempt: Try, witness: Witness) -> Scope | None:
        """What Motion is away for after this try, as far as that tells."""
        if attempt.delivered:
            return None
        if witness.own_kind or witness.other_kinds:
            return None
        if attempt.away:
            told = EVERYTHING if attempt.status is None else about if about.wordless else about.account
            return next((wider for wider in self.absences if wider.covers(told)), told)
        if not attempt.silent:
            return None
        self._waiting.setdefault(about, set()).add(lane)
        return about if len(self._waiting[about]) >= HANGING_IN_A_ROW and not self.is_away(about) else None

    def gets_one_try(self, about: Scope, event_id: int, *, now: float) -> bool:
        """Whether the kind is known as refused; the first of every hour gets all its tries."""
        if about not in self.refused:
            return False
        if now >= self.refused[about]:
            self.refused[about] = now + HOUR_SECONDS
            self._trials[about] = event_id
        return self._trials.get(about) != event_id

    def lets_look_behind(self, about: Scope, *, now: float) -> bool:
        """Whether those behind a failing event shall tell more of it.

        Not where all of its account is away. Of an account of which nothing is taken it is one contact at a time: what
        is tried in the very moment in which Motion comes back overtakes the one ahead.
        """
        looked_at = self.refusing.get(about.account, -LOOK_SECONDS)
        return not self.is_away(about.account) and now >= looked_at + LOOK_SECONDS

    def refuse(self, about: Scope, *, now: float) -> bool:
        """Know a kind as refused. Returns whether that is new."""
        new = about not in self.refused
        self.refused.setdefault(about, now + HOUR_SECONDS)
        return new

    def refuse_all(self, about: Scope, *, looked_at: float) -> bool:
        """Know an account as one of which nothing is taken. Returns whether that is new.

        `looked_at`: when those behind an event were tried last, and all failed.
        """
        new = about.account not in self.refusing
        self.refusing[about.account] = looked_at
        return new

    def _take(self, about: Scope) -> Known:
        was = Known(kind=self.refused.pop(about, None) is not None, account=about.account in self.refusing)
        self.refusing.pop(about.account, None)
        self._trials.pop(about, None)
        return was
