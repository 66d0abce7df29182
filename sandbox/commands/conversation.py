"""`python -m sandbox sinch mode …` and its neighbours: how Sinch's API behaves, and what it has heard."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sandbox import state
from sandbox.commands.options import STATE
from sandbox.conversation.control import EVERYWHERE, ApiRemote, Sent
from sandbox.conversation.mishap import MEANINGS, STAGES, Mishap, Name, Stage


def _speaking(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the API's remote control of the chosen sandbox."""

    @STATE
    @functools.wraps(command)
    def run(*, state_file: Path | None, **options: Any) -> None:  # noqa: ANN401 - click's options are of any type
        command(ApiRemote(state.read(state_file).sinch_control_url), **options)

    return run


@click.command()
@click.argument("name", type=click.Choice(list(MEANINGS)))
@click.option("--at", type=click.Choice(list(STAGES)), default="accepted", show_default=True, help="For reset, close.")
@click.option("--status", type=click.IntRange(200, 599), default=503, show_default=True, help="For `status`.")
@click.option("--retry-after", help="For `status`: sent as it is.")
@click.option("--seconds", type=click.FloatRange(0), default=1, show_default=True, help="For `slow` and `drip`.")
@click.option("--takes/--leaves", default=None, help="Whether messages are taken; goes with NAME by default.")
@click.option("--sends-only", is_flag=True, help="Concern messages:send alone.")
@click.option(
    "--origin",
    type=click.Choice([EVERYWHERE, "eu", "us", "auth"]),
    default=EVERYWHERE,
    show_default=True,
    help="Where; `auth` gives access tokens.",
)
@_speaking
def mode(remote: ApiRemote, *, name: Name, at: Stage, origin: str, sends_only: bool, **how: Any) -> None:  # noqa: ANN401
    """Behave from now on as NAME says; `none` is the normal state."""
    chosen = Mishap(name=name, at=at, path="/messages:send" if sends_only else "", **how)
    remote.set_mishap(chosen, origin=origin)
    where = f", {STAGES[at]}" if name in ("reset", "close") else ""
    click.echo(f"From the next request on, Sinch {MEANINGS[name]}{where}.")


@click.command()
@click.option("--forget", is_flag=True, help="Empty the record afterwards.")
@_speaking
def sent(remote: ApiRemote, *, forget: bool) -> None:
    """What Sinch was sent, in full or in part, and what it reported of it."""
    Console().print(_table(remote.sent()))
    if forget:
        remote.forget()


@click.command()
@click.argument("message_id", metavar="ID")
@_speaking
def read(remote: ApiRemote, *, message_id: str) -> None:
    """The customer reads the message ID, and Sinch reports it."""
    remote.read(message_id)


@click.command()
@_speaking
def expire(remote: ApiRemote) -> None:
    """End all access tokens."""
    remote.expire()
    click.echo("All access tokens have ended.")


@click.command()
@_speaking
def release(remote: ApiRemote) -> None:
    """Let those who hang have their answer."""
    remote.release()


COMMANDS = (mode, sent, read, expire, release)


def _table(items: tuple[Sent, ...]) -> Table:
    shown = Table("#", "at (UTC)", "region", "what", "taken as", "answered", "reported")
    for item in items:
        at = datetime.fromtimestamp(item.at, UTC).strftime("%H:%M:%S.%f")[:-3]
        answered = str(item.answered or ("nothing" if item.ended else "not yet"))
        reports = ", ".join(item.reports) or "-"
        shown.add_row(str(item.number), at, item.origin, escape(item.what), item.message_id or "-", answered, reports)
    return shown
