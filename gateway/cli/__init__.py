"""The `motion-gateway` commands: each parses, calls and prints; none decides anything.

A command's module is loaded when it is run or asked for its own help: whoever asks for the list loads none of them,
and each process what it needs.
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway import __version__
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.config import Settings

Command = Callable[..., Any]  # what click's decorators take, and hand back

DEFAULT_CONFIG = "/etc/motion-gateway/gateway.toml"
WRONG = 2  # the exit status for what the caller can put right
UNCUT = 10_000  # characters of a line; wider than any that there can be
GAP = 2  # blanks between columns
UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
BELOW = " " * 8  # before what stands below a row


@dataclass(frozen=True)
class Invocation:
    """What stands before a command: the settings file it works with."""

    config: Path

    def settings(self) -> Settings:
        """Read the settings anew. Raises SettingsError."""
        from gateway import config

        return config.load(self.config, config.environment())

    def settings_of(self, process: str) -> Settings:
        """Read them for a process that stays: with the secrets that it needs, and no others."""
        from gateway.config import secrets

        return secrets.keep(self.settings(), process)


class Later(click.Command):
    """A command by its name and its first sentence, in whose place `module` has the real one once it is run."""

    def __init__(self, name: str, module: str, sentence: str) -> None:
        super().__init__(name, help=sentence)
        self.module = module

    def loaded(self) -> click.Command:
        """Load the real one."""
        found: click.Command = getattr(importlib.import_module(f"gateway.cli.{self.module}"), str(self.name))
        return found

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 — whatever click hands on
    ) -> click.Context:
        return self.loaded().make_context(info_name, args, parent, **extra)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="motion-gateway")
@click.option(
    "--config",
    "path",
    envvar="MOTION_GATEWAY_CONFIG",
    default=DEFAULT_CONFIG,
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The settings file; MOTION_GATEWAY_CONFIG names it too.",
)
@click.pass_context
def group(context: click.Context, path: Path) -> None:
    """Stands between Sinch's Conversation API and an XCALLY Motion server."""
    context.obj = Invocation(path.absolute())


for command in (
    Later("serve", "serving", "Run everything in the foreground: nginx, the doors and the courier."),
    Later("web", "serving", "Run one DOOR on its Unix socket, for nginx to pass requests to."),
    Later("courier", "serving", "Deliver accepted events to Motion until told to stop."),
    Later("nginx", "serving", "The nginx configuration that the settings make."),
    Later("migrate", "spool", "Create the spool, or bring it to the schema of this release."),
    Later("spool", "spool", "The file that holds the accepted callbacks."),
    Later("events", "spool", "The callbacks in the spool."),
    Later("sends", "sends", "The messages that Motion asked to send."),
    Later("attachment", "attachments", "Files, and what becomes of them at WhatsApp."),
    Later("attachments", "attachments", "The attachments that were asked for, and their files in the vault."),
    Later("token", "token", "Minted links to attachments."),
    Later("config", "config", "Check the settings, and show what was understood."),
    Later("certs", "certs", "Certificates."),
    Later("exposure", "diagnosis", "List every listener, method and path that can be reached, and by whom."),
):
    group.add_command(command)


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under their titles, without cutting anything.

    On a screen, columns that it has no room for stand below their row, by their titles. What a program reads has one
    line for each row.
    """
    from rich.cells import cell_len
    from rich.console import Console

    told = [[shown(cell) for cell in row] for row in rows]
    screen = Console().width if sys.stdout.isatty() else UNCUT
    columns = zip(titles, *told, strict=True)
    widths = [max(map(cell_len, column)) + GAP for column in columns]
    room, beside = screen + GAP - 1, []
    for column, width in enumerate(widths):
        if width <= room:
            room -= width
            beside.append(column)
    for row in (titles, *told):
        cells = (row[column] + " " * (widths[column] - cell_len(row[column])) for column in beside)
        click.echo(f" {''.join(cells)}".rstrip())
        below = [
            f"{titles[column]} {row[column]}" for column in range(len(row)) if column not in beside and row[column]
        ]
        if below and row is not titles:
            wrapper = textwrap.TextWrapper(screen, initial_indent=BELOW, subsequent_indent=BELOW)
            wrapper.break_long_words = wrapper.break_on_hyphens = False
            click.echo(wrapper.fill(", ".join(below)))


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print what is known of one thing, a line for each fact."""
    told = [(title, shown(str(value))) for title, value in facts]
    width = max(len(title) for title, _ in told) + GAP
    for title, value in told:
        click.echo(f"{title:<{width}}{value}".rstrip())


def for_programs(thing: Any, **changes: object) -> dict[str, object]:  # noqa: ANN401 - any of our dataclasses
    """What is known of a thing by the names of its fields: times written, and a contact as `whom` names it."""
    fields = dataclasses.asdict(thing) | changes
    if "identity" in fields:
        fields = {"contact": whom(fields.pop("contact_id"), fields.pop("identity"))} | fields
    return {
        name: written(value) if name.endswith("_at") and value is not None else value for name, value in fields.items()
    }


def print_json(value: object) -> None:
    """Print for programs, in ASCII."""
    click.echo(json.dumps(value, indent=2))


def shown(text: str) -> str:
    """Write what others chose so that it does nothing to a terminal."""
    from gateway import printable

    return printable.text(text)


class _Moment(click.ParamType[float]):
    name = "when"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a time as people write it, or how long ago it was; in seconds since the epoch."""
        text = str(value).strip()
        now = datetime.datetime.now().astimezone()
        if ago := re.fullmatch(r"([0-9]{1,9})([smhd])", text):
            return now.timestamp() - int(ago[1]) * UNIT_SECONDS[ago[2]]
        try:
            return datetime.datetime.fromisoformat(text).astimezone().timestamp()
        except (ValueError, OverflowError, OSError):
            self.fail(f'{text!r} is no time: write "2h" for two hours ago, or "{now:%Y-%m-%d %H:%M}"', param, ctx)


NUMBER = click.IntRange(0, 2**63 - 1)  # what the database can hold
_OPTIONS: dict[str, Callable[[Command], Command]] = {
    "connector": click.option("--connector", "connector_id", type=NUMBER, help="Only those of this connector."),
    "contact": click.option(
        "--contact", metavar="ID", help="Only those of this contact: its id, or the channel identity (the number)."
    ),
    "message": click.option(
        "--message", "message_id", metavar="ID", help="Only those about this message: Sinch's id of it."
    ),
    "since": click.option(
        "--since",
        type=_Moment(),
        help='Only what came later: "2h" (s, m, h, d) ago, or a date, with a time or without.',
    ),
    "most": click.option(
        "--most", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many, newest first."
    ),
    "json": click.option("--json", "as_json", is_flag=True, help="For programs."),
}


def options(*names: str) -> Callable[[Command], Command]:
    """Decorate a command with options that several have, each by its name."""

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            command = _OPTIONS[name](command)
        return command

    return decorate


def whom(contact_id: str, identity: str) -> str:
    """Name a contact by its id; failing that by the end of the channel identity, which may be a phone number."""
    return contact_id or (f"…{identity[-3:]}" if identity else "")


def written(moment: float) -> str:
    """Write `moment`, in seconds since the epoch, in the time of this machine."""
    return datetime.datetime.fromtimestamp(moment).astimezone().isoformat(sep=" ", timespec="seconds")


def counted(number: int, noun: str) -> str:
    """Count in words: "no errors", "1 error", "2 errors"."""
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def main() -> None:
    """Run the command that was typed; say what is wrong in words and leave with status 2."""
    try:
        group.main(prog_name="motion-gateway", standalone_mode=True)
    except GatewayError as error:
        click.echo(str(error), err=True)
        sys.exit(WRONG)
