"""What is to be told of the nodes that share the spool: to doctor, `/readyz`, Prometheus, and who lists them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway import draining, lock, paths, printable
from gateway.config import Settings, databases
from gateway.diagnosis.complaint import Complaint, Context, complain
from gateway.store import nodes
from gateway.store.engines import Database

# How each finding is worded: a row of `rules/complaints.toml`.
COMPLAINTS = {
    "node-silent": "nodes.silent",
    "node-behind": "nodes.behind",
    "node-differs": "nodes.differs",
    "node-name-twice": "nodes.name_twice",
}


def among(settings: Settings, spool: Database, *, now: float) -> nodes.Peers:
    """Read who shares the spool; of a file it is this node alone. Raises SpoolUnavailable."""
    if databases.is_shared(settings.spool.url):
        return nodes.peers(spool, settings.server.node, now=now)
    runs = lock.is_held(paths.lock(settings, "courier"))
    alone = nodes.here(settings, seen_at=now, left_at=None if runs else now, draining=draining.is_draining(settings))
    return nodes.Peers(settings.server.node, now, (alone,), {})


def look(context: Context) -> Iterator[Complaint]:
    """Complain of what is not well with them."""
    if databases.is_shared(context.settings.spool.url):
        peers = among(context.settings, context.spool, now=context.now)
        yield from map(worded, peers.faults())
        for node in peers.nodes:
            if node.left_at is not None:
                age = printable.span(peers.now - node.left_at)
                yield complain("nodes.stopped", about=node.name, node=node.name, host=node.host, age=age)


def findings(settings: Settings, spool: Database, *, now: float) -> list[dict[str, Any]]:
    """List what is not well with them as `/readyz` does. Raises SpoolUnavailable."""
    if not databases.is_shared(settings.spool.url):
        return []
    return [told(fault) for fault in among(settings, spool, now=now).faults()]


def told(fault: nodes.Fault) -> dict[str, Any]:
    """Say it for programs."""
    words = worded(fault)
    return {"finding": fault.finding, "about": words.about, "reason": words.sentence, "remedy": words.remedy}


def silences(settings: Settings, spool: Database, *, now: float) -> dict[str, float]:
    """Say of each of them that has not stopped how long ago it was heard, in seconds. Raises SpoolUnavailable."""
    known = among(settings, spool, now=now).nodes if databases.is_shared(settings.spool.url) else ()
    return {node.name: max(0.0, now - node.seen_at) for node in known if node.left_at is None}


def worded(fault: nodes.Fault) -> Complaint:
    """Say it for people."""
    facts: dict[str, Any] = dict(fault.facts)
    if "seconds" in facts:
        facts["age"] = printable.span(facts.pop("seconds"))
    about = f"{fault.node} {fault.about}".strip()
    return complain(COMPLAINTS[fault.finding], about=about, node=fault.node, **facts)


def state(node: nodes.Peer, peers: nodes.Peers) -> str:
    """Say in a word how a node is."""
    if node.left_at is not None:
        return "stopped"
    if node.is_silent(peers.now):
        return "silent"
    wrong = [fault.finding.removeprefix("node-") for fault in peers.faults() if fault.node == node.name]
    return ", ".join(dict.fromkeys((*wrong, *(("draining",) if node.draining else ())))) or "well"
