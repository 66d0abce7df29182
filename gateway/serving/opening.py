"""What is done about the spool before anybody is served: it is brought up to date, or borne that it is away for now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from gateway import paths, telemetry
from gateway.config import Settings, databases
from gateway.errors import REMEDIES, SpoolUnavailable
from gateway.phrases import Finding, Reason
from gateway.store import engines

PASSING = frozenset(
    {
        Reason.SPOOL_FULL,
        Reason.SPOOL_LOCKED,
        Reason.SPOOL_NO_DESCRIPTORS,
        Reason.SPOOL_REPLACED,
        Reason.SPOOL_AWAY,
        Reason.SPOOL_CROWDED,
        Reason.SPOOL_SERVER_FULL,
        Reason.SPOOL_SILENT,
        Reason.SPOOL_STANDBY,
    }
)
LOOK_SECONDS = 5.0


def migrate(settings: Settings, *, rolling: bool = False) -> str:
    """Create the spool, or bring it to the schema of this release; returns what it is at.

    `rolling`: while other nodes serve from it. Raises CommandError for a spool of a newer release, a file that others
    use, or where it is not to be changed under other nodes; SpoolUnavailable if it cannot be written.
    """
    from gateway.store import migrations  # not above: it loads Alembic

    if not databases.is_shared(settings.spool.url):
        return migrations.migrate(paths.spool(settings))
    from gateway.store.migrations import server  # not above: nobody else loads its driver

    return server.migrate(settings.spool.url, engines.password(settings), me=settings.server.node, rolling=rolling)


def trouble(settings: Settings) -> Reason | None:
    """Ask the server of the spool what keeps us from working with it, if anything; nothing where the spool is a file.

    That a database is empty does not: whoever starts first fills it.
    """
    if not databases.is_shared(settings.spool.url):
        return None
    with closing(engines.opened(settings, patience_seconds=LOOK_SECONDS)) as spool:
        try:
            spool.require_latest()
        except SpoolUnavailable as error:
            return None if error.reason == Reason.SPOOL_SCHEMA else Reason(error.reason)
    return None


@contextmanager
def unless_it_passes() -> Iterator[None]:
    """Go on though the spool is away for a reason that may pass: what needs it is refused, all else is served.

    Raises SpoolUnavailable for any other reason.
    """
    try:
        yield
    except SpoolUnavailable as error:
        if error.reason not in PASSING:
            raise
        telemetry.find(Finding.SPOOL_UNAVAILABLE, reason=error.reason, remedy=REMEDIES.get(error.reason, ""))
