"""`spool backup`."""

from __future__ import annotations

from pathlib import Path

import click

from gateway import paths
from gateway.cli.invocation import Invocation
from gateway.store import backup as copier


@click.group()
def spool() -> None:
    """The file that holds the accepted callbacks."""


@spool.command()
@click.option(
    "--to",
    "file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write. It must not exist.",
)
@click.pass_obj
def backup(invocation: Invocation, file: Path) -> None:
    """Copy the spool, also while the gateway runs. The copy holds conversations in clear."""
    revision = copier.back_up(paths.spool(invocation.settings()), file)
    click.echo(f"Wrote {file}: {file.stat().st_size} bytes, schema {revision}.")
