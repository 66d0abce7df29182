"""Carries events from the spool to Motion: side by side for different contacts, in order for each.

Rule 1. A node has one courier: it holds `lock` for as long as it lives, and frees what the one before it died with.
Rule 2. Where Motion is away one event at a time is tried, of another contact each time; the others go on.
Rule 3. What was in hand when a courier died is suspected of having killed it: such events are tried one by one and
        alone, by whoever has nothing else in hand, so that the innocent are told from the one that kills again.
Rule 4. Asked to stop, it takes nothing new and finishes what is in flight.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from queue import SimpleQueue

from gateway import clock, telemetry
from gateway.clock import Clock
from gateway.config import Settings
from gateway.delivery import claims, recovery, schedule
from gateway.delivery.claims import Claim, Hand, Waiting
from gateway.delivery.handover import Handover
from gateway.delivery.health import EVERYTHING, Scope
from gateway.delivery.room import HANDS, Room
from gateway.errors import SpoolUnavailable
from gateway.motion.notify import Notifier
from gateway.phrases import Finding, Line, Reason
from gateway.store.engines import Database

LEASE_SECONDS = 90.0
POLL_SECONDS = 0.1  # so long an event waits at the most until it is seen, where nobody wakes us
OVERTAKEN_SECONDS = 0.005  # until one looks again who found what another courier was just taking
SPOOL_RETRY_SECONDS = 1.0
FREE_AGAIN_SECONDS = 5.0  # after the spool was away: whoever has delivered meanwhile writes that down first
PROBE_GRACE_SECONDS = 5.0  # for what a probe takes beside its deadline
BUSY = Waiting(due=True, suspects=False, ended=False)
ROUNDS_BETWEEN_LOOKS = 4  # past what is due of a kind that may have no more: that is long, where much waits


class Courier:
    def __init__(
        self,
        settings: Settings,
        spool: Database,
        motion: Notifier,
        *,
        clock: Clock,
        name: str = "",
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """`name`: the node's, where there are others; "" is alone."""
        self._name = name
        self._poll_seconds = self._pause_seconds = poll_seconds
        self._settings = settings
        self._spool = spool
        self._clock = clock
        self._lease_seconds = max(LEASE_SECONDS, 3 * settings.spool.deadline)
        self._take = partial(claims.claim, spool, lease_seconds=self._lease_seconds, courier=name)
        self._handover = Handover(
            settings, spool, motion, clock=clock, patiently=self._patiently, lease_seconds=self._lease_seconds
        )
        self._in_hand: Counter[Scope] = Counter()
        self._arrived: Counter[Scope] = Counter()  # of these: with Motion, and not yet written down
        self._state = threading.Lock()  # guards them
        self._waiting, self._look_at = BUSY, 0.0  # what there was to do, until then on the steady clock
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._rounds = 0
        self._heed_at = self._free_at = 0.0  # steady seconds
        self._alone = False  # a suspect is in flight, or was the last that was

    def run(self) -> None:
        """Deliver until `stop` is called, then finish what is in flight."""
        self._patiently(self._recover, forever=True)
        tasks: SimpleQueue[tuple[Claim, bool] | None] = SimpleQueue()
        those = range(HANDS * self._settings.spool.deliveries)
        carriers = [threading.Thread(target=self._work, args=[tasks], name="delivery", daemon=True) for _ in those]
        for carrier in carriers:
            carrier.start()
        try:
            while not self._stopping.is_set():
                self._wake.clear()
                self._pause_seconds = self._poll_seconds
                self._patiently(lambda: self._dispatch(tasks.put))
                self._wake.wait(self._pause_seconds)
            telemetry.note(Line.COURIER_STOPPING, in_flight=self._flying())
        finally:
            for _ in carriers:
                tasks.put(None)
            for carrier in carriers:
                carrier.join()
        telemetry.note(Line.COURIER_STOPPED)

    def wake(self) -> None:
        """Look now: there may be something new."""
        self._wake.set()

    def stop(self) -> None:
        self._handover.stop()
        self._stopping.set()
        self.wake()

    def _recover(self) -> None:
        longest = schedule.LONGEST_WAIT_SECONDS
        begun = recovery.start(self._spool, self._name, now=self._clock.now(), longest_wait_seconds=longest)
        self._tell_parked(begun)
        self._handover.known.remember(alone=not self._name)
        telemetry.note(Line.COURIER_STARTED)

    def _free_ended(self, now: float) -> None:
        """Free what couriers died with; not right after the spool was away, when those that live have yet to write."""
        if clock.steady() >= self._free_at:
            freed = recovery.free_ended(self._spool, now=now)
            if freed.parked or freed.suspects:
                events = len(freed.parked) + len(freed.suspects)
                telemetry.find(Finding.LEASE_ENDED, couriers=freed.couriers, events=events)
            self._tell_parked(freed)

    @staticmethod
    def _tell_parked(freed: recovery.Recovered) -> None:
        for event_id in freed.parked:
            telemetry.find(Finding.EVENT_PARKED, event_id=event_id, reason=Reason.KILLED_COURIERS)

    def _dispatch(self, put: Callable[[tuple[Claim, bool]], None]) -> None:
        now = self._clock.now()
        if self._name and clock.steady() >= self._heed_at:
            self._heed_at = clock.steady() + self._poll_seconds
            self._handover.known.heed()
        for taken, probe in self._claim(now):
            with self._state:
                self._in_hand[taken.scope] += 1
            put((taken, probe))

    def _claim(self, now: float) -> Iterator[tuple[Claim, bool]]:
        """Take what may be tried now, and say of each whether it is a probe."""
        waiting = self._look(now)
        if waiting.ended:
            self._free_ended(now)
        away, answering = self._handover.known.of_motion()
        if EVERYTHING in away:
            yield from self._probe(EVERYTHING, away[EVERYTHING], now)
        elif waiting.suspects or self._alone:
            yield from ((taken, False) for taken in self._claim_suspect(now))
        else:
            for scope, probe_at in away.items():
                yield from self._probe(scope, probe_at, now)
            if waiting.due:
                yield from ((taken, False) for taken in self._claim_fairly(tuple(away), answering, now))

    def _look(self, now: float) -> Waiting:
        """Tell what there is to do; of one who has enough to do it is asked at each poll, and not whenever he wakes."""
        if self._waiting != BUSY or clock.steady() >= self._look_at:
            self._waiting = claims.look(self._spool, due_by=now, now=now)
            self._look_at = clock.steady() + self._poll_seconds
        return self._waiting

    def _claim_fairly(self, away: tuple[Scope, ...], answering: frozenset[Scope], now: float) -> Iterator[Claim]:
        """Take what is due. Where a kind may have no more, what stands behind it is looked for in some rounds alone."""
        with self._state:
            at_once = self._handover.bearing.most
            room = Room(self._settings, self._in_hand, self._arrived, answering, at_once=at_once)
        self._rounds += 1
        while room.left > 0:
            but, wanted = [*away, *room.crowded], room.left
            taken = self._take(due_by=now, now=now, most=wanted, but=but, fits=room.take)
            yield from taken
            if len(taken) < wanted - room.left:  # others were before us: there may be more that nobody has
                self._pause_seconds = min(OVERTAKEN_SECONDS, self._poll_seconds)
            if len(but) == len(away) + len(room.crowded) or self._rounds % ROUNDS_BETWEEN_LOOKS:
                break

    def _claim_suspect(self, now: float) -> list[Claim]:
        if self._flying():
            return []
        taken = claims.claim_lanes(self._spool, recovery.suspects(self._spool, most=1), self._hand(now))
        self._alone = bool(taken)
        return taken

    def _probe(self, scope: Scope, probe_at: float, now: float) -> Iterator[tuple[Claim, bool]]:
        """One event for which Motion is away, if it is time and none is in flight; it need not be due."""
        if now >= probe_at and not self._flying(scope) and self._flying() < self._settings.spool.deliveries:
            until = now + self._settings.spool.deadline + PROBE_GRACE_SECONDS
            probed = claims.claim_probe(self._spool, scope, self._hand(now), now=now, until=until)
            yield from ((taken, True) for taken in probed)

    def _hand(self, now: float) -> Hand:
        return Hand(now + self._lease_seconds, self._name)

    def _flying(self, scope: Scope = EVERYTHING) -> int:
        with self._state:
            return sum(count for about, count in self._in_hand.items() if scope.covers(about))

    def _work(self, tasks: SimpleQueue[tuple[Claim, bool] | None]) -> None:
        """Carry until None comes. Nobody asks what came of it: a pool's futures would cost as much as a log line."""
        while (task := tasks.get()) is not None:
            self._carry(task[0], probe=task[1])

    def _carry(self, taken: Claim, *, probe: bool) -> None:
        own: Counter[Scope] = Counter()

        def arrived() -> None:
            own[taken.scope] = 1
            with self._state:
                self._arrived += own
            self.wake()

        try:
            self._handover.carry(taken, arrived, probe=probe)
        except Exception as error:  # noqa: BLE001 - a thread's last word; the lease frees the event
            telemetry.failure(Line.UNEXPECTED, error, event_id=taken.event_id)
        finally:
            with self._state:
                self._in_hand[taken.scope] -= 1
                self._arrived -= own
            self.wake()

    def _patiently(self, write: Callable[[], object], *, forever: bool = False) -> None:
        """Outlast a spool that is locked or full: `forever` until it is written, else until the next round."""
        while True:
            try:
                write()
                return
            except SpoolUnavailable as error:
                self._free_at = clock.steady() + FREE_AGAIN_SECONDS
                telemetry.find(Finding.SPOOL_UNAVAILABLE, reason=error.reason)
                if self._stopping.wait(SPOOL_RETRY_SECONDS) or not forever:
                    return
