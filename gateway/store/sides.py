"""The two databases of a move, each in the words of its own driver: what is read from one the other takes as it is.

Rule 1. A value goes past every type of SQLAlchemy's: bytes, the text of JSON and times stay what they are.
Rule 2. Rows come in the order of their keys, and are filed in that order: what is there is the beginning of its table.
Rule 3. A side is ours alone for as long as it is open: nobody writes to it meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from gateway import clock
from gateway.errors import CommandError, SpoolUnavailable
from gateway.phrases import Reason
from gateway.store import Run, sqlite

Row = tuple[Any, ...]
PATIENCE_SECONDS = 5.0  # with who is still ending
SENT_ROWS = 500  # that a server sends at a time
LOOK_SECONDS = 0.05
LOCK = 0x6D6F7665  # of who moves


class Side(Protocol):
    """One of the two; `name` is what people call it. What goes wrong with it is an error of its driver's."""

    name: str
    run: Run
    errors: type[Exception]

    def revision(self) -> str | None:
        """Its schema's, and what is said beside it; None where there is none."""

    def hold(self, patience_seconds: float, *, to_read: bool) -> None:
        """Keep it to ourselves; to be read: in a transaction. Raises CommandError where it is in use for that long."""

    def begin(self, *, whole: bool = False) -> None:
        """Begin to write; once that is committed and `whole`, all that was ever written here is on the disk."""

    def commit(self) -> None:
        """End a transaction."""

    def ask(self, statement: sa.Executable) -> list[Any]:
        """Run one in the words of its engine, and return its rows."""

    def rows(self, table: sa.Table) -> Iterator[Row]:
        """Read all there are, in a transaction. What is true is 1."""

    def add(self, table: sa.Table, rows: Iterable[Row]) -> None:
        """File them."""

    def taken(self, row: Row) -> Row:
        """Tell what a row of the other side becomes here."""

    def number(self, table: sa.Table, column: str) -> int:
        """Say which number a row was given last, also of one that is gone; 0 where that is not kept."""

    def number_on(self, table: sa.Table, column: str, last: int) -> None:
        """Have the next row be given a higher one."""

    def settle(self) -> None:
        """Let it know what it is full of by now."""

    def reason(self, error: Exception) -> Reason:
        """What went wrong, in our words."""

    def close(self) -> None:
        """Take back what is not committed, and let it go."""


@contextmanager
def opened(place: Path | str, password: str = "") -> Iterator[Side]:
    """Open a file, or the PostgreSQL at a URL. Raises SpoolUnavailable for whatever goes wrong with it."""
    try:
        side: Side = FileSide(place) if isinstance(place, Path) else ServerSide(place, password)
    except sqlite.Error as error:
        raise SpoolUnavailable(sqlite.reason(error, Path(place))) from error
    try:
        yield side
    except side.errors as error:
        raise SpoolUnavailable(side.reason(error)) from None  # as of `remote`: a server's text may hold a whole row
    finally:
        side.close()


class FileSide:
    """One that is a file of SQLite's."""

    errors: type[Exception] = sqlite.Error

    def __init__(self, path: Path) -> None:
        """Raises the driver's error where there is none."""
        self.name, self._path = str(path), path
        self._driver = sqlite.connect(path, patience_seconds=PATIENCE_SECONDS)
        self.run: Run = sqlite.runner(self._driver)

    def revision(self) -> str | None:
        return sqlite.revision(self.run)

    def hold(self, _patience_seconds: float, *, to_read: bool) -> None:
        if to_read:
            self.begin(whole=True)

    def begin(self, *, whole: bool = False) -> None:
        # What is brought and lost with the machine is brought again.
        self._driver.execute(f"PRAGMA synchronous={'FULL' if whole else 'NORMAL'}")
        self._driver.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._driver.commit()

    def ask(self, statement: sa.Executable) -> list[Any]:
        return self._driver.execute(_text(statement, _SQLITE)).fetchall()

    def rows(self, table: sa.Table) -> Iterator[Row]:
        return iter(self._driver.execute(_text(_all_of(table), _SQLITE)))

    def add(self, table: sa.Table, rows: Iterable[Row]) -> None:
        self._driver.executemany(str(sa.insert(table).compile(dialect=_SQLITE)), rows)

    def taken(self, row: Row) -> Row:
        return row

    def number(self, table: sa.Table, _column: str) -> int:
        given = self._driver.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,))
        return max((row[0] for row in given), default=0)

    def number_on(self, table: sa.Table, _column: str, last: int) -> None:
        if table.dialect_options["sqlite"]["autoincrement"]:
            self._driver.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table.name,))
            self._driver.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table.name, last))

    def settle(self) -> None:
        pass  # it asks for nothing

    def reason(self, error: Exception) -> Reason:
        return sqlite.reason(error, self._path)

    def close(self) -> None:
        self._driver.close()


class ServerSide:
    """One that is a PostgreSQL."""

    def __init__(self, url: str, password: str) -> None:
        """Raises SpoolUnavailable where it is not reached."""
        from gateway.store import postgres  # not above: nobody else loads its driver

        self.name, self._postgres = url.partition("?")[0], postgres
        self.errors: type[Exception] = postgres.Error
        self._driver = postgres.connect(url, password)
        self.run: Run = postgres.runner(self._driver)
        self._tell("SET idle_in_transaction_session_timeout = 0")
        self._tell(f"SET lock_timeout = {int(PATIENCE_SECONDS * 1000)}")

    def revision(self) -> str | None:
        return self._postgres.revision(self.run)

    def hold(self, patience_seconds: float, *, to_read: bool) -> None:
        ends_at = clock.steady() + patience_seconds
        while not self._tell(_ALONE, LOCK)[0][0]:
            if clock.steady() > ends_at:
                raise CommandError(f"a gateway works with {self.name}, or a command of it: stop that on every machine")
            clock.pause(LOOK_SECONDS)
        if to_read:
            self._tell("BEGIN ISOLATION LEVEL REPEATABLE READ")
            tables = self._tell("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema()")
            self._tell(f"LOCK TABLE {', '.join(row[0] for row in tables)} IN EXCLUSIVE MODE")

    def begin(self, *, whole: bool = False) -> None:
        self._tell("BEGIN")
        self._tell(f"SET LOCAL synchronous_commit = {'on' if whole else 'off'}")

    def commit(self) -> None:
        self._postgres.commit(self._driver)

    def ask(self, statement: sa.Executable) -> list[Any]:
        return self._tell(_text(statement, _POSTGRESQL))

    def rows(self, table: sa.Table) -> Iterator[Row]:
        with self._driver.cursor("rows", binary=True) as cursor:
            cursor.itersize = SENT_ROWS
            cursor.execute(_text(_all_of(table), _POSTGRESQL).encode())
            yield from cursor

    def add(self, table: sa.Table, rows: Iterable[Row]) -> None:
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        with self._driver.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN'.encode()) as copy:
            for row in rows:
                copy.write_row(row)

    def taken(self, row: Row) -> Row:
        return tuple(map(self._postgres.storable, row))

    def number(self, table: sa.Table, column: str) -> int:
        return int(self._tell(f"SELECT coalesce(pg_sequence_last_value({_SEQUENCE}), 0)", table.name, column)[0][0])

    def number_on(self, table: sa.Table, column: str, last: int) -> None:
        self._tell(f"SELECT setval({_SEQUENCE}, greatest(%s, 1), %s > 0)", table.name, column, last, last)

    def settle(self) -> None:
        self._tell("ANALYZE")

    def reason(self, error: Exception) -> Reason:
        return self._postgres.reason(error)

    def close(self) -> None:
        self._driver.close()

    def _tell(self, text: str, *values: object) -> list[Any]:
        cursor = self._driver.execute(text.encode(), values or None)
        return cursor.fetchall() if cursor.description else []


_SQLITE, _POSTGRESQL = (sa.make_url(url).get_dialect()() for url in ("sqlite://", "postgresql+psycopg://"))
_ALONE = """
SELECT count(*) = 0 AND pg_try_advisory_lock(%s) FROM pg_stat_activity
WHERE datname = current_database() AND pid != pg_backend_pid()
    AND split_part(application_name, ' ', 1) = split_part(current_setting('application_name'), ' ', 1)
"""
_SEQUENCE = "CAST(pg_get_serial_sequence(%s, %s) AS regclass)"


def _text(statement: sa.Executable, dialect: sa.Dialect) -> str:
    return str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))  # type: ignore[attr-defined]


def _all_of(table: sa.Table) -> sa.Select[Any]:
    columns = [sa.cast(each, sa.Integer) if isinstance(each.type, sa.Boolean) else each for each in table.columns]
    return sa.select(*columns).order_by(*table.primary_key.columns)
