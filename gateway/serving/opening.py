"""What is done about the spool before anybody is served: it is brought up to date, or borne that it is away for now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gateway import paths, telemetry
from gateway.config import Settings, databases
from gateway.errors import SpoolUnavailable
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


def migrate(settings: Settings) -> str:
    """Create the spool, or bring it to the schema of this release; returns that.

    Raises CommandError for a spool of a newer release, or a file that others use; SpoolUnavailable if it cannot be
    written.
    """
    from gateway.store import migrations  # not above: it loads Alembic

    if settings.spool.url == databases.FILE:
        return migrations.migrate(paths.spool(settings))
    from gateway.store.migrations import server  # not above: nobody else loads its driver

    return server.migrate(settings.spool.url, engines.password(settings))


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
        telemetry.find(Finding.SPOOL_UNAVAILABLE, reason=error.reason)
