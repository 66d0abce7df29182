"""Opens the spool's database, reads from it and writes to it; foreign errors end here.

Rule 1. A write that returned is on the disk: WAL with synchronous=FULL.
Rule 2. One write transaction at a time in a process. Writers that wait for it share the next one,
        so that a burst costs one fsync and not one each. A writer whose work raises takes back its own work
        alone: those beside it are done again, each in a savepoint, which costs too much to be made for everybody.
Rule 3. Processes take turns at writing, and ask for theirs every millisecond. SQLite's own waiting sleeps
        longer and longer between two looks: a busy courier would keep the doors out for seconds. The first door has
        the right of way: while it waits for a transaction to end, no other process begins one.
Rule 4. Nothing is told as written, and nothing is read, while another file than the one that is open stands at the
        spool's path (`anchor`): that is looked at after each commit, and before whatever comes next. What the file that
        was moved lacks is copied into it out of its log, so that it is whole wherever it is now.
Rule 5. Whatever goes wrong with the database is `SpoolUnavailable`; parameters never reach a text.
Rule 6. What is run goes to the driver as text, by its name (`sqlite.sql`). Who only reads may put statements together
        with SQLAlchemy's connection; that is loaded once it is asked for.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from gateway import clock, metrics
from gateway.errors import SpoolUnavailable
from gateway.lock import RightOfWay
from gateway.phrases import Reason
from gateway.store import anchor, compaction, sqlite
from gateway.store.pool import LARGE_LOG_BYTES, Connections
from gateway.store.sqlite import Connection, Run

if TYPE_CHECKING:
    import sqlalchemy as sa

T = TypeVar("T")
Work = Callable[[Run], T]

TURN_SECONDS = 0.001
WAY = "writers.lock"
WAY_SECONDS = 1.0  # so long the others let the first door go before them; then they take their chance


class _Ticket(Generic[T]):
    """One writer's work, and what became of it."""

    def __init__(self, work: Work[T]) -> None:
        self._work = work
        self._result: T | None = None
        self._error: Exception | None = None
        self.settled = False

    def run(self, run: Run) -> None:
        """Do the work. Raises whatever it raises."""
        self._result = self._work(run)

    def run_apart(self, driver: Connection, run: Run) -> None:
        """Do the work in a savepoint. Raises only what took the whole transaction down."""
        driver.execute("SAVEPOINT writer")
        try:
            self.run(run)
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

    def __init__(self, path: Path, *, patience_seconds: float, first: bool = False) -> None:
        """`patience_seconds`: how long to wait for another process's transaction to end; `first`: before all others."""
        self.path = path
        self._first, self._way = first, RightOfWay(path.with_name(WAY))
        self._patience_seconds = patience_seconds
        self._pool = Connections(path, patience_seconds=patience_seconds)
        self._writing: Connection | None = None
        self._writer = threading.Lock()
        self._waiting: deque[_Ticket[Any]] = deque()

    def ask(self, work: Work[T]) -> T:
        """Run named statements on a consistent view. Raises SpoolUnavailable."""
        with sqlite.translated(self.path), self._pool.reader() as driver:
            driver.execute("BEGIN")
            return work(sqlite.runner(driver))

    def tell(self, work: Work[T]) -> T:
        """Run named statements in a transaction and return once it is on the disk. Raises SpoolUnavailable.

        The work is done a second time where one beside it fails: it touches nothing but the transaction.
        """
        try:  # not `translated`: this is on the way of every event
            return self._written(_Ticket(work))
        except sqlite.Error as error:
            raise SpoolUnavailable(sqlite.reason(error, self.path)) from error

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        """As `ask`, for who puts statements together."""
        from gateway.store import schema  # not above: it loads SQLAlchemy

        self.require_in_place()
        engine = schema.engine(lambda: sqlite.connect(self.path, patience_seconds=self._patience_seconds))
        with sqlite.translated(self.path, schema.ERROR), engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            return work(connection)

    def require_latest(self) -> None:
        """Raises SpoolUnavailable unless the spool has the schema that this release works with."""
        # On a connection of its own, where none is open: a process may fork yet.
        found = self.ask(sqlite.revision) if self._pool.is_open else sqlite.current(self.path)
        if found != sqlite.latest():
            newer = found is not None and found not in sqlite.revisions()
            raise SpoolUnavailable(Reason.SPOOL_NEWER if newer else Reason.SPOOL_SCHEMA)

    def rewrite(self) -> None:
        """Write the file anew without what was deleted, of which pages keep copies, and empty its log.

        Writers wait as long as that takes, if they can (`compaction`). Raises SpoolUnavailable.
        """
        with sqlite.translated(self.path, OSError), self._writer, self._pool.reader() as driver:
            if not compaction.run(self.path, driver, self._way, patience_seconds=self._patience_seconds):
                raise SpoolUnavailable(Reason.SPOOL_LOCKED)  # by who reads

    def hold(self) -> None:
        """Open the file now, so that it is noticed from here on if another one takes its place.

        Whoever comes later works with this one, too, or not at all, while this process lives. Raises SpoolUnavailable.
        """
        self._pool.stay()
        with sqlite.translated(self.path), self._pool.reader():
            pass

    def require_in_place(self) -> None:
        """Raises SpoolUnavailable where the file that is open is not the one at its path."""
        self._pool.require_in_place()

    @property
    def large_log_bytes(self) -> int:
        """How large the log is, where it is larger than it should be; else 0."""
        return self._pool.log_bytes if self._pool.log_bytes > LARGE_LOG_BYTES else 0

    def close(self) -> None:
        with self._writer:
            self._writing = None
            self._pool.close()
            self._way.close()

    def _written(self, ticket: _Ticket[T]) -> T:
        self._waiting.append(ticket)
        with self._writer:
            if not ticket.settled:  # else the writer before took it along
                clock.give_way()  # those who are on their way come along
                self._commit_waiting()
        return ticket.result()

    def _commit_waiting(self) -> None:
        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
        error: Exception | None = SpoolUnavailable(Reason.SPOOL_INTERRUPTED)
        began = clock.steady()
        try:
            with self._turn() as driver:
                self._run(batch, driver)
                driver.commit()
                self._require_in_place_to_write()
            error = None
            metrics.observe(metrics.COMMIT_SECONDS, clock.steady() - began)
        except Exception as failure:  # noqa: BLE001 - it is raised again in every writer of the batch
            error = self._pool.explained(failure)
        finally:
            for ticket in batch:
                ticket.settle(error)

    def _run(self, batch: list[_Ticket[Any]], driver: Connection) -> None:
        run = sqlite.runner(driver)
        try:
            for ticket in batch:
                ticket.run(run)
        except Exception:
            if len(batch) == 1:
                raise
            driver.rollback()
            self._begin(driver)
            for ticket in batch:
                ticket.run_apart(driver, run)

    @contextmanager
    def _turn(self) -> Iterator[Connection]:
        """A write transaction that has begun; what is not committed at the end is taken back."""
        if self._writing is None:
            self._writing = self._pool.connected()
            self._writing.execute("PRAGMA busy_timeout=0")  # it waits by itself, for its turn
        if self._pool.trouble is not None:
            self._require_in_place_to_write()
        self._begin(self._writing)
        try:
            yield self._writing
        finally:
            self._writing.rollback()

    def _require_in_place_to_write(self) -> None:
        try:
            self._pool.require_in_place()
        except SpoolUnavailable as error:
            if self._writing is not None and error.reason not in anchor.LOSSES:
                with suppress(sqlite.Error):  # at the next try, then
                    sqlite.empty_log(self._writing)
            raise

    def _begin(self, driver: Connection) -> None:
        began, claimed = clock.steady(), False
        with ExitStack() as way:
            while True:
                late = clock.steady() - began
                gives_way = not self._first and late < WAY_SECONDS and self._way.is_claimed()
                if not gives_way and self._has_begun(driver, late):
                    return
                if self._first and not claimed:
                    way.enter_context(self._way.claimed())
                    claimed = True
                clock.pause(TURN_SECONDS)

    def _has_begun(self, driver: Connection, late_seconds: float) -> bool:
        try:
            driver.execute("BEGIN IMMEDIATE")
        except sqlite.Error as error:
            patient = late_seconds < self._patience_seconds or (
                late_seconds < compaction.WAIT_SECONDS and compaction.is_under_way(self.path)
            )
            if sqlite.reason(error, self.path) != Reason.SPOOL_LOCKED or not patient:
                raise
            return False
        return True
