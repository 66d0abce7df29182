"""`python -m sandbox agent …`: be an agent at Motion, and answer a customer through the gateway's door to Sinch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sandbox import callbacks, state
from sandbox.agent import Told
from sandbox.commands.options import FILE, STATE
from sandbox.control import MotionRemote
from sandbox.state import State

_CONTACT = click.option("--contact", default="ana", show_default=True, help="The customer who is answered.")


@click.group()
def agent() -> None:
    """Be an agent: send messages from the Motion of a running sandbox."""


@agent.command()
@click.argument("text")
@_CONTACT
@STATE
def reply(*, text: str, contact: str, state_file: Path | None) -> None:
    """Answer with TEXT."""
    place = state.read(state_file)
    _send(place, contact, {"text_message": {"text": text}})


@agent.command()
@FILE
@_CONTACT
@STATE
def send(*, file: Path, contact: str, state_file: Path | None) -> None:
    """Send FILE: Motion keeps it, and Sinch gets a link."""
    place = state.read(state_file)
    attachment_id = MotionRemote(place.control_url).attach(file.name, file.read_bytes())
    click.echo(f"At Motion it is attachment {attachment_id}.")
    _send(place, contact, {"media_message": {"url": place.link(attachment_id)}})


def _send(place: State, contact: str, message: dict[str, Any]) -> None:
    contact_id = callbacks.customer(contact).contact_id
    told = place.agent().send(contact_id, message)
    MotionRemote(place.control_url).tried(contact_id, message, told.answer)
    _show(told)


def _show(told: Told) -> None:
    """What the agent sees; exits non-zero where the message was not accepted."""
    answered = f"{told.status or 'nothing'} in {1000 * told.answer.seconds:.0f} ms"
    if told.accepted:
        click.echo(f"Sinch takes it as {told.message_id} ({answered}). `sinch sent` tells what it reports.")
        return
    click.echo(f"It was not sent ({answered}): {told.message}")
    raise SystemExit(1)
