"""`migrate` and `spool backup`: the spool as a file; for all, the way to it, and what an empty list says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import click

from gateway import paths, services, telemetry
from gateway.cli import Invocation, progress, unfinished
from gateway.clock import WallClock, written
from gateway.config import databases
from gateway.errors import CommandError
from gateway.store import audit
from gateway.store.backup import back_up
from gateway.store.engines import Database

NO_FILE = (
    "the spool is in PostgreSQL, which has its own ways to be copied: `pg_dump --format=custom` of the database, or "
    "pg_basebackup of the server with its archived WAL (docs/several-machines.md); nothing was copied"
)


@click.command()
@click.pass_obj
@unfinished("The spool has its old schema or the new one, and is whole: run `motion-gateway migrate` again.")
def migrate(invocation: Invocation) -> None:
    """Create the spool, or bring it to the schema of this release."""
    from gateway.serving import opening, process  # not above: no other command here needs them

    settings = invocation.settings_of("migrate")
    paths.prepare(settings)
    process.make_room(settings)
    click.echo(f"The spool is at schema {opening.migrate(settings)}.")


@click.group()
def spool() -> None:
    """The file that holds the accepted callbacks."""


@spool.command()
@click.option(
    "--to",
    "file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write. It must not exist.",
)
@click.pass_obj
@unfinished("There is no copy, or a whole one: if the file is not there, run this again.")
def backup(invocation: Invocation, file: Path) -> None:
    """Copy the spool, also while the gateway runs. The copy holds conversations in clear."""
    settings = invocation.settings()
    if settings.spool.url != databases.FILE:
        raise CommandError(NO_FILE)
    with progress.shown("Copying the spool") as tell:
        revision = back_up(paths.spool(settings), file, tell=partial(_tell_copied, tell))
    with closing(services.build(settings).spool) as spool:
        look(spool, "every event: a copy of the spool", process="spool")
    click.echo(f"Wrote {file}: {file.stat().st_size} bytes, schema {revision}.")


def _tell_copied(tell: progress.Tell, done: int, whole: int) -> None:
    tell("Copying the spool", done, whole) if done < whole else tell("Proving the copy")


@contextmanager
def opened_spool(invocation: Invocation) -> Iterator[Database]:
    """Open the spool for a command. Raises SpoolUnavailable unless it has this release's schema."""
    spool = services.build(invocation.settings()).spool
    try:
        spool.require_latest()
        yield spool
    finally:
        spool.close()


def look(spool: Database, about: str, *, process: str) -> None:
    """Record that somebody looks at what people wrote, or at who they are; where that cannot be kept, say so.

    `process`: whose line it is.
    """
    telemetry.configure(process)
    if not audit.kept_look(spool, audit.deed(audit.Action.LOOK, about, now=WallClock().now())):
        click.echo("This look could not be kept in the spool: the line above tells of it, and why.", err=True)


def nothing(noun: str, *, since: float | None = None, **chosen: object) -> str:
    """Say that a list of these is empty, or what was chosen of it, and since when."""
    such = "such " if any(value is not None for value in chosen.values()) else ""
    return f"No {such}{noun}{from_when(since)}."


def from_when(since: float | None) -> str:
    """Say what --since has chosen; "" where it was not used."""
    return f" since {written(since)}" if since else ""
