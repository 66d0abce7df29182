"""The works of those who share a transaction, and what becomes of each."""

from __future__ import annotations

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
        self.settled = False

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
