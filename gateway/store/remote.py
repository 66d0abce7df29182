"""A PostgreSQL server, or whichever of several is the primary, as the engine of a spool.

Rule 1. One connection writes, and those who wait for it share a transaction; a few read, however many want to: a server
        has not many for all. None is used by a process that was forked from the one that opened it.
Rule 2. A connection that has rested may have died meanwhile, with its server. Before anything is done with it, another
        one takes its place: after a failover nobody hears of that.
Rule 3. No error of the driver's goes on from here, nor is it one's cause: their texts hold what others sent.
Rule 4. Who did not get a connection waits before the next try as long as that took: a server that says nothing costs a
        crowd of writers that time once, and not each of them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from gateway import clock, telemetry
from gateway.errors import REMEDIES, SpoolUnavailable
from gateway.phrases import Finding, Line, Reason
from gateway.store import Run, postgres
from gateway.store.commits import Commits

if TYPE_CHECKING:
    import sqlalchemy as sa

DIALECT = "postgresql+psycopg"  # SQLAlchemy's name of it
READERS = 4  # at the same time in a process; the others wait
READ_SECONDS = 5.0  # to read takes longer than to write a line
AT_LENGTH_SECONDS = 600.0  # to go through a large spool; and who would wait for longer?
DOORS_SECONDS = 20.0  # nginx waits no longer for a list
LONGEST_REST_SECONDS = 2.0


class Remote:
    """The spool's server. Safe to use from several threads and processes; reached when it is first used."""

    is_shared = True

    def __init__(self, url: str, password: str, *, patience_seconds: float) -> None:
        """`patience_seconds`: how long a transaction may take, from its beginning until it is committed."""
        self._url, self._password = url, password
        self._patience_seconds, self._reading_seconds = patience_seconds, max(patience_seconds, READ_SECONDS)
        self._to_write, self._pid = postgres.to_write(patience_seconds), os.getpid()
        self._commits, self._idle = Commits(), list[postgres.Punctual]()
        self._looking, self._places = threading.Lock(), threading.BoundedSemaphore(READERS)
        self._last: tuple[str, int] | None = None  # where the primary was
        self._not_before, self._refusal, self._has_answered = 0.0, Reason.SPOOL_AWAY, False
        self._trouble: Reason | None = None  # what was told last
        self._alchemy: sa.Engine | None = None

    @contextmanager
    def asked(self, *, at_length: bool = False) -> Iterator[Run]:
        """What runs statements on one consistent view; not `at_length` in some seconds. Raises SpoolUnavailable."""
        seconds = AT_LENGTH_SECONDS if at_length else self._reading_seconds
        with self._translated(), self._place(), self._begun(postgres.READ, seconds) as driver:
            yield postgres.runner(driver)

    def glance(self, name: str, /, **values: object) -> list[Any]:
        """Run a statement that reads, without more around it. Raises SpoolUnavailable."""
        with self._translated(), self._place():
            driver, found = self._first(lambda driver: postgres.runner(driver)(name, **values), self._reading_seconds)
            self._idle.append(driver)
        return list(found)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """As `asked`, for who puts statements together."""
        from gateway.store import schema  # not above: it loads SQLAlchemy

        if self._alchemy is None:
            self._alchemy = schema.engine(self._to_read, dialect=DIALECT)
        with self._translated(schema.ERROR), self._place(), self._alchemy.connect() as connection:
            connection.exec_driver_sql(postgres.READ.decode())
            yield connection

    @contextmanager
    def turn(self, lanes: Collection[str]) -> Iterator[Run]:
        """What runs statements in a transaction that is committed at the end of the block, with these lanes held.

        Raises SpoolUnavailable; where the server goes on, the driver's errors.
        """
        self._commits.require_answered()
        with self._begun(self._to_write, self._patience_seconds) as driver:
            run = postgres.runner(driver)
            made = run("hold_lanes", lanes=list(lanes)) if lanes else ()
            yield run
            if made:
                run("let_go_lanes", lanes=[lane for [lane] in made])
            with self._translated():
                self._commits.commit(driver)
            self._tell_of(None)  # a server whose standby is away answers whatever only reads

    def is_overtaken(self, failure: Exception) -> bool:
        """Tell whether another node has written the same, or each waited for the other."""
        return isinstance(failure, postgres.OVERTAKEN)

    def explained(self, failure: Exception) -> Exception:
        """What went wrong, in our words where it was the database."""
        return self._unavailable(failure) if isinstance(failure, postgres.Error) else failure

    def revision(self) -> str | None:
        """The revision of its schema. On a connection of its own, where none is open: a process may fork yet."""
        if self._idle:
            with self.asked() as run:
                return postgres.revision(run)
        with self._translated(), closing(self._to_read()) as driver:
            return postgres.revision(postgres.runner(driver))

    def bears(self) -> str | None:
        """Of a newer schema the oldest revision whose release it serves too. Raises SpoolUnavailable."""
        with self.asked() as run:
            return postgres.bears(run)

    def rewrite(self) -> None:
        """Have the room of what was deleted used again; what stays in logs and standbys is the server's own matter."""
        with self._translated(), closing(self._connected()) as driver:
            driver.execute(postgres.VACUUM)

    @property
    def rewriting(self) -> str:
        """Say what `rewrite` does."""
        return "Having PostgreSQL use its room again; nobody waits for that"

    def hold(self) -> None:
        """Do nothing: no other one can take its place unseen, and the server looks after its log by itself."""

    require_in_place = shorten_log = hold

    def lacks_room(self, _room_bytes: int, _files: int) -> bool:
        """Tell nothing: its disk is another's to look at."""
        return False

    def sizes(self) -> Mapping[str, int]:
        """Say how many bytes the database has, with its indexes. Raises SpoolUnavailable."""
        with self.asked() as run:
            return {"spool": int(run("database_bytes")[0][0])}

    @property
    def large_log_bytes(self) -> int:
        """Say nothing of a log: the server looks after its own."""
        return 0

    def close(self) -> None:
        opened, self._idle = self._idle, []
        for driver in opened:
            driver.close()
        self._commits.close()

    @contextmanager
    def _begun(self, begin: bytes, seconds: float) -> Iterator[postgres.Punctual]:
        """A connection in a transaction, used by nobody else; what is not committed in the end is taken back."""
        driver, _ = self._first(lambda driver: driver.execute(begin, prepare=False), seconds)
        try:
            yield driver
        except (postgres.Error, SpoolUnavailable) as error:
            if postgres.reason(error) in postgres.GONE:
                driver.close()  # another one may lead to who is the primary by now
            if driver.closed:
                raise self._unavailable(error) from None
            raise
        finally:
            with suppress(postgres.Error, SpoolUnavailable):
                driver.rollback()
            if not driver.closed:
                self._idle.append(driver)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of those for who reads. Raises SpoolUnavailable where none becomes free."""
        if not self._places.acquire(timeout=self._reading_seconds):
            raise SpoolUnavailable(Reason.SPOOL_SILENT)
        try:
            yield
        finally:
            self._places.release()

    def _first(self, ask: Callable[[postgres.Punctual], Any], seconds: float) -> tuple[postgres.Punctual, Any]:
        """Ask the first thing of a connection at hand, and hand both back; one that has died meanwhile is replaced."""
        while True:
            driver, rested = self._at_hand()
            driver.ends_at = ends_at = clock.steady() + seconds  # a host that is gone had its own
            try:
                found = ask(driver)
            except (postgres.Error, SpoolUnavailable) as error:
                driver.close()
                if not rested or clock.steady() >= ends_at:
                    raise self._unavailable(error) from None
            else:
                self._has_answered = True
                return driver, found

    def _at_hand(self) -> tuple[postgres.Punctual, bool]:
        """One that nobody uses, and whether it has been used before."""
        if self._pid != os.getpid():
            self._pid, self._idle = os.getpid(), []  # psycopg leaves them to the process that opened them
        try:
            return self._idle.pop(), True
        except IndexError:
            return self._connected(), False

    def _connected(self) -> postgres.Punctual:
        """Open one more connection. Raises SpoolUnavailable."""
        if (began := clock.steady()) < self._not_before:
            raise SpoolUnavailable(self._refusal)
        try:
            driver = postgres.connect(self._url, self._password, first=self._last)
            self._last = (driver.info.host, driver.info.port)
            return driver
        except SpoolUnavailable as error:
            took = clock.steady() - began
            self._not_before, self._refusal = clock.steady() + min(took, LONGEST_REST_SECONDS), Reason(error.reason)
            self._tell_of(self._refusal)
            raise

    def _to_read(self) -> postgres.Punctual:
        """One more, for who closes it."""
        driver = self._connected()
        driver.adapters.register_dumper(str, postgres.Storable)
        at_a_door = self._patience_seconds < READ_SECONDS
        driver.ends_at = clock.steady() + (DOORS_SECONDS if at_a_door else AT_LENGTH_SECONDS)
        return driver

    @contextmanager
    def _translated(self, foreign: type[Exception] = postgres.Error) -> Iterator[None]:
        try:
            yield
        except (postgres.Error, foreign) as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: Exception) -> SpoolUnavailable:
        found = postgres.reason(error)
        if found in postgres.GONE:
            self._tell_of(found)
        return SpoolUnavailable(found)

    def _tell_of(self, trouble: Reason | None) -> None:
        """Tell it once, and what to do; who has never been there hears of it as its own trouble."""
        with self._looking:
            if trouble == self._trouble or not self._has_answered:
                return
            self._trouble = trouble
        if trouble is None:
            telemetry.note(Line.SPOOL_ANSWERS)
        else:
            telemetry.find(Finding.SPOOL_UNAVAILABLE, reason=trouble, remedy=REMEDIES.get(trouble, ""))
