"""`python -m sandbox send FILE` and `… sinch fetch`: attachments, as an agent sends and Sinch fetches them."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sandbox import fetching, state, whatsapp
from sandbox.commands.options import FILE, STATE
from sandbox.control import MotionRemote
from sandbox.fetching import Fetched, Habit
from sandbox.scenarios import attachment
from sandbox.state import State
from sandbox.whatsapp import Rendering

_HABIT = click.option(
    "--habit",
    type=click.Choice(list(fetching.MEANINGS)),
    default="head",
    show_default=True,
    help="How it is fetched: " + "; ".join(f"{name}: {meaning}" for name, meaning in fetching.MEANINGS.items()) + ".",
)


@click.command()
@FILE
@_HABIT
@STATE
def send(*, file: Path, habit: Habit, state_file: Path | None) -> None:
    """An agent sends FILE: Motion has it, Sinch fetches it through the gateway and reports how it went."""
    place = state.read(state_file)
    attachment_id = MotionRemote(place.control_url).attach(file.name, file.read_bytes())
    click.echo(f"At Motion it is attachment {attachment_id}. Sinch gets the link")
    click.echo(place.link(attachment_id))
    _fetch(place, place.link(attachment_id), habit=habit)


@click.command()
@click.argument("what", metavar="ID|LINK")
@_HABIT
@STATE
def fetch(*, what: str, habit: Habit, state_file: Path | None) -> None:
    """Fetch the attachment ID, or any LINK of the gateway, and say what WhatsApp would make of it."""
    place = state.read(state_file)
    _fetch(place, place.link(int(what)) if what.isdecimal() else what, habit=habit)


def _fetch(place: State, link: str, *, habit: Habit) -> None:
    """Exits non-zero where the gateway did not take the report; a file that is refused is no failure."""
    fetched = place.fetcher(habit).fetch(link)
    rendering = whatsapp.judge(fetched)
    receipt = place.sinch().send(attachment.report(rendering, app=place.app))
    console = Console()
    console.print(_table(fetched))
    console.print(f"WhatsApp: {_told(rendering)}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"Sinch's report to Motion: the gateway answered {receipt.status or receipt.answers[-1].error}.")
    raise SystemExit(0 if receipt.accepted else 1)


def _told(rendering: Rendering) -> str:
    return f"refused, {rendering.words} ({rendering.description})" if rendering.how == "refused" else rendering.words


def _table(fetched: Fetched) -> Table:
    shown = Table("Sinch asks", "gateway", "type", "bytes", "in")
    for item in fetched.tried:
        answer = item.answer
        kind, length = answer.header("content-type") or "-", answer.header("content-length") or "-"
        status = str(answer.status or answer.error)
        shown.add_row(item.method, escape(status), escape(kind), length, f"{1000 * answer.seconds:.0f} ms")
    return shown
