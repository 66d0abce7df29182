"""Plays a cluster: starts it, says what runs where, and stays; or lets everybody die while callbacks pour in."""

from __future__ import annotations

import contextlib
import random
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sandbox import child, play, retries
from sandbox.cluster import cluster, deeds, node, programs, verdict
from sandbox.cluster.cluster import Cluster
from sandbox.cluster.deeds import Conductor
from sandbox.cluster.files import SharedFile
from sandbox.cluster.node import Command, Node
from sandbox.cluster.traffic import Plan, Traffic
from sandbox.cluster.verdict import Diary, Verdict
from sandbox.house import House

_SETTLED_SECONDS = 300.0
_NEXT = Path(__file__).parent.parent / "data" / "cluster.txt"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A cluster between the simulators, and what has happened to it so far."""

    house: House
    cluster: Cluster
    diary: Diary

    def traffic(self, plan: Plan) -> Traffic:
        """Callbacks for its nodes, by the front."""
        way = replace(self.house.state.sinch(), retries=retries.NONE)
        return Traffic(plan, {name: _leading_to(each, way) for name, each in self.cluster.nodes.items()})

    def judged(self, traffic: Traffic, files: Mapping[str, bool]) -> Verdict:
        """What became of it, once nothing waits any more."""
        with contextlib.suppress(child.ChildError):  # the verdict tells what is left
            programs.wait_for(lambda: not self._count("lane"), "", seconds=_SETTLED_SECONDS)
        left = {
            "lanes left behind": self._count("lane"),
            "events not delivered": self._count("event WHERE state <> 'delivered'"),
            "deadlocks": self.cluster.database.deadlocks,
        }
        motion = self.house.motion
        told, heard = motion.received, motion.unexpected
        return verdict.found(traffic, told, self.diary, left=left, files=files, unexpected=heard)

    def _count(self, what: str) -> int:
        [[count]] = self.cluster.database.primary.ask(f"SELECT count(*) FROM {what}")  # noqa: S608 - ours
        return int(str(count))


def _leading_to(each: Node, way: Any) -> Any:  # noqa: ANN401 - a Sinch
    return replace(way, connect_to=("127.0.0.1", each.front_port))


@contextlib.contextmanager
def staged(console: Console, *, courier: Command = node.courier_command, **changes: Any) -> Iterator[Stage]:  # noqa: ANN401
    """A cluster that is ready, until the end; the rest as `cluster.running`. Raises ChildError."""
    with play.running(console, partial(cluster.running, courier=courier, **changes)) as house:
        made = house.gateway
        assert isinstance(made, Cluster)  # noqa: S101 - as we have just said
        yield Stage(house=house, cluster=made, diary=Diary())


def prove(stage: Stage, plan: Plan, console: Console) -> Verdict:
    """Let callbacks pour in while everybody dies, and say what became of each."""
    stage.house.motion.set_fault(deeds.STEADY)
    traffic, file = stage.traffic(plan), SharedFile(stage.house, stage.cluster)

    def tell(what: str) -> None:
        console.print(f"  {traffic.accepted:>6} answered 200: {what}", highlight=False, markup=False)

    try:
        file.send()
        file.look("as soon as Motion has deleted it")
        traffic.start()
        conductor = Conductor(stage.cluster, stage.house.motion, traffic, file, stage.diary, tell)
        deeds.conduct(conductor, deeds.story(random.Random(plan.seed)), plan.events)
        tell("all is sent; waiting until Motion has it")
        file.look("in the end")
        return stage.judged(traffic, file.found)
    finally:
        traffic.stop()


def perform(*, once: bool, plan: Plan, console: Console) -> int:
    """Start it, and stay until Ctrl-C; `once`: prove it and end. Returns the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Both ways to end it take the same way out.
    console.print("[bold]A cluster[/]: two nodes and what they share, on this machine; Sinch and Motion are simulated.")
    try:
        with staged(console) as stage:
            console.print(_places(stage.cluster))
            if not once:
                play.stay(stage.house, console, _NEXT.read_text("utf-8"), cluster=stage.cluster)
                return 0
            console.print(f"{plan.events} callbacks of {plan.contacts} contacts, one in ten to both nodes at once.")
            found = prove(stage, plan, console)
        console.print(found.table())
        for problem in found.problems:
            console.print(f"✗ {problem}", markup=False, highlight=False)
        return 1 if found.problems else 0
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return 130
    except child.ChildError as error:
        console.print(f"✗ {error}", markup=False, highlight=False, soft_wrap=True)
        return 1


def _places(made: Cluster) -> Table:
    """What runs where."""
    state, database = made.setup.state, made.database
    shown = Table(title="What runs where", title_justify="left", box=None)
    for heading in ("name", "what", "where"):
        shown.add_column(heading, overflow="fold")
    shown.add_row("haproxy", "the front: callbacks and files", f"{state.public_url}, at 127.0.0.1")
    shown.add_row("", "the front: Motion's calls to Sinch", state.outbound_url)
    shown.add_row("", "the front: the operations page", state.operations_url)
    for name, each in made.nodes.items():
        shown.add_row(name, "a node: doors and a courier", f"127.0.0.1:{each.public_port}, health :{each.ops_port}")
    for name in made.couriers:
        shown.add_row(name, "one more courier", "no port")
    shown.add_row(database.primary.name, "PostgreSQL, the primary", f"127.0.0.1:{database.primary.port}")
    shown.add_row(database.standby.name, "PostgreSQL, its synchronous standby", f"127.0.0.1:{database.standby.port}")
    shown.add_row(made.counters.name, "limits", made.counters.url)
    shown.add_row(made.store.name, "files, by S3", made.store.url)
    return shown
