"""`attachment inspect`, and `attachments list | evict`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from gateway import printable, services, telemetry
from gateway.attachments.decision import KnownAttachment
from gateway.attachments.fetch import Shelf
from gateway.cli import Invocation, options, print_json, print_table, unfinished, written
from gateway.cli.spool import opened_spool
from gateway.clock import WallClock
from gateway.config import Settings, fields, tables
from gateway.errors import CommandError, SettingsError
from gateway.inspection import content, inspector, rulebook, verdicts
from gateway.inspection.structure import Inspection
from gateway.inspection.verdicts import Limits, Verdict
from gateway.outbound import record as messages
from gateway.store import Choice, audit

SOME_UNREAD = 1  # the exit status
MOST_SENDS = 10_000  # that are looked through for attachments


@dataclass(frozen=True)
class _Inspected:
    path: Path
    inspection: Inspection
    verdicts: Mapping[str, Verdict]  # by profile


@click.group()
def attachment() -> None:
    """Files, and what becomes of them at WhatsApp."""


@attachment.command()
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@options("json")
@click.pass_obj
def inspect(invocation: Invocation, paths: tuple[Path, ...], *, as_json: bool) -> None:
    """Say what each FILE is, what every profile makes of it, and why.

    Needs no settings; where there are some, their size limits count. The exit status is 1 if a FILE cannot be read.
    """
    files = [*_inspected(paths, _limits(invocation))]
    click.echo(_as_json(files)) if as_json else _print(files)
    if len(files) < len(paths):
        click.get_current_context().exit(SOME_UNREAD)


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
        print_json([_facts(record, verdict) for record, verdict in found])
        return
    titles = ("attachment", "type", "size", "verdict", "file", "fetches", "links until", "trouble")
    print_table(titles, [_row(record, verdict) for record, verdict in found])


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


def inspected(path: Path) -> Inspection:
    """Look into the file at `path`. Raises OSError."""
    if path.exists() and not path.is_file():
        raise OSError(None, "is no file")
    with content.of_file(path) as found:
        return inspector.inspect(found, name=path.name)


def default_limits() -> Limits:
    """Read the sizes that the settings have where nobody has written any."""
    read = fields.size()
    return Limits(
        motion_bytes=read(tables.MotionSettings.model_fields["max_attachment"].default),
        gateway_bytes=read(tables.AttachmentsSettings.model_fields["max_bytes"].default),
    )


@contextmanager
def opened_shelf(settings: Settings) -> Iterator[Shelf]:
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


def _limits(invocation: Invocation) -> Limits:
    try:
        settings = invocation.read()
    except SettingsError:
        if invocation.config.exists():
            click.echo(f"The settings in {invocation.config} cannot be used; the default limits count.", err=True)
        return default_limits()
    return verdicts.limits_of(settings)


def _inspected(paths: Sequence[Path], limits: Limits) -> Iterator[_Inspected]:
    for path in paths:
        try:
            found = inspected(path)
        except OSError as error:
            click.echo(f"{_shown(path)}: {error.strerror or 'cannot be read'}", err=True)
            continue
        profiles = rulebook.load().profiles
        yield _Inspected(path, found, {name: verdicts.judge(found, profile=name, limits=limits) for name in profiles})


def _as_json(files: Sequence[_Inspected]) -> str:
    said = [
        {
            "path": str(file.path),
            "mime": file.inspection.mime,
            "size": file.inspection.size_bytes,
            "verdicts": {
                profile: {"verdict": said.kind, "code": said.code, "reason": said.reason, "remedy": said.remedy}
                for profile, said in file.verdicts.items()
            },
        }
        for file in files
    ]
    return json.dumps(said, indent=2)


def _print(files: Sequence[_Inspected]) -> None:
    titles = ("file", "type", "size", "profile", "verdict", "code", "why, and what to do")
    if files:
        print_table(titles, [row for file in files for row in _judged(file)])


def _judged(file: _Inspected) -> Iterator[tuple[str, ...]]:
    """A row for each profile; what the file is stands in the first."""
    first = (_shown(file.path), file.inspection.mime, f"{file.inspection.size_bytes:,}")
    for profile, verdict in file.verdicts.items():
        why = f"{verdict.reason} {verdict.remedy}".rstrip()
        yield *first, profile, verdict.kind, verdict.code or "", why
        first = ("", "", "")


def _shown(path: Path) -> str:
    """Write a path so that it does nothing to a terminal, whatever it is made of."""
    return printable.text(str(path))


def _verdict(record: KnownAttachment, settings: Settings) -> Verdict | None:
    limits = verdicts.limits_of(settings)
    if record.inspection is None:
        return None
    return verdicts.judge(record.inspection, profile=settings.attachments.profile, limits=limits)


def _row(record: KnownAttachment, verdict: Verdict | None) -> tuple[str, ...]:
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


def _file(record: KnownAttachment) -> str:
    if record.stored:
        return "in the vault"
    return "evicted" if record.digest else "none"


def _trouble(record: KnownAttachment) -> str:
    failure = f"{record.failure.reason}, {_time(record.failure.at)}" if record.failure else ""
    revoked = f"links revoked, {_time(record.revoked_before)}" if record.revoked_before else ""
    return "; ".join(filter(None, (failure, revoked)))


def _facts(record: KnownAttachment, verdict: Verdict | None) -> dict[str, object]:
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
    return None if moment is None else written(moment)
