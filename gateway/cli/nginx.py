"""`nginx render | run`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from gateway.cli.invocation import Invocation
from gateway.errors import CommandError
from gateway.serving import nginx as program
from gateway.serving import nginx_conf as renderer


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
def render(invocation: Invocation, folder: Path, *, include: bool) -> None:
    """Write nginx.conf, to look at or to run nginx with; or a file that your own nginx.conf includes."""
    text = renderer.configuration(invocation.settings(), whole=not include)
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
    program.run(partial(invocation.settings_of, program.NAME))
