"""Opens the spool's database, reads from it and writes to it; foreign errors end here.

Rule 1. A write that returned is on the disk: WAL with synchronous=FULL.
Rule 2. One write transaction at a time in a process. Writers that wait for it share the next one,
        so that a burst costs one fsync and not one each. A writer whose work raises takes back its own work
        alone: those beside it are done again, each in a savepoint, which costs too much to be made for everybody.
Rule 3. Processes take turns at writing, and ask for theirs every millisecond. SQLite's own waiting sleeps
        longer and longer between two looks: a busy courier would keep the doors out for seconds.
Rule 4. Whatever goes wrong with the database is `SpoolUnavailable`; parameters never reach a text.
Rule 5. What every event runs goes to the driver as text, by its name (`sqlite.sql`). Whoever puts statements
        together gets SQLAlchemy's connection; that is loaded once it is asked for.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast

from gateway import clock
from gateway.errors import SpoolUnavailable
from gateway.phrases import Reason
from gateway.store import sqlite
from gateway.store.sqlite import Connection, Run

if TYPE_CHECKING:
    import sqlalchemy as sa

T = TypeVar("T")
Work = Callable[["sa.Connection"], T]

TURN_SECONDS = 0.001


class _Hand(NamedTuple):
    """A connection, for both kinds of work."""

    driver: Connection
    run: Run
    composing: sa.Connection | None = None


class _Composing(NamedTuple):
    reading: sa.Engine
    writing: sa.Engine
    error: type[Exception]


class _Ticket(Generic[T]):
    """One writer's work, and what became of it. `composes`: the work wants SQLAlchemy's connection."""

    def __init__(self, work: Callable[[Any], T], *, composes: bool = False) -> None:
        self._work = work
        self.composes = composes
        self._result: T | None = None
        self._error: Exception | None = None
        self.settled = False

    def run(self, hand: _Hand) -> None:
        """Do the work. Raises whatever it raises."""
        self._result = self._work(hand.composing if self.composes else hand.run)

    def run_apart(self, hand: _Hand) -> None:
        """Do the work in a savepoint. Raises only what took the whole transaction down."""
        driver = hand.driver
        driver.execute("SAVEPOINT writer")
        try:
            self.run(hand)
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
    """The spool's database file. Safe to use from several threads and processes; opened when it is first used."""

    def __init__(self, path: Path, *, patience_seconds: float) -> None:
        """`patience_seconds`: how long to wait for another process's transaction to end."""
        self.path = path
        self._patience_seconds = patience_seconds
        self._idle: list[Connection] = []
        self._writing: _Hand | None = None
        self._writer = threading.Lock()
        self._waiting: deque[_Ticket[Any]] = deque()

    def ask(self, work: Callable[[Run], T]) -> T:
        """Run named statements on a consistent view. Raises SpoolUnavailable."""
        with sqlite.translated(), self._reader() as driver:
            driver.execute("BEGIN")
            return work(sqlite.runner(driver))

    def tell(self, work: Callable[[Run], T]) -> T:
        """Run named statements in a transaction and return once it is on the disk. Raises SpoolUnavailable.

        The work is done a second time where one beside it fails: it touches nothing but the transaction.
        """
        with sqlite.translated():
            return self._written(_Ticket(work))

    def read(self, work: Work[T]) -> T:
        """As `ask`, with SQLAlchemy's connection."""
        with sqlite.translated(self._composing.error), self._composing.reading.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            return work(connection)

    def write(self, work: Work[T]) -> T:
        """As `tell`, with SQLAlchemy's connection."""
        with sqlite.translated(self._composing.error):
            return self._written(_Ticket(work, composes=True))

    def require_latest(self) -> None:
        """Raises SpoolUnavailable unless the spool has the schema that this release works with."""
        if sqlite.current(self.path) != sqlite.latest():  # on a connection of its own: a process may fork yet
            raise SpoolUnavailable(Reason.SPOOL_SCHEMA)

    def rewrite(self) -> None:
        """Write the file anew without what was deleted, of which pages keep copies, and empty its log.

        Writers wait as long as that takes. Raises SpoolUnavailable.
        """
        with sqlite.translated(), self._writer, self._reader() as driver:
            driver.execute("VACUUM")
            blocked, *_ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if blocked:  # a reader held on to the log for longer than our patience
            raise SpoolUnavailable(Reason.SPOOL_LOCKED)

    def close(self) -> None:
        with self._writer:
            opened = [*self._idle, *([self._writing.driver] if self._writing else [])]
            self._idle, self._writing = [], None
        for driver in opened:
            driver.close()
        for engine in self._composing[:2] if "_composing" in vars(self) else ():  # it was asked for
            engine.dispose()

    def _written(self, ticket: _Ticket[T]) -> T:
        self._waiting.append(ticket)
        with self._writer:
            if not ticket.settled:  # else the writer before took it along
                clock.pause(0)  # those who are on their way come along
                self._commit_waiting()
        return ticket.result()

    def _commit_waiting(self) -> None:
        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
        error: Exception | None = SpoolUnavailable(Reason.SPOOL_INTERRUPTED)
        try:
            with self._turn(composes=any(ticket.composes for ticket in batch)) as hand:
                self._run(batch, hand)
                hand.driver.commit()
            error = None
        except Exception as failure:  # noqa: BLE001 - it is raised again in every writer of the batch
            error = failure
        finally:
            for ticket in batch:
                ticket.settle(error)

    def _run(self, batch: list[_Ticket[Any]], hand: _Hand) -> None:
        apart = len(batch) > 1 and hand.composing is not None  # such works may do more than write: none is done twice
        try:
            for ticket in batch:
                ticket.run_apart(hand) if apart else ticket.run(hand)
        except Exception:
            if apart or len(batch) == 1:
                raise
            hand.driver.rollback()
            self._begin(hand.driver)
            for ticket in batch:
                ticket.run_apart(hand)

    @contextmanager
    def _turn(self, *, composes: bool) -> Iterator[_Hand]:
        """A write transaction that has begun; what is not committed at the end is taken back."""
        with self._composed_hand() if composes else nullcontext(self._plain_hand()) as hand:
            self._begin(hand.driver)
            try:
                yield hand
            finally:
                hand.driver.rollback()

    def _begin(self, driver: Connection) -> None:
        deadline = clock.steady() + self._patience_seconds
        while True:
            try:
                driver.execute("BEGIN IMMEDIATE")
            except sqlite.Error as error:
                if sqlite.reason(error) != Reason.SPOOL_LOCKED or clock.steady() > deadline:
                    raise
            else:
                return
            clock.pause(TURN_SECONDS)

    def _plain_hand(self) -> _Hand:
        if self._writing is None:
            driver = self._writer_connection()
            self._writing = _Hand(driver, sqlite.runner(driver))
        return self._writing

    @contextmanager
    def _composed_hand(self) -> Iterator[_Hand]:
        with sqlite.translated(self._composing.error):  # here, for those of the batch who do not know of SQLAlchemy
            connection = self._composing.writing.connect()
        with connection:
            driver = cast("Connection", connection.connection.driver_connection)
            yield _Hand(driver, sqlite.runner(driver), connection)

    def _reader_connection(self) -> Connection:
        return sqlite.connect(self.path, patience_seconds=self._patience_seconds)

    def _writer_connection(self) -> Connection:
        opened = self._reader_connection()
        opened.execute("PRAGMA busy_timeout=0")  # it waits by itself, for its turn
        return opened

    @contextmanager
    def _reader(self) -> Iterator[Connection]:
        try:
            driver = self._idle.pop()
        except IndexError:
            driver = self._reader_connection()
        try:
            yield driver
        finally:
            driver.rollback()
            self._idle.append(driver)

    @cached_property
    def _composing(self) -> _Composing:
        from gateway.store import schema  # not above: it loads SQLAlchemy

        reading, writing = schema.engine(self._reader_connection), schema.engine(self._writer_connection)
        return _Composing(reading, writing, schema.ERROR)
