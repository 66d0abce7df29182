"""`python -m sandbox motion …`: run a simulated Motion, or speak to the one of a running sandbox."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sandbox import mode as modes
from sandbox import state
from sandbox import trouble as troubles
from sandbox.commands.options import STATE
from sandbox.control import Control, Remote
from sandbox.mode import Mode
from sandbox.motion import Motion, Received
from sandbox.trouble import Trouble

T = TypeVar("T")

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
        context.obj = lambda: Remote(control_url or state.read(state_file).control_url)
    elif port is None:
        raise click.UsageError("give --port to run one, or a command to speak to a running one")
    else:
        _run(port, control_port)


def _run(port: int, control_port: int) -> None:
    with Motion(port=port) as running, Control(running, port=control_port) as control:
        click.echo(f"Motion listens at {running.url}; control it with --control {control.url}")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            click.echo("Stopped.")


@motion.command()
@click.argument("name", type=click.Choice(list(modes.MEANINGS)))
@click.option("--status", type=click.IntRange(200, 599), help="Of every answer; 500 by default for `failing`.")
@click.option("--retry-after", help="Sent as it is.")
@click.option("--seconds", type=click.FloatRange(0), default=1, show_default=True, help="For `slow` and `drip`.")
@click.option("--marker", default="", help="Concern only bodies that contain this.")
@click.pass_obj
def mode(
    remote: Callable[[], Remote],
    *,
    name: modes.Name,
    status: int | None,
    retry_after: str | None,
    seconds: float,
    marker: str,
) -> None:
    """Behave from now on as NAME says; `up` is the normal state."""
    chosen = Mode(
        name=name,
        status=status or (500 if name == "failing" else 200),
        headers=(("retry-after", retry_after),) if retry_after else (),
        seconds=seconds,
        marker=marker.encode(),
    )
    remote().set_mode(chosen)
    click.echo(f"Motion is {name}: it {modes.MEANINGS[name]}.")


@motion.command()
@click.option("--forget", is_flag=True, help="Empty the record afterwards.")
@click.pass_obj
def received(remote: Callable[[], Remote], *, forget: bool) -> None:
    """What Motion has heard so far."""
    there = remote()
    console = Console()
    console.print(_table(there.received()))
    for unexpected in there.unexpected():
        console.print(f"Nobody announced: {unexpected}", markup=False)
    if forget:
        there.forget()


@motion.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--id", "attachment_id", type=click.IntRange(0), help="Instead of a fresh one: replaces what has it.")
@click.pass_obj
def attach(remote: Callable[[], Remote], *, file: Path, attachment_id: int | None) -> None:
    """Give Motion FILE as an attachment, as an agent would; prints its id."""
    there = remote()
    click.echo(there.attach(file.name, file.read_bytes(), attachment_id=attachment_id))


@motion.command()
@click.argument("attachment_id", metavar="ID", type=click.IntRange(0))
@click.pass_obj
def detach(remote: Callable[[], Remote], *, attachment_id: int) -> None:
    """Delete the attachment ID at Motion."""
    there = remote()
    there.detach(attachment_id)


@motion.command()
@click.argument("name", type=click.Choice(list(troubles.MEANINGS)))
@click.option("--status", type=click.IntRange(200, 599), default=500, show_default=True, help="For `status`.")
@click.option("--seconds", type=click.FloatRange(0), default=1, show_default=True, help="For `slow` and `drip`.")
@click.pass_obj
def trouble(remote: Callable[[], Remote], *, name: troubles.Name, status: int, seconds: float) -> None:
    """Disappoint whoever fetches an attachment, as NAME says; `none` is the normal state."""
    there = remote()
    there.set_trouble(Trouble(name=name, status=status, seconds=seconds))
    click.echo(f"From the next download on, Motion {troubles.MEANINGS[name]}.")


@motion.command()
@click.pass_obj
def downloads(remote: Callable[[], Remote]) -> None:
    """What Motion was asked for, attachment by attachment."""
    there = remote()
    names = there.attachments()
    shown = Table("at (UTC)", "id", "name", "method", "answered", "in")
    for item in there.downloads():
        at = datetime.fromtimestamp(item.at, UTC).strftime("%H:%M:%S.%f")[:-3]
        name = escape(names.get(item.attachment_id, "(none)"))
        answered = str(item.answered or "nothing")
        took = "-" if item.seconds is None else f"{1000 * item.seconds:.1f} ms"
        shown.add_row(at, str(item.attachment_id), name, item.method, answered, took)
    Console().print(shown)


@motion.command()
@click.pass_obj
def release(remote: Callable[[], Remote]) -> None:
    """Let those who hang have their answer."""
    remote().release()


def _table(items: tuple[Received, ...]) -> Table:
    shown = Table("#", "at (UTC)", "connector", "bytes", "what", "answered")
    for item in items:
        at = datetime.fromtimestamp(item.at, UTC).strftime("%H:%M:%S.%f")[:-3]
        answered = str(item.answered or "nothing")
        shown.add_row(
            str(item.number), at, str(item.connector_id), str(len(item.body)), escape(_subject(item.body)), answered
        )
    return shown


def _subject(body: bytes) -> str:
    """The key that tells the trigger, and the words of a text."""
    try:
        content = json.loads(body)
        key = next(name for name in content if name not in _ENVELOPE)
        words = content[key].get("contact_message", {}).get("text_message", {}).get("text", "")
    except (ValueError, LookupError, StopIteration, TypeError, AttributeError):
        return "not a callback of Sinch's"
    return f"{key}: {words}" if words else key
