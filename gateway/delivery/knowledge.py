"""What a courier knows of Motion, and shares with the others: its own tries tell it, and so does what they have told.

Rule 1. What changes is told at once; the others know within a poll or two. What a courier has yet to tell counts for
        more than what it reads meanwhile.
Rule 2. Where Motion is away one probe at a time is made, by whichever courier asks first (`claims.claim_probe`).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.clock import Clock
from gateway.config import Settings
from gateway.delivery import trouble
from gateway.delivery.claims import Claim
from gateway.delivery.health import Health, Known, Scope
from gateway.delivery.schedule import Try, Witness
from gateway.phrases import Finding
from gateway.store.engines import Database


@dataclass(frozen=True)
class News:
    """What is so after a try."""

    away: bool  # Motion, for events of that kind
    away_altogether: bool  # for the whole account, and not for this kind of it alone
    one_try: bool  # the kind is known as refused


class Knowledge:
    """Safe to use from several threads."""

    def __init__(self, settings: Settings, spool: Database, *, clock: Clock, patiently: trouble.Patiently) -> None:
        self._accounts = {account.connector_id for account in settings.accounts}
        self._spool, self._now = spool, clock.now
        self._health = Health()
        self._book = trouble.TroubleBook(spool, clock=clock, patiently=patiently)
        self._guard = threading.Lock()  # of all of it
        self._untold, self._told = 0, 0  # what is learned and yet to be told, and how often something was

    def remember(self, *, alone: bool) -> None:
        """Begin with what is known of kinds that Motion refuses; of accounts that are ours. Raises SpoolUnavailable.

        A courier that is alone finds out anew where Motion is away; one with others is told.
        """
        for each in trouble.known(self._spool):
            if each.finding in trouble.OF_MOTION:
                foreign = each.scope.connector_id not in {None, *self._accounts}
                if foreign or (alone and each.finding != Finding.KIND_REFUSED):
                    trouble.end(self._spool, each.finding, each.about)
        self.heed()

    def heed(self) -> None:
        """Know what the others have told. Raises SpoolUnavailable."""
        told = self._told
        teach = trouble.heed(self._spool)
        with self._guard:
            if not self._untold and self._told == told:
                teach(self._health)

    def of_motion(self) -> tuple[dict[Scope, float], frozenset[Scope]]:
        """Where Motion is away, with when it may be asked again; and of which kinds it has answered the last try."""
        with self._guard:
            away = {scope: absence.probe_at for scope, absence in self._health.absences.items()}
            return away, frozenset(self._health.answering)

    def witness(self, taken: Claim) -> Witness:
        """What others tell of an event that is about to be tried."""
        with self._guard:
            return self._health.evidence.of(taken.scope, taken.event_id)

    @contextmanager
    def learned(self, taken: Claim, attempt: Try, witness: Witness, *, probe: bool) -> Iterator[News]:
        """Take the outcome of a try into account, and tell what has changed once the block has ended."""
        about, event_id = taken.scope, taken.event_id
        with self._telling():
            with self._guard:
                now = self._now()
                change, known = self._health.learn(about, event_id, taken.lane, attempt, witness, now=now, probe=probe)
                away, away_altogether = self._health.is_away(about), self._health.is_away(about.account)
                one_try = not attempt.delivered and self._health.gets_one_try(about, event_id, now=now)
            yield News(away, away_altogether, one_try)
            self._book.change(change, reason=attempt.reason)
            self._welcome(about, known, back=attempt.delivered and bool(change.back))

    def lets_look_behind(self, about: Scope) -> bool:
        """Whether those behind a failing event shall tell more of it."""
        with self._guard:
            return self._health.lets_look_behind(about, now=self._now())

    def forget(self, event_id: int) -> None:
        """Keep nothing of an event that is given up."""
        with self._guard:
            self._health.evidence.forget(event_id)

    def kind_refused(self, about: Scope, reason: str) -> None:
        """Know, and tell, that Motion refuses a kind."""
        with self._telling():
            with self._guard:
                new = self._health.refuse(about, now=self._now())
            if new:
                self._book.begin(Finding.KIND_REFUSED, about, reason)
                self._book.hurry()  # those who wait for the same get one try

    def all_refused(self, about: Scope, reason: str, *, looked: bool) -> None:
        """Know, and tell, that Motion takes nothing of an account; `looked`: those behind an event were tried, too."""
        with self._telling():
            with self._guard:
                new = self._health.refuse_all(about, looked_at=self._now() if looked else -math.inf)
            if new:
                self._book.begin(Finding.MOTION_REFUSES, about.account, reason)

    def _welcome(self, about: Scope, known: Known, *, back: bool) -> None:
        """Motion took something: what waited for that goes on at once."""
        if known.kind:
            self._book.taken_again(about)
        if known.account:
            self._book.over(Finding.MOTION_REFUSES, about.account)
        if back or known.kind or known.account:
            self._book.hurry()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """What is learned in here is told when this ends."""
        with self._guard:
            self._untold += 1
        try:
            yield
        finally:
            with self._guard:
                self._untold -= 1
                self._told += 1
