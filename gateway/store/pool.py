"""Keeps a process's connections to the spool, all to the file that it opened first, and tells if that is gone.

Safe to use from several threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from gateway import telemetry
from gateway.errors import REMEDIES, SpoolUnavailable
from gateway.phrases import Finding, Line, Reason
from gateway.store import anchor, compaction, sqlite
from gateway.store.sqlite import Connection

LARGE_LOG_BYTES = 3 * sqlite.LOG_BYTES
# Of the log, a page of 4 KiB each.
DUE_FRAMES = 2000  # are copied back: a quarter of what makes a writer do so by himself
LONG_FRAMES = 3 * DUE_FRAMES  # and it begins anew, for which all wait until the file is synced
MOST_FRAMES = 5 * DUE_FRAMES  # whoever has to wait for that
FEW_FRAMES = 200  # nobody waits for longer than for another writer


class Log(NamedTuple):
    """How many pages are in the log, and how many of them not in the file."""

    frames: int
    left: int

    @property
    def is_due(self) -> bool:
        """Whether enough is to be copied back, or it should begin anew."""
        return self.left >= DUE_FRAMES or (self.frames >= LONG_FRAMES and self.left > 0)

    @property
    def may_begin_anew(self) -> bool:
        """Whether it should, and nobody waits long for what is left of it, or all have to."""
        return self.frames >= MOST_FRAMES or (self.frames >= LONG_FRAMES and self.left <= FEW_FRAMES)


class Connections:
    def __init__(self, path: Path, *, patience_seconds: float) -> None:
        """`patience_seconds`: with who has the file locked while it is opened or read."""
        self._path, self._patience_seconds = path, patience_seconds
        self._opened: list[Connection] = []  # all of them
        self._idle: list[Connection] = []  # those of readers that nobody uses
        self._anchor: anchor.Anchor | None = None
        self._company, self._stays = sqlite.company(path), False
        self._looking = threading.Lock()
        self._log_is_large = False
        self.trouble: Reason | None = None  # what was told last of where the file is

    def stay(self) -> None:
        """From here on no process begins to work with another file as long as this one works with its own."""
        with self._looking:
            self._stays = True
            if self._anchor is not None:
                self._join()

    def require_in_place(self) -> None:
        """Raises SpoolUnavailable where the file that is open is not the one at its path."""
        with self._looking:
            if self._anchor is None:
                return
            try:
                self._anchor.require()
            except SpoolUnavailable as error:
                self._tell_of(error.reason)
                self._empty_log(error.reason)
                raise
            self._tell_of(None)
            large = self.log_bytes > LARGE_LOG_BYTES and not compaction.is_under_way(self._path)
            if large and not self._log_is_large:
                telemetry.find(Finding.SPOOL_LOG_LARGE, bytes=self.log_bytes, remedy=anchor.LARGE_LOG_REMEDY)
            self._log_is_large = large

    @property
    def is_open(self) -> bool:
        return self._anchor is not None

    @property
    def log_bytes(self) -> int:
        """How large the log was at the last look."""
        return self._anchor.log_bytes if self._anchor else 0

    @property
    def log(self) -> Log:
        """What was in the log at the last look."""
        frames, copied = self._anchor.frames if self._anchor else (0, 0)
        return Log(frames, frames - copied)

    def explained(self, failure: Exception) -> Exception:
        """What went wrong: where another file is why SQLite found nothing but nonsense, that."""
        try:
            if isinstance(failure, sqlite.Error):
                self.require_in_place()
        except SpoolUnavailable as error:
            return error
        return failure

    def connected(self) -> Connection:
        """One more connection. Raises SpoolUnavailable, and the driver's errors."""
        with self._looking:
            held = anchor.found(self._path)
            driver = self._connect()
            try:
                if self._anchor is None:
                    self._anchor = anchor.Anchor(self._path, held)
                    self._join()
                    self._tell_of(None)
                else:
                    self._anchor.require()
            except SpoolUnavailable:
                driver.close()
                raise
            self._opened.append(driver)
            return driver

    def _connect(self) -> Connection:
        try:
            return sqlite.connect(self._path, patience_seconds=self._patience_seconds)
        except SpoolUnavailable as error:
            self._tell_of(error.reason)
            raise

    def _join(self) -> None:
        """Raises SpoolUnavailable where others have another file open, this very moment."""
        if self._stays and not self._company.join(sqlite.identity(self._path)):
            raise SpoolUnavailable(Reason.SPOOL_REPLACED)

    @contextmanager
    def reader(self) -> Iterator[Connection]:
        """As `lent`, to the file that is in its place. Raises SpoolUnavailable where none is."""
        self.require_in_place()
        with self.lent() as driver:
            yield driver

    @contextmanager
    def lent(self) -> Iterator[Connection]:
        """A connection that nobody else uses meanwhile; to whatever file is open, where it is not a new one.

        Raises as `connected` does, and what is why for the driver's errors.
        """
        try:
            driver = self._idle.pop()
        except IndexError:
            self.require_in_place()  # SQLite itself would delete the log of a file that was emptied
            driver = self.connected()
        try:
            yield driver
        except sqlite.Error as error:
            raise self.explained(error) from error
        finally:
            driver.rollback()
            self._idle.append(driver)

    def close(self) -> None:
        """Close all of them, and what was held with them."""
        opened, self._opened, self._idle = self._opened, [], []
        for driver in opened:
            driver.close()
        if self._anchor is not None and opened:
            self._anchor.let_go()
        self._company.leave()
        self._anchor = None

    def _empty_log(self, trouble: Reason) -> None:
        """Let the file that was moved have what its log has: who only reads may be the one who notices."""
        if trouble not in anchor.LOSSES and self._idle:
            driver = self._idle.pop()
            with suppress(sqlite.Error):  # at the next look, then
                sqlite.empty_log(driver)
            self._idle.append(driver)

    def _tell_of(self, trouble: Reason | None) -> None:
        """Tell it once, and what to do."""
        if trouble == self.trouble:
            return
        if trouble in anchor.LOSSES:  # closed, they would copy the log into a file to which it does not belong
            for driver in self._opened:
                sqlite.abandon(driver)
            self._opened = []
            self._company.close()
        self.trouble = trouble
        if trouble is None:
            telemetry.note(Line.SPOOL_IS_BACK)
        else:
            telemetry.find(Finding.SPOOL_DISPLACED, reason=trouble, remedy=REMEDIES.get(trouble, ""))
