"""`attachment inspect`: what a file is, and what becomes of it at WhatsApp."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from gateway import printable
from gateway.cli import Invocation, options, print_json, print_table
from gateway.clock import WallClock
from gateway.config import Settings, fields, tables
from gateway.errors import SettingsError
from gateway.inspection import content, inspector, rulebook, scanner, structure, verdicts

SOME_UNREAD = 1  # the exit status


@dataclass(frozen=True)
class _Inspected:
    path: Path
    inspection: structure.Inspection
    verdicts: Mapping[str, verdicts.Verdict]  # by profile


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
    print_json(_for_programs(files)) if as_json else _print(files)
    if len(files) < len(paths):
        click.get_current_context().exit(SOME_UNREAD)


def inspected(path: Path) -> structure.Inspection:
    """Look into the file at `path`. Raises OSError."""
    if path.exists() and not path.is_file():
        raise OSError(None, "is no file")
    with content.of_file(path) as found:
        return inspector.inspect(found, name=path.name)


def scanned(path: Path, settings: Settings) -> structure.Inspection:
    """Look into the file, and have it looked through for viruses where the settings say so.

    Raises OSError, and Unavailable where nobody could and it is to be held.
    """
    seen, clamd = inspected(path), scanner.Scanner.of(settings.inbound.scan, away=settings.inbound.scan_away)
    if clamd is None:
        return seen
    with path.open("rb") as file:
        return clamd.looked(seen, file, about="", now=WallClock().now())


def default_limits() -> verdicts.Limits:
    """Read the sizes that the settings have where nobody has written any."""
    read = fields.size()
    return verdicts.Limits(
        motion_bytes=read(tables.MotionSettings.model_fields["max_attachment"].default),
        gateway_bytes=read(tables.AttachmentsSettings.model_fields["max_bytes"].default),
    )


def _limits(invocation: Invocation) -> verdicts.Limits:
    try:
        settings = invocation.read()
    except SettingsError:
        if invocation.config.exists():
            click.echo(f"The settings in {invocation.config} cannot be used; the default limits count.", err=True)
        return default_limits()
    return verdicts.limits_of(settings)


def _inspected(paths: Sequence[Path], limits: verdicts.Limits) -> Iterator[_Inspected]:
    for path in paths:
        try:
            found = inspected(path)
        except OSError as error:
            click.echo(f"{_shown(path)}: {error.strerror or 'cannot be read'}", err=True)
            continue
        profiles = rulebook.load().profiles
        yield _Inspected(path, found, {name: verdicts.judge(found, profile=name, limits=limits) for name in profiles})


def _for_programs(files: Sequence[_Inspected]) -> list[dict[str, object]]:
    return [
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
