"""Lets one at a time do what only one may, by locks that the system takes from whoever dies; and tells who lives."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from gateway import clock, paths
from gateway.errors import CommandError, NotOurs

PATIENCE_SECONDS = 10.0  # the one before us may still be finishing
POLL_SECONDS = 0.05
BEAT_SECONDS, STILL_SECONDS = 5.0, 30.0  # of who shows that he goes on, and without that for so long stands still
LISTENING_SECONDS = 5.0  # with a door that has more connections waiting than it takes
LOOKS, LOOK_SECONDS = 20, 0.001
MODE = 0o600  # whoever may open it may hold it


@contextmanager
def held(path: Path, *, patience_seconds: float, mode: int = MODE) -> Iterator[BinaryIO]:
    """Open `path`, made if it is not there, with a lock on it that nobody else has, in this process neither.

    Raises BlockingIOError if another keeps it for longer than that, and OSError for what the disk says.
    """
    deadline = clock.steady() + patience_seconds
    while True:
        with os.fdopen(_open(path, mode), "r+b") as file:
            _acquire(file, deadline)
            if is_at(file, path):  # else whoever had it has renamed or removed it: there is another now
                yield file
                return


class RightOfWay:
    """Lets one process go before the others at something for which all ask again and again.

    Who comes first says that it waits; the others look whether it does, before they ask. Where that cannot be said or
    seen, on a full disk for instance, all are equal.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, -1

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Say that we wait, for as long as this lasts."""
        with suppress(OSError):
            fcntl.flock(self._descriptor(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        try:
            yield
        finally:
            with suppress(OSError):
                fcntl.flock(self._descriptor(), fcntl.LOCK_UN)

    def is_claimed(self) -> bool:
        """Tell whether another process says so."""
        try:
            fcntl.flock(self._descriptor(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(self._descriptor(), fcntl.LOCK_UN)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _descriptor(self) -> int:
        if self._file < 0:
            self._file = _open(self._path, MODE)
        return self._file


class Company:
    """Several processes that all say the same: what the first of them has said, until the last has gone.

    Where that cannot be written or read, on a full disk for instance, everybody may join.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, -1

    def has_room(self, word: str) -> bool:
        """Tell whether whoever says this could join."""
        try:
            with self._path.open("rb") as file:
                return self._agreed(file.fileno(), word, joins=False)
        except OSError:
            return True

    def join(self, word: str) -> bool:
        """Say this from here on, for as long as we live; False where they say something else."""
        with suppress(OSError):
            if self._file < 0:
                self._file = _open(self._path, MODE)
            if not self._agreed(self._file, word, joins=True):
                self.leave()
                return False
        return True

    def close(self) -> None:
        """Let nobody join any more until all have gone."""
        with suppress(OSError):
            os.pwrite(self._file, b"closed ", 0)

    def leave(self) -> None:
        """Go; the last one lets whoever comes next say something else."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _agreed(self, file: int, word: str, *, joins: bool) -> bool:
        for _ in range(LOOKS):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if joins:  # nobody is there
                    os.ftruncate(file, 0)
                    os.pwrite(file, word.encode(), 0)
                    fcntl.flock(file, fcntl.LOCK_SH)
                return True
            except BlockingIOError:
                if joins:
                    fcntl.flock(file, fcntl.LOCK_SH)
                if os.pread(file, len(word) + 1, 0) == word.encode():
                    return True
            clock.pause(LOOK_SECONDS)  # it may have been somebody who looked
        return False


@contextmanager
def only_one(path: Path, who: str, *, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Hold the lock `path` as `who`. Raises CommandError if another keeps it for longer than our patience."""
    with ExitStack() as stack:
        try:
            stack.enter_context(held(path, patience_seconds=patience_seconds))
        except BlockingIOError as error:
            raise CommandError(f"another {who} is running on {path.parent}; there can be one") from error
        except PermissionError as error:
            raise NotOurs(f"{path} is not for {paths.whoami()}: {paths.give_back(path.parent)}") from error
        except OSError as error:
            raise CommandError(f"{path} cannot be opened: {error.strerror}") from error
        yield


@contextmanager
def beating(path: Path) -> Iterator[None]:
    """Show until the end of the block that whoever holds the lock `path` goes on: by its time of change."""
    ends = threading.Event()

    def beat() -> None:
        with suppress(OSError):  # another time, then
            os.utime(path)

    def run() -> None:
        while not ends.wait(BEAT_SECONDS):
            beat()

    beat()
    threading.Thread(target=run, name="beat", daemon=True).start()
    try:
        yield
    finally:
        ends.set()


def stands_still(path: Path) -> bool:
    """Tell whether who holds the lock `path`, and has shown that he goes on, does not any more."""
    with suppress(OSError):
        return clock.WallClock().now() - path.stat().st_mtime > STILL_SECONDS
    return False


def is_held(path: Path) -> bool:
    """Tell whether a living process holds the lock `path`."""
    try:
        with path.open("rb") as looked_at:
            fcntl.flock(looked_at, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def is_listening(path: Path) -> bool:
    """Tell whether a process accepts connections on the Unix socket `path`."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(LISTENING_SECONDS)
        return probe.connect_ex(str(path)) == 0


def is_at(file: BinaryIO, path: Path) -> bool:
    """Tell whether the open file is still the one that stands at `path`."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _open(path: Path, mode: int) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    os.fchmod(descriptor, mode)  # whatever our umask took away, or an older release gave
    return descriptor


def _acquire(file: BinaryIO, deadline: float) -> None:
    # Not blocking for good: who starts a second one by mistake shall be told.
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock.steady() >= deadline:
                raise
        clock.pause(POLL_SECONDS)
