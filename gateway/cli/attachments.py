"""`attachments list | evict`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.table import Table

from gateway import services, telemetry
from gateway.attachments.register import Record
from gateway.attachments.shelf import Shelf
from gateway.cli import moments
from gateway.cli.events import UNCUT
from gateway.cli.invocation import Invocation
from gateway.config import Settings
from gateway.errors import CommandError
from gateway.inspection import verdicts
from gateway.inspection.verdicts import Verdict
from gateway.store import migrator


@click.group()
def attachments() -> None:
    """The attachments that were asked for, and their files in the vault."""


@attachments.command("list")
@click.option("--most", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many, newest first.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def list_(invocation: Invocation, most: int, *, as_json: bool) -> None:
    """Show the attachments that something happened to last: what they are, who can have them, and why not."""
    settings = invocation.settings()
    with opened_shelf(settings) as shelf:
        found = [(record, _verdict(record, settings)) for record in shelf.listed(most=most)]
    if as_json:
        click.echo(json.dumps([_facts(record, verdict) for record, verdict in found], indent=2))
        return
    table = Table("attachment", "type", "size", "verdict", "file", "fetches", "links until", "trouble", box=None)
    for record, verdict in found:
        table.add_row(*_row(record, verdict))
    # What others chose is printed as it is, without markup; what a program reads is not cut to a screen.
    width = None if sys.stdout.isatty() else UNCUT
    Console(width=width, markup=False, emoji=False, highlight=False).print(table)


@attachments.command()
@click.argument("attachment_ids", metavar="ID...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every file in the vault.")
@click.pass_obj
def evict(invocation: Invocation, attachment_ids: tuple[str, ...], *, everything: bool) -> None:
    """Delete files from the vault, by the ID of their attachments. A link that lives has its file fetched anew."""
    if bool(attachment_ids) is everything:
        raise CommandError("name the attachments whose files to delete, or say --all")
    telemetry.configure("attachments")
    with opened_shelf(invocation.settings()) as shelf:
        files = shelf.evict_all() if everything else shelf.evict(attachment_ids)
    telemetry.note("audit", command="evict", attachments="all" if everything else list(attachment_ids), files=files)
    click.echo(f"{files} deleted." if files else "The vault is empty.")


@contextmanager
def opened_shelf(settings: Settings) -> Iterator[Shelf]:
    """Raises SpoolUnavailable unless the spool has this release's schema."""
    shared = services.build(settings, needs={"shelf"})
    try:
        migrator.require_latest(shared.spool)
        yield shared.shelf
    finally:
        shared.shelf.close()
        shared.spool.close()


def _verdict(record: Record, settings: Settings) -> Verdict | None:
    limits = verdicts.limits_of(settings)
    if record.inspection is None:
        return None
    return verdicts.judge(record.inspection, profile=settings.attachments.profile, limits=limits)


def _row(record: Record, verdict: Verdict | None) -> tuple[str, ...]:
    return (
        record.attachment_id,
        record.inspection.mime if record.inspection else "",
        f"{record.size_bytes:,}" if record.digest else "",
        " ".join(filter(None, (verdict.kind, verdict.code))) if verdict else "",
        _file(record),
        str(record.fetches),
        _time(record.live_until or None) or "",
        _trouble(record),
    )


def _file(record: Record) -> str:
    if record.stored:
        return "in the vault"
    return "evicted" if record.digest else "none"


def _trouble(record: Record) -> str:
    failure = f"{record.failure.reason}, {_time(record.failure.at)}" if record.failure else ""
    revoked = f"links revoked, {_time(record.revoked_before)}" if record.revoked_before else ""
    return "; ".join(filter(None, (failure, revoked)))


def _facts(record: Record, verdict: Verdict | None) -> dict[str, object]:
    failure = record.failure
    return {
        "attachment_id": record.attachment_id,
        "digest": record.digest.hex() if record.digest else None,
        "size": record.size_bytes,
        "name": record.name,
        "mime": record.inspection.mime if record.inspection else None,
        "verdict": {"verdict": verdict.kind, "code": verdict.code, "reason": verdict.reason} if verdict else None,
        "in_vault": record.stored,
        "acquired_at": _time(record.acquired_at),
        "fetches": record.fetches,
        "first_fetched_at": _time(record.first_fetched_at),
        "last_fetched_at": _time(record.last_fetched_at),
        "live_until": _time(record.live_until or None),
        "revoked_before": _time(record.revoked_before),
        "failure": {"reason": failure.reason, "status": failure.status, "at": _time(failure.at)} if failure else None,
    }


def _time(moment: float | None) -> str | None:
    return None if moment is None else moments.written(moment)
