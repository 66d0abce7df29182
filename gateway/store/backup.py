"""Copies the spool while it is in use.

Rule 1. The copy is the spool as it was at one instant, in one file that needs no other.
Rule 2. The file has its name only once it is whole, proved and on the disk; it never takes another's place.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gateway import paths
from gateway.errors import CommandError, SpoolUnavailable
from gateway.store import sqlite

PATIENCE_SECONDS = 30.0  # with who writes to the spool; the copying itself keeps nobody waiting
COPIED_PAGES = 1_000  # at a time: so often it is told how far it is, and can be broken off
DAMAGED = "the copy is damaged and was not kept: so is the spool, or one of the two disks"


def back_up(path: Path, to: Path, *, tell: Callable[[int, int], object] = lambda _done, _whole: None) -> str:
    """Copy the spool at `path` to the new file `to`; returns the revision of its schema.

    `tell` hears how many pages are copied, of how many; once all are, the copy is proved. Raises CommandError if there
    is no spool, or the copy cannot be made or is not whole.
    """
    if sqlite.current(path) is None:
        raise CommandError(f"there is no spool at {path}")
    try:
        with _part_of(to) as part:
            revision = _copy(path, part, tell=tell)
            if revision is None:
                raise CommandError(DAMAGED)
            os.link(part, to)  # unlike a rename, it replaces nothing
            _sync(to.parent)
    except FileExistsError as error:
        raise CommandError(f"{to} exists, and was not replaced") from error
    except OSError as error:
        whom = f" to {paths.whoami()}" if isinstance(error, PermissionError) else ""
        raise CommandError(f"{to} cannot be written: {error.strerror}{whom}") from error
    except SpoolUnavailable as error:
        reason = error.reason.removeprefix("spool ")  # the disk that is full may be that of the copy
        raise CommandError(f"{to} was not written: {reason}") from error
    return revision


def _copy(path: Path, to: Path, *, tell: Callable[[int, int], object]) -> str | None:
    """Copy the database at `path`, as it is at one instant, into the empty file `to`.

    `tell` hears how many pages are copied, of how many. Returns the revision of a copy that is whole, None for one that
    is damaged. Raises SpoolUnavailable.
    """
    with closing(sqlite.Connection(to)) as made:
        with sqlite.translated(path), closing(sqlite.connect(path, patience_seconds=PATIENCE_SECONDS)) as driver:
            driver.execute("BEGIN")
            driver.execute("SELECT 1 FROM sqlite_master").fetchone()  # from here on it sees this instant alone
            driver.backup(made, pages=COPIED_PAGES, progress=lambda _, left, whole: tell(whole - left, whole))
        try:
            # As it came it would want a log beside it, also where it is only to be read.
            made.execute("PRAGMA journal_mode=DELETE")
            whole = made.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return sqlite.revision(sqlite.runner(made)) if whole else None
        except sqlite.Error:
            return None


@contextmanager
def _part_of(to: Path) -> Iterator[Path]:
    """An empty file beside `to`, of mode 600, that does not outlive us."""
    if to.exists():
        raise FileExistsError
    descriptor, name = tempfile.mkstemp(prefix=f".{to.name}.", dir=to.parent)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
