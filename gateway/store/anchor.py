"""Tells whether the spool that this process has open is still the one at its path, with the log that belongs to it.

SQLite does not ask: it goes on writing to a file that was moved, deleted or written over, and what it commits there is
lost at the next start.

Rule 1. A look costs some microseconds, so that it can be taken before each answer: the folder, SQLite's index of the
        log, one frame of it. What it holds against each other is that index, which all processes share, and the files.
        A folder that has not changed since its names were looked at has the same ones; but what changed it just now
        may change it again within the same tick of the file system's clock.
Rule 2. Only SQLite's checkpoints write to the spool's file, and its index counts them: whatever else does is not ours.
Rule 3. The files that are looked into stay open until every connection is closed: closing one of them would take from
        this process the locks that SQLite has on it.

Source: sqlite.org/walformat.html, sections 1 and 2; sqlite.org/howtocorrupt.html, section 2.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path

from gateway import clock
from gateway.errors import SpoolUnavailable
from gateway.phrases import Reason
from gateway.store import sqlite

# What was found of the files, as far as another one stands where ours was.
DISPLACED = (
    Reason.SPOOL_GONE,
    Reason.SPOOL_REPLACED,
    Reason.SPOOL_OVERWRITTEN,
    Reason.SPOOL_LOG_GONE,
    Reason.SPOOL_LOG_CUT,
)
LARGE_LOG_REMEDY = "somebody has been reading for long: look for a command, a backup or a program that does"
LOSSES = frozenset({Reason.SPOOL_OVERWRITTEN, Reason.SPOOL_LOG_CUT})  # bytes are wrong: nothing may be copied from them

_LOOKS = 50  # at what others change at the same moment
_TICK_SECONDS = 3.0  # more than the coarsest clock of a file system: 2 s
_FINE_TICK_SECONDS = 0.1  # more than the coarsest of a system: 10 ms
_INDEX = struct.Struct("=14xHI12x8s56xI28xI4x")  # page size, frames in the log, salts, copied back, to be copied back
_LOG_HEAD_BYTES, _FRAME_HEAD_BYTES, _SALTS_AT = 32, 24, 8
_HEAD_BYTES = 100
_VERSIONS, _HAS_LOG = slice(18, 20), b"\2\2"  # of the file's header


# When the file was written to last, and its size; its header; what the index counts; the frames in the log.
Seen = tuple[tuple[int, int], bytes, tuple[bytes, int, int], int]


class Anchor:
    """What a process has open. For one thread at a time."""

    def __init__(self, path: Path, held: os.stat_result) -> None:
        """`held`: what stood at `path` when SQLite opened it. Raises SpoolUnavailable."""
        self._folder, self._names = str(path.parent), (str(path), f"{path}-wal", f"{path}-shm")
        self._settled: tuple[int, int, int] | None = None  # the folder in which the names were ours, once it has rested
        self._files: list[int] = []
        try:
            self._files += [os.open(name, os.O_RDONLY | os.O_CLOEXEC) for name in self._names]
        except OSError as error:
            self.let_go()
            raise SpoolUnavailable(_said(error)) from error
        self._held = [_identity(os.fstat(file)) for file in self._files]
        if self._held[0] != _identity(held):
            self.let_go()
            raise SpoolUnavailable(Reason.SPOOL_REPLACED)
        self._spool_file, self._log_file, self._index_file = self._files
        self.log_bytes = 0
        self._seen: Seen = ((0, 0), b"", (b"", 0, 0), 0)
        try:
            self.require()
        except SpoolUnavailable:
            self.let_go()
            raise

    def require(self) -> None:
        """Raises SpoolUnavailable unless all is in its place."""
        trouble = self._trouble()
        if trouble is not None:
            raise SpoolUnavailable(trouble)

    @property
    def frames(self) -> tuple[int, int]:
        """How many pages the log had at the last look, and how many of them were copied back."""
        return self._seen[3], self._seen[2][1]

    def let_go(self) -> None:
        """Once no connection is open any more."""
        while self._files:
            os.close(self._files.pop())

    def _trouble(self) -> Reason | None:
        for _ in range(_LOOKS):
            told = os.pread(self._index_file, _INDEX.size, 0)
            try:
                in_place = self._is_in_place()
            except OSError:
                in_place = False
            if not in_place:
                return self._missing()
            spool, log = os.fstat(self._spool_file), os.fstat(self._log_file)
            found = self._compare(spool, log, told)
            as_before = isinstance(found, tuple) and found[0] == self._seen[0]
            # Else it counts only if the index has stood still: what was compared was there at one time.
            if as_before or told == os.pread(self._index_file, _INDEX.size, 0):
                if not isinstance(found, tuple):
                    return found
                self._seen, self.log_bytes = found, log.st_size
                return None
        return None  # others are at it all the time

    def _is_in_place(self) -> bool:
        """Whether what is open stands at the three names. Raises OSError."""
        folder = os.stat(self._folder)  # noqa: PTH116 - not by way of Path: this is on the way of every event
        seen = (folder.st_dev, folder.st_ino, folder.st_ctime_ns)
        if seen == self._settled:
            return True
        if [_identity(os.stat(name)) for name in self._names] != self._held:  # noqa: PTH116
            return False
        # Where it knows parts of a second, its ticks are those of the system's clock.
        tick_seconds = _FINE_TICK_SECONDS if folder.st_ctime_ns % 10**9 else _TICK_SECONDS
        self._settled = seen if clock.WallClock().now() - folder.st_ctime > tick_seconds else None
        return True

    def _missing(self) -> Reason:
        """Say which is not there, or is another one."""
        for name, held, gone, other in zip(self._names, self._held, _GONE, _OTHER, strict=True):
            try:
                if _identity(Path(name).stat()) != held:
                    return other
            except OSError:
                return gone
        return Reason.SPOOL_GONE  # and is there again

    def _compare(self, spool: os.stat_result, log: os.stat_result, told: bytes) -> Seen | Reason:
        """Hold the files against what the index has `told`, and against the look before."""
        page_bytes, frames, salts, copied, copying = _INDEX.unpack(told)
        written, head, copies = (spool.st_mtime_ns, spool.st_size), self._seen[1], (salts, copied, copying)
        if self._is_cut(log.st_size, frames, salts, page_bytes):
            return Reason.SPOOL_LOG_CUT
        if written != self._seen[0]:
            head = os.pread(self._spool_file, _HEAD_BYTES, 0)
            by_sqlite = copies != self._seen[2] or copied != copying
            touched = head == self._seen[1] and spool.st_size == self._seen[0][1]
            if head[_VERSIONS] != _HAS_LOG or not (by_sqlite or touched):
                return Reason.SPOOL_OVERWRITTEN
        return written, head, copies, frames

    def _is_cut(self, log_bytes: int, frames: int, salts: bytes, page_bytes: int) -> bool:
        """Whether frames are not there: at the end of the log, or before what others have written since it was cut."""
        frame_bytes = _FRAME_HEAD_BYTES + (page_bytes if page_bytes > 1 else 2**16)
        if frames and log_bytes < _LOG_HEAD_BYTES + frames * frame_bytes:
            return True
        known = self._seen[3]
        if salts != self._seen[2][0] or not known:  # it has begun anew since
            return False
        at = _LOG_HEAD_BYTES + (known - 1) * frame_bytes + _SALTS_AT
        return os.pread(self._log_file, len(salts), at) != salts


_GONE = (Reason.SPOOL_GONE, Reason.SPOOL_LOG_GONE, Reason.SPOOL_LOG_GONE)
_OTHER = (Reason.SPOOL_REPLACED, Reason.SPOOL_LOG_GONE, Reason.SPOOL_LOG_GONE)


def found(path: Path) -> os.stat_result:
    """What stands at `path`. Raises SpoolUnavailable."""
    try:
        return path.stat()
    except OSError as error:
        raise SpoolUnavailable(_said(error)) from error


def require_own_log(path: Path) -> None:
    """Raises FileExistsError where a log lies at `path` that does not belong to the file there: SQLite would mix them.

    For a process that has no connection to it.
    """
    log = Path(f"{path}-wal")
    with suppress(FileNotFoundError):
        if log.stat().st_size <= _LOG_HEAD_BYTES:
            return
        with path.open("rb") as file:
            if file.read(_HEAD_BYTES)[_VERSIONS] == _HAS_LOG:
                return
    if log.exists() and log.stat().st_size > _LOG_HEAD_BYTES:
        raise FileExistsError(log)


def _said(error: OSError) -> Reason:
    """What the system says: that it is not there, or that descriptors have run out, or rights."""
    return sqlite.BY_NUMBER.get(error.errno or 0, Reason.SPOOL_GONE)


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
