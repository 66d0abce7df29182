"""The processes: `serve`, and its parts one by one: `web`, `courier`, `nginx run`; and `nginx render` and `hold`.

Each command loads its own process, and none of the others.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from gateway import draining, paths, telemetry
from gateway.cli import Invocation, unfinished
from gateway.doors import DOORS
from gateway.errors import CommandError


@click.command()
@click.pass_obj
def serve(invocation: Invocation) -> None:
    """Run everything in the foreground: nginx, the doors, the courier and the fetcher.

    What dies is started again. SIGHUP reads the settings anew; SIGTERM stops, after what is in
    flight has ended.
    """
    from gateway.serving.supervisor import Supervisor

    telemetry.configure("serve", never_waits=True)
    Supervisor(invocation.config, partial(invocation.settings_of, "serve")).run()


@click.command()
@click.argument("door", type=click.Choice(sorted(DOORS)))
@click.pass_obj
def web(invocation: Invocation, door: str) -> None:
    """Run one DOOR on its Unix socket, for nginx to pass requests to."""
    from gateway.serving import process, web

    read = partial(invocation.settings_of, door)
    settings = read()
    paths.prepare(settings)
    process.make_room(settings)
    web.run(door, read)


@click.command()
@click.pass_obj
def courier(invocation: Invocation) -> None:
    """Deliver accepted events to Motion until told to stop."""
    from gateway.serving import process

    process.carry(invocation.settings_of("courier"))


@click.command()
@click.pass_obj
def fetcher(invocation: Invocation) -> None:
    """Fetch the files that customers send in until told to stop."""
    from gateway.serving import fetching

    settings = invocation.settings_of(fetching.NAME)
    paths.prepare(settings)
    fetching.run(settings)


@click.command()
@click.option("--end", is_flag=True, help="Let them send here again.")
@click.pass_obj
@unfinished("Run it again: it says what is so then.")
def drain(invocation: Invocation, *, end: bool) -> None:
    """Have balancers leave this node alone, while it serves whoever comes.

    `--end` takes that back, and so does a start. It stops nothing; what stops drains before, for server.drain.
    """
    settings = invocation.settings()
    if end:
        draining.end(settings)
        click.echo("Balancers are told to send here again.")
        return
    draining.begin(settings)
    click.echo("Balancers are told to leave this node alone; it serves whoever comes all the same.")
    click.echo("`motion-gateway drain --end` takes that back, and so does a start.")


@click.group()
def nginx() -> None:
    """The nginx configuration that the settings make."""


@nginx.command()
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write nginx.conf into.",
)
@click.option("--include", is_flag=True, help="Only what stands inside http { }, as motion-gateway.conf.")
@click.pass_obj
@unfinished("The file may be there by half: run this again.")
def render(invocation: Invocation, folder: Path, *, include: bool) -> None:
    """Write nginx.conf, to look at or to run nginx with; or a file that your own nginx.conf includes."""
    from gateway.serving import nginx_conf as renderer

    text = renderer.configuration(invocation.read(), whole=not include)
    path = folder / ("motion-gateway.conf" if include else "nginx.conf")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
    click.echo(f"Wrote {path}.")


@nginx.command()
@click.pass_obj
def run(invocation: Invocation) -> None:
    """Run nginx in the foreground, before doors that run by themselves.

    SIGHUP reads the settings and the certificate anew; SIGTERM stops, after what is in flight has ended.
    """
    from gateway.serving import nginx as process

    process.run(partial(invocation.settings_of, process.NAME))


@nginx.command()
@click.argument("pid", type=click.IntRange(1), required=False)
def hold(pid: int | None) -> None:
    """Have systemd keep what nginx listens on until it is started anew.

    For its unit alone, before it is stopped: whoever connects meanwhile waits, and nobody is refused. PID is of
    `nginx run`; where that has ended already there is nothing to keep.
    """
    from gateway.serving import takeover

    try:
        kept = takeover.hold(pid) if pid else 0
    except OSError as error:
        raise CommandError(f"nginx's ports are not kept over its restart: {error.strerror}") from error
    click.echo(f"Kept {kept} listening sockets for the next nginx.")
