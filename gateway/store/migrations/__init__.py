"""Brings the spool's schema up to date: one process migrates, the others wait for the revision."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from gateway import lock
from gateway.errors import CommandError, SpoolUnavailable
from gateway.phrases import Reason
from gateway.store import schema, sqlite

LOCK_NAME = "migrate.lock"


def migrate(path: Path) -> str:
    """Create or upgrade the spool at `path` and return its revision. Safe to run at any time.

    Raises CommandError for a spool of a newer release, SpoolUnavailable if it cannot be written.
    """
    with _alone(path.with_name(LOCK_NAME)):
        _refuse_unknown(sqlite.current(path), path)
        path.touch(mode=0o600)
        path.chmod(0o600)
        with configured(path) as config:
            try:
                command.upgrade(config, "head")
            except sa.exc.SQLAlchemyError as error:
                raise SpoolUnavailable(Reason.SPOOL_NOT_MIGRATED) from error
    return sqlite.latest()


@contextmanager
def configured(path: Path) -> Iterator[Config]:
    """What Alembic's commands take, for the spool at `path`."""
    engine = schema.engine(lambda: sqlite.connect(path, patience_seconds=sqlite.LOOK_SECONDS))
    # Not in `schema`: with such a listener SQLAlchemy asks at each statement for listeners of every kind.
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    try:
        yield _config(engine)
    finally:
        engine.dispose()


def _refuse_unknown(revision: str | None, path: Path) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config(None)).walk_revisions()}
    if revision is not None and revision not in known:
        raise CommandError(
            f"the spool {path} has schema {revision}, which this release does not know: it was written by a newer one. "
            "Install that release again, or restore the spool's backup from before the upgrade."
        )


def _config(engine: sa.Engine | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["engine"] = engine
    return config


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    try:
        with lock.held(path, patience_seconds=math.inf):  # whoever migrates ends
            yield
    except OSError as error:
        raise SpoolUnavailable(Reason.SPOOL_FOLDER) from error
