"""Copies the spool while it is in use.

Rule 1. The copy is the spool as it was at one instant, in one file that needs no other.
Rule 2. The file has its name only once it is whole, proved and on the disk; it never takes another's place.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext

from gateway.errors import CommandError, SpoolUnavailable
from gateway.store import migrator
from gateway.store.engines import Database

PATIENCE_SECONDS = 30.0  # with who writes to the spool; the copying itself keeps nobody waiting
DAMAGED = "the copy is damaged and was not kept: so is the spool, or one of the two disks"


def back_up(path: Path, to: Path) -> str:
    """Copy the spool at `path` to the new file `to`; returns the revision of its schema.

    Raises CommandError if there is no spool, or the copy cannot be made or is not whole.
    """
    if migrator.current(path) is None:
        raise CommandError(f"there is no spool at {path}")
    try:
        with _part_of(to) as part:
            revision = _copy(path, part)
            os.link(part, to)  # unlike a rename, it replaces nothing
            _sync(to.parent)
    except FileExistsError as error:
        raise CommandError(f"{to} exists, and was not replaced") from error
    except OSError as error:
        raise CommandError(f"{to} cannot be written: {error.strerror}") from error
    except SpoolUnavailable as error:
        reason = error.reason.removeprefix("spool ")  # the disk that is full may be that of the copy
        raise CommandError(f"{to} was not written: {reason}") from error
    except sa.exc.SQLAlchemyError as error:
        raise CommandError(DAMAGED) from error
    return revision


def _copy(path: Path, part: Path) -> str:
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(part)), hide_parameters=True)
    try:
        with engine.connect() as copy:
            with closing(Database(path, patience_seconds=PATIENCE_SECONDS)) as spool:
                spool.read(lambda connection: _driver(connection).backup(_driver(copy)))
            # As it came it would want a log beside it, also where it is only to be read.
            copy.exec_driver_sql("PRAGMA journal_mode=DELETE")
            return _proved(copy)
    finally:
        engine.dispose()


def _proved(copy: sa.Connection) -> str:
    """The revision of a copy that is whole."""
    found = copy.exec_driver_sql("PRAGMA integrity_check").scalars().all()
    revision = MigrationContext.configure(copy).get_current_revision()
    if list(found) != ["ok"] or revision is None:
        raise CommandError(DAMAGED)
    return revision


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


def _driver(connection: sa.Connection) -> Any:  # noqa: ANN401 - the database's own home names its type
    return cast("Any", connection.connection.driver_connection)
