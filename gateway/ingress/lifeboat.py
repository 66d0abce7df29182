"""Takes callbacks in on this machine's own disk while the spool's server is away, and files them later.

Rule 1. A callback that was answered 200 from here is on the disk, in a spool of its own, and stays there until the
        server has committed it: `intake.accept` takes it in once more, so that what came twice is a repeat there, too.
Rule 2. While anything is aboard, whatever comes goes aboard as well: of each contact what came first is filed first.
        That it is empty is looked at and said within one of its transactions; nobody boards behind it.
Rule 3. What was left aboard by a process that has died, or by settings of before, is filed by the next one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from gateway import bell, clock, lock, paths, telemetry
from gateway.clock import Clock
from gateway.config import Settings, databases
from gateway.errors import SpoolUnavailable
from gateway.ingress import events, intake, signature
from gateway.ingress.intake import Callback, Filing, Outcome, Receipt
from gateway.phrases import Finding, Line, Reason
from gateway.store import Run, named, sqlite
from gateway.store.engines import Database

AFTER_SECONDS = 120.0  # a failover takes less, and Sinch comes again
TRY_SECONDS = 2.0
PATIENCE_SECONDS = 2.0
FILED_AT_A_TIME = 100
ROWER = "rower.lock"
REMEDY = "see to the spool's database: until it is back, what comes is on this machine's disk alone"

T = TypeVar("T")


class Ashore(Exception):
    """It takes nobody any more."""


@dataclass(frozen=True)
class Boarding:
    """The taking in aboard."""

    filing: Filing
    flag: Path

    def __call__(self, run: Run) -> Receipt:
        if not self.flag.exists():
            raise Ashore
        return self.filing(run)


class Ferry:
    """The way of callbacks into the spool or, while that is away, into the boat. For several threads and processes."""

    def __init__(
        self,
        spool: Database,
        folder: Path,
        *,
        wanted: bool,
        steady: Clock,
        try_seconds: float = TRY_SECONDS,
        ring: Callable[[], None] = lambda: None,
    ) -> None:
        """`folder`: of the boat, which is made when it is launched; `wanted`: where the settings say so.

        `try_seconds`: how long after one try to file what is aboard the next one is; `ring`: tells the courier that the
        spool has something new.
        """
        self._ring = ring
        self._spool, self._wanted, self._steady, self._try_seconds = spool, wanted, steady, try_seconds
        self._folder, self._flag = folder, folder / paths.AFLOAT
        self._boat = Database(folder / paths.SPOOL, patience_seconds=PATIENCE_SECONDS)
        self._watches = wanted or self._flag.exists()  # else nothing is looked at on the way of a callback
        self._away_since: float | None = None
        self._rowing = threading.Lock()
        self._launching = threading.Lock()

    def is_filed(self, callback: Callback) -> bool:
        """Tell whether these bytes came before, as far as is known where it is filed. Raises SpoolUnavailable."""
        return self._either(
            lambda: intake.is_filed(self._spool, callback), lambda: intake.is_filed(self._boat, callback), takes=False
        )

    def accept(self, callback: Callback, *, now: float) -> Receipt:
        """File it and return once that is on a disk. Raises SpoolUnavailable."""

        def board() -> Receipt:
            receipt = self._boat.tell(Boarding(Filing(callback, now), self._flag))
            return replace(receipt, event_id=None, aboard=True)  # its number is the spool's to give

        receipt = self._either(lambda: intake.accept(self._spool, callback, now=now), board)
        if receipt.outcome is Outcome.ACCEPTED and not receipt.aboard:
            self._ring()
        return receipt

    def require_open(self) -> None:
        """Raises SpoolUnavailable unless callbacks are taken in, wherever."""
        self._either(self._spool.require_usable, lambda: None)

    def row(self) -> None:
        """File what is aboard, as far as the spool takes it; one process at a time. Where some is left: later again."""
        try:
            # That it is away, or may not be read yet, is told already.
            with (
                suppress(BlockingIOError, SpoolUnavailable),
                lock.held(self._folder / ROWER, patience_seconds=0),
            ):
                ready(self._folder)
                self._unload()
        except Exception as error:  # noqa: BLE001 - a thread's last word; the next try may come
            telemetry.failure(Line.UNEXPECTED, error)
        finally:
            self._rowing.release()
        if self._flag.exists():
            clock.later(self._try_seconds, self.start_rowing)

    def start_rowing(self) -> None:
        """Row in a thread, where something is aboard and this process does not yet."""
        if self._flag.exists() and self._rowing.acquire(blocking=False):
            clock.later(0.0, self.row)

    def _either(self, ask: Callable[[], T], board: Callable[[], T], *, takes: bool = True) -> T:
        """Ask the spool or, while it is away, the boat. `takes`: a spool that answers this takes callbacks in, too.

        One whose standby is away answers whoever only reads.
        """
        while self._watches:
            if self._flag.exists():
                with suppress(Ashore):
                    return board()
            try:
                found = ask()
            except SpoolUnavailable as error:
                if not self._is_overdue():
                    raise
                self._launch(error)
            else:
                self._away_since = None if takes else self._away_since
                return found
        return ask()

    def _is_overdue(self) -> bool:
        """Tell whether the spool has taken nothing for so long that the boat is for."""
        now = self._steady.now()
        self._away_since = now if self._away_since is None else self._away_since
        return self._wanted and now - self._away_since >= AFTER_SECONDS

    def _launch(self, why: SpoolUnavailable) -> None:
        """Raises SpoolUnavailable where that fails."""
        with self._launching:
            if self._flag.exists():
                return
            ready(self._folder)
            with sqlite.translated(self._flag, OSError):
                self._flag.touch(mode=0o600)
        telemetry.find(Finding.LIFEBOAT, reason=why.reason, remedy=REMEDY)
        clock.later(self._try_seconds, self.start_rowing)  # not at once: nobody is aboard yet

    def _unload(self) -> None:
        """File all that is aboard, in its order; then let the spool be open again. Raises SpoolUnavailable."""
        filed = 0
        while rows := self._boat.ask(lambda run: run("aboard", most=FILED_AT_A_TIME)):
            self._file([Filing(_callback(*row[1:-1]), row[-1]) for row in rows])
            self._boat.tell(partial(_let_ashore, rows[-1][0]))
            filed += len(rows)
        if self._boat.tell(self._close):
            telemetry.note(Line.LIFEBOAT_EMPTY, filed=filed)
            self._away_since = None if filed else self._away_since  # who was asked for nothing has taken nothing
            self._boat.rewrite()  # nothing is left of what people wrote

    def _file(self, filings: Sequence[Filing]) -> None:
        def work(run: Run) -> None:
            for filing in filings:
                filing(run)

        self._spool.tell(work, lanes={filing.callback.lane for filing in filings})
        self._ring()

    def _close(self, run: Run) -> bool:
        if run("aboard", most=1):
            return False
        for name in ("forget_all_nonces", "forget_all_reports", "forget_all_lanes", "forget_all_heard"):
            run(name)
        self._flag.unlink(missing_ok=True)
        return True


def made(settings: Settings, spool: Database, *, steady: Clock) -> Ferry:
    """Make the way of these settings. What was left aboard is filed, whatever they say by now."""
    folder = settings.server.state_dir / paths.LIFEBOAT
    wanted = settings.spool.lifeboat and databases.is_shared(settings.spool.url)
    ring = partial(bell.ring, paths.socket(settings, "courier"))
    ferry = Ferry(spool, folder, wanted=wanted, steady=steady, ring=ring)
    ferry.start_rowing()
    return ferry


def _let_ashore(event_id: int, run: Run) -> None:
    run("let_ashore", event_id=event_id)


def is_afloat(settings: Settings) -> bool:
    """Tell whether callbacks are taken in aboard."""
    return (settings.server.state_dir / paths.LIFEBOAT / paths.AFLOAT).exists()


def ready(folder: Path) -> None:
    """Make the boat, or bring one of an older release up to date. Raises SpoolUnavailable, CommandError."""
    path = folder / paths.SPOOL
    with sqlite.translated(path, OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
    if sqlite.current(path) != named.latest():
        from gateway.store import migrations  # not above: it loads Alembic

        migrations.migrate(path)


def _callback(
    connector_id: int,
    body: bytes,
    headers: str,
    query: str,
    request_id: str,
    address: str,
    outcome: str,
    found: str,
    media: int,
) -> Callback:
    """Make of what is filed aboard what came."""
    kept: list[tuple[str, str]] = [(name, value) for name, value in json.loads(headers)]
    return Callback(
        connector_id=connector_id,
        event=events.read(body, connector_id=connector_id),
        body=body,
        headers=kept,
        query=query,
        request_id=request_id,
        address=address,
        nonce=dict(kept).get(signature.NONCE),
        stale=outcome == Reason.SIGNATURE_TOO_OLD,
        findings=tuple(found.split()),
        media=media,
    )
