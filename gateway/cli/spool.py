"""`migrate` and `spool backup`: the spool as a file; for all, the way to it, and what an empty list says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import click

from gateway import paths, services, telemetry
from gateway.cli import Invocation, print_table, progress, require_consent, unfinished
from gateway.clock import WallClock, written
from gateway.config import databases
from gateway.errors import CommandError
from gateway.store import audit, engines
from gateway.store.backup import back_up
from gateway.store.engines import Database

NO_FILE = (
    "the spool is in PostgreSQL, which has its own ways to be copied: `pg_dump --format=custom` of the database, or "
    "pg_basebackup of the server with its archived WAL (docs/several-machines.md); nothing was copied"
)


@click.command()
@click.option("--rolling", is_flag=True, help="Also while other nodes serve from it: of PostgreSQL alone.")
@click.pass_obj
@unfinished("The spool has its old schema or the new one, and is whole: run `motion-gateway migrate` again.")
def migrate(invocation: Invocation, rolling: bool) -> None:  # noqa: FBT001 - click's way
    """Create the spool, or bring it to the schema of this release."""
    from gateway.serving import opening, process  # not above: no other command here needs them

    settings = invocation.settings_of("migrate")
    paths.prepare(settings)
    process.make_room(settings)
    click.echo(f"The spool is at schema {opening.migrate(settings, rolling=rolling)}.")


@click.group()
def spool() -> None:
    """The database that holds the accepted callbacks."""


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
    if databases.is_shared(settings.spool.url):
        raise CommandError(NO_FILE)
    with progress.shown("Copying the spool") as tell:
        revision = back_up(paths.spool(settings), file, tell=partial(_tell_copied, tell))
    with closing(services.build(settings).spool) as spool:
        look(spool, "every event: a copy of the spool", process="spool")
    click.echo(f"Wrote {file}: {file.stat().st_size} bytes, schema {revision}.")


class _Place(click.ParamType[str]):
    name = "url"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from pydantic_core import PydanticCustomError

        try:
            return databases.read(value)
        except PydanticCustomError as error:
            told = error.context or {}
            self.fail(f"it {told['complaint']}: {told['remedy']}", param, ctx)  # what was typed may hold a password


@spool.command()
@click.option(
    "--to",
    "url",
    required=True,
    type=_Place(),
    help='As spool.url names it: the URL of a PostgreSQL whose database is empty, or "sqlite".',
)
@click.pass_obj
@unfinished("What was served from before still counts. Run the same command again: it goes on.")
def move(invocation: Invocation, url: str) -> None:
    """Move the spool to another database while the gateway is stopped: all of it, compared table by table."""
    from gateway.store import moving  # not above: it loads Alembic

    settings = invocation.settings()
    paths.prepare(settings)
    if url == settings.spool.url:
        raise CommandError("spool.url says so already: let --to name where the spool is not yet")
    source, target = engines.place(settings, settings.spool.url), engines.place(settings, url)
    with progress.shown("Moving the spool") as tell:
        done = moving.move(settings.server.state_dir, source, target, engines.password(settings), tell=tell)
    rows = [(name, str(tally.count), tally.written()) for name, tally in done.tables.items()]
    print_table(("table", "rows", "digest"), rows)
    click.echo(_MOVED.format(target=done.target, source=done.source, url=url))
    if done.aside:
        click.echo(f"The file that had been moved away before lies at {done.aside} now: delete it, too.")


_MOVED = """
All of it is at {target}: rows and digests are the same on both sides. Now let the settings of every machine say

    [spool]
    url = "{url}"

and start the gateway. {source} is as it was, and marked: no gateway serves from it. Once the new one has its
first backup, delete it: it holds conversations in clear."""


@spool.command()
@click.option("--yes", is_flag=True, help="Without asking.")
@click.pass_obj
@unfinished("It may be served from again, or it may not: run this again.")
def reopen(invocation: Invocation, yes: bool) -> None:  # noqa: FBT001 - click's way
    """Serve from a spool once more that was moved away: without what came since."""
    from gateway.store import moving  # as above

    settings = invocation.settings()
    if not yes:
        require_consent("serve from it once more, without what came since", left="it stays marked as moved")
    place = engines.place(settings, settings.spool.url)
    name = moving.reopen(settings.server.state_dir, place, engines.password(settings))
    click.echo(f"{name} may be served from again: start the gateway.")


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
