"""`attachment inspect`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from gateway import printable
from gateway.cli.events import UNCUT
from gateway.cli.invocation import Invocation
from gateway.config import fields, tables
from gateway.errors import SettingsError
from gateway.inspection import content, inspector, rulebook, verdicts
from gateway.inspection.inspector import Inspection
from gateway.inspection.verdicts import Limits, Verdict

SOME_UNREAD = 1  # the exit status


@dataclass(frozen=True)
class _Told:
    path: Path
    inspection: Inspection
    verdicts: Mapping[str, Verdict]  # by profile


@click.group()
def attachment() -> None:
    """Files, and what becomes of them at WhatsApp."""


@attachment.command()
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def inspect(invocation: Invocation, paths: tuple[Path, ...], *, as_json: bool) -> None:
    """Say what each FILE is, what every profile makes of it, and why.

    Needs no settings; where there are some, their size limits count. The exit status is 1 if a FILE cannot be read.
    """
    told = [*_told(paths, _limits(invocation))]
    click.echo(_as_json(told)) if as_json else _print(told)
    if len(told) < len(paths):
        click.get_current_context().exit(SOME_UNREAD)


def inspected(path: Path) -> Inspection:
    """Raises OSError."""
    if path.exists() and not path.is_file():
        raise OSError(None, "is no file")
    with content.of_file(path) as found:
        return inspector.inspect(found, name=path.name)


def default_limits() -> Limits:
    """The sizes that the settings have where nobody has written any."""
    read = fields.size()
    return Limits(
        motion_bytes=read(tables.MotionSettings.model_fields["max_attachment"].default),
        gateway_bytes=read(tables.AttachmentsSettings.model_fields["max_bytes"].default),
    )


def _limits(invocation: Invocation) -> Limits:
    try:
        settings = invocation.settings()
    except SettingsError:
        if invocation.config.exists():
            click.echo(f"The settings in {invocation.config} cannot be used; the default limits count.", err=True)
        return default_limits()
    return verdicts.limits_of(settings)


def _told(paths: Sequence[Path], limits: Limits) -> Iterator[_Told]:
    for path in paths:
        try:
            found = inspected(path)
        except OSError as error:
            click.echo(f"{_shown(path)}: {error.strerror or 'cannot be read'}", err=True)
            continue
        profiles = rulebook.load().profiles
        yield _Told(path, found, {name: verdicts.judge(found, profile=name, limits=limits) for name in profiles})


def _as_json(told: Sequence[_Told]) -> str:
    said = [
        {
            "path": str(file.path),
            "mime": file.inspection.mime,
            "size": file.inspection.size_bytes,
            "verdicts": {
                profile: {"verdict": verdict.kind, "code": verdict.code, "reason": verdict.reason}
                for profile, verdict in file.verdicts.items()
            },
        }
        for file in told
    ]
    return json.dumps(said, indent=2)


def _print(told: Sequence[_Told]) -> None:
    table = Table("file", "type", "size", "profile", "verdict", "code", "why, and what to do", box=None)
    for file in told:
        first = (_shown(file.path), file.inspection.mime, f"{file.inspection.size_bytes:,}")
        for profile, verdict in file.verdicts.items():
            why = f"{verdict.reason} {verdict.remedy}".rstrip()
            table.add_row(*first, profile, verdict.kind, verdict.code or "", why)
            first = ("", "", "")
    # What others chose is printed as it is, without markup; what a program reads is not cut to a screen.
    width = None if sys.stdout.isatty() else UNCUT
    if told:
        Console(width=width, markup=False, emoji=False, highlight=False).print(table)


def _shown(path: Path) -> str:
    """A path that does nothing to a terminal, whatever it is made of."""
    return printable.text(str(path))
