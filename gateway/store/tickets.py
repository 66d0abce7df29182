"""The works of those who share a transaction, what becomes of each, and the line in which they wait.

Rule 1. Whoever comes while nobody writes writes for all who have come by then; whoever comes meanwhile waits.
Rule 2. Whose work is done goes at once, and waits for nobody else's. Were there a lock that all wait for, the first who
        has gone would come back and write alone, while the others still stood in line to hear that theirs is done.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any, Generic, TypeVar, cast

from gateway.store import Run

T = TypeVar("T")
Work = Callable[[Run], T]


class Ticket(Generic[T]):
    """One writer's work, the lanes that it changes, and what became of it.

    A work may have `at_once`, which does several like it by one statement: it takes them all, and gives what each
    gives, or None for one that it has not done.
    """

    def __init__(self, work: Work[T], lanes: Collection[str]) -> None:
        self.work: Any = work
        self.lanes = lanes
        self._result: T | None = None
        self._error: Exception | None = None
        self.settled = self.leads = False
        self.bell = threading.Lock()

    def run(self, run: Run) -> None:
        """Do the work. Raises whatever it raises."""
        self._result = self.work(run)

    def take(self, result: T) -> None:
        """Be told what the work gives, by who has done it."""
        self._result = result

    def settle(self, error: Exception | None) -> None:
        self._error, self.settled = error, True

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return cast("T", self._result)


class Queue:
    """Those who wait to write."""

    def __init__(self) -> None:
        self.waiting: deque[Ticket[Any]] = deque()
        self._guard, self._is_led = threading.Lock(), False
        self._taken: list[Ticket[Any]] = []

    def stand(self, ticket: Ticket[Any]) -> bool:
        """Wait until one's work is settled by another, or it is one's turn to do all that waits: then True."""
        with self._guard:
            ticket.leads, self._is_led = not self._is_led, True
            if not ticket.leads:
                ticket.bell.acquire()
            self.waiting.append(ticket)
        if ticket.leads:
            return True
        try:
            ticket.bell.acquire()
        except BaseException:
            self._tear_out(ticket)
            raise
        return not ticket.settled

    def take(self) -> list[Ticket[Any]]:
        """Take all who wait, for who leads."""
        self._taken = [self.waiting.popleft() for _ in range(len(self.waiting))]
        return self._taken

    def pass_on(self, leader: Ticket[Any]) -> None:
        """Let those go whose work is done, and the next one lead."""
        with self._guard:
            done, self._taken = self._taken, []
            if leader in self.waiting:  # it was torn out before it took anybody
                self.waiting.remove(leader)
            following = self.waiting[0] if self.waiting else None
            self._is_led = following is not None
            if following is not None:
                following.leads = True
        for ticket in done:
            if ticket is not leader:
                ticket.bell.release()
        if following is not None:
            following.bell.release()

    def _tear_out(self, ticket: Ticket[Any]) -> None:
        """Go on without one who was interrupted, and may have been about to lead."""
        with self._guard:
            if ticket in self.waiting and not ticket.leads:
                self.waiting.remove(ticket)
        if ticket.leads:
            self.pass_on(ticket)


def do(tickets: Sequence[Ticket[Any]], run: Run, *, at_once: bool) -> None:
    """Do these works, `at_once` those that can be. Raises whatever one of them raises."""
    for ticket in _left(tickets, run) if at_once else tickets:
        ticket.run(run)


def _left(tickets: Sequence[Ticket[Any]], run: Run) -> list[Ticket[Any]]:
    """Have works that are alike done at once; return those that were not done."""
    alike: dict[Any, list[Ticket[Any]]] = {}
    left: list[Ticket[Any]] = []
    for ticket in tickets:
        how = getattr(ticket.work, "at_once", None)
        (left if how is None else alike.setdefault(how, [])).append(ticket)
    for how, those in alike.items():
        for ticket, result in zip(those, how(run, [each.work for each in those]), strict=True):
            left.append(ticket) if result is None else ticket.take(result)
    return left
