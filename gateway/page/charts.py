"""Draws pictures of the last day, each with a table that says the same.

Rule 1. What nobody saw is a gap, never 0.
Rule 2. A peak is kept: where minutes are drawn together, the highest of them stands for all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from gateway.clock import DAY_SECONDS, HOUR_SECONDS
from gateway.page import figures

WIDTH, HEIGHT = 1440.0, 100.0  # of a picture, which is stretched to wherever it stands
STEPS = 288  # of a day that are drawn: as fine as a phone shows
TICK_HOURS = 6
UNSEEN = "not seen"
NOTHING = "Nothing is counted yet: the first figures come within two minutes."

Write = Callable[[float], str]


@dataclass(frozen=True)
class Series:
    """A row of a chart: its class in the stylesheet, its name, and how those counts' names begin that it adds up."""

    style: str
    name: str
    counts: str = ""


@dataclass(frozen=True)
class Mark:
    """A place on an axis, in percent from the left or the top, and what is written there."""

    place: float
    text: str
    day: bool = False  # one begins there

    @property
    def anchor(self) -> str:
        """Say which end of the text stands there, so that none of it is cut."""
        return "start" if self.place < 8 else "end" if self.place > 92 else "middle"


@dataclass(frozen=True)
class Shape:
    """How one series is drawn, and what its legend says."""

    style: str
    name: str
    total: str
    path: str


@dataclass(frozen=True)
class Grid:
    """What a picture says, in words."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Chart:
    """A picture, a sentence that says what is to be seen in it, and all of it as a table, an hour a row."""

    id: str
    title: str
    told: str
    shapes: tuple[Shape, ...]
    gaps: str  # a path
    across: tuple[Mark, ...]
    up: tuple[Mark, ...]
    table: Grid


def rates(of: figures.Day, identifier: str, title: str, series: Sequence[Series]) -> Chart:
    """Draw how many a minute; the table says how many in each hour."""
    counts = [of.counted(one.counts) for one in series]
    a_minute = [[value / long for value, long in zip(values, of.minutes, strict=True)] for values in counts]
    peaks = [max(zip(values, of.at, strict=True), default=(0.0, 0.0)) for values in a_minute]
    top = figures.end(max(peaks)[0])
    totals = [figures.number(sum(values)) for values in counts]
    told = [
        f"{total} {one.name}, at most {figures.number(most)} a minute, at {of.local(at):%H:%M}"
        if most
        else f"no {one.name}"
        for one, total, (most, at) in zip(series, totals, peaks, strict=True)
    ]
    shapes = [
        Shape(one.style, one.name, total, _stairs(of, values, top))
        for one, total, values in zip(series, totals, a_minute, strict=True)
    ]
    table = _table(of, series, [of.by_hour(values, sum) for values in counts], figures.number)
    return _chart(of, identifier, title, told, shapes, (top, figures.number), table)


def bars(of: figures.Day, identifier: str, title: str, series: Sequence[Series]) -> Chart:
    """Draw how many in each hour, one series upon the other."""
    columns = [of.by_hour(of.counted(one.counts), sum) for one in series]
    top = figures.end(max((sum(column[hour] for column in columns) for hour in columns[0]), default=0.0))
    totals = [figures.number(sum(column.values())) for column in columns]
    shapes = [
        Shape(one.style, one.name, total, "".join(_blocks(of, columns[: place + 1], top)))
        for place, (one, total) in enumerate(zip(series, totals, strict=True))
    ]
    told = [f"{total} {one.name}" for one, total in zip(series, totals, strict=True) if total != "0"] or ["none"]
    table = _table(of, series, columns, figures.number)
    return _chart(of, identifier, title, told, shapes, (top, figures.number), table)


def ages(of: figures.Day, identifier: str, title: str, series: Series) -> Chart:
    """Draw how long the oldest event had waited; of what is drawn together, the longest."""
    longest, at = max(zip(of.oldest_seconds, of.at, strict=True), default=(0.0, 0.0))
    told = f"at most {figures.duration(longest)}, at {of.local(at):%H:%M}" if longest >= 1 else "nothing has waited"
    top = figures.end_seconds(longest)
    shape = Shape(series.style, series.name, "", _stairs(of, of.oldest_seconds, top))
    table = _table(of, [series], [of.by_hour(of.oldest_seconds, max)], figures.duration)
    return _chart(of, identifier, title, [told], [shape], (top, figures.duration), table)


def _marks(of: figures.Day) -> Iterator[Mark]:
    """Mark some hours, and where a day begins."""
    for hour in of.hours[1:]:
        local = of.local(hour)
        if local.hour % TICK_HOURS == 0:
            text = f"{local:%H:%M}" if local.hour else f"{local:%d %b}"
            yield Mark(of.part(hour) * 100, text, day=not local.hour)


def _runs(of: figures.Day, values: Iterable[float]) -> Iterator[list[tuple[float, int]]]:
    """Give the highest of what is drawn together, with its place; a list for each time without a gap."""
    highest: dict[int, float] = {}
    for value, at in zip(values, of.at, strict=True):
        place = math.ceil((at - of.since) / DAY_SECONDS * STEPS) - 1
        highest[place] = max(value, highest.get(place, 0.0))
    ordered = enumerate(sorted(highest.items()))
    for _, run in groupby(ordered, key=lambda pair: pair[1][0] - pair[0]):
        yield [(value, place) for _, (place, value) in run]


def _stairs(of: figures.Day, values: Iterable[float], top: float) -> str:
    """Draw a step for each, from the ground and back to it wherever there is a gap."""
    wide, drawn = WIDTH / STEPS, ""
    for run in _runs(of, values):
        steps = (f"V{_short(HEIGHT - value / top * HEIGHT)}H{_short((place + 1) * wide)}" for value, place in run)
        drawn += f"M{_short(run[0][1] * wide)} {_short(HEIGHT)}{''.join(steps)}V{_short(HEIGHT)}"
    return drawn


def _blocks(of: figures.Day, columns: Sequence[Mapping[int, float]], top: float) -> Iterator[str]:
    """Draw a bar for each hour of the last column, upon those of the others."""
    *below, upper = columns
    for hour, value in upper.items():
        if value:
            left, right = (of.part(of.hours[0] + end * HOUR_SECONDS) * WIDTH for end in (hour, hour + 1))
            ground = HEIGHT - sum(column[hour] for column in below) / top * HEIGHT
            high, room = value / top * HEIGHT, (right - left) * 0.1  # between it and the next
            wide = right - left - 2 * room
            yield f"M{_short(left + room)} {_short(ground)}v{_short(-high)}h{_short(wide)}v{_short(high)}z"


def _gaps(of: figures.Day) -> str:
    """Draw what nobody saw."""
    wide, last, drawn = WIDTH / STEPS, 0, ""
    seen = [(run[0][1], run[-1][1] + 1) for run in _runs(of, of.oldest_seconds)]
    for begin, after in [*seen, (STEPS, STEPS)]:
        if begin > last:
            drawn += f"M{_short(last * wide)} 0H{_short(begin * wide)}V{_short(HEIGHT)}H{_short(last * wide)}z"
        last = after
    return drawn


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _table(of: figures.Day, series: Sequence[Series], columns: Sequence[Mapping[int, float]], write: Write) -> Grid:
    rows = []
    for place, hour in enumerate(of.hours):
        local = of.local(hour)
        named = f"{local:%H:%M}" if local.hour else f"{local:%d %b, %H:%M}"
        rows.append((named, *(write(column[place]) if place in column else UNSEEN for column in columns)))
    return Grid(("from", *(one.name for one in series)), tuple(rows))


def _chart(
    of: figures.Day,
    identifier: str,
    title: str,
    told: Sequence[str],
    shapes: Sequence[Shape],
    axis: tuple[float, Write],
    table: Grid,
) -> Chart:
    top, write = axis
    up = tuple(Mark(100 - part * 100, write(top * part)) for part in (0.0, 0.5, 1.0))
    said = "; ".join(told)
    sentence = f"{said[:1].upper()}{said[1:]}." if of.at else NOTHING
    return Chart(identifier, title, sentence, tuple(shapes), _gaps(of), tuple(_marks(of)), up, table)
