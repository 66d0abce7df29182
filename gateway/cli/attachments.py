"""`attachments list | show | evict | orphans`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click

from gateway import services, telemetry
from gateway.attachments import fetch
from gateway.cli import Invocation, options, print_facts, print_json, print_table, reasons, unfinished
from gateway.cli.spool import nothing, opened_spool
from gateway.clock import WallClock, written
from gateway.config import Settings
from gateway.diagnosis import facts
from gateway.diagnosis.material import Shelved
from gateway.errors import CommandError
from gateway.outbound import record as messages
from gateway.store import Choice, audit

MOST_SENDS = 10_000  # that are looked through for attachments


@click.group()
def attachments() -> None:
    """The attachments that were asked for, and their files in the vault."""


@attachments.command("list")
@options("contact", "message", "since", "most", "json")
@click.pass_obj
def list_(invocation: Invocation, /, *, most: int, as_json: bool, **chosen: Any) -> None:  # noqa: ANN401 - of Choice
    """Show the attachments that something happened to last: what they are, who can have them, and why not.

    A contact and a message choose those that were in what was sent through the private door.
    """
    settings, choice = invocation.settings(), Choice(**chosen)
    among = _attached(invocation, choice) if choice.contact is not None or choice.message_id is not None else None
    with opened_shelf(settings) as shelf:
        listed = shelf.listed(most=most, among=among, since=choice.since or 0.0)
        found = [facts.shelved(record, settings, places=shelf.places(record)) for record in listed]
    if as_json:
        print_json([_all_of(shelved) for shelved in found])
        return
    titles = ("attachment", "type", "size", "verdict", "file", "fetches", "links until", "trouble", "who acts")
    print_table(titles, [_row(shelved) for shelved in found], none=nothing("attachments", **chosen))


@attachments.command()
@click.argument("attachment_id", metavar="ID")
@options("json")
@click.pass_obj
def show(invocation: Invocation, attachment_id: str, *, as_json: bool) -> None:
    """Show all that is known of one attachment, by Motion's ID of it; of a refusal or a failure what to do, too."""
    settings = invocation.settings()
    with opened_shelf(settings) as shelf:
        record = shelf.known(attachment_id)
        places = shelf.places(record) if record else []
    if record is None:
        raise CommandError(f"nobody has asked for attachment {attachment_id}; `attachments list` shows what there is")
    shelved = facts.shelved(record, settings, places=places)
    if as_json:
        print_json(_all_of(shelved))
    else:
        print_facts((*facts.of_file(shelved), *reasons.told(facts.meanings_of_file(shelved))))


@attachments.command()
@click.argument("attachment_ids", metavar="ID...", nargs=-1)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Every file in the vault that could be fetched anew: not those that customers sent.",
)
@click.pass_obj
@unfinished("Some of the files may be deleted already: run this again for the others.")
def evict(invocation: Invocation, attachment_ids: tuple[str, ...], *, everything: bool) -> None:
    """Delete files from the vault, by the ID of their attachments. A link that lives has its file fetched anew."""
    if bool(attachment_ids) is everything:
        raise CommandError("name the attachments whose files to delete, or say --all")
    telemetry.configure("attachments")
    about = "every file" if everything else f"attachments {', '.join(attachment_ids)}"
    deed = audit.deed(audit.Action.EVICT, about, now=WallClock().now())
    with opened_shelf(invocation.settings()) as shelf:
        files = shelf.evict_all(deed) if everything else shelf.evict(attachment_ids, deed)
    audit.tell(deed, attachments="all" if everything else list(attachment_ids), files=files)
    click.echo(f"{files} deleted." if files else "The vault is empty.")


@attachments.command()
@click.option("--delete", is_flag=True, help="Delete them from the store.")
@click.pass_obj
@unfinished("Some of the objects may be deleted already: run this again for the others.")
def orphans(invocation: Invocation, *, delete: bool) -> None:
    """Show what is in the store behind the vault, of which the spool knows nothing, and is a day old.

    Such objects are left by a node that died, or by a spool that was restored. Never delete them where another spool
    uses the same bucket and prefix: they may be its files.
    """
    telemetry.configure("attachments")
    with opened_shelf(invocation.settings()) as shelf:
        share = shelf.required_share()
        found, dropped = share.orphans(), 0
        if delete and found:
            deed = audit.deed(audit.Action.EVICT, f"{len(found)} orphans of the store", now=WallClock().now())
            dropped = share.drop(found, deed)
            audit.tell(deed, files=dropped)
    rows = [(each.digest.hex(), f"{each.size_bytes:,}", written(each.since)) for each in found]
    print_table(("SHA-256", "size", "since"), rows, none="There are none.")
    if found:
        click.echo(f"{dropped} deleted." if delete else "Nothing was deleted: --delete does so.")


@contextmanager
def opened_shelf(settings: Settings) -> Iterator[fetch.Shelf]:
    """Open the shelf for a command. Raises SpoolUnavailable unless the spool has this release's schema."""
    shared = services.build(settings, needs={"shelf"})
    try:
        shared.spool.require_latest()
        yield shared.shelf
    finally:
        shared.shelf.close()
        shared.spool.close()


def _attached(invocation: Invocation, choice: Choice) -> set[str]:
    """The ids of the attachments in what was sent to that contact, or as that message."""
    with opened_spool(invocation) as spool:
        sent = messages.listed(spool, replace(choice, since=None), most=MOST_SENDS, now=WallClock().now())
    return {attached.attachment_id for message in sent for attached in message.attachments}


def _row(shelved: Shelved) -> tuple[str, ...]:
    record = shelved.record
    return (
        record.attachment_id,
        facts.mime(record),
        f"{record.size_bytes:,}" if record.digest else "",
        facts.verdict_in_words(shelved.verdict),
        facts.place_of(shelved),
        str(record.fetches),
        facts.moment(record.live_until or None),
        facts.trouble(record),
        reasons.short(facts.meanings_of_file(shelved)),
    )


def _all_of(shelved: Shelved) -> dict[str, object]:
    record, verdict, failure = shelved.record, shelved.verdict, shelved.record.failure
    return {
        "attachment_id": record.attachment_id,
        "digest": record.digest.hex() if record.digest else None,
        "size": record.size_bytes,
        "name": record.name,
        "mime": facts.mime(record) or None,
        "verdict": {"verdict": verdict.kind, "code": verdict.code, "reason": verdict.reason} if verdict else None,
        "virus_scan": facts.virus_scan(record) or None,
        "in_vault": record.stored,
        "elsewhere": facts.elsewhere(shelved),
        "acquired_at": _time(record.acquired_at),
        "fetches": record.fetches,
        "first_fetched_at": _time(record.first_fetched_at),
        "last_fetched_at": _time(record.last_fetched_at),
        "live_until": _time(record.live_until or None),
        "revoked_before": _time(record.revoked_before),
        "failure": {"reason": failure.reason, "status": failure.status, "at": _time(failure.at)} if failure else None,
        "meanings": [reasons.for_programs(meaning) for meaning in facts.meanings_of_file(shelved)],
    }


def _time(moment: float | None) -> str | None:
    return None if moment is None else written(moment)
