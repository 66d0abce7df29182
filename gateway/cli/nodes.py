"""`nodes list | forget`: the gateways that share a spool."""

from __future__ import annotations

from contextlib import closing

import click

from gateway import printable, services, telemetry
from gateway.cli import Invocation, for_programs, options, print_json, print_table, unfinished
from gateway.diagnosis import peers
from gateway.store import audit
from gateway.store.nodes import Peer, Peers, forget_node

HERE = "*"  # beside the name of the node where the command is typed


@click.group()
def nodes() -> None:
    """The gateways that share a spool: of a file there is one."""


@nodes.command("list")
@options("json")
@click.pass_obj
def list_(invocation: Invocation, *, as_json: bool) -> None:
    """Show each with its release, when it was heard last, and what is not well with it."""
    shared = _opened(invocation)
    with closing(shared.spool):
        found = peers.among(shared.settings, shared.spool, now=shared.clock.now())
    if as_json:
        print_json([_for_programs(node, found) for node in found.nodes])
        return
    titles = ("node", "host", "release", "schema", "heard", "state")
    print_table(titles, [_row(node, found) for node in found.nodes], none="No node has been heard yet.")
    for fault in found.faults():
        words = peers.worded(fault)
        click.echo(f"\n{words.sentence}\n  {words.remedy}")


@nodes.command()
@click.argument("name", metavar="NAME")
@click.pass_obj
@unfinished("It is forgotten or it is not: `motion-gateway nodes list` tells.")
def forget(invocation: Invocation, name: str) -> None:
    """Forget a node that is gone for good, so that nobody misses it any more."""
    shared = _opened(invocation)
    with closing(shared.spool):
        deed = audit.deed(audit.Action.FORGET, f"node {name}", now=shared.clock.now())
        forget_node(shared.spool, name, deed)
    telemetry.configure("nodes")
    audit.tell(deed, about=deed.about)
    click.echo(f"Forgot {printable.text(name)}.")


def _opened(invocation: Invocation) -> services.Services:
    """Build what the commands work with, whose spool they close. Raises SpoolUnavailable."""
    shared = services.build(invocation.settings())
    shared.spool.require_latest()
    return shared


def _row(node: Peer, found: Peers) -> tuple[str, ...]:
    name = f"{node.name} {HERE}" if node.name == found.me else node.name
    heard = printable.ago(found.now - (node.left_at or node.seen_at))
    return name, node.host, f"{node.release} ({node.build})", node.revision, heard, peers.state(node, found)


def _for_programs(node: Peer, found: Peers) -> dict[str, object]:
    faults = [peers.told(fault) for fault in found.faults() if fault.node == node.name]
    said = {"here": node.name == found.me, "state": peers.state(node, found), "findings": faults}
    return for_programs(node, **said)
