"""What was added in the last day, worked out of what was counted minute by minute; and how numbers are written.

Rule 1. What nobody saw is no 0: it is not there. A clock that jumped has seen nothing between.
Rule 2. Counts that begin anew go on from there; one that fell back a little, as a power cut leaves it, gained nothing.
Rule 3. Hours are those of the clock on the wall.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
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

Value = tuple[float, float]  # and when


class Counted(Protocol):
    """What was seen at a moment: in epoch seconds, how long the oldest event waited, and each count by its name."""

    @property
    def at(self) -> float: ...
    @property
    def oldest_seconds(self) -> float | None: ...
    @property
    def counts(self) -> Mapping[str, float]: ...


@dataclass(frozen=True)
class Interval:
    """What was added between two samples that belong together; `at` is the time of the later one."""

    at: float
    minutes: float
    oldest_seconds: float
    added: Mapping[str, float]


@dataclass(frozen=True)
class Day:
    """The 24 hours until a moment, in a zone or in that of this machine, and what was seen of them."""

    until: float
    zone: datetime.tzinfo | None
    seen: Sequence[Interval]

    @property
    def since(self) -> float:
        return self.until - DAY_SECONDS

    @cached_property
    def hours(self) -> list[float]:
        """Tell when each hour of the clock begins; the first began before the day did."""
        offset = self.local(self.until).utcoffset() or datetime.timedelta()
        first = self.since - (self.since + offset.total_seconds()) % HOUR_SECONDS
        return [first + number * HOUR_SECONDS for number in range(math.ceil((self.until - first) / HOUR_SECONDS))]

    def hour(self, moment: float) -> int:
        """Say which of `hours` it belongs to: the one that it ends, where it ends one."""
        return math.ceil((moment - self.hours[0]) / HOUR_SECONDS) - 1

    def local(self, moment: float) -> datetime.datetime:
        """Give a moment as the clock on the wall has it."""
        return datetime.datetime.fromtimestamp(moment, self.zone).astimezone(self.zone)

    def part(self, moment: float) -> float:
        """Say how much of the day is over by then: from 0 to 1."""
        return min(1.0, max(0.0, (moment - self.since) / DAY_SECONDS))

    def counted(self, counts: str) -> list[Value]:
        """Add up what was added to the counts whose names begin so, from sample to sample."""
        names = {name for one in self.seen for name in one.added if name.startswith(counts)}
        return [(sum(one.added.get(name, 0.0) for name in names), one.at) for one in self.seen]

    def by_hour(self, values: Iterable[Value], of: Callable[[list[float]], float]) -> dict[int, float]:
        """Make one of the values of each hour of which something was seen."""
        found: dict[int, list[float]] = {}
        for value, at in values:
            found.setdefault(self.hour(at), []).append(value)
        return {hour: of(those) for hour, those in sorted(found.items())}


def day(samples: Iterable[Counted], *, until: float, zone: datetime.tzinfo | None = None) -> Day:
    """Work out what was added from each sample to the next; `samples` in the order in which they were taken."""
    seen = [
        Interval(later.at, (later.at - before.at) / 60, later.oldest_seconds or 0.0, _added(before, later))
        for before, later in pairwise(samples)
        if 0 < later.at - before.at <= SEEN_SECONDS and until - DAY_SECONDS < later.at <= until
    ]
    return Day(until, zone, seen)


def number(value: float) -> str:
    """Write how many, with its thousands apart; what is small and no whole number, to a tenth."""
    return f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"


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


def _added(before: Counted, later: Counted) -> dict[str, float]:
    """Tell what was counted between two samples: what is less than half of what it was has begun anew."""
    added = {}
    for name, value in later.counts.items():
        known = before.counts.get(name, 0.0)
        if gained := value - known if value >= known else value if value < known / 2 else 0.0:
            added[name] = gained
    return added
