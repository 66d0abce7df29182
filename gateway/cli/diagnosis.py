"""`ready`, `exposure` and `turned-away list`: does it work, who can come in, and who could not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import click

from gateway.cli import Invocation, for_programs, options, print_facts, print_json, print_table, reasons
from gateway.cli.spool import from_when, opened_spool
from gateway.diagnosis import experience, readiness
from gateway.diagnosis import exposure as reachable
from gateway.store import turned_away as ring

NOT_READY = 1  # the exit status


@click.command()
@click.option(
    "--wait",
    "patience_seconds",
    metavar="SECONDS",
    type=click.FloatRange(0, 86_400),
    default=0.0,
    help="Ask again until it is ready, for so long at most.",
)
@options("json")
@click.pass_obj
def ready(invocation: Invocation, *, patience_seconds: float, as_json: bool) -> None:
    """Say whether the gateway can do its work, and what is missing.

    It asks the ops door, by way of nginx; what fails is told with what to do about it. The exit status is 0 if it is
    ready, 1 if it is not.
    """
    settings = invocation.settings()
    said = readiness.wait(settings, patience_seconds=patience_seconds)
    if found := readiness.beside(settings):
        said["findings"] = [*said.get("findings", ()), *found]
    if as_json:
        print_json(said)
    else:
        click.echo("Ready." if said["ready"] else "Not ready.")
        print_facts(_readiness(said))
    click.get_current_context().exit(0 if said["ready"] else NOT_READY)


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
    told = [for_programs(row) | {"remedy": experience.remedy(row), "who": _who(row)} for row in found[:most]]
    if as_json:
        print_json(told)
        return
    columns = {"last": "last_at", "first": "first_at", "who acts": "who"}
    titles = ("count", "door", "reason", "about", "last", "first", "address", "who acts", "remedy")
    whom = "" if connector_id is None else f" about connector {connector_id}"
    none = f"Nothing{whom} was turned away{from_when(since)}."
    print_table(titles, [[str(row[columns.get(title, title)]) for title in titles] for row in told], none=none)


def _who(row: ring.Turned) -> str:
    return reasons.short([reasons.of_turned_away(*row.kind)])


def _readiness(said: dict[str, Any]) -> Iterator[tuple[str, object]]:
    remedies = said["remedies"]
    for name, outcome in said["checks"].items():
        yield name, f"{outcome}: {remedies[name]}" if name in remedies else outcome
    if events := said.get("events"):
        yield "events", ", ".join(f"{count} {state}" for state, count in events.items())
    if age := said.get("oldest_pending_seconds"):
        yield "oldest pending", f"{age} s"
    for found in said.get("findings", ()):
        about = f" ({found['about']})" if found.get("about") else ""
        yield found["finding"], f"{found.get('reason', '').rstrip('.')}{about}: {found.get('remedy', '')}"


def _row(route: reachable.Route) -> tuple[str, ...]:
    listener = f"{route.listener} {'TLS' if route.tls else 'plain'}"
    return listener, route.host, ", ".join(route.methods), route.path, route.answers, route.audience
