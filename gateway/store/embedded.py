"""SQLite as the engine of a spool: a file, beside which every process of this machine works.

Rule 1. A write that returned is on the disk: WAL with synchronous=FULL.
Rule 2. Processes take turns at writing, and ask for theirs every millisecond. SQLite's own waiting sleeps
        longer and longer between two looks: a busy courier would keep the doors out for seconds. The first door has
        the right of way: while it waits for a transaction to end, no other process begins one.
Rule 3. Nothing is told as written, and nothing is read, while another file than the one that is open stands at the
        spool's path (`anchor`): that is looked at after each commit, and before whatever comes next. What the file that
        was moved lacks is copied into it out of its log, so that it is whole wherever it is now.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gateway import clock, paths
from gateway.errors import SpoolUnavailable
from gateway.lock import RightOfWay
from gateway.phrases import Reason
from gateway.store import Run, anchor, compaction, sqlite
from gateway.store.pool import LARGE_LOG_BYTES, Connections

if TYPE_CHECKING:
    import sqlalchemy as sa

T = TypeVar("T")
TURN_SECONDS = 0.001
COPIES = 4  # of the log, one after another, each of what was written during the one before
WAY = "writers.lock"
WAY_SECONDS = 1.0  # so long the others let the first door go before them; then they take their chance


class Embedded:
    """The spool's file. Safe to use from several threads and processes; opened when it is first used."""

    is_shared = False

    def __init__(self, path: Path, *, patience_seconds: float, first: bool) -> None:
        """`patience_seconds`: how long to wait for another process's transaction to end; `first`: before all others."""
        self._path = path
        self._first, self._way = first, RightOfWay(path.with_name(WAY))
        self._patience_seconds = patience_seconds
        self._pool = Connections(path, patience_seconds=patience_seconds)
        self._writing: sqlite.Connection | None = None

    @contextmanager
    def asked(self, *, at_length: bool = True) -> Iterator[Run]:  # noqa: ARG002 - it always does
        """What runs statements on one consistent view. Raises SpoolUnavailable."""
        with sqlite.translated(self._path), self._pool.reader() as driver:
            driver.execute("BEGIN")
            yield sqlite.runner(driver)

    def glance(self, name: str, /, **values: object) -> list[Any]:
        """Run a statement that reads, on whatever file is open. Raises SpoolUnavailable."""
        with sqlite.translated(self._path), self._pool.lent() as driver:
            return sqlite.runner(driver)(name, **values)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """As `asked`, for who puts statements together."""
        from gateway.store import schema  # not above: it loads SQLAlchemy

        self.require_in_place()
        engine = schema.engine(lambda: sqlite.connect(self._path, patience_seconds=self._patience_seconds))
        with sqlite.translated(self._path, schema.ERROR), engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection

    @contextmanager
    def turn(self, _lanes: Collection[str]) -> Iterator[Run]:
        """What runs statements in a transaction that is committed at the end of the block. Lanes are nobody else's.

        Raises SpoolUnavailable, and the driver's errors.
        """
        driver = self._done(self._begun)
        try:
            yield sqlite.runner(driver)
            self._done(driver.commit)
            self._require_in_place_to_write()
        finally:
            driver.rollback()

    def is_overtaken(self, _failure: Exception) -> bool:
        """Tell that nobody has: writers come one at a time."""
        return False

    def explained(self, failure: Exception) -> Exception:
        """What went wrong: where another file is why SQLite found nothing but nonsense, that."""
        found = self._pool.explained(failure)
        if not isinstance(found, sqlite.Error):
            return found
        told = SpoolUnavailable(sqlite.reason(found, self._path))
        told.__cause__ = found
        return told

    def revision(self) -> str | None:
        """The revision of its schema. On a connection of its own, where none is open: a process may fork yet."""
        if self._pool.is_open:
            with self.asked() as run:
                return sqlite.revision(run)
        return sqlite.current(self._path)

    def bears(self) -> None:
        """Serve no release but its own: all processes of a file are of one."""

    def rewrite(self) -> None:
        """Write the file anew without what was deleted, of which pages keep copies, and empty its log.

        Writers wait as long as that takes, if they can (`compaction`). Raises SpoolUnavailable.
        """
        with sqlite.translated(self._path, OSError), self._pool.reader() as driver:
            if not compaction.run(self._path, driver, self._way, patience_seconds=self._patience_seconds):
                raise SpoolUnavailable(Reason.SPOOL_LOCKED)  # by who reads

    @property
    def rewriting(self) -> str:
        """Say what `rewrite` does."""
        return f"Writing the spool anew, {self.sizes()['spool'] / 1e6:,.0f} MB; whoever writes to it waits"

    def shorten_log(self) -> None:
        """Where enough stands in the log alone, copy it back while others write, and have it begin anew between them.

        That takes a turn among those who write: whoever tries in between finds none, and syncs the file each time.
        Raises SpoolUnavailable.
        """
        self._pool.require_in_place()
        if not self._pool.log.is_due:
            return
        with sqlite.translated(self._path), self._pool.lent() as driver:
            for _ in range(COPIES):
                self._copy_log(driver)
                if not self._pool.log.is_due or self._pool.log.may_begin_anew:
                    break
            if self._pool.log.may_begin_anew:
                with self._nobody_writing():
                    self._copy_log(driver)
                sqlite.empty_log(driver, how="RESTART")  # else whoever writes next, unless somebody reads just then

    def _copy_log(self, driver: sqlite.Connection) -> None:
        driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        self._pool.require_in_place()

    @contextmanager
    def _nobody_writing(self) -> Iterator[None]:
        with self._pool.lent() as driver, sqlite.impatient(driver):
            self._begin(driver)
            try:
                yield
            finally:
                driver.rollback()

    def hold(self) -> None:
        """Open the file now and stay with it. Raises SpoolUnavailable."""
        self._pool.stay()
        with sqlite.translated(self._path), self._pool.reader():
            pass

    def require_in_place(self) -> None:
        """Raises SpoolUnavailable where the file that is open is not the one at its path."""
        self._pool.require_in_place()

    def lacks_room(self, room_bytes: int, files: int) -> bool:
        """Tell whether the file's disk has less room than that, or for fewer files. Raises OSError."""
        return paths.lacks_room(self._path.parent, room_bytes, files)

    def sizes(self) -> Mapping[str, int]:
        """Say how many bytes the file has, and its log."""
        found = {}
        for part, end in (("spool", ""), ("log", "-wal")):
            with suppress(FileNotFoundError):
                found[part] = self._path.with_name(self._path.name + end).stat().st_size
        return found

    @property
    def large_log_bytes(self) -> int:
        """How large the log is, where it is larger than it should be; else 0."""
        return self._pool.log_bytes if self._pool.log_bytes > LARGE_LOG_BYTES else 0

    def close(self) -> None:
        self._writing = None
        self._pool.close()
        self._way.close()

    def _done(self, step: Callable[[], T]) -> T:
        """Do that. Raises SpoolUnavailable: it is the database, and not what is done with it."""
        try:
            return step()
        except sqlite.Error as error:
            raise self.explained(error) from error

    def _begun(self) -> sqlite.Connection:
        """A connection with a write transaction that has begun."""
        if self._writing is None:
            self._writing = self._pool.connected()
            self._writing.execute("PRAGMA busy_timeout=0")  # it waits by itself, for its turn
        if self._pool.trouble is not None:
            self._require_in_place_to_write()
        self._begin(self._writing)
        return self._writing

    def _require_in_place_to_write(self) -> None:
        try:
            self._pool.require_in_place()
        except SpoolUnavailable as error:
            if self._writing is not None and error.reason not in anchor.LOSSES:
                with suppress(sqlite.Error):  # at the next try, then
                    sqlite.empty_log(self._writing)
            raise

    def _begin(self, driver: sqlite.Connection) -> None:
        began = clock.steady()
        if self._has_begun(driver, 0.0):
            return
        with self._way.claimed() if self._first else nullcontext():
            while not self._has_begun(driver, clock.steady() - began):
                clock.pause(TURN_SECONDS)

    def _has_begun(self, driver: sqlite.Connection, late_seconds: float) -> bool:
        if not self._first and late_seconds < WAY_SECONDS and self._way.is_claimed():
            return False
        try:
            driver.execute("BEGIN IMMEDIATE")
        except sqlite.Error as error:
            patient = late_seconds < self._patience_seconds or (
                late_seconds < compaction.WAIT_SECONDS and compaction.is_under_way(self._path)
            )
            if sqlite.reason(error, self._path) != Reason.SPOOL_LOCKED or not patient:
                raise
            return False
        return True
