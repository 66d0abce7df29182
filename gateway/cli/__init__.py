"""The `motion-gateway` commands: each parses, calls and prints; none decides anything.

A command's module is loaded when it is run or asked for its own help: whoever asks for the list loads none of them,
and each process what it needs.
"""

from __future__ import annotations

import datetime
import importlib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway import __version__
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.config import Settings

DEFAULT_CONFIG = "/etc/motion-gateway/gateway.toml"
WRONG = 2  # the exit status for what the caller can put right
UNCUT = 10_000  # characters of a line; wider than any that there can be


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
    """Print what others chose as it is, without markup. What a program reads is not cut to a screen."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*titles, box=None)
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else UNCUT
    Console(width=width, markup=False, emoji=False, highlight=False).print(table)


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
