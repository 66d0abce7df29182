"""Brings the spool's schema up to date: one process migrates, the others wait for the revision."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from gateway.errors import CommandError, SpoolUnavailable
from gateway.store import engines
from gateway.store.engines import Database

LOCK_NAME = "migrate.lock"
PATIENCE_SECONDS = 5.0  # with who uses the spool while it is looked at


def migrate(path: Path) -> str:
    """Create or upgrade the spool at `path` and return its revision. Safe to run at any time.

    Raises CommandError for a spool of a newer release, SpoolUnavailable if it cannot be written.
    """
    with _alone(path.with_name(LOCK_NAME)):
        _refuse_unknown(current(path), path)
        path.touch(mode=0o600)
        path.chmod(0o600)
        with _opened(path) as engine:
            try:
                command.upgrade(_config(engine), "head")
            except sa.exc.SQLAlchemyError as error:
                raise SpoolUnavailable("spool cannot be migrated") from error
    return latest()


def require_latest(spool: Database) -> None:
    """Raises SpoolUnavailable unless the spool has the schema that this release works with."""
    if not spool.path.exists() or current(spool.path) != latest():
        raise SpoolUnavailable("spool schema is not of this release; run `motion-gateway migrate`")


def current(path: Path) -> str | None:
    """The revision of the spool at `path`; None for one that is not there yet."""
    if not path.exists():
        return None
    try:
        with _opened(path) as engine, engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    except sa.exc.SQLAlchemyError as error:
        raise SpoolUnavailable("spool cannot be read") from error


def latest() -> str:
    """The revision that this release works with."""
    return str(ScriptDirectory.from_config(_config(None)).get_current_head())


def _refuse_unknown(revision: str | None, path: Path) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config(None)).walk_revisions()}
    if revision is not None and revision not in known:
        raise CommandError(
            f"the spool {path} has schema {revision}, which this release does not know: it was written by a newer one. "
            "Install that release again, or restore the spool's backup from before the upgrade."
        )


@contextmanager
def _opened(path: Path) -> Iterator[sa.Engine]:
    engine = engines.engine(path, patience_seconds=PATIENCE_SECONDS)
    try:
        yield engine
    finally:
        engine.dispose()


def _config(engine: sa.Engine | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["engine"] = engine
    return config


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    try:
        with path.open("w") as held:
            os.fchmod(held.fileno(), 0o600)  # whoever may open it may hold it
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise SpoolUnavailable("spool directory cannot be written") from error
