"""Brings the spool's schema up to date: one process migrates, the others wait for the revision."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from gateway.errors import CommandError, SpoolUnavailable
from gateway.spool.database import Database

LOCK_NAME = "migrate.lock"


def migrate(path: Path) -> str:
    """Create or upgrade the spool at `path` and return its revision. Safe to run at any time.

    Raises CommandError for a spool of a newer release, SpoolUnavailable if it cannot be written.
    """
    with _alone(path.with_name(LOCK_NAME)):
        _refuse_unknown(current(path), path)
        try:
            command.upgrade(_config(path), "head")
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise SpoolUnavailable("spool cannot be migrated") from error
        path.chmod(0o600)
    return latest()


def require_latest(database: Database) -> None:
    """Raises SpoolUnavailable unless the spool has the schema that this release works with."""
    if not database.path.exists() or current(database.path) != latest():
        raise SpoolUnavailable("spool schema is not of this release; run `motion-gateway migrate`")


def current(path: Path) -> str | None:
    """The revision of the spool at `path`; None for one that is not there yet."""
    if not path.exists():
        return None
    engine = sa.create_engine(f"sqlite:///{path}", hide_parameters=True)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    except sa.exc.SQLAlchemyError as error:
        raise SpoolUnavailable("spool cannot be read") from error
    finally:
        engine.dispose()


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


def _config(path: Path | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["path"] = path
    return config


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    try:
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise SpoolUnavailable("spool directory cannot be written") from error
