"""Opens the spool's database, reads from it and writes to it; foreign errors end here.

Rule 1. A write that returned is on the disk: WAL with synchronous=FULL.
Rule 2. One write transaction at a time in a process. Writers that wait for it share the next one,
        so that a burst costs one fsync and not one each. A writer whose work raises takes only its
        own savepoint back.
Rule 3. Processes take turns at writing, and ask for theirs every millisecond. SQLite's own waiting sleeps
        longer and longer between two looks: a busy courier would keep the doors out for seconds.
Rule 4. Whatever goes wrong with the database is `SpoolUnavailable`; parameters never reach a text.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from gateway import clock
from gateway.errors import SpoolUnavailable

T = TypeVar("T")
Work = Callable[[sa.Connection], T]

TURN_SECONDS = 0.001

# The last two are for speed: indexes of digests are written all over, in pages that shall be found in memory and be
# copied from the log into the file not too often.
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "cache_size=-32000",  # KiB
    "wal_autocheckpoint=8000",  # pages of 4 KiB
)

_LOCKED = "spool locked"
_REASONS = {"SQLITE_BUSY": _LOCKED, "SQLITE_FULL": "spool disk full", "SQLITE_READONLY": "spool read-only"}


class _Ticket(Generic[T]):
    """One writer's work, and what became of it."""

    def __init__(self, work: Work[T]) -> None:
        self._work = work
        self._result: T | None = None
        self._error: Exception | None = None
        self.settled = False

    def run(self, connection: sa.Connection) -> None:
        """Do the work in a savepoint. Raises only what took the whole transaction down."""
        driver = cast("sqlite3.Connection", connection.connection.dbapi_connection)
        driver.execute("SAVEPOINT writer")
        try:
            self._result = self._work(connection)
            driver.execute("RELEASE writer")
        except Exception as error:
            if not driver.in_transaction:  # a full disk, say: SQLite has rolled everything back
                raise
            driver.execute("ROLLBACK TO writer")
            driver.execute("RELEASE writer")
            self._error = error  # it is raised again where the writer waits

    def settle(self, error: Exception | None) -> None:
        self._error = error or self._error
        self.settled = True

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return cast("T", self._result)


class Database:
    """The spool's database file. Safe to use from several threads and processes."""

    def __init__(self, path: Path, *, patience_seconds: float) -> None:
        """`patience_seconds`: how long to wait for another process's transaction to end."""
        self.path = path
        self._patience_seconds = patience_seconds
        self._reading = _open(path, patience_seconds=patience_seconds)
        self._writing = _open(path, patience_seconds=0.0)  # it waits by itself, for its turn
        self._writer = threading.Lock()
        self._queue = threading.Lock()
        self._waiting: list[_Ticket[Any]] = []

    def read(self, work: Work[T]) -> T:
        """Run `work` on a consistent view. Raises SpoolUnavailable."""
        with _translated(), self._reading.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            return work(connection)

    def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction and return once it is on the disk. Raises SpoolUnavailable."""
        ticket = _Ticket(work)
        with self._queue:
            self._waiting.append(ticket)
        with self._writer:
            if not ticket.settled:  # else the writer before took it along
                clock.pause(0)  # those who are on their way come along
                self._commit_waiting()
        with _translated():
            return ticket.result()

    def rewrite(self) -> None:
        """Write the file anew without what was deleted, of which pages keep copies, and empty its log.

        Writers wait as long as that takes. Raises SpoolUnavailable.
        """
        with _translated(), self._writer, closing(self._reading.raw_connection()) as connection:
            connection.cursor().execute("VACUUM")
            blocked, *_ = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if blocked:  # a reader held on to the log for longer than our patience
            raise SpoolUnavailable(_LOCKED)

    def close(self) -> None:
        self._reading.dispose()
        self._writing.dispose()

    def _commit_waiting(self) -> None:
        with self._queue:
            batch, self._waiting = self._waiting, []
        error: Exception | None = SpoolUnavailable("spool write interrupted")
        try:
            with self._turn() as connection:
                for ticket in batch:
                    ticket.run(connection)
                connection.commit()
            error = None
        except Exception as failure:  # noqa: BLE001 - it is raised again in every writer of the batch
            error = failure
        finally:
            for ticket in batch:
                ticket.settle(error)

    def _turn(self) -> sa.Connection:
        """A connection whose write transaction has begun."""
        deadline = clock.steady() + self._patience_seconds
        while True:
            try:
                return self._begun()
            except SQLAlchemyError as error:
                if _reason(error) != _LOCKED or clock.steady() > deadline:
                    raise
            clock.pause(TURN_SECONDS)

    def _begun(self) -> sa.Connection:
        connection = self._writing.connect()
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except BaseException:
            connection.close()
            raise
        return connection


def engine(path: Path, *, patience_seconds: float) -> sa.Engine:
    """For who lets SQLAlchemy begin transactions, as Alembic does; they are explicit, those that change tables too."""
    made = _open(path, patience_seconds=patience_seconds)
    # Not in _open: with such a listener SQLAlchemy asks at each statement for listeners of every kind.
    sa.event.listen(made, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return made


def _open(path: Path, *, patience_seconds: float) -> sa.Engine:
    """The file as rule 1 wants it; transactions begin where we say so, and nowhere else."""
    made = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)), hide_parameters=True, connect_args={"timeout": patience_seconds}
    )
    sa.event.listen(made, "connect", _prepare)
    return made


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise SpoolUnavailable(_reason(error)) from error


def _reason(error: Exception) -> str:
    name = str(getattr(getattr(error, "orig", error), "sqlite_errorname", ""))
    return next((reason for prefix, reason in _REASONS.items() if name.startswith(prefix)), "spool failed")


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
