"""Brings the spool's schema up to date: one process migrates, the others wait for the revision.

Nobody else uses a spool that is a file meanwhile: whoever of another release still runs works with the schema that
there was. A server goes on serving (`server`): there revisions only add.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from gateway import lock
from gateway.doors import DOORS
from gateway.errors import CommandError, SpoolUnavailable
from gateway.phrases import Reason
from gateway.store import anchor, named, schema, sqlite

LOCK_NAME = "migrate.lock"
USERS = ("courier", "fetcher", *DOORS)  # each has a lock for as long as it runs: gateway/paths.py
PATIENCE_SECONDS = 5.0  # they may still be ending


def migrate(path: Path, *, patience_seconds: float = PATIENCE_SECONDS) -> str:
    """Create or upgrade the spool at `path` and return its revision. Safe to run at any time.

    Raises CommandError for a spool of a newer release, or one that others use for longer than `patience_seconds`;
    SpoolUnavailable if it cannot be written.
    """
    with _alone(path.with_name(LOCK_NAME)):
        _refuse_foreign_log(path)
        found = sqlite.current(path)
        refuse_unknown(found, path)
        if found != named.latest():
            with _unused(path, patience_seconds):
                make(path)
        path.chmod(0o600)
    return named.latest()


def make(path: Path) -> None:
    """Create a spool at `path`, for who keeps everybody away. Raises SpoolUnavailable if it cannot be written."""
    _upgrade(path)
    path.chmod(0o600)


def _upgrade(path: Path) -> None:
    with configured(path) as config:
        try:
            command.upgrade(config, "head")
        except sa.exc.SQLAlchemyError as error:
            why = sqlite.reason(error, path)
            raise SpoolUnavailable(Reason.SPOOL_NOT_MIGRATED if why == Reason.SPOOL_FAILED else why) from error


@contextmanager
def configured(path: Path) -> Iterator[Config]:
    """What Alembic's commands take, for the spool at `path`; it is made where there is none."""
    if not path.exists():  # of a gateway that runs not even the time of the file is changed
        path.touch(mode=0o600)
    engine = schema.engine(lambda: sqlite.connect(path, patience_seconds=sqlite.LOOK_SECONDS))
    # Not in `schema`: with such a listener SQLAlchemy asks at each statement for listeners of every kind.
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    try:
        yield configuration(engine.connect)
    finally:
        engine.dispose()


def _refuse_foreign_log(path: Path) -> None:
    try:
        anchor.require_own_log(path)
    except FileExistsError as error:
        raise CommandError(
            f"beside {path} lies a log of another file, {path.name}-wal, which may hold events: put the file that it "
            "belongs to back in place; or move the log away, and keep it with that file"
        ) from error


def refuse_unknown(revision: str | None, place: Path | str) -> None:
    """Raises CommandError for the revision of a newer release, and SpoolUnavailable for what nobody may serve from."""
    trouble = named.trouble(revision)
    if trouble in (Reason.SPOOL_MOVED, Reason.SPOOL_MOVING):
        raise SpoolUnavailable(trouble)
    if trouble == Reason.SPOOL_NEWER:
        raise CommandError(
            f"the spool {place} has schema {revision}, which this release does not know: it was written by a newer "
            "one. Install that release again, or restore the spool's backup from before the upgrade."
        )


def configuration(connect: Callable[[], AbstractContextManager[sa.Connection]]) -> Config:
    """What Alembic's commands take, to run on what that opens."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connect"] = connect
    return config


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with sqlite.translated(path, OSError), lock.held(path, patience_seconds=math.inf):  # whoever migrates ends
        yield


@contextmanager
def _unused(path: Path, patience_seconds: float) -> Iterator[None]:
    """Keep the spool to ourselves: whoever has run has his lock there. Raises CommandError where one still does."""
    with ExitStack() as stack:
        for process in USERS:
            theirs = path.with_name(f"{process}.lock")
            try:
                if theirs.exists():
                    stack.enter_context(lock.held(theirs, patience_seconds=patience_seconds))
            except BlockingIOError as error:
                raise CommandError(
                    f"the spool {path} is not migrated while a gateway of another release works with it: its {process} "
                    "runs. Restart it, which migrates: `systemctl restart motion-gateway.target`, or `serve` anew."
                ) from error
        yield
