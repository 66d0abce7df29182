"""`python -m sandbox motion …`: run a simulated Motion, or speak to the one of a running sandbox."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sandbox import control, state
from sandbox.commands.options import FILE, FORGET, STATE, failing, moment, tell
from sandbox.control import MotionRemote
from sandbox.faults import Fault
from sandbox.motion import Motion, Received

_ENVELOPE = frozenset({"app_id", "accepted_time", "event_time", "project_id", "message_metadata", "correlation_id"})


@click.group(invoke_without_command=True)
@click.option("--port", type=click.IntRange(1, 65535), help="Run one here, in the foreground, until Ctrl-C.")
@click.option("--control-port", type=click.IntRange(0, 65535), default=0, help="Of its control endpoints.")
@STATE
@click.option("--control", "control_url", help="Instead: the control URL that `motion --port` printed.")
@click.pass_context
def motion(
    context: click.Context, *, port: int | None, control_port: int, state_file: Path | None, control_url: str | None
) -> None:
    """A simulated Motion: it records what it is sent, and misbehaves on demand."""
    if context.invoked_subcommand is not None:
        context.obj = lambda: MotionRemote(control_url or state.read(state_file).control_url)
    elif port is None:
        raise click.UsageError("give --port to run one, or a command to speak to a running one")
    else:
        _run(port, control_port)


def _run(port: int, control_port: int) -> None:
    with Motion(port=port) as running, control.of_motion(running, port=control_port) as endpoints:
        click.echo(f"Motion listens at {running.url}; control it with --control {endpoints.url}")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            click.echo("Stopped.")


@motion.command()
@failing
@click.option("--marker", default="", help="Concern only bodies that contain this.")
@click.pass_obj
def mode(remote: Callable[[], MotionRemote], *, fault: Fault, marker: str) -> None:
    """Behave from now on as NAME says; `up` is the normal state."""
    remote().set_fault(dataclasses.replace(fault, marker=marker.encode()))
    tell("Motion", fault)


@motion.command()
@failing
@click.pass_obj
def trouble(remote: Callable[[], MotionRemote], *, fault: Fault) -> None:
    """Disappoint whoever fetches an attachment, as NAME says; `none` is the normal state."""
    remote().trouble(fault)
    tell("Motion", fault, since="download")


@motion.command()
@FORGET
@click.pass_obj
def received(remote: Callable[[], MotionRemote], *, forget: bool) -> None:
    """What Motion has heard so far."""
    there = remote()
    shown = Table("#", "at (UTC)", "connector", "bytes", "what", "answered")
    for item in there.received():
        shown.add_row(*_cells(item))
    console = Console()
    console.print(shown)
    for unexpected in there.unexpected():
        console.print(f"Nobody announced: {unexpected}", markup=False)
    if forget:
        there.forget()


@motion.command()
@FILE
@click.option("--id", "attachment_id", type=click.IntRange(0), help="Instead of a fresh one: replaces what has it.")
@click.pass_obj
def attach(remote: Callable[[], MotionRemote], *, file: Path, attachment_id: int | None) -> None:
    """Give Motion FILE as an attachment, as an agent would; prints its id."""
    click.echo(remote().attach(file.name, file.read_bytes(), attachment_id=attachment_id))


@motion.command()
@click.argument("attachment_id", metavar="ID", type=click.IntRange(0))
@click.pass_obj
def detach(remote: Callable[[], MotionRemote], *, attachment_id: int) -> None:
    """Delete the attachment ID at Motion."""
    remote().detach(attachment_id)


@motion.command()
@click.pass_obj
def downloads(remote: Callable[[], MotionRemote]) -> None:
    """What Motion was asked for, attachment by attachment."""
    there = remote()
    names = there.attachments()
    shown = Table("at (UTC)", "id", "name", "method", "answered", "in")
    for item in there.downloads():
        name = escape(names.get(item.attachment_id, "(none)"))
        took = "-" if item.seconds is None else f"{1000 * item.seconds:.1f} ms"
        answered = str(item.answered or "nothing")
        shown.add_row(moment(item.at), str(item.attachment_id), name, item.method, answered, took)
    Console().print(shown)


@motion.command()
@click.pass_obj
def inbox(remote: Callable[[], MotionRemote]) -> None:
    """What Motion has downloaded of what customers sent."""
    shown = Table("message", "place", "from", "answered", "type", "bytes", "name")
    for item in remote().brought():
        answer = item.answer
        answered = str((answer.status or answer.error) if answer else "not yet")
        cells = (item.message_id, item.named.place, urlsplit(item.named.link).netloc, answered)
        size = "-" if item.content is None else str(len(item.content))
        shown.add_row(*map(escape, cells), escape(item.content_type) or "-", size, escape(item.name))
    Console().print(shown)


@motion.command()
@click.pass_obj
def unplug(remote: Callable[[], MotionRemote]) -> None:
    """Take Motion's internet away: it reaches the gateway's private address alone."""
    remote().unplug(unplugged=True)
    click.echo("From the next download on, Motion has no internet.")


@motion.command()
@click.pass_obj
def plug(remote: Callable[[], MotionRemote]) -> None:
    """Give Motion its internet back: it reaches Sinch's files by itself."""
    remote().unplug(unplugged=False)
    click.echo("From the next download on, Motion has its internet.")


@motion.command()
@click.pass_obj
def release(remote: Callable[[], MotionRemote]) -> None:
    """Let those who hang have their answer."""
    remote().release()


def _cells(item: Received) -> tuple[str, ...]:
    numbers = str(item.number), moment(item.at), str(item.connector_id), str(len(item.body))
    return (*numbers, escape(_subject(item.body)), str(item.answered or "nothing"))


def _subject(body: bytes) -> str:
    """The key that tells the trigger, and the words of a text."""
    try:
        content = json.loads(body)
        key = next(name for name in content if name not in _ENVELOPE)
        words = content[key].get("contact_message", {}).get("text_message", {}).get("text", "")
    except (ValueError, LookupError, StopIteration, TypeError, AttributeError):
        return "not a callback of Sinch's"
    return f"{key}: {words}" if words else key
