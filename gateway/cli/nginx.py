"""`nginx render`."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.invocation import Invocation
from gateway.errors import CommandError
from gateway.nginx import render as renderer


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
@click.pass_obj
def render(invocation: Invocation, folder: Path) -> None:
    """Write nginx.conf, to look at or to run nginx with."""
    text = renderer.configuration(invocation.settings())
    path = folder / "nginx.conf"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
    click.echo(f"Wrote {path}.")
