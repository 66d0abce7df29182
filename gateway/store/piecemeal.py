"""What goes through many rows goes in pieces: each keeps others waiting for milliseconds, whatever a row costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from gateway import clock
from gateway.store import Run
from gateway.store.engines import Database

FEWEST, SECONDS = 20, 0.02  # where so many take longer than that to be found and changed, fewer come next

Work = Callable[[Run, int], Sequence[object]]  # on so many rows at the most: those that it found


def done(database: Database, work: Work, *, most: int) -> Iterator[int]:
    """Do it until it finds nothing, each time in a transaction; yields how many. Raises SpoolUnavailable."""
    rows, took = most, 0.0

    def timed(run: Run) -> int:
        nonlocal took
        began = clock.steady()
        found = len(work(run, rows))
        took = clock.steady() - began
        return found

    while found := database.tell(timed):
        yield found
        rows = fitting(rows, took_seconds=took, most=most)


def fitting(rows: int, *, took_seconds: float, most: int) -> int:
    """Say how many are next, after so many took so long: half as many, twice or again as many."""
    if took_seconds > SECONDS:
        return max(min(FEWEST, most), rows // 2)
    return min(most, 2 * rows) if took_seconds < SECONDS / 4 else rows
