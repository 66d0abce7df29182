"""`events list | show | replay | park | erase`: the callbacks in the spool."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from gateway import cli, paths, printable, store, telemetry
from gateway.attachments import eviction
from gateway.attachments.register import Register
from gateway.attachments.vault import Vault
from gateway.cli import NUMBER, Invocation, options, progress, reasons, unfinished
from gateway.cli.spool import look, nothing, opened_spool
from gateway.clock import WallClock, written
from gateway.config import Settings
from gateway.delivery import records
from gateway.diagnosis import facts
from gateway.diagnosis.reasons import of_unknown
from gateway.errors import CommandError, Unavailable
from gateway.inbound import arrivals, held
from gateway.store import Choice, audit, census, engines, retention

_TITLES = (
    *("event", "accepted", "connector", "kind", "contact", "state", "tries", "repeats", "outcome"),
    *("report", "code", "description", "findings", "who acts"),
)


@click.group()
def events() -> None:
    """The callbacks in the spool."""
    telemetry.configure("events")


@events.command("list")
@click.option("--state", type=click.Choice(store.STATES), help="Only events in this state.")
@options("connector", "contact", "message", "since", "most", "json")
@click.pass_obj
def list_(invocation: Invocation, /, *, most: int, as_json: bool, **chosen: Any) -> None:  # noqa: ANN401 - of Choice
    """Show the newest events, newest first; of delivery reports what they say, too."""
    with opened_spool(invocation) as spool:
        found = records.listed(spool, Choice(**chosen), most=most)
        counts = dict.fromkeys(store.STATES, 0) | census.counted(spool)
    if as_json:
        cli.print_json({"events": [_all_of(record) for record in found], "counts": counts})
        return
    cli.print_table(_TITLES, [_row(record) for record in found], none=nothing("events", **chosen))
    click.echo(", ".join(f"{count} {state}" for state, count in counts.items()))


@events.command()
@click.argument("event_id", metavar="ID", type=NUMBER)
@click.option("--body", is_flag=True, help="Print the exact body, and nothing else. It holds personal data.")
@options("json")
@click.pass_obj
def show(invocation: Invocation, event_id: int, *, body: bool, as_json: bool) -> None:
    """Show all that is known of one event; of a delivery report what it says, too."""
    with opened_spool(invocation) as spool:
        record, files = records.shown(spool, event_id), arrivals.of_event(spool, event_id).files
        if body:
            look(spool, f"event {event_id}: its body", process="events")
            content = records.body(spool, event_id)
    if body:
        sys.stdout.buffer.write(content)
    elif as_json:
        cli.print_json(_all_of(record) | ({"files": [_file(file) for file in files]} if files else {}))
    else:
        cli.print_facts(_facts(record, files))


@events.command()
@click.argument("event_ids", metavar="ID...", type=NUMBER, nargs=-1)
@click.option("--parked", is_flag=True, help="All parked events, in the order of their acceptance.")
@click.pass_obj
@unfinished("All of them are delivered again, or none: look at `events list --state pending`, or run this again.")
def replay(invocation: Invocation, event_ids: tuple[int, ...], parked: bool) -> None:  # noqa: FBT001 - as above
    """Deliver events once more: parked ones, or any by their ID."""
    if bool(event_ids) is parked:
        raise CommandError("name the events to replay, or say --parked")
    with opened_spool(invocation) as spool:
        chosen = records.parked_ids(spool) if parked else list(dict.fromkeys(event_ids))
        if chosen:
            deed = audit.deed(audit.Action.REPLAY, audit.of_events(chosen), now=WallClock().now())
            with progress.shown(f"Putting {printable.counted(len(chosen), 'event')} back in line"):
                records.replay(spool, chosen, deed)
            audit.tell(deed, events=chosen)
    click.echo(f"{len(chosen)} to be delivered again." if chosen else "Nothing is parked.")


@events.command()
@click.argument("event_id", metavar="ID", type=NUMBER)
@click.pass_obj
@unfinished("It is parked, or still pending: look at `events show ID`, or run this again.")
def park(invocation: Invocation, event_id: int) -> None:
    """Give up on a pending event; its contact goes on, and `events replay` takes it up again."""
    with opened_spool(invocation) as spool:
        deed = audit.deed(audit.Action.PARK, audit.of_events([event_id]), now=WallClock().now())
        records.park(spool, event_id, deed)
    audit.tell(deed, events=[event_id])
    click.echo(f"Event {event_id} is parked.")


@events.command()
@click.option("--contact", required=True, help="The contact id, or the channel identity (on WhatsApp the number).")
@click.option("--pending", is_flag=True, help="What Motion has not got yet, too. Motion will never get it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
@unfinished("Part of it may be erased, and copies may be left in the file: run this again until it ends well.")
def erase(invocation: Invocation, contact: str, *, pending: bool, yes: bool) -> None:
    """Erase what is kept of one contact, for good, the files it sent too; after it has said what that is, and asked."""
    with opened_spool(invocation) as spool:
        found = retention.found(spool, contact)
        click.echo(_inventory(found, pending_too=pending))
        if not yes and found.going(pending_too=pending):
            cli.require_consent("erase this for good", left="nothing was erased")
        # Asked for is written down even where it breaks off: rows may be gone by then.
        deed = audit.deed(audit.Action.ERASE, now=WallClock().now())
        audit.tell(deed, pending_too=pending)
        theirs = retention.files(spool, contact, pending_too=pending)
        with progress.shown("Erasing") as tell:
            telling = _telling(tell, found.going(pending_too=pending), spool)
            erased = retention.erase(spool, contact, deed, pending_too=pending, tell=telling)
        audit.tell(deed, erased=erased.events, sends=erased.sends, left=erased.left)
        click.echo(f"{erased.events} erased.")
        if erased.sends:
            click.echo(f"{erased.sends} erased of what was sent to them.")
        if erased.left:
            click.echo(f"{erased.left} not delivered yet and kept; --pending erases those too.")
        _drop_files(invocation.settings(), spool, theirs)


def _drop_files(settings: Settings, spool: engines.Database, theirs: set[bytes]) -> None:
    """Take the files that they sent out of this machine's vault, where there is one; others are somebody else's, too.

    Raises CommandError.
    """
    if not paths.vault(settings).is_dir():
        return
    try:
        there = Register.of(settings, spool)
        gone, kept = eviction.drop_nobodys(Vault(paths.vault(settings)), there, theirs)
    except Unavailable as error:
        raise CommandError(f"what they sent stays in the vault for now ({error.reason}): run this again") from error
    if gone:
        click.echo(f"{printable.counted(gone, 'file')} that they sent deleted from the vault.")
    if kept:
        click.echo(f"{printable.counted(kept, 'file')} that they sent kept: others have the same.")


def _inventory(found: retention.Inventory, *, pending_too: bool) -> str:
    """Say what there is of a contact."""
    states = ", ".join(f"{count} {state}" for state, count in found.events.items())
    told = f"Found {printable.counted(sum(found.events.values()), 'event')}{f' ({states})' if states else ''}"
    told += f" and {printable.counted(found.sends, 'message')} sent to them."
    waiting = found.events.get(store.PENDING)
    return told + (" Motion will never get what is pending." if pending_too and waiting else "")


def _telling(tell: progress.Tell, going: int, spool: engines.Database) -> Callable[[retention.Erased | None], None]:
    """Make what says how far an erasure of so many rows is."""

    def told(gone: retention.Erased | None) -> None:
        if gone:
            tell(f"Erased {gone}", gone.events + gone.sends, going)
        else:
            tell(spool.rewriting)

    return told


def _row(record: records.EventRecord) -> tuple[str, ...]:
    told = record.told
    return (
        str(record.event_id),
        written(record.accepted_at),
        str(record.connector_id),
        record.kind,
        printable.whom(record.contact_id, record.identity),
        record.state,
        str(record.tries),
        str(record.repeats),
        record.outcome,
        told.status if told else "",
        " ".join(filter(None, (told.code, told.sub_code, told.channel_code))) if told else "",
        told.description if told else "",
        " ".join(record.findings),
        reasons.short(facts.meanings_of_event(record)),
    )


def _facts(record: records.EventRecord, files: Sequence[arrivals.InboundFile]) -> Iterator[tuple[str, object]]:
    yield from facts.of_event(record)
    yield from (
        ("file", ": ".join(filter(None, (f"{held.name(file)}, {file.state}", facts.why_held(file))))) for file in files
    )
    yield from reasons.told(facts.meanings_of_event(record))
    if record.told and record.told.code and not facts.of_report(record):
        yield from of_unknown(record.told.code)
    if record.state == store.PARKED:
        yield "then", f"`motion-gateway events replay {record.event_id}` delivers it once more"


def _file(file: arrivals.InboundFile) -> dict[str, object]:
    return {"file": held.name(file), "place": file.place, "state": file.state, "why": facts.why_held(file)}


def _all_of(record: records.EventRecord) -> dict[str, object]:
    known = cli.for_programs(record)
    known["history"] = [{"at": written(tried.at), "outcome": tried.outcome} for tried in record.history]
    return known | {
        "report": known.pop("told"),
        "meanings": [reasons.for_programs(meaning) for meaning in facts.meanings_of_event(record)],
    }
