"""`exposure`."""

from __future__ import annotations

import dataclasses
import json
import sys

import click
from rich.console import Console
from rich.table import Table

from gateway.cli.events import UNCUT
from gateway.cli.invocation import Invocation
from gateway.diagnosis import exposure as reachable


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def exposure(invocation: Invocation, *, as_json: bool) -> None:
    """List every listener, method and path that can be reached, and by whom. All else is refused."""
    routes = reachable.routes(invocation.settings())
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(route) for route in routes], indent=2))
        return
    table = Table("listener", "host", "methods", "path", "answers", "for", box=None)
    for route in routes:
        listener = f"{route.listener} {'TLS' if route.tls else 'plain'}"
        table.add_row(listener, route.host, ", ".join(route.methods), route.path, route.answers, route.audience)
    width = None if sys.stdout.isatty() else UNCUT
    Console(width=width, markup=False, emoji=False, highlight=False).print(table)
    click.echo("All else is refused.")
