"""`exposure`."""

from __future__ import annotations

import dataclasses

import click

from gateway.cli import Invocation, options, print_json, print_table
from gateway.diagnosis import exposure as reachable
from gateway.diagnosis.exposure import Route


@click.command()
@options("json")
@click.pass_obj
def exposure(invocation: Invocation, *, as_json: bool) -> None:
    """List every listener, method and path that can be reached, and by whom. All else is refused."""
    routes = reachable.routes(invocation.settings())
    if as_json:
        print_json([dataclasses.asdict(route) for route in routes])
        return
    print_table(("listener", "host", "methods", "path", "answers", "for"), [_row(route) for route in routes])
    click.echo("All else is refused.")


def _row(route: Route) -> tuple[str, ...]:
    listener = f"{route.listener} {'TLS' if route.tls else 'plain'}"
    return listener, route.host, ", ".join(route.methods), route.path, route.answers, route.audience
