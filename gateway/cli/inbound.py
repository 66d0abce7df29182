"""`inbound list | show | release | save`: the files that customers send in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from gateway import cli, paths, telemetry
from gateway.attachments.register import Register
from gateway.attachments.vault import Vault
from gateway.cli.spool import look, nothing, opened_spool
from gateway.clock import WallClock, written
from gateway.diagnosis import facts
from gateway.inbound import arrivals, held
from gateway.store import Choice, audit

_file = click.argument("named", metavar="FILE")


@click.group()
def inbound() -> None:
    """The files that customers send in."""
    telemetry.configure("inbound")


@inbound.command("list")
@click.option(
    "--state", type=click.Choice(held.STATES), help="Only files in this state; held: those that wait for you."
)
@cli.options("connector", "since", "most", "json")
@click.pass_obj
def list_(invocation: cli.Invocation, /, *, most: int, as_json: bool, **chosen: Any) -> None:  # noqa: ANN401 - of Choice
    """Show the newest files: what they are, what became of them, and why."""
    with opened_spool(invocation) as spool:
        found = held.listed(spool, Choice(**chosen), most=most)
    if as_json:
        cli.print_json([_all_of(file) for file in found])
        return
    titles = ("file", "at", "connector", "state", "type", "size", "name", "why")
    cli.print_table(titles, [_row(file) for file in found], none=nothing("files", **chosen))


@inbound.command()
@_file
@cli.options("json")
@click.pass_obj
def show(invocation: cli.Invocation, named: str, *, as_json: bool) -> None:
    """Show all that is known of one FILE, such as 17/1: the event and the number of the file in it."""
    settings = invocation.settings()
    with opened_spool(invocation) as spool:
        file = held.shown(spool, named)
        record = Register.of(settings, spool).find(file.attachment_id)
    if as_json:
        cli.print_json(_all_of(file))
        return
    seen: list[tuple[str, object]] = []
    if record and record.inspection:
        seen += [("is", record.inspection.mime), ("peculiar", ", ".join(sorted(record.inspection.traits)))]
        seen += [("virus scan", facts.virus_scan(record)), ("in the vault", "yes" if record.stored else "no")]
    cli.print_facts([*_facts(file), *seen, *_then(file)])


@inbound.command()
@_file
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
@cli.unfinished("It is released, or still held back: look at `inbound show FILE`, or run this again.")
def release(invocation: cli.Invocation, named: str, *, yes: bool) -> None:
    """Let Motion have a FILE that is held back, after it has said why it is, and asked."""
    with opened_spool(invocation) as spool:
        file = held.shown(spool, named)
        held.require_held(file)
        click.echo(f"File {named}, {file.mime}, is held back: {facts.why_held(file)}")
        if not yes:
            cli.require_consent("let agents open it", left="it is still held back")
        deed = audit.deed(audit.Action.RELEASE, held.about(file), now=WallClock().now())
        held.release(spool, file, deed)
    audit.tell(deed, file=named)
    click.echo(f"File {named} is released: Motion's link to it serves it from now on.")
    click.echo(f"If Motion keeps what it fetched, `motion-gateway events replay {file.event_id}` has it fetch anew.")


@inbound.command()
@_file
@click.option(
    "--to",
    "path",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write. It must not exist.",
)
@click.pass_obj
@cli.unfinished("The file is not there, or a part of it: delete it, and run this again.")
def save(invocation: cli.Invocation, named: str, path: Path) -> None:
    """Write a FILE's bytes into a new file, to look at it where it does no harm. It may be a virus."""
    settings = invocation.settings()
    with opened_spool(invocation) as spool:
        file = held.shown(spool, named)
        look(spool, f"file {named}: saved", process="inbound")
        held.save(file, Vault(paths.vault(settings)).read(file.digest) if file.digest else None, path)
    click.echo(f"Wrote {path}: {file.size_bytes:,} bytes. Nobody but its owner reads it.")


def _row(file: arrivals.InboundFile) -> tuple[str, ...]:
    return (
        held.name(file),
        written(file.at),
        str(file.connector_id),
        file.state,
        file.mime,
        f"{file.size_bytes:,}" if file.digest else "",
        file.name,
        file.reason,
    )


def _facts(file: arrivals.InboundFile) -> Iterator[tuple[str, object]]:
    yield "file", held.name(file)
    yield "event", file.event_id
    yield "place", file.place
    yield "connector", file.connector_id
    yield "state", file.state
    yield "since", written(file.at)
    yield "name", file.name
    yield "type", file.mime
    yield "size", f"{file.size_bytes:,} bytes" if file.digest else ""
    yield "digest", file.digest.hex() if file.digest else ""
    yield "rule", file.reason
    yield "why", facts.why_held(file)


def _then(file: arrivals.InboundFile) -> Iterator[tuple[str, object]]:
    if file.state == arrivals.HELD:
        yield "then", f"`motion-gateway inbound release {held.name(file)}` lets agents open it"


def _all_of(file: arrivals.InboundFile) -> dict[str, object]:
    known = cli.for_programs(file, at=written(file.at), digest=file.digest.hex() if file.digest else None)
    return {"file": held.name(file), **known, "why": facts.why_held(file)}
