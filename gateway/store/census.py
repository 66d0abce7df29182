"""How many events there are in each state: kept as a number, and not counted each time that somebody asks.

Rule 1. What was settled before a moment is in the number; what was settled since is counted by an index when somebody
        asks. So whoever settles an event does nothing for it, and the moment follows behind, a piece at a time.
Rule 2. Who takes settled events away, or has them delivered once more, holds the numbers first, and takes them off in
        the same transaction.
Rule 3. It is begun anew with each courier: until it has come to the present, the rest is counted, and what is told is
        right. So what an older release, or a clock that was wrong, has done to it is over by then.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator

from gateway import store
from gateway.store import Run
from gateway.store.engines import Database

SETTLED = tuple(state for state in store.STATES if state != store.PENDING)
BEHIND_SECONDS = 60.0  # whoever settles something now, by whichever clock of ours, writes it down before that
PIECE = 5000  # rows of an index, counted in one transaction


class Numbers:
    """The numbers, which nobody else changes while the transaction lasts."""

    def __init__(self, run: Run) -> None:
        self._run, self._until = run, dict(run("hold_census"))

    def take_off(self, settled: Iterable[tuple[str, float | None]]) -> None:
        """These are not what they were any more: each with its state, and when it was settled."""
        gone = Counter(state for state, at in settled if at is not None and at < self._until.get(state, 0.0))
        for state, count in gone.items():
            self._run("lower_census", state=state, gone=count)

    def go_on(self, state: str, *, before: float, most: int) -> bool:
        """Count what was settled before that moment, but no more than about `most`. Returns whether there is more."""
        since = self._until.get(state, 0.0)
        if since >= before:
            return False
        [[until]] = self._run("census_goes_to", state=state, since=since, before=before, most=most) or [[before]]
        # Of very many of one moment all are counted at once.
        self._run("raise_census", state=state, since=since, until=max(until, math.nextafter(since, math.inf)))
        return bool(until < before)


def begin(database: Database) -> None:
    """Forget what is kept: all is counted until `pieces` has come to the present. Raises SpoolUnavailable."""

    def work(run: Run) -> None:
        run("hold_census")
        for state in SETTLED:
            run("begin_census", state=state)

    database.tell(work)


def pieces(database: Database, *, now: float, most: int = PIECE) -> Iterator[int]:
    """Follow to some time before `now`, a piece at each step. Yields 0. Raises SpoolUnavailable."""
    for state in SETTLED:
        while database.tell(lambda run: Numbers(run).go_on(state, before=now - BEHIND_SECONDS, most=most)):  # noqa: B023
            yield 0
        yield 0


def counted(database: Database) -> dict[str, int]:
    """Tell how many events there are in each state that some are in. Raises SpoolUnavailable."""
    return dict(database.ask(lambda run: run("count_events"), at_length=True))
