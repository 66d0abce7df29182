"""SQLite: how a spool's file is opened, what its driver is told by name, and what its errors are in our words.

The statements stand in `sqlite.sql`, each with its why. Another engine is another such pair.
"""

from __future__ import annotations

import ctypes
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from gateway.errors import SpoolUnavailable
from gateway.phrases import Reason

Connection = sqlite3.Connection
Error = sqlite3.Error

REASONS = {
    "SQLITE_BUSY": Reason.SPOOL_LOCKED,
    "SQLITE_FULL": Reason.SPOOL_FULL,
    "SQLITE_READONLY": Reason.SPOOL_READ_ONLY,
}
LOOK_SECONDS = 5.0  # how long to wait for who uses the spool while its schema is looked at

# The last two are for speed: indexes of digests are written all over, in pages that shall be found in memory and be
# copied from the log into the file not too often.
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "cache_size=-32000",  # KiB
    "wal_autocheckpoint=8000",  # pages of 4 KiB
)
_NAME = re.compile(r"^-- name: ([a-z_]+)\n", re.MULTILINE)
_COMMENT = re.compile(r"--.*")


class Run(Protocol):
    def __call__(self, name: str, /, **values: object) -> list[Any]:
        """Run a named statement in the transaction at hand, and return its rows."""


def connect(path: Path, *, patience_seconds: float) -> Connection:
    """Open the file: what was committed is on the disk, and transactions begin where we say so, and nowhere else.

    `patience_seconds`: with who has it locked. Raises Error, also where there is no file: none is made.
    """
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


def empty_log(connection: Connection) -> None:
    """Copy into the file what stands in its log alone, and empty that; not while others are at it."""
    with suppress(Error):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def abandon(connection: Connection) -> None:
    """Leave it open past the interpreter's end: whoever closes the last one copies the log into the file."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def runner(connection: Connection) -> Run:
    """What runs the named statements on a connection."""
    known, execute = statements(), connection.execute

    def run(name: str, /, **values: object) -> list[Any]:
        return execute(known[name], values).fetchall()

    return run


@cache
def statements() -> dict[str, str]:
    """The named statements, without the comments that say why."""
    _about, *parts = _NAME.split(Path(__file__).with_suffix(".sql").read_text("utf-8"))
    return {name: _COMMENT.sub("", text).strip() for name, text in zip(parts[::2], parts[1::2], strict=True)}


def reason(error: Exception) -> Reason:
    """What went wrong, in our words: the driver's own, and SQLAlchemy's around it, may hold what others sent."""
    name = str(getattr(getattr(error, "orig", error), "sqlite_errorname", ""))
    return next((told for prefix, told in REASONS.items() if name.startswith(prefix)), Reason.SPOOL_FAILED)


@contextmanager
def translated(foreign: type[Exception] = Error) -> Iterator[None]:
    """Raises SpoolUnavailable for the driver's errors, and for those of whatever stands between us and it."""
    try:
        yield
    except (Error, foreign) as error:
        raise SpoolUnavailable(reason(error)) from error


def current(path: Path) -> str | None:
    """The revision of the schema at `path`; None where there is none yet. Raises SpoolUnavailable."""
    if not path.exists():
        return None
    try:
        with closing(connect(path, patience_seconds=LOOK_SECONDS)) as driver:
            return _revision(driver)
    except Error as error:
        raise SpoolUnavailable(Reason.SPOOL_UNREADABLE) from error


def revisions() -> frozenset[str]:
    """List those that this release knows: each by the name of its migration's file."""
    versions = Path(__file__).parent / "migrations" / "versions"
    return frozenset(path.stem.partition("_")[0] for path in versions.glob("*.py"))


def latest() -> str:
    """The revision that this release works with: that of its last migration."""
    return max(revisions())


def copy(path: Path, to: Path, *, patience_seconds: float) -> str | None:
    """Copy the database at `path`, as it is at one instant, into the empty file `to`.

    Returns the revision of a copy that is whole, None for one that is damaged. Raises SpoolUnavailable.
    """
    with closing(sqlite3.connect(to)) as made:
        with translated(), closing(connect(path, patience_seconds=patience_seconds)) as driver:
            driver.backup(made)
        try:
            # As it came it would want a log beside it, also where it is only to be read.
            made.execute("PRAGMA journal_mode=DELETE")
            whole = made.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return _revision(made) if whole else None
        except Error:
            return None


def _revision(connection: Connection) -> str | None:
    run = runner(connection)
    found = run("revision") if run("has_revisions") else []
    return str(found[0][0]) if found else None
