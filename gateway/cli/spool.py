"""`migrate`, `spool backup`, and `events list | show | replay | erase`: the spool, and the callbacks in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from gateway import paths, services, store, telemetry
from gateway.cli import Invocation, print_table, written
from gateway.delivery import claims, records
from gateway.delivery.records import Record
from gateway.errors import CommandError
from gateway.phrases import Line
from gateway.store import retention
from gateway.store.backup import back_up
from gateway.store.engines import Database

NUMBER = click.IntRange(0, 2**63 - 1)  # what the database can hold


@click.command()
@click.pass_obj
def migrate(invocation: Invocation) -> None:
    """Create the spool, or bring it to the schema of this release."""
    from gateway.store import migrations  # not above: it loads Alembic

    settings = invocation.settings_of("migrate")
    paths.prepare(settings)
    click.echo(f"The spool is at schema {migrations.migrate(paths.spool(settings))}.")


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
def backup(invocation: Invocation, file: Path) -> None:
    """Copy the spool, also while the gateway runs. The copy holds conversations in clear."""
    revision = back_up(paths.spool(invocation.settings()), file)
    click.echo(f"Wrote {file}: {file.stat().st_size} bytes, schema {revision}.")


@click.group()
def events() -> None:
    """The callbacks in the spool."""


@events.command("list")
@click.option("--state", type=click.Choice(store.STATES), help="Only events in this state.")
@click.option("--connector", type=NUMBER, help="Only events of this connector.")
@click.option("--most", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many, newest first.")
@click.pass_obj
def list_(invocation: Invocation, state: str | None, connector: int | None, most: int) -> None:
    """Show the newest events, newest first."""
    with opened_spool(invocation) as spool:
        found = records.listed(spool, state=state, connector_id=connector, most=most)
        counts = claims.backlog(spool).counts
    titles = ("event", "accepted", "connector", "kind", "contact", "state", "tries", "repeats", "outcome")
    print_table(titles, [_row(record) for record in found])
    click.echo(", ".join(f"{counts.get(name, 0)} {name}" for name in store.STATES))


@events.command()
@click.argument("event_id", metavar="ID", type=NUMBER)
@click.option("--body", is_flag=True, help="Print the exact body, and nothing else. It holds personal data.")
@click.pass_obj
def show(invocation: Invocation, event_id: int, body: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Show all that is known of one event."""
    with opened_spool(invocation) as spool:
        record = records.shown(spool, event_id)
        content = records.body(spool, event_id) if body else b""
    if body:
        sys.stdout.buffer.write(content)
        return
    for name, value in _facts(record).items():
        click.echo(f"{name:<12}{value}")


@events.command()
@click.argument("event_ids", metavar="ID...", type=NUMBER, nargs=-1)
@click.option("--parked", is_flag=True, help="All parked events, in the order of their acceptance.")
@click.pass_obj
def replay(invocation: Invocation, event_ids: tuple[int, ...], parked: bool) -> None:  # noqa: FBT001 - as above
    """Deliver events once more: parked ones, or any by their ID."""
    if bool(event_ids) is parked:
        raise CommandError("name the events to replay, or say --parked")
    with opened_spool(invocation) as spool:
        chosen = records.parked_ids(spool) if parked else list(dict.fromkeys(event_ids))
        records.replay(spool, chosen)
    _audit("replay", events=chosen)
    click.echo(f"{len(chosen)} to be delivered again." if chosen else "Nothing is parked.")


@events.command()
@click.option("--contact", required=True, help="The contact id, or the channel identity (on WhatsApp the number).")
@click.option("--pending", is_flag=True, help="What Motion has not got yet, too. Motion will never get it.")
@click.pass_obj
def erase(invocation: Invocation, contact: str, pending: bool) -> None:  # noqa: FBT001 - as above
    """Erase what the spool keeps of one contact, for good."""
    # Asked for is written down even where it breaks off: rows may be gone by then.
    _audit("erase", pending_too=pending)
    with opened_spool(invocation) as spool:
        erased = retention.erase(spool, contact, pending_too=pending)
    _audit("erase", erased=erased.events, sends=erased.sends, left=erased.left)
    click.echo(f"{erased.events} erased.")
    if erased.sends:
        click.echo(f"{erased.sends} erased of what was sent to them.")
    if erased.left:
        click.echo(f"{erased.left} not delivered yet and kept; --pending erases those too.")


@contextmanager
def opened_spool(invocation: Invocation) -> Iterator[Database]:
    """Open the spool for a command. Raises SpoolUnavailable unless it has this release's schema."""
    spool = services.build(invocation.settings()).spool
    try:
        spool.require_latest()
        yield spool
    finally:
        spool.close()


def _audit(what: str, **fields: object) -> None:
    telemetry.configure("events")
    telemetry.note(Line.AUDIT, command=what, **fields)


def _row(record: Record) -> tuple[str, ...]:
    return (
        str(record.event_id),
        written(record.accepted_at),
        str(record.connector_id),
        record.kind,
        whom(record.contact_id, record.identity),
        record.state,
        str(record.tries),
        str(record.repeats),
        record.outcome,
    )


def _facts(record: Record) -> dict[str, object]:
    return {
        "event": record.event_id,
        "connector": record.connector_id,
        "kind": record.kind,
        "contact": whom(record.contact_id, record.identity),
        "state": record.state,
        "outcome": record.outcome,
        "tries": record.tries,
        "repeats": record.repeats,
        "accepted": written(record.accepted_at),
        "settled": "" if record.settled_at is None else written(record.settled_at),
        "request id": record.request_id,
        "body": f"{record.size_bytes} bytes",
        "headers": ", ".join(record.header_names),
    }


def whom(contact_id: str, identity: str) -> str:
    """Name a contact by its id; failing that by the end of the channel identity, which may be a phone number."""
    return contact_id or (f"…{identity[-3:]}" if identity else "")
