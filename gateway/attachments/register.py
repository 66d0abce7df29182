"""What is known of each attachment: its bytes, its links, and why it could not be had. In the spool's database.

Rule 1. The bytes that were acquired for an attachment stay its bytes for as long as a link to it lives.
Rule 2. When the first fetch by Motion's own link was, and since when links are revoked, is never forgotten: what has
        ended shall not begin anew. All else goes `KEEP_SECONDS` after its last use.
Rule 3. Nobody waits for being counted: a fetch is written with the next commit here, and after a second at most; what
        is left when the process ends, then. One that is killed takes a second's counts with it. No link of Motion's
        lives longer by that than it could: its life begins with the first fetch that is written, and who wants it to
        begin later need not fetch. While nothing can be written, no life begins.
"""

from __future__ import annotations

import atexit
import json
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from gateway import __version__
from gateway.attachments.decision import Failure, KnownAttachment
from gateway.config import Settings, databases
from gateway.errors import GatewayError, SpoolUnavailable
from gateway.inspection import structure
from gateway.store import TOP, Place, Run, audit
from gateway.store.engines import Database

T = TypeVar("T")

GRACE_SECONDS = 600.0  # until somebody fetches what was acquired, or makes a link to it
KEEP_SECONDS = 30 * 24 * 3600.0
COUNTED_SECONDS = 1.0
LOCAL, STORE = "", ":store"  # the vault beside a spool that no other node works with; and what no node is called

# As the statements give them; behind these come those of the failure.
_COLUMNS = [column.name for column in fields(KnownAttachment) if column.name != "failure"]


@dataclass
class Fetches:
    """Of one attachment, since the last commit. `first`: by Motion's link, if its life was not known to have begun."""

    fetches: int = 0
    last: float = 0.0
    first: float | None = None
    until: float = 0.0  # the end of the last of its links

    def add(self, more: Fetches) -> None:
        self.fetches += more.fetches
        self.last = max(self.last, more.last)
        self.first = more.first if self.first is None else self.first
        self.until = max(self.until, more.until)


class Register:
    """Safe to use from several threads. Making one does nothing yet."""

    def __init__(self, database: Database, *, place: str = LOCAL, counted_seconds: float = COUNTED_SECONDS) -> None:
        """`place`: of the vault whose files are meant. `counted_seconds`: the longest that a fetch is not written."""
        self.database, self.place = database, place
        self._counted_seconds = counted_seconds
        self._guard = threading.Lock()
        # To be written: what was counted, by attachment and by when that was revoked, and what was seen anew.
        self._counts: dict[tuple[str, int | None], Fetches] = {}
        self._seen: dict[str, dict[str, object]] = {}
        self._troubled = False  # the last write failed
        self._due, self._closing = threading.Event(), threading.Event()
        self._writer: threading.Thread | None = None

    @classmethod
    def of(cls, settings: Settings, database: Database) -> Register:
        """Open that of the vault of this node, with whatever others on the same database."""
        return cls(database, place=databases.vault(settings.spool.url, node=settings.server.node))

    def find(self, attachment_id: str) -> KnownAttachment | None:
        """Read what is known of one: one row, and nothing around that. Raises SpoolUnavailable, as all here do."""
        self.database.require_in_place()
        rows = self.database.glance("attachment", attachment_id=attachment_id, place=self.place)
        return _record(rows[0]) if rows else None

    def listed(
        self, *, most: int, among: Collection[str] | None = None, since: float = 0.0, only: str = "", place: Place = TOP
    ) -> list[KnownAttachment]:
        """List the last used, the latest first: `among` these ids, since then, `only` those "stored" or "failed"."""
        told = {"most": most, "among": None if among is None else json.dumps([*among]), "since": since, "only": only}
        rows = self.ask("latest_attachments", **told, **vars(place))
        return [_record(row) for row in rows[:: place.way]]

    def acquired(
        self, attachment_id: str, *, digest: bytes, name: str, seen: structure.Inspection, now: float
    ) -> KnownAttachment:
        """Record that its file is in the vault. Returns what is known of it now."""
        what = {"digest": digest, "size_bytes": seen.size_bytes, "name": name, "inspection": structure.written(seen)}
        live = {"now": now, "live_until": now + GRACE_SECONDS, "inspected_by": __version__}

        def work(run: Run) -> list[Any]:
            run("store_file", place=self.place, digest=digest, size_bytes=seen.size_bytes, now=now)
            run("know_attachment", attachment_id=attachment_id)
            return run("acquire_attachment", attachment_id=attachment_id, **what, **live)

        [row] = self.tell(work)
        return _record(row)

    def failed(self, attachment_id: str, error: GatewayError, *, digest: bytes | None, now: float) -> None:
        """Record that it could not be acquired. `digest`: of the bytes that were wanted; None: of any."""
        why = {"failure": error.reason, "status": error.status, "digest": digest, "now": now}
        self._change("fail_attachment", attachment_id, **why)

    def inspected(self, attachment_id: str, seen: structure.Inspection, *, digest: bytes) -> None:
        """Record what this release saw in its bytes. Nobody waits for that either; if it is lost, it is done again."""
        values: dict[str, object] = {
            "inspection": structure.written(seen),
            "inspected_by": __version__,
            "digest": digest,
        }
        with self._guard:
            self._seen[attachment_id] = values
            self._wake()

    def count(self, attachment_id: str, fetched: Fetches, *, revoked_before: int | None) -> None:
        """Count fetches. `revoked_before`: what was known of that, so that what is revoked meanwhile stays dead.

        Raises SpoolUnavailable where a life would begin and nothing can be written.
        """
        if fetched.first is not None and self._troubled:
            self.tell(_nothing)
        with self._guard:
            self._add((attachment_id, revoked_before), fetched)

    def held(
        self, attachment_id: str, *, digest: bytes, until: float, now: float, deed: audit.Deed | None = None
    ) -> bool:
        """Record a link to these bytes that lives until then, and who made it where an operator did.

        False: links live to others, and nothing was changed. Others that no link lives to are forgotten.
        """
        these = {"attachment_id": attachment_id, "digest": digest}

        def work(run: Run) -> bool:
            if run("live_other_bytes", **these, now=now):
                return False
            run("know_attachment", attachment_id=attachment_id)
            run("forget_other_bytes", **these)
            run("hold_attachment", attachment_id=attachment_id, until=until)
            audit.note(run, deed)
            return True

        return self.tell(work)

    def shared(self, known: KnownAttachment) -> bool:
        """Tell whether another attachment has the same file in the vault."""
        return bool(self.ask("sharing_attachment", digest=known.digest, attachment_id=known.attachment_id))

    def places(self, digest: bytes) -> list[str]:
        """List where a file is beside this vault: the nodes in whose vaults, and `STORE`."""
        return [str(place) for [place] in self.ask("places_of_file", digest=digest) if place != self.place]

    def ask(self, statement: str, **values: object) -> list[Any]:
        """Run one statement that reads; `place` is that of the vault."""
        return self.database.ask(lambda run: run(statement, **{"place": self.place} | values))

    def revoked(self, attachment_id: str, deed: audit.Deed, *, before: int) -> None:
        """Record that its links open nothing that were made before that second; none that is known of lives."""
        self._change("revoke_attachment", attachment_id, deed, before=before)

    def purge(self, *, now: float) -> int:
        """Forget what has neither a file nor a live link, and was not used for long. Returns how many that were."""
        over = {"now": now, "since": now - KEEP_SECONDS}
        return self.tell(lambda run: len(run("strip_attachments", **over)) + len(run("purge_attachments", **over)))

    def tell(self, work: Callable[[Run], T]) -> T:
        """Run named statements in a transaction; what was counted and seen is written with them."""
        with self._guard:
            counts, seen, self._counts, self._seen = self._counts, self._seen, {}, {}

        def both(run: Run) -> T:
            for (attachment_id, revoked_before), fetched in counts.items():
                run("count_fetches", attachment_id=attachment_id, revoked_before=revoked_before, **vars(fetched))
            for attachment_id, values in seen.items():
                run("inspect_attachment", attachment_id=attachment_id, **values)
            return work(run)

        try:
            done = self.database.tell(both)
        except BaseException as error:
            with self._guard:
                self._troubled = isinstance(error, SpoolUnavailable)
                self._seen = seen | self._seen
                for key, fetched in counts.items():
                    self._add(key, fetched)
            raise
        self._troubled = False
        return done

    def close(self) -> None:
        """Write what is left, if it can be written."""
        self._closing.set()
        self._due.set()
        if self._writer:
            self._writer.join()
            atexit.unregister(self.close)

    def _change(
        self, statement: str, attachment_id: str, deed: audit.Deed | None = None, /, **values: object
    ) -> list[Any]:
        """Change its row, made before if there is none; `deed`: of the operator who does it."""

        def work(run: Run) -> list[Any]:
            audit.note(run, deed)
            run("know_attachment", attachment_id=attachment_id)
            return run(statement, attachment_id=attachment_id, **values)

        return self.tell(work)

    def _add(self, key: tuple[str, int | None], fetched: Fetches) -> None:
        self._counts.setdefault(key, Fetches()).add(fetched)
        self._wake()

    def _wake(self) -> None:
        """Let it be written within `counted_seconds`. Called with the guard."""
        self._due.set()
        if self._writer is None:
            self._writer = threading.Thread(target=self._write, name="counted fetches", daemon=True)
            self._writer.start()
            atexit.register(self.close)  # whoever serves, and however it is told to stop

    def _write(self) -> None:
        while not self._closing.is_set():
            self._due.wait()
            self._closing.wait(self._counted_seconds)
            self._due.clear()
            with suppress(SpoolUnavailable):  # it is due again
                if self._counts or self._seen:
                    self.tell(_nothing)


def _nothing(_run: Run) -> None:
    pass


def _record(row: tuple[Any, ...]) -> KnownAttachment:
    known: dict[str, Any] = dict(zip(_COLUMNS, row, strict=False))
    reason, status, digest, at = row[len(_COLUMNS) :]
    failure = Failure(reason=reason, status=status, digest=digest, at=at) if reason else None
    written = known["inspection"]
    known["inspection"] = structure.read(written, size_bytes=known["size_bytes"]) if written else None
    known["stored"] = bool(known["stored"])
    return KnownAttachment(**known, failure=failure)
