"""`attachments list | show | evict`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click

from gateway import services, telemetry
from gateway.attachments import decision, fetch
from gateway.cli import Invocation, options, print_facts, print_json, print_table, reasons, unfinished, written
from gateway.cli.spool import nothing, opened_spool
from gateway.clock import WallClock
from gateway.config import Settings
from gateway.errors import CommandError
from gateway.inspection import verdicts
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
        found = [(record, _verdict(record, settings)) for record in listed]
    if as_json:
        print_json([_all_of(record, verdict) for record, verdict in found])
        return
    titles = ("attachment", "type", "size", "verdict", "file", "fetches", "links until", "trouble", "who acts")
    print_table(titles, [_row(record, verdict) for record, verdict in found], none=nothing("attachments", **chosen))


@attachments.command()
@click.argument("attachment_id", metavar="ID")
@options("json")
@click.pass_obj
def show(invocation: Invocation, attachment_id: str, *, as_json: bool) -> None:
    """Show all that is known of one attachment, by Motion's ID of it; of a refusal or a failure what to do, too."""
    settings = invocation.settings()
    with opened_shelf(settings) as shelf:
        record = shelf.known(attachment_id)
    if record is None:
        raise CommandError(f"nobody has asked for attachment {attachment_id}; `attachments list` shows what there is")
    verdict = _verdict(record, settings)
    print_json(_all_of(record, verdict)) if as_json else print_facts(_facts(record, verdict))


@attachments.command()
@click.argument("attachment_ids", metavar="ID...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every file in the vault.")
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


def _verdict(record: decision.KnownAttachment, settings: Settings) -> verdicts.Verdict | None:
    limits = verdicts.limits_of(settings)
    if record.inspection is None:
        return None
    return verdicts.judge(record.inspection, profile=settings.attachments.profile, limits=limits)


def _row(record: decision.KnownAttachment, verdict: verdicts.Verdict | None) -> tuple[str, ...]:
    return (
        record.attachment_id,
        record.inspection.mime if record.inspection else "",
        f"{record.size_bytes:,}" if record.digest else "",
        " ".join(filter(None, (verdict.kind, verdict.code))) if verdict else "",
        _file(record),
        str(record.fetches),
        _time(record.live_until or None) or "",
        _trouble(record),
        reasons.short(_meanings(record, verdict)),
    )


def _meanings(record: decision.KnownAttachment, verdict: verdicts.Verdict | None) -> list[reasons.Meaning]:
    """What its refusal and its failure mean."""
    code, failure = verdict.code if verdict else None, record.failure
    refused = reasons.of_refusal(code, sentence=verdict.reason, remedy=verdict.remedy) if verdict and code else None
    failed = reasons.explain(failure.reason) if failure else None
    return [meaning for meaning in (refused, failed) if meaning]


def _facts(record: decision.KnownAttachment, verdict: verdicts.Verdict | None) -> Iterator[tuple[str, object]]:
    yield "attachment", record.attachment_id
    yield "name", record.name
    yield "type", record.inspection.mime if record.inspection else ""
    yield "size", f"{record.size_bytes:,} bytes" if record.digest else ""
    yield "digest", record.digest.hex() if record.digest else ""
    yield "verdict", " ".join(filter(None, (verdict.kind, verdict.code))) if verdict else ""
    if verdict and not verdict.code:
        yield "why", f"{verdict.reason} {verdict.remedy}".rstrip()
    yield "file", _file(record)
    yield "acquired", _time(record.acquired_at) or ""
    yield "fetches", record.fetches
    yield "last fetched", _time(record.last_fetched_at) or ""
    yield "links until", _time(record.live_until or None) or ""
    yield "trouble", _trouble(record)
    yield from reasons.told(_meanings(record, verdict))


def _file(record: decision.KnownAttachment) -> str:
    if record.stored:
        return "in the vault"
    return "evicted" if record.digest else "none"


def _trouble(record: decision.KnownAttachment) -> str:
    failure = f"{record.failure.reason}, {_time(record.failure.at)}" if record.failure else ""
    revoked = f"links revoked, {_time(record.revoked_before)}" if record.revoked_before else ""
    return "; ".join(filter(None, (failure, revoked)))


def _all_of(record: decision.KnownAttachment, verdict: verdicts.Verdict | None) -> dict[str, object]:
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
        "meanings": [reasons.for_programs(meaning) for meaning in _meanings(record, verdict)],
    }


def _time(moment: float | None) -> str | None:
    return None if moment is None else written(moment)
