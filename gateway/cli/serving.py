"""`serve`, and its parts one by one: `web`, `courier`, `migrate`."""

from __future__ import annotations

from functools import partial

import click

from gateway import paths, telemetry
from gateway.cli.invocation import Invocation
from gateway.doors import DOORS
from gateway.serving import courier as courier_process
from gateway.serving import web as door_process
from gateway.serving.supervisor import Supervisor
from gateway.store import migrator


@click.command()
@click.pass_obj
def serve(invocation: Invocation) -> None:
    """Run everything in the foreground: nginx, the doors and the courier.

    What dies is started again. SIGHUP reads the settings anew; SIGTERM stops, after what is in
    flight has ended.
    """
    telemetry.configure("serve")
    Supervisor(invocation.config, partial(invocation.settings_of, "serve")).run()


@click.command()
@click.argument("door", type=click.Choice(sorted(DOORS)))
@click.pass_obj
def web(invocation: Invocation, door: str) -> None:
    """Run one DOOR on its Unix socket, for nginx to pass requests to."""
    read = partial(invocation.settings_of, door)
    paths.prepare(read())
    door_process.run(door, read)


@click.command()
@click.pass_obj
def courier(invocation: Invocation) -> None:
    """Deliver accepted events to Motion until told to stop."""
    courier_process.run(invocation.settings_of("courier"))


@click.command()
@click.pass_obj
def migrate(invocation: Invocation) -> None:
    """Create the spool, or bring it to the schema of this release."""
    settings = invocation.settings_of("migrate")
    paths.prepare(settings)
    click.echo(f"The spool is at schema {migrator.migrate(paths.spool(settings))}.")
