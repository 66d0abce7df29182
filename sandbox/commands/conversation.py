"""`python -m sandbox sinch mode …` and its neighbours: how Sinch's API behaves, and what it has heard."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from sandbox import state
from sandbox.commands.options import FORGET, STATE, failing, moment, tell
from sandbox.conversation.control import EVERYWHERE, MEDIA, ApiRemote
from sandbox.conversation.plants import MEANINGS
from sandbox.faults import Fault


def _speaking(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the API's remote control of the chosen sandbox."""

    @STATE
    @functools.wraps(command)
    def run(*, state_file: Path | None, **options: Any) -> None:  # noqa: ANN401 - click's options are of any type
        command(ApiRemote(state.read(state_file).sinch_control_url), **options)

    return run


@click.command()
@failing
@click.option("--takes/--leaves", default=None, help="Whether messages are taken; goes with NAME by default.")
@click.option("--sends-only", is_flag=True, help="Concern messages:send alone.")
@click.option(
    "--origin",
    type=click.Choice([EVERYWHERE, "eu", "us", "auth", MEDIA]),
    default=EVERYWHERE,
    show_default=True,
    help="Where; `auth` gives access tokens, `media` has the files of customers and is not among all.",
)
@_speaking
def mode(remote: ApiRemote, *, fault: Fault, takes: bool | None, sends_only: bool, origin: str) -> None:
    """Behave from now on as NAME says; `none` is the normal state."""
    path = "/messages:send" if sends_only else ""
    remote.set_fault(dataclasses.replace(fault, takes=takes, path=path), origin=origin)
    tell("Sinch", fault)


@click.command()
@FORGET
@_speaking
def sent(remote: ApiRemote, *, forget: bool) -> None:
    """What Sinch was sent, in full or in part, and what it reported of it."""
    shown = Table("#", "at (UTC)", "region", "what", "taken as", "answered", "reported")
    for item in remote.sent():
        answered = str(item.answered or ("nothing" if item.ended else "not yet"))
        came, ended = (str(item.number), moment(item.at), item.origin), (answered, ", ".join(item.reports) or "-")
        shown.add_row(*came, escape(item.what), item.message_id or "-", *ended)
    Console().print(shown)
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


@click.command("end-links")
@_speaking
def end_links(remote: ApiRemote) -> None:
    """End all links to files that customers sent so far."""
    remote.end_links()
    click.echo("All links to files of customers have ended.")


@click.command()
@_speaking
def release(remote: ApiRemote) -> None:
    """Let those who hang have their answer."""
    remote.release()


@click.command()
@click.argument("name", metavar="NAME", type=click.Choice(list(MEANINGS)))
@_speaking
def plant(remote: ApiRemote, *, name: str) -> None:
    remote.plant(name)
    click.echo(f"From now on at Sinch: {MEANINGS[name]}.")


plant.help = "\n".join(
    (
        "Have the app and its webhooks in the state NAME; `fine` is the right one.\n\n\b\nNAME is one of",
        *(f"  {name:<16} {meaning}" for name, meaning in MEANINGS.items()),
    )
)


@click.command()
@_speaking
def webhooks(remote: ApiRemote) -> None:
    """The webhooks of the app."""
    shown = Table(Column("id", no_wrap=True), "type", Column("target", overflow="fold"), "secret", "OAuth2", "triggers")
    for one in remote.webhooks():
        secret, oauth = ("yes" if one[name] else "no" for name in ("secret", "client_credentials"))
        shown.add_row(one["id"], one["target_type"], escape(one["target"]), secret, oauth, str(len(one["triggers"])))
    Console().print(shown)


COMMANDS = (mode, sent, read, expire, end_links, release, plant, webhooks)
