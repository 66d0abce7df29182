"""Opens the spool, reads from it and writes to it, whichever engine it is on; foreign errors end here.

Rule 1. A write that returned is committed, and on the disk.
Rule 2. One write transaction at a time in a process. Writers that wait for it share the next one, so that a burst costs
        one fsync and not one each. Where the work of one raises, all of it is taken back, and each is done again in a
        transaction of its own: savepoints would cost everybody too much. Where each statement takes a journey, those
        that are alike are done by one.
Rule 3. Whoever writes says whose turns it changes, its `lanes`: where writers come from several machines they are held
        before any work begins, in their order, so that nobody waits for one who waits for him.
Rule 4. Whatever goes wrong with the database is `SpoolUnavailable`; parameters never reach a text.
Rule 5. What is run goes to the driver as text, by its name (`sqlite.sql`, `postgres.sql`). Who only reads may put
        statements together with SQLAlchemy's connection; that is loaded once it is asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from gateway import clock, metrics, paths
from gateway.config import Settings, databases
from gateway.errors import SpoolUnavailable
from gateway.phrases import Reason
from gateway.store import Engine, embedded, named, tickets
from gateway.store.tickets import Queue, T, Ticket, Work

if TYPE_CHECKING:
    import sqlalchemy as sa

ROOM_BYTES = 2 * 2**20  # for the largest callback that is usual (ingress.max_body) and the pages around it
ROOM_FILES = 32  # more than is kept for a start; nginx keeps what is longer than 16 kB in one


class Database:
    """The spool. Safe to use from several threads and processes; opened when it is first used."""

    def __init__(self, place: Path | str, *, patience_seconds: float, first: bool = False, password: str = "") -> None:
        """`place`: a file of SQLite's, or the URL of a PostgreSQL, which asks for the `password`.

        `patience_seconds`: how long to wait for others, and for a server; `first`: before all others.
        """
        self._place = place
        self._engine = _engine(place, password, patience_seconds, first=first)
        self._patience_seconds = patience_seconds
        self._writer = threading.Lock()
        self._queue = Queue()

    def ask(self, work: Work[T], *, at_length: bool = False) -> T:
        """Run named statements on a consistent view. Raises SpoolUnavailable.

        `at_length`: they go through whole tables; a server has some seconds for all others.
        """
        with self._engine.asked(at_length=at_length) as run:
            return work(run)

    def glance(self, name: str, /, **values: object) -> list[Any]:
        """Run a named statement that reads, for who asks or tells before he answers. Raises SpoolUnavailable.

        Whether all is in its place is looked at then: on the way of every event, twice would be too much.
        """
        return self._engine.glance(name, **values)

    def tell(self, work: Work[T], *, lanes: Collection[str] = ()) -> T:
        """Run named statements in a transaction and return once it is on the disk. Raises SpoolUnavailable.

        `lanes`: which the work changes. The work is done a second time where one beside it fails: it touches nothing
        but the transaction.
        """
        ticket = Ticket(work, lanes)
        if self._queue.stand(ticket):  # else another writer took it along
            try:
                with self._writer:
                    clock.give_way()  # those who are on their way come along
                    self._commit_all(self._queue.take())
            finally:
                self._queue.pass_on(ticket)
        return ticket.result()

    def time(self) -> float | None:
        """Say what time it is by the database's clock, in epoch seconds; None where it cannot be asked."""
        with suppress(SpoolUnavailable):
            return float(self._engine.glance("database_time")[0][0])
        return None

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        """As `ask`, for who puts statements together."""
        with self._engine.reading() as connection:
            return work(connection)

    def require_latest(self) -> None:
        """Raises SpoolUnavailable unless the spool has the schema of this release, or a newer one that bears it."""
        trouble = named.trouble(self._engine.revision())
        if trouble is not None and not (trouble == Reason.SPOOL_NEWER and named.is_borne(self._engine.bears())):
            raise SpoolUnavailable(trouble)

    def require_usable(self) -> None:
        """Raises SpoolUnavailable unless callbacks can be kept: it writes what is there, and has room for more."""
        self.require_in_place()
        self.require_latest()
        if self.lacks_room(ROOM_BYTES, ROOM_FILES):
            raise SpoolUnavailable(Reason.SPOOL_FULL)
        self.tell(lambda run: run("prove_writable"))

    def rewrite(self) -> None:
        """Leave no copy of what was deleted, as far as that is in our hands. Raises SpoolUnavailable."""
        with self._writer:
            self._engine.rewrite()

    @property
    def rewriting(self) -> str:
        """Say what `rewrite` does, for who waits for it."""
        return self._engine.rewriting

    def shorten_log(self) -> None:
        """Copy back what is in its log, where that is ours and much: no writer has to. Raises SpoolUnavailable."""
        self._engine.shorten_log()

    def hold(self) -> None:
        """Open a file now, so that it is noticed from here on if another one takes its place.

        Whoever comes later works with this one, too, or not at all, while this process lives. Raises SpoolUnavailable.
        """
        self._engine.hold()

    def require_in_place(self) -> None:
        """Raises SpoolUnavailable where the file that is open is not the one at its path."""
        self._engine.require_in_place()

    def lacks_room(self, room_bytes: int, files: int) -> bool:
        """Tell whether its disk, where that is ours, has less room than that, or for fewer files. Raises OSError."""
        return self._engine.lacks_room(room_bytes, files)

    def sizes(self) -> Mapping[str, int]:
        """Say how many bytes each part of it has. Raises SpoolUnavailable."""
        return self._engine.sizes()

    @property
    def path(self) -> Path:
        """Where the file is, of a spool that is one."""
        return cast("Path", self._place)

    @property
    def large_log_bytes(self) -> int:
        """How large the log is, where it is larger than it should be; else 0."""
        return self._engine.large_log_bytes

    @property
    def is_shared(self) -> bool:
        """Whether several machines work with it: then times are by its clock, and one courier is not alone."""
        return self._engine.is_shared

    def close(self) -> None:
        with self._writer:
            self._engine.close()

    def _commit_all(self, batch: list[Ticket[Any]]) -> None:
        error: Exception | None = SpoolUnavailable(Reason.SPOOL_INTERRUPTED)
        began = clock.steady()
        try:
            self._commit(batch)
            error = None
            metrics.observe(metrics.COMMIT_SECONDS, clock.steady() - began)
        except Exception as failure:  # noqa: BLE001 - it is raised again in every writer of the batch
            error = self._engine.explained(failure)
        finally:
            for ticket in batch:
                if not ticket.settled:
                    ticket.settle(error)

    def _commit(self, batch: list[Ticket[Any]]) -> None:
        began = clock.steady()
        try:
            self._together(batch, at_once=self._engine.is_shared)
        except Exception as failure:
            alone = len(batch) == 1 and not self._engine.is_shared
            if alone or isinstance(failure, SpoolUnavailable):  # the database would say so again
                raise
            ends_at = began + self._patience_seconds
            for ticket in batch:
                if self._engine.is_shared and clock.steady() > ends_at:  # each may wait for a lane that another holds
                    raise SpoolUnavailable(Reason.SPOOL_LOCKED) from None
                self._apart(ticket)

    def _together(self, batch: list[Ticket[Any]], *, at_once: bool = False) -> None:
        lanes = sorted({lane for ticket in batch for lane in ticket.lanes})
        with self._engine.turn(lanes) as run:
            tickets.do(batch, run, at_once=at_once)

    def _apart(self, ticket: Ticket[Any]) -> None:
        """Do this one's work alone, and once more where another machine was before it. Raises what the database is."""
        for tries_left in (1, 0):
            try:
                self._together([ticket])
                ticket.settle(None)
            except SpoolUnavailable:
                raise
            except Exception as failure:  # noqa: BLE001 - it is raised again in its writer
                if tries_left and self._engine.is_overtaken(failure):
                    continue
                ticket.settle(self._engine.explained(failure))
            return


def opened(settings: Settings, *, patience_seconds: float, first: bool = False) -> Database:
    """Make the spool that the settings name; the arguments are those of `Database`."""
    return Database(
        place(settings, settings.spool.url), patience_seconds=patience_seconds, first=first, password=password(settings)
    )


def load(settings: Settings) -> None:
    """Import whatever the spool's engine needs, to read too: for who goes on in several threads. It opens nothing."""
    if databases.is_shared(settings.spool.url):
        from gateway.store import remote, schema  # not above: nobody else loads them

        schema.engine(lambda: None, dialect=remote.DIALECT)


def place(settings: Settings, url: str) -> Path | str:
    """Where the spool is that such a `spool.url` names, as `Database` takes it."""
    return paths.spool(settings) if url == databases.FILE else url


def password(settings: Settings) -> str:
    """The one that the spool's server asks for; "" where there is none."""
    return settings.spool.password.get_secret_value() if settings.spool.password else ""


def _engine(place: Path | str, password: str, patience_seconds: float, *, first: bool) -> Engine:
    if isinstance(place, Path):
        return embedded.Embedded(place, patience_seconds=patience_seconds, first=first)
    from gateway.store.remote import Remote  # not above: nobody else loads its driver

    return Remote(place, password, patience_seconds=patience_seconds)
