"""`exposure` and `turned-away list`: who can come in, and who could not."""

from __future__ import annotations

import dataclasses

import click

from gateway.cli import Invocation, for_programs, options, print_json, print_table
from gateway.cli.spool import opened_spool
from gateway.diagnosis import exposure as reachable
from gateway.diagnosis.exposure import Route
from gateway.outbound import refusals
from gateway.store import turned_away as ring
from gateway.store.turned_away import Turned


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


@click.group()
def turned_away() -> None:
    """What was turned away and is no event."""


@turned_away.command("list")
@options("connector", "since", "most", "json")
@click.pass_obj
def list_(invocation: Invocation, *, connector_id: int | None, since: float | None, most: int, as_json: bool) -> None:
    """Show what was refused, the latest first: how often, why, whom it was about, and what to do."""
    with opened_spool(invocation) as spool:
        found = ring.listed(spool, since=since or 0.0)
    if connector_id is not None:
        found = [row for row in found if row.door == "ingress" and row.about == str(connector_id)]
    told = [for_programs(row) | {"remedy": _remedy(row)} for row in found[:most]]
    if as_json:
        print_json(told)
        return
    titles = ("count", "door", "reason", "about", "last", "first", "address", "remedy")
    print_table(titles, [[str(row[title if title in row else f"{title}_at"]) for title in titles] for row in told])


def _remedy(row: Turned) -> str:
    """What to do; of a call to Sinch as it was answered. "" for a kind of another release."""
    if row.door == "outbound" and row.reason in refusals.rows():
        return refusals.rows()[row.reason].remedy
    kind = ring.kinds().get(row.kind)
    return kind.remedy if kind else ""


def _row(route: Route) -> tuple[str, ...]:
    listener = f"{route.listener} {'TLS' if route.tls else 'plain'}"
    return listener, route.host, ", ".join(route.methods), route.path, route.answers, route.audience
