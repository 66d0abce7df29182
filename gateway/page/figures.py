"""What was added in the last day, worked out of what was counted minute by minute; and how numbers are written.

Rule 1. What nobody saw is no 0: it is not there. A clock that jumped has seen nothing between.
Rule 2. Counts that begin anew go on from there; one that fell back a little, as a power cut leaves it, gained nothing.
Rule 3. Hours are those of the clock on the wall.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Protocol

from gateway import printable
from gateway.clock import DAY_SECONDS, HOUR_SECONDS

SEEN_SECONDS = 150.0  # at most between two samples that belong together
# Where an axis may end: its middle is a number that people read easily, too. Of numbers, times a power of ten.
ENDS = (1.0, 2.0, 4.0, 10.0)
ENDS_SECONDS = (10.0, 60.0, 120.0, 600.0, 1200.0, 3600.0, 7200.0, 21_600.0, 43_200.0, DAY_SECONDS)


class Counted(Protocol):
    """What was seen at a moment: in epoch seconds, how long the oldest event waited, and each count by its name."""

    @property
    def at(self) -> float: ...
    @property
    def oldest_seconds(self) -> float | None: ...
    @property
    def counts(self) -> Mapping[str, float]: ...


@dataclass(frozen=True)
class Day:
    """The 24 hours until a moment, in a zone or in that of this machine, and what was seen of them.

    Each list has a value for each interval between two samples that belong together; `at` is when it ended.
    """

    until: float
    zone: datetime.tzinfo | None
    at: list[float]
    minutes: list[float]
    oldest_seconds: list[float]
    added: Mapping[str, list[float]]  # by the name of the count

    @property
    def since(self) -> float:
        return self.until - DAY_SECONDS

    @cached_property
    def hours(self) -> list[float]:
        """Tell when each hour of the clock begins; the first began before the day did."""
        offset = self.local(self.until).utcoffset() or datetime.timedelta()
        first = self.since - (self.since + offset.total_seconds()) % HOUR_SECONDS
        return [first + number * HOUR_SECONDS for number in range(math.ceil((self.until - first) / HOUR_SECONDS))]

    @cached_property
    def hour(self) -> list[int]:
        """Say of each interval to which of `hours` it belongs: to the one that it ends, where it ends one."""
        return [math.ceil((moment - self.hours[0]) / HOUR_SECONDS) - 1 for moment in self.at]

    def local(self, moment: float) -> datetime.datetime:
        """Give a moment as the clock on the wall has it."""
        return datetime.datetime.fromtimestamp(moment, self.zone).astimezone(self.zone)

    def part(self, moment: float) -> float:
        """Say how much of the day is over by then: from 0 to 1."""
        return min(1.0, max(0.0, (moment - self.since) / DAY_SECONDS))

    def counted(self, counts: str) -> list[float]:
        """Add up what was added to the counts whose names begin so."""
        columns = [values for name, values in self.added.items() if name.startswith(counts)]
        return [sum(those) for those in zip(*columns, strict=True)] if columns else [0.0] * len(self.at)

    def by_hour(self, values: Iterable[float], of: Callable[[list[float]], float]) -> dict[int, float]:
        """Make one of the values of each hour of which something was seen."""
        found: dict[int, list[float]] = {}
        for value, hour in zip(values, self.hour, strict=True):
            found.setdefault(hour, []).append(value)
        return {hour: of(those) for hour, those in sorted(found.items())}


def day(samples: Iterable[Counted], *, until: float, zone: datetime.tzinfo | None = None) -> Day:
    """Work out what was added from each sample to the next; `samples` in the order in which they were taken."""
    pairs = [
        (before, later)
        for before, later in pairwise(samples)
        if 0 < later.at - before.at <= SEEN_SECONDS and until - DAY_SECONDS < later.at <= until
    ]
    names = {name for _, later in pairs for name in later.counts}
    return Day(
        until,
        zone,
        at=[later.at for _, later in pairs],
        minutes=[(later.at - before.at) / 60 for before, later in pairs],
        oldest_seconds=[later.oldest_seconds or 0.0 for _, later in pairs],
        added={name: [_gained(before.counts, later.counts, name) for before, later in pairs] for name in sorted(names)},
    )


def number(value: float) -> str:
    """Write how many, with its thousands apart; what is small and no whole number, to a tenth."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}".removesuffix(".0")


def duration(seconds: float) -> str:
    """Write how long, in its largest unit."""
    return printable.span(seconds) if seconds >= 1 else "0"


def end(value: float) -> float:
    """Choose where an axis of numbers ends: at 2 or beyond."""
    least = max(2.0, value)
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * most for most in ENDS if power * most >= least)


def end_seconds(value: float) -> float:
    """Choose where an axis of durations ends; beyond a day, at whole days."""
    return next((most for most in ENDS_SECONDS if most >= value), end(value / DAY_SECONDS) * DAY_SECONDS)


def _gained(before: Mapping[str, float], later: Mapping[str, float], name: str) -> float:
    """Tell what was counted between two samples: what is less than half of what it was has begun anew."""
    known, value = before.get(name, 0.0), later.get(name, 0.0)
    if value >= known:
        return value - known
    return value if value < known / 2 else 0.0
