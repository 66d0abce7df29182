"""What was turned away and is no event: counted in a small ring, for an operator who wonders why nothing comes.

Rule 1. Nobody waits for it: it is counted in memory, and written a second later by a thread that ends then.
Rule 2. It does not grow: `MOST` rows of each kind, in memory and on the disk, and a kind takes no room of another.
Rule 3. Of a kind that is full those stay that came most often, of equals the first, and beside them the latest: so
        neither who asks for a thousand things once nor who asks for one of them a thousand times drives all others out.
Rule 4. Of a request it holds whom it was about (a connector, a host name, a project), and from which address it came.

The kinds are rows of `rules/turned_away.toml`; what is no row is not kept.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from gateway import rules
from gateway.clock import Clock, later
from gateway.errors import SpoolUnavailable
from gateway.store import Run
from gateway.store.engines import Database

FILE = "turned_away.toml"
MOST = 40  # rows of a kind
WRITTEN_AFTER_SECONDS = 1.0

_ABOUT = re.compile(r"[0-9A-Za-z._:\[\]-]{0,64}")  # no text of a stranger's that could say something else


class Kind(rules.StrictTable):
    """One row: what is turned away by a door for that reason, what to do, and how doctor takes it."""

    door: str
    reason: str
    remedy: str = ""
    level: Literal["", "note", "warning", "fault"] = ""
    until: Literal["callback", "fetch", "hour"] = "hour"


class _Kinds(rules.StrictTable):
    turned_away: tuple[Kind, ...]


@functools.cache
def kinds() -> dict[tuple[str, str], Kind]:
    """Every kind, by its door and reason."""
    proved = rules.prove(rules.read(FILE), _Kinds, file=FILE)
    return {(kind.door, kind.reason): kind for kind in proved.turned_away}


@dataclass(frozen=True)
class Turned:
    """One row of the ring: how often, from when to when, and from where the last time. Moments are epoch seconds."""

    door: str
    reason: str
    about: str
    address: str
    count: int
    first_at: float
    last_at: float

    @property
    def kind(self) -> tuple[str, str]:
        return self.door, self.reason


class Ring:
    """Counts for one process, and writes to the spool."""

    def __init__(
        self, database: Database, *, clock: Clock, later: Callable[[float, Callable[[], None]], None] = later
    ) -> None:
        self._database, self._clock, self._later = database, clock, later
        self._guard = threading.Lock()
        self._counted: dict[tuple[str, str], list[Turned]] = {}
        self._due = False

    def note(self, door: str, reason: str, *, about: str = "", address: str = "") -> None:
        """Count one that was turned away, if it is of a kind that is kept."""
        if (door, reason) not in kinds():
            return
        now, whom = self._clock.now(), about if _ABOUT.fullmatch(about) else "other"
        with self._guard:
            rows = self._counted.get((door, reason), [])
            self._counted[door, reason] = kept(merged(rows, [Turned(door, reason, whom, address[:45], 1, now, now)]))
            if self._due:
                return
            self._due = True
        self._later(WRITTEN_AFTER_SECONDS, self.write)

    def write(self) -> None:
        """Write what was counted; where that cannot be, it is written with what comes next."""
        with self._guard:
            counted, self._counted, self._due = self._counted, {}, False
        try:
            self._database.tell(lambda run: _add(run, counted.values()))
        except SpoolUnavailable:
            with self._guard:
                for kind, rows in counted.items():
                    self._counted[kind] = kept(merged(rows, self._counted.get(kind, [])))


def listed(database: Database, *, since: float = 0.0) -> list[Turned]:
    """Read the rows that were counted then or later, the latest first. Raises SpoolUnavailable."""
    return [Turned(*row) for row in database.ask(lambda run: run("turned_away", since=since))]


def merged(before: Iterable[Turned], more: Iterable[Turned]) -> list[Turned]:
    """Add the counts of rows that are about the same."""
    rows = {row.about: row for row in before}
    for row in more:
        if known := rows.get(row.about):
            count, first_at = known.count + row.count, min(known.first_at, row.first_at)
            latest = max(known, row, key=lambda one: one.last_at)
            row = replace(latest, count=count, first_at=first_at)  # noqa: PLW2901 - the same row, with more in it
        rows[row.about] = row
    return list(rows.values())


def kept(rows: list[Turned]) -> list[Turned]:
    """Choose those of one kind that stay."""
    if len(rows) <= MOST:
        return rows
    by_count = sorted(rows, key=lambda row: (-row.count, row.first_at))
    often, others = by_count[: MOST // 2], by_count[MOST // 2 :]
    return [*often, *sorted(others, key=lambda row: -row.last_at)[: MOST - MOST // 2]]


def _add(run: Run, counted: Iterable[list[Turned]]) -> None:
    for rows in counted:
        _add_of_kind(run, rows)


def _add_of_kind(run: Run, counted: list[Turned]) -> None:
    door, reason = counted[0].kind
    before = [Turned(*row) for row in run("turned_away_of", door=door, reason=reason)]
    now = kept(merged(before, counted))
    for about in {row.about for row in before} - {row.about for row in now}:
        run("drop_turned_away", door=door, reason=reason, about=about)
    changed = {row.about for row in counted}
    for row in now:
        if row.about in changed:
            run("put_turned_away", **vars(row))
