"""The files of attachments on the disk, each under the SHA-256 of its bytes.

Rule 1. A file has its name only when it is whole and on the disk. Until then it is `incoming/<attachment id>`.
Rule 2. Whoever writes an incoming file holds a lock on it; the system lets go of it when he dies. What nobody holds is
        a leftover. So one process at a time acquires an attachment.
Rule 3. Files come, go and are recorded only under the lock of the whole vault.
Rule 4. A file is what its name says: it is read again before it is served, once a day, after a start, and whenever the
        disk says that it was touched.
Rule 5. Foreign errors end here: no room, or a vault that cannot be written.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gateway import lock, telemetry
from gateway.clock import WallClock
from gateway.errors import Unavailable
from gateway.phrases import Finding, Reason

INCOMING, LOCK = "incoming", "lock"
# nginx's workers may read what is whole; what is made in a folder takes its group.
FOLDER_MODE, FILE_MODE = 0o750, 0o640
OUR_FOLDER_MODE = 0o700
PATIENCE_SECONDS = 10.0  # with who moves files and records them, which takes milliseconds
READ_AGAIN_SECONDS = 24 * 3600.0
MOST_PROVED = 20_000  # files of which is remembered that they were read; some 10 MB
_TICK_SECONDS = 0.05  # within which a disk may give two changes the same time; it is 4 ms on most

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Intact:
    """That a file had the bytes of its name at a moment; `stamp` is another as soon as somebody writes to it."""

    stamp: tuple[int, ...]
    at: float


@dataclass(frozen=True)
class Incoming:
    """A file that is being written. Nobody else does."""

    path: Path
    file: BinaryIO


class Vault:
    """Safe to use from several threads and processes. Making one does nothing yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._proofs: dict[bytes, Intact] = {}
        self._reading = [threading.Lock() for _ in range(16)]  # each for some of the files: nobody reads one twice
        self._disks = WallClock()

    def path(self, digest: bytes) -> Path:
        return self.folder / place(digest)

    def holds(self, digest: bytes, size_bytes: int) -> bool:
        try:
            return self.path(digest).stat().st_size == size_bytes
        except OSError:
            return False

    def is_altered(self, digest: bytes, size_bytes: int, *, now: float) -> bool:
        """Tell whether there is such a file, and of other bytes. Raises Unavailable where it cannot be read.

        A look at its times if it was read within a day, and else as long as reading it takes.
        """
        with self._reading[digest[0] % len(self._reading)], in_our_words(), suppress(FileNotFoundError):
            stamp = _stamp(self.path(digest))
            proof = self._proofs.pop(digest, None)
            if proof is None or proof.stamp != stamp or not proof.at <= now < proof.at + READ_AGAIN_SECONDS:
                if not self.reads_as(digest, size_bytes):
                    return True
                proof = Intact(stamp, now)
            if self._disks.now() - max(stamp[-2:]) / 1e9 > _TICK_SECONDS:  # else a change could leave no trace
                self._proofs[digest] = proof
            if len(self._proofs) > MOST_PROVED:
                self._proofs.pop(next(iter(self._proofs)), None)  # that nobody has asked for the longest
        return False

    def reads_as(self, digest: bytes, size_bytes: int) -> bool:
        """Read a file, and tell whether it has the bytes of its name. Raises OSError."""
        with self.path(digest).open("rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size != size_bytes:
                return False
            return hashlib.file_digest(file, "sha256").digest() == digest

    @contextmanager
    def incoming(self, name: str, *, patience_seconds: float) -> Iterator[Incoming]:
        """Open an empty file to write to, gone at the end unless it was kept.

        Raises Unavailable: another writes to it for longer than that, or the disk does not take it.
        """
        with in_our_words():
            _make(self.folder)
            _make(self.folder / INCOMING, OUR_FOLDER_MODE)
            path = self.folder / INCOMING / name
            with lock.held(path, patience_seconds=patience_seconds, mode=FILE_MODE) as file:
                try:
                    with self.alone():
                        file.truncate()  # not before: who had it until now may still be recording what he made of it
                    yield Incoming(path, file)
                finally:
                    if lock.is_at(file, path):
                        path.unlink()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let nobody else move, delete or record files meanwhile. Raises Unavailable."""
        with in_our_words():
            _make(self.folder)
            with lock.held(self.folder / LOCK, patience_seconds=PATIENCE_SECONDS):
                yield

    def reserve(self, incoming: Incoming, size_bytes: int) -> None:
        """Take the room for that many bytes before they come: others then see that it is gone. Raises Unavailable."""
        with in_our_words():
            if size_bytes:
                os.posix_fallocate(incoming.file.fileno(), 0, size_bytes)

    def write(self, incoming: Incoming, chunk: bytes) -> None:
        """Write the next bytes. Raises Unavailable."""
        with in_our_words():
            incoming.file.write(chunk)

    def begin_anew(self, incoming: Incoming) -> None:
        """Let nothing have been written yet. Raises Unavailable."""
        with in_our_words():
            incoming.file.seek(0)
            incoming.file.truncate()

    def read(self, digest: bytes, elsewhere: Path | None = None) -> bytes | None:
        """Read the bytes of that name, here or out of another file; None where there are none, or others by now.

        Raises Unavailable.
        """
        with in_our_words(), suppress(FileNotFoundError):
            content = (elsewhere or self.path(digest)).read_bytes()
            return content if hashlib.sha256(content).digest() == digest else None
        return None

    def sync(self, incoming: Incoming) -> None:
        """Bring its content to the disk. A power cut may then take its name away, and it is fetched anew."""
        with in_our_words():
            incoming.file.flush()
            os.fsync(incoming.file.fileno())

    def keep(self, incoming: Incoming, digest: bytes) -> None:
        """Give the file its name, in place of what had it. Raises Unavailable."""
        with in_our_words():
            _make(self.path(digest).parent)
            incoming.path.rename(self.path(digest))

    def drop(self, digest: bytes) -> None:
        """Delete the file, if it is there. Raises Unavailable."""
        with in_our_words():
            self.path(digest).unlink(missing_ok=True)

    def digests(self) -> Iterator[bytes]:
        """List all files that have their names."""
        for path in self.folder.glob("[0-9a-f][0-9a-f]/*"):
            if _DIGEST.fullmatch(path.name):
                yield bytes.fromhex(path.name)

    def clear_leftovers(self) -> None:
        """Remove the incoming files that nobody writes to."""
        folder = self.folder / INCOMING
        with in_our_words():
            left = [*folder.iterdir()] if folder.is_dir() else []
        for path in left:
            with suppress(Unavailable), self.incoming(path.name, patience_seconds=0):
                pass  # it goes at the end

    def free_bytes(self) -> int:
        """Count what is free on its disk, as far as we may use it. Raises Unavailable."""
        with in_our_words():
            found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize


def place(digest: bytes) -> str:
    """Tell where in the vault a file has its name."""
    return f"{digest.hex()[:2]}/{digest.hex()}"


def no_room() -> Unavailable:
    """Make what to raise where there is none, and let the operator hear of it."""
    telemetry.find(Finding.VAULT_FULL)
    return Unavailable(Reason.NO_ROOM)


@contextmanager
def in_our_words() -> Iterator[None]:
    """Say in our words what the disk says. Raises Unavailable."""
    try:
        yield
    except BlockingIOError as error:
        raise Unavailable(Reason.BEING_ACQUIRED) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise no_room() from error
        raise Unavailable(Reason.VAULT_UNWRITABLE) from error


def _stamp(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _make(folder: Path, mode: int = FOLDER_MODE) -> None:
    """Make a folder; it takes the group of the one around it where that says so. systemd lets nobody say it anew."""
    if not folder.is_dir():
        with suppress(FileExistsError):
            folder.mkdir()
            folder.chmod(mode | folder.stat().st_mode & stat.S_ISGID)
