"""Moves a spool to another database: every table of the schema, row for row, whichever engines the two are on.

Rule 1. Nobody ever finds two that he could serve from. What is being filled says so by its revision, until it is whole;
        and before it stops saying so, the one that it comes from says that it was moved.
Rule 2. Killed at any moment, it goes on when it is done once more. What is there already is the beginning of its table,
        and stays; where it is not the beginning of the source's any more, that table is filled anew.
Rule 3. What counts is what is read back: rows are counted and their digests compared on both sides, table by table,
        before either is marked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path

import sqlalchemy as sa

from gateway import clock, lock, paths
from gateway.errors import CommandError, SpoolUnavailable
from gateway.phrases import Reason
from gateway.store import audit, migrations, named, schema, sides, sqlite
from gateway.store.sides import PATIENCE_SECONDS, Row, Side

TABLES = schema.metadata.sorted_tables
ROWS_AT_A_TIME = 5_000  # in a transaction: what a kill costs
TOLD_ROWS = 1_000

_VERSION = sa.table("alembic_version", sa.column("version_num", sa.String))

ASIDE = ".moved"  # what is added to the name of a file that gives its place to another

Tell = Callable[[str, int, int], object]


@dataclass
class Tally:
    """What rows come to, in whatever order: how many they are, and a digest of all that is in them."""

    count: int = 0
    digest: int = 0

    def counting(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Hand them on, and count them."""
        for row in rows:
            self.count += 1
            self.digest = (self.digest + int.from_bytes(sha256(repr(row).encode()).digest())) % 2**256
            yield row

    def take(self, rows: Iterable[Row]) -> Tally:
        """Count them."""
        for _ in self.counting(rows):
            pass
        return self

    def written(self) -> str:
        """The digest's first digits, for people to compare."""
        return f"{self.digest:064x}"[:16]


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What was done: from where to where, what each table has come to, and where a file is that gave its place."""

    source: str
    target: str
    tables: Mapping[str, Tally]
    aside: Path | None


def move(
    state: Path,
    source: Path | str,
    target: Path | str,
    password: str = "",
    *,
    tell: Tell = lambda _what, _done, _whole: None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Moved:
    """Bring all of the spool at `source` to `target`: files, or URLs of a PostgreSQL, which asks for the `password`.

    `state`: the folder of the locks. `tell` hears what is being done, and how many rows of how many are behind it.
    Raises CommandError where either is in use for longer than `patience_seconds`, or is not what it has to be;
    SpoolUnavailable.
    """
    with _alone(state, patience_seconds), sides.opened(source, password) as taken:
        taken.hold(patience_seconds, to_read=True)
        aside = _prepare(target, password)
        with sides.opened(target, password) as filled:
            filled.hold(patience_seconds, to_read=False)
            _require_ready(taken, filled)
            # It is moved with the rest.
            audit.note(taken.run, _deed(f"{taken.name} to {filled.name}"))
            filled.begin()
            _mark(filled, named.MOVING)
            filled.commit()
            return Moved(source=taken.name, target=filled.name, tables=_Move(taken, filled, tell).done(), aside=aside)


def reopen(state: Path, place: Path | str, password: str = "") -> str:
    """Have one served from once more that was moved away, and return its name. Raises as `move` does."""
    with _alone(state, PATIENCE_SECONDS), sides.opened(place, password) as side:
        side.hold(PATIENCE_SECONDS, to_read=True)
        if side.revision() != named.latest() + named.MOVED:
            raise CommandError(f"{side.name} was not moved away: there is nothing to reopen")
        audit.note(side.run, _deed(f"{side.name} is served from again"))
        _mark(side, "")
        side.commit()
        return side.name


def _deed(about: str) -> audit.Deed:
    return audit.deed(audit.Action.MOVE, about, now=clock.WallClock().now())


@contextmanager
def _alone(state: Path, patience_seconds: float) -> Iterator[None]:
    """Let no gateway run on that folder meanwhile. Raises CommandError where one does."""
    if (state / paths.LIFEBOAT / paths.AFLOAT).exists():
        raise CommandError("callbacks are in the lifeboat: start the gateway, and wait until all of them are filed")
    with ExitStack() as stack:
        for name in ("serve", *migrations.USERS, Path(migrations.LOCK_NAME).stem):
            try:
                stack.enter_context(lock.held(state / f"{name}.lock", patience_seconds=patience_seconds))
            except BlockingIOError as error:
                raise CommandError(f"a gateway runs on {state}, its {name}: stop it, on every machine") from error
        yield


def _prepare(place: Path | str, password: str) -> Path | None:
    """Make an empty spool where there is none; a file that was moved away steps aside for it: returns where to."""
    if not isinstance(place, Path):
        from gateway.store.migrations import server  # not above: it loads PostgreSQL's driver

        with sides.opened(place, password) as side:
            made = side.revision() is not None
        if not made:
            server.migrate(place, password)
        return None
    aside = _stepped_aside(place) if (sqlite.current(place) or "").endswith(named.MOVED) else None
    if sqlite.current(place) is None:
        migrations.make(place)
    return aside


def _stepped_aside(path: Path) -> Path:
    aside = path.with_name(path.name + ASIDE)
    if aside.exists():
        raise CommandError(f"{path} was moved away, and so was {aside}: delete that one, or put it elsewhere")
    with sqlite.translated(path), closing(sqlite.connect(path, patience_seconds=PATIENCE_SECONDS)) as driver:
        if not sqlite.empty_log(driver):  # it goes without one
            raise SpoolUnavailable(Reason.SPOOL_LOCKED)
    return path.rename(aside)


class _Move:
    """One, from the first row to the marks."""

    def __init__(self, source: Side, target: Side, tell: Tell) -> None:
        self._source, self._target, self._tell = source, target, tell
        self._behind, self._whole = 0, 2 * sum(_count(source, table) for table in TABLES)

    def done(self) -> Mapping[str, Tally]:
        found = {table.name: self._bring(table) for table in TABLES}
        self._target.begin(whole=True)
        for table in TABLES:
            self._require_same(table, found[table.name])
            _number_on(self._source, self._target, table)
        self._target.settle()
        _mark(self._target, "")
        _mark(self._source, named.MOVED)
        self._source.commit()
        self._target.commit()
        return found

    def _bring(self, table: sa.Table) -> Tally:
        """Bring the rows that are not there yet, and return what all come to."""
        self._target.begin()
        there = Tally().take(self._target.rows(table))
        rows, tally = self._coming(table), Tally()
        if tally.take(islice(rows, there.count)) != there:
            self._behind -= tally.count
            self._target.ask(sa.delete(table))
            rows, tally = self._coming(table), Tally()
        rows, before = tally.counting(rows), -1
        while before != tally.count:
            before = tally.count
            self._target.add(table, islice(rows, ROWS_AT_A_TIME))
            self._target.commit()
            self._target.begin()
        self._target.commit()
        return tally

    def _require_same(self, table: sa.Table, sent: Tally) -> None:
        found = Tally().take(self._told(f"Comparing {table.name}", self._target.rows(table)))
        if found != sent:
            raise CommandError(
                f"{table.name} is not the same on both sides: {sent.count} rows, digest {sent.written()}, were moved; "
                f"{found.count} rows, digest {found.written()}, are there. Nothing was marked: what was, still counts"
            )

    def _coming(self, table: sa.Table) -> Iterator[Row]:
        return self._told(f"Moving {table.name}", map(self._target.taken, self._source.rows(table)))

    def _told(self, what: str, rows: Iterable[Row]) -> Iterator[Row]:
        for number, row in enumerate(rows):
            if not number % TOLD_ROWS:
                self._tell(what, self._behind, self._whole)
            self._behind += 1
            yield row


def _require_ready(source: Side, target: Side) -> None:
    begun = target.revision() == named.latest() + named.MOVING
    found = source.revision()
    if not (begun and found == named.latest() + named.MOVED):  # it was killed between the two marks
        _require_latest(found)
    if not begun:
        _require_latest(target.revision())
        full = [table.name for table in TABLES if _count(target, table)]
        if full:
            raise CommandError(f"{target.name} holds other data, in {', '.join(full)}: name an empty database")


def _require_latest(found: str | None) -> None:
    trouble = named.trouble(found)
    if trouble is not None:
        raise SpoolUnavailable(trouble)


def _count(side: Side, table: sa.Table) -> int:
    return int(side.ask(sa.select(sa.func.count()).select_from(table))[0][0])


def _mark(side: Side, word: str) -> None:
    side.ask(sa.update(_VERSION).values(version_num=named.latest() + word))


def _number_on(source: Side, target: Side, table: sa.Table) -> None:
    """Have no number given twice that ever was an event's, or what else the rows are."""
    column = table.autoincrement_column
    if column is not None:
        [[highest]] = source.ask(sa.select(sa.func.coalesce(sa.func.max(column), 0)))
        target.number_on(table, column.name, max(source.number(table, column.name), int(highest)))
