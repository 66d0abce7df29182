"""All machines of a cluster on this one: two nodes and couriers beside them, what they share, and the front."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox import setup
from sandbox.cluster import front, node, programs
from sandbox.cluster.database import Pair
from sandbox.cluster.node import Command, LoneCourier, Node, Ports
from sandbox.cluster.programs import Program
from sandbox.cluster.services import Counters, Store
from sandbox.connection import Route
from sandbox.listener import reserve
from sandbox.setup import Setup
from sandbox.state import OUTBOUND_ADDRESS

NODES = ("a", "b")
COURIERS = ("c", "d")


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A running cluster. To who waits for a gateway it is one."""

    setup: Setup
    database: Pair
    counters: Counters
    store: Store
    nodes: dict[str, Node]
    couriers: dict[str, LoneCourier]
    front: Program
    view_port: int  # where the front shows how it sees the nodes

    @property
    def programs(self) -> tuple[Program, ...]:
        """All of them, in the order in which they start."""
        kept = (*self.database.servers, self.counters, self.store)
        return (*kept, *self.nodes.values(), *self.couriers.values(), self.front)

    @property
    def exit_status(self) -> int | None:
        """That of the front: what else dies is no end of it."""
        return self.front.child.exit_status

    def tail(self) -> str:
        """The end of everybody's log."""
        return "\n".join(f"{each.name}:\n{each.child.tail()}" for each in self.programs if each.runs)

    def wait_until_ready(self, route: Route) -> None:
        """Until the front leads to a node that is ready. Raises ChildError."""
        programs.wait_for(lambda: programs.answers(route), f"nobody answers\n{self.tail()}")


@contextlib.contextmanager
def running(built: Setup, *, courier: Command = node.courier_command, **changes: Any) -> Iterator[Cluster]:  # noqa: ANN401 - tables
    """A cluster around these settings, ready; `changes` of its settings, and what runs the couriers without doors."""
    with contextlib.ExitStack() as stack:
        ports = _ports(stack, 5 + 3 * len(NODES))
        view_port = next(ports)
        database = Pair(built.folder, (next(ports), next(ports)))
        counters, store = Counters(built.folder / "redis", next(ports)), Store(built.folder / "store", next(ports))
        nodes = {name: _node(stack, built, name, ports) for name in NODES}
        couriers = {name: LoneCourier(name, built.folder / name, courier) for name in COURIERS}
        entrance = front.made(built.folder, built.state, [*nodes.values()], view_port)
        made = Cluster(
            setup=built,
            database=database,
            counters=counters,
            store=store,
            nodes=nodes,
            couriers=couriers,
            front=entrance,
            view_port=view_port,
        )
        machines: list[Node | LoneCourier] = [*nodes.values(), *couriers.values()]
        for each in machines:
            _write_settings(made, each, changes)
        # Whoever asks the gateway, without saying which, asks the first node.
        built.state.config_file.write_text(nodes[NODES[0]].config_file.read_text("utf-8"), "utf-8")
        _start(made, stack)
        yield made


def _start(made: Cluster, stack: contextlib.ExitStack) -> None:
    stack.callback(made.database.stop)
    made.database.start()
    for each in (made.counters, made.store):
        stack.callback(each.stop)
        each.start()
    first, *others = made.nodes.values()
    stack.callback(first.stop)
    first.start()  # it makes the schema
    rest = (*others, *made.couriers.values(), made.front)
    for program in rest:
        stack.callback(program.stop)
        program.launch()
    for program in rest:
        program.wait()


def _node(stack: contextlib.ExitStack, built: Setup, name: str, ports: Iterator[int]) -> Node:
    outbound = stack.enter_context(reserve(OUTBOUND_ADDRESS)).getsockname()[1]
    public, ops, entrance = (next(ports) for _ in range(3))
    mine = Ports(public=public, ops=ops, outbound=outbound, front=entrance)
    return Node(name, built.folder / name, built.state, mine)


def _write_settings(made: Cluster, each: Node | LoneCourier, changes: dict[str, Any]) -> None:
    """Its own, which are those of the sandbox but for where it is, and what it shares with the others."""
    server: dict[str, Any] = {"node": each.name, "state_dir": str(each.state_dir)}
    if isinstance(each, Node):
        server |= {"public_port": each.public_port, "ops_port": each.ops_port, "outbound_port": each.outbound_port}
        server |= {"proxy_protocol": True, "trusted_proxies": ["127.0.0.1"]}
    shared: dict[str, dict[str, Any]] = {
        "server": server,
        "spool": {"url": made.database.url, "password": made.database.password},
        "limits": {"storage": made.counters.url, "webhooks_per_account": "off"},
        "attachments": made.store.settings(),
    }
    for table, values in changes.items():
        shared[table] = shared.get(table, {}) | values
    each.config_file.write_text(setup.changed(made.setup.state.config_file, **shared), "utf-8")
    each.config_file.chmod(0o600)


def _ports(stack: contextlib.ExitStack, count: int) -> Iterator[int]:
    """Ports of loopback that nobody else takes meanwhile."""
    return iter([stack.enter_context(reserve()).getsockname()[1] for _ in range(count)])
