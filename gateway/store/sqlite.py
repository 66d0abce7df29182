"""SQLite: how a spool's file is opened, what its driver is told by name, and what its errors are in our words.

The statements stand in `sqlite.sql`, each with its why.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from gateway.errors import SpoolUnavailable
from gateway.lock import Company
from gateway.phrases import Reason
from gateway.store import Run, named

Connection = sqlite3.Connection
Error = sqlite3.Error

# By the driver's names; of these it says all. Behind others anything may be: then the disk is asked.
REASONS = {
    "SQLITE_BUSY": Reason.SPOOL_LOCKED,
    "SQLITE_LOCKED": Reason.SPOOL_LOCKED,
    "SQLITE_INTERRUPT": Reason.SPOOL_NEEDED,
    "SQLITE_FULL": Reason.SPOOL_FULL,
    "SQLITE_NOTADB": Reason.SPOOL_DAMAGED,
    "SQLITE_CORRUPT": Reason.SPOOL_DAMAGED,
}
# Of those where the disk sees nothing wrong.
OTHERWISE = {
    "SQLITE_READONLY": Reason.SPOOL_READ_ONLY,
    "SQLITE_IOERR_WRITE": Reason.SPOOL_FULL,  # over a quota
    "SQLITE_IOERR_SHMSIZE": Reason.SPOOL_FULL,
}
BY_NUMBER = {
    errno.EAGAIN: Reason.SPOOL_LOCKED,
    errno.ENOSPC: Reason.SPOOL_FULL,
    errno.EDQUOT: Reason.SPOOL_FULL,
    errno.EROFS: Reason.SPOOL_READ_ONLY,
    errno.EACCES: Reason.SPOOL_NOT_OURS,
    errno.EPERM: Reason.SPOOL_NOT_OURS,
    errno.EMFILE: Reason.SPOOL_NO_DESCRIPTORS,
    errno.ENFILE: Reason.SPOOL_NO_DESCRIPTORS,
}
ASKED_OF_THE_DISK = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_PERM", "SQLITE_AUTH")
LOOK_SECONDS = 5.0  # how long to wait for who uses the spool while its schema is looked at

COMPANY = "together.lock"
LOG_BYTES = 40_000_000  # somewhat more than is copied back at once
# The cache and when to copy back are for speed: indexes of digests are written all over, in pages that are in memory.
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "cache_size=-32000",  # KiB
    "secure_delete=ON",  # whatever SQLite was built with: what is purged can be read in free pages no more
    "wal_autocheckpoint=8000",  # pages of 4 KiB
    f"journal_size_limit={LOG_BYTES}",  # it grows beyond while somebody reads for long, and shrinks once it begins anew
)


def connect(path: Path, *, patience_seconds: float) -> Connection:
    """Open the file: what was committed is on the disk, and transactions begin where we say so, and nowhere else.

    `patience_seconds`: with who has it locked. Raises Error, also where there is no file: none is made; and, where the
    gateway's processes have another file open, which SQLite would mix with it, SpoolUnavailable.
    """
    if not company(path).has_room(identity(path)):
        raise SpoolUnavailable(Reason.SPOOL_REPLACED)
    place = f"file:{quote(str(path))}?mode=rw"
    opened = sqlite3.connect(place, uri=True, timeout=patience_seconds, isolation_level=None, check_same_thread=False)
    try:
        for pragma in _PRAGMAS:
            opened.execute(f"PRAGMA {pragma}")
        opened.execute("PRAGMA schema_version")  # from here on it has its log open, too
    except Error:
        opened.close()
        raise
    return opened


def company(path: Path) -> Company:
    """Those who work with this spool for as long as they live: they say what files it is."""
    return Company(path.with_name(COMPANY))


def identity(path: Path) -> str:
    """What tells the files that stand there from all others: the spool's, its log, and that log's index."""
    with suppress(OSError):
        found = [path.with_name(f"{path.name}{end}").stat() for end in ("", "-wal", "-shm")]
        return " ".join(f"{each.st_dev}:{each.st_ino}" for each in found)
    return ""  # nobody has it open


def empty_log(connection: Connection, *, how: Literal["TRUNCATE", "RESTART"] = "TRUNCATE") -> bool:
    """Copy into the file what stands in its log alone, and empty that; False while others are at it. Waits for nobody.

    RESTART leaves its room to whoever writes next: that need not be found anew. Raises Error.
    """
    with impatient(connection):
        [blocked, *_] = connection.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
        return not blocked


@contextmanager
def impatient(connection: Connection) -> Iterator[None]:
    """Have it wait for nobody by itself. Raises Error."""
    [patience_milliseconds] = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute("PRAGMA busy_timeout=0")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA busy_timeout={patience_milliseconds}")


def abandon(connection: Connection) -> None:
    """Leave it open past the interpreter's end: whoever closes the last one copies the log into the file."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def runner(connection: Connection) -> Run:
    """What runs the named statements on a connection."""
    placed, execute = named.placed, connection.execute

    def run(name: str, /, **values: object) -> list[Any]:
        text, given, is_numbered = placed(name)
        if not text:
            return []
        done = execute(text, given(values))
        return [(done.lastrowid,)] if is_numbered else done.fetchall()

    return run


def statements() -> Mapping[str, str]:
    """The named statements, as SQLite is told them."""
    return named.statements("sqlite")


def reason(error: Exception, path: Path) -> Reason:
    """What went wrong with the database at `path`, in our words: the driver's own may hold what others sent.

    Of SQLAlchemy's errors, of the driver's within them, and of the system's.
    """
    if isinstance(error, OSError):
        return BY_NUMBER.get(error.errno or 0, Reason.SPOOL_FAILED)
    name = str(getattr(getattr(error, "orig", error), "sqlite_errorname", ""))
    return (
        _named(name, REASONS)
        or (_looked_at(path) if name.startswith(ASKED_OF_THE_DISK) else None)
        or _named(name, OTHERWISE)
        or Reason.SPOOL_FAILED
    )


@contextmanager
def translated(path: Path, foreign: type[Exception] = Error) -> Iterator[None]:
    """Raises SpoolUnavailable for the driver's errors, and for those of whatever stands between us and it."""
    try:
        yield
    except (Error, foreign) as error:
        raise SpoolUnavailable(reason(error, path)) from error


def current(path: Path) -> str | None:
    """The revision of the schema at `path`; None where there is none yet. Raises SpoolUnavailable.

    What is another program's database, or has lost its end, is damaged.
    """
    try:
        with translated(path, OSError):
            _require_whole(path)
            with closing(connect(path, patience_seconds=LOOK_SECONDS)) as driver:
                found = revision(runner(driver))
                if found is None and runner(driver)("is_foreign"):
                    raise SpoolUnavailable(Reason.SPOOL_DAMAGED)
                return found
    except SpoolUnavailable as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


def _named(name: str, told: Mapping[str, Reason]) -> Reason | None:
    return next((reason for prefix, reason in told.items() if name.startswith(prefix)), None)


def _looked_at(path: Path) -> Reason | None:
    """What the disk says of the file: where the driver says no more than that it failed."""
    try:
        os.close(os.dup(0))  # there are descriptors
        disk = os.statvfs(path.parent)
        if disk.f_flag & os.ST_RDONLY:
            return Reason.SPOOL_READ_ONLY
        for part in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
            if part.exists() and not os.access(part, os.R_OK | os.W_OK, effective_ids=True):
                return Reason.SPOOL_READ_ONLY if part.stat().st_uid == os.geteuid() else Reason.SPOOL_NOT_OURS
        if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True):
            return Reason.SPOOL_NOT_OURS
        full = disk.f_bavail == 0 or (disk.f_files and disk.f_favail == 0)
        return Reason.SPOOL_FULL if full else None
    except OSError as error:
        return BY_NUMBER.get(error.errno or 0)


def _require_whole(path: Path) -> None:
    """Look at the head of a file, for a process that has it not open: closing it would take SQLite's locks from that.

    Raises SpoolUnavailable; and OSError, FileNotFoundError where there is none."""
    with path.open("rb") as file:
        head, size_bytes = file.read(100), os.fstat(file.fileno()).st_size
    if not head:
        return  # nothing is in it yet
    # The database file format: sqlite.org/fileformat2.html, 1.3.
    page_bytes = int.from_bytes(head[16:18]) if head[16:18] != b"\0\1" else 65536
    said_bytes = page_bytes * int.from_bytes(head[28:32])
    log = path.with_name(f"{path.name}-wal")
    short = size_bytes < said_bytes and not (log.exists() and log.stat().st_size)  # which holds the rest
    if len(head) < 100 or not head.startswith(b"SQLite format 3\0") or head[68:72] != bytes(4) or short:
        raise SpoolUnavailable(Reason.SPOOL_DAMAGED)


def revision(run: Run) -> str | None:
    """The revision of the schema; None where there is none."""
    found = run("revision") if run("has_revisions") else []
    return str(found[0][0]) if found else None
