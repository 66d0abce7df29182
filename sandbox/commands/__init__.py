"""The commands of the sandbox: parse, call, print."""

from __future__ import annotations

import click
from rich.console import Console

from sandbox import play
from sandbox.commands import conversation
from sandbox.commands.agent import agent
from sandbox.commands.media import fetch, send
from sandbox.commands.motion import motion
from sandbox.commands.sinch import sinch
from sandbox.control import ControlError
from sandbox.state import StateError


class _Telling(click.Group):
    """What goes wrong between a command and a running sandbox is told, not raised."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except (StateError, ControlError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Telling)
def main() -> None:
    """A simulated Sinch and a simulated Motion around a real gateway, on this machine."""


@main.command("play")
@click.option("--once", is_flag=True, help="Play the conversation, stop everything, exit non-zero if any of it failed.")
def play_command(*, once: bool) -> None:
    """Start the sandbox; the other commands find it by themselves while it runs."""
    raise SystemExit(play.play(once=once, console=Console()))


@main.command("cluster")
@click.option(
    "--once", is_flag=True, help="Let everybody die while callbacks pour in, say what became of them, and end."
)
@click.option("--events", type=click.IntRange(10), default=3000, show_default=True, help="With --once: how many.")
@click.option("--contacts", type=click.IntRange(1), default=100, show_default=True, help="With --once: of so many.")
@click.option("--seed", type=int, default=1, show_default=True, help="With --once: what comes when.")
def cluster_command(*, once: bool, events: int, contacts: int, seed: int) -> None:
    """Start a gateway of two nodes, with PostgreSQL, Redis or Valkey, an S3 store and HAProxy."""
    from sandbox.cluster import play as clusters  # The other commands do without it, and are quick.
    from sandbox.cluster.traffic import Plan

    plan = Plan(events=events, contacts=contacts, seed=seed)
    raise SystemExit(clusters.perform(once=once, plan=plan, console=Console()))


main.add_command(sinch)
main.add_command(motion)
main.add_command(send)
main.add_command(agent)
sinch.add_command(fetch)
for command in conversation.COMMANDS:
    sinch.add_command(command)
