"""Nodes that share a spool, and what each knows of the others: who is there, of which release, and what differs.

Rule 1. One process of a node says that it is there, its courier: there is one of them on each node, however the node is
        run, and it has the spool open all the time. Moments are the spool's, so no clock of a machine matters.
Rule 2. Each door says by itself which secrets it works with, by marks (`config.marks`): so what is compared is what is
        in force, and no process has to hold another's secrets.
Rule 3. A node that stops in good order says so, and nobody misses it. One that falls silent is missed until it comes
        back or is forgotten by an operator.
Rule 4. Nobody acts on what another node says of itself: it is told, and that is all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, fields
from typing import Any

from gateway import __version__, build
from gateway.config import Settings, marks
from gateway.errors import CommandError
from gateway.phrases import Finding
from gateway.store import Run, audit, named
from gateway.store.engines import Database

BEAT_SECONDS = 5.0
SILENT_SECONDS = 30.0
RIVAL_SECONDS = 60.0  # that two have one name is told for so long after the last sign of it

Marks = Mapping[str, Mapping[str, Mapping[marks.Key, str]]]  # by node, door, and what they are of


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One node, as it has said last. Moments are epoch seconds, by the spool's clock."""

    name: str
    host: str
    release: str
    build: str
    revision: str  # of the schema that its release works with
    draining: bool = False
    seen_at: float
    left_at: float | None = None  # when it stopped in good order
    rival_host: str = ""  # of another that says it is this node
    rival_at: float | None = None

    def is_silent(self, now: float) -> bool:
        """Tell whether it says nothing, and has not said that it would stop."""
        return self.left_at is None and now - self.seen_at > SILENT_SECONDS

    def is_there(self, now: float) -> bool:
        return self.left_at is None and not self.is_silent(now)

    @property
    def age(self) -> tuple[str, tuple[int, ...]]:
        """Give what tells older from newer: the schema, and the numbers of the release."""
        return self.revision, tuple(int(part) for part in self.release.split(".") if part.isdecimal())


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that is not well with a node: `about` a setting, and whose; `facts` are for words."""

    finding: Finding
    node: str
    about: str = ""
    facts: Mapping[str, object] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Peers:
    """All that share the spool, as they were at `now`, and what each works with; `me` is who looks."""

    me: str
    now: float
    nodes: tuple[Peer, ...]
    marks: Marks

    def faults(self) -> list[Fault]:
        """List what is not well with each, by name."""
        found = [fault for node in self.nodes for fault in self._of(node)]
        return found + [fault for node in self.nodes if node.is_there(self.now) for fault in self._differing(node)]

    def _of(self, node: Peer) -> Iterator[Fault]:
        if node.is_silent(self.now):
            seconds = round(self.now - node.seen_at)
            yield Fault(finding=Finding.NODE_SILENT, node=node.name, facts={"seconds": seconds, "host": node.host})
        if node.rival_at is not None and self.now - node.rival_at <= RIVAL_SECONDS:
            hosts = {"host": node.host, "other": node.rival_host}
            yield Fault(finding=Finding.NODE_NAME_TWICE, node=node.name, facts=hosts)
        newest = max((one for one in self.nodes if one.is_there(self.now)), key=lambda one: one.age, default=node)
        if node.is_there(self.now) and node.age < newest.age:
            facts = {"release": node.release, "schema": node.revision, "newest": newest.name}
            facts |= {"newest_release": newest.release, "newest_schema": newest.revision}
            yield Fault(finding=Finding.NODE_BEHIND, node=node.name, facts=facts)

    def _differing(self, node: Peer) -> Iterator[Fault]:
        """Hold what it works with against what we do. Where the keys of the marks differ, these tell nothing else."""
        mine, its = self.marks.get(self.me, {}), self.marks.get(node.name, {})
        if node.name == self.me or not mine or not its:
            return
        differing = [key for key in sorted(_keys(mine) | _keys(its)) if _differ(mine, its, key)]
        for key in [key for key in differing if key.setting == marks.KEY] or differing:
            facts = {"setting": str(key), "me": self.me, "meaning": marks.MEANINGS[key.setting]}
            yield Fault(finding=Finding.NODE_DIFFERS, node=node.name, about=str(key), facts=facts)


def here(settings: Settings, **said: Any) -> Peer:  # noqa: ANN401 - of a node's
    """Make what is so of this node, whenever it says so; `said` is the rest."""
    host, revision = os.uname().nodename[:64], named.latest()
    return Peer(name=settings.server.node, host=host, release=__version__, build=build(), revision=revision, **said)


def beat(database: Database, node: Peer, *, now: float, instance: str, again: bool, draining: bool = False) -> bool:
    """Say that `node` is there; False where another says that it is this node. Raises SpoolUnavailable.

    `instance` tells this process from others of that name, and `again` that it has said so before.
    """
    told = {name: getattr(node, name) for name in ("name", "host", "release", "build", "revision")}
    told |= {"seen_at": now, "instance": instance, "again": again, "draining": draining}
    [[rival_at]] = database.tell(lambda run: run("beat", **told))
    return bool(rival_at != now)


def leave(database: Database, name: str, *, instance: str, now: float) -> None:
    """Say that it stops in good order. Raises SpoolUnavailable."""
    database.tell(lambda run: run("leave", name=name, instance=instance, now=now))


def mark(database: Database, name: str, door: str, found: Mapping[marks.Key, str]) -> None:
    """Say what a door of that node works with, where that is not said already. Raises SpoolUnavailable."""
    if _marks(database.ask(lambda run: run("marks"))).get(name, {}).get(door) != found:
        told = json.dumps([[*key, found[key]] for key in sorted(found)])
        database.tell(lambda run: run("put_marks", node=name, door=door, marks=told))


def close(database: Database, name: str, doors: Set[str]) -> None:
    """Forget the marks of doors of that node that it has no more: all but `doors`. Raises SpoolUnavailable."""

    def work(run: Run) -> None:
        for door in gone:
            run("drop_marks", node=name, door=door)

    if gone := {*_marks(database.ask(lambda run: run("marks"))).get(name, {})} - doors:
        database.tell(work)


def peers(database: Database, me: str, *, now: float) -> Peers:
    """Read who shares the spool. Raises SpoolUnavailable."""
    rows, found = database.ask(lambda run: (run("nodes"), run("marks")))
    names = [each.name for each in fields(Peer)]
    return Peers(me, now, tuple(_read(names, row) for row in rows), _marks(found))


def others(run: Run, me: str) -> list[tuple[str, str, str]]:
    """Read which nodes are there beside `me`: name, release, revision. Also where the schema is an older one."""
    [[now]] = run("database_time")
    return [
        (name, release, schema) for name, release, schema in run("nodes_there", name=me, since=now - SILENT_SECONDS)
    ]


def forget_node(database: Database, name: str, deed: audit.Deed) -> None:
    """Forget a node that is gone for good, and record it.

    Raises CommandError where there is none of that name, or it is there; and SpoolUnavailable.
    """

    def work(run: Run) -> bool:
        gone = run("forget_node", name=name, before=deed.at - SILENT_SECONDS)
        if gone:
            run("forget_marks", node=name)
            run("forget_vault", place=name)
            run("end_trouble", finding=Finding.STORE_AWAY, about=name)
            audit.note(run, deed)
        return bool(gone)

    known = {node.name: node for node in peers(database, "", now=deed.at).nodes}
    if name not in known:
        raise CommandError(f"there is no node {name}; `motion-gateway nodes list` has their names")
    if not database.tell(work):
        raise CommandError(f"{name} is there: stop it, and forget it then")


def _read(names: Iterable[str], row: Iterable[Any]) -> Peer:
    told = dict(zip(names, row, strict=True))
    return Peer(**told | {"draining": bool(told["draining"])})  # a file has numbers


def _marks(rows: Iterable[tuple[str, str, str]]) -> dict[str, dict[str, dict[marks.Key, str]]]:
    found: dict[str, dict[str, dict[marks.Key, str]]] = {}
    for node, door, told in rows:
        found.setdefault(node, {})[door] = {
            marks.Key(setting, about): mark for setting, about, mark in json.loads(told)
        }
    return found


def _keys(doors: Mapping[str, Mapping[marks.Key, str]]) -> set[marks.Key]:
    return {key for told in doors.values() for key in told}


def _differ(
    mine: Mapping[str, Mapping[marks.Key, str]], its: Mapping[str, Mapping[marks.Key, str]], key: marks.Key
) -> bool:
    """Tell whether two nodes work with different ones; what none of a node's doors has told about, nobody knows."""
    doors = {door for side in (mine, its) for door, told in side.items() if key in told}
    one, other = ({told.get(key) for door, told in side.items() if door in doors} for side in (mine, its))
    return bool(one) and bool(other) and one != other
