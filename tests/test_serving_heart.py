"""A node says that it is there, and its log tells what is not well with the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gateway import draining, paths, telemetry
from gateway.config import Settings, marks
from gateway.services import Services
from gateway.serving import heart
from gateway.serving.heart import Heart
from gateway.store import nodes
from gateway.store.engines import Database
from tests.service_samples import HandClock, services
from tests.spool_samples import until


def shared(spool: Database, clock: HandClock | None = None, **tables: Any) -> Services:
    """Services whose settings name a spool that several may share; here it is a file all the same."""
    found = services(spool, clock=clock, **tables)
    settings: Settings = found.settings
    url = settings.spool.model_copy(update={"url": "postgresql://db/gateway"})
    return Services(**vars(found) | {"settings": settings.model_copy(update={"spool": url})})


def lines(capfd: pytest.CaptureFixture[str]) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in capfd.readouterr().err.splitlines()]


def test_what_is_not_well_is_told_once_and_again_once_it_is_over(
    spool: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    telemetry.configure("courier")
    clock = HandClock()
    one, other = (Heart(shared(spool, clock, server={"node": name})) for name in "ab")
    other.beat()
    one.beat()
    assert lines(capfd) == []
    clock.advance(nodes.SILENT_SECONDS + 1)
    one.beat()
    [found] = lines(capfd)
    assert (found["finding"], found["node"], found["seconds"]) == ("node-silent", "b", 31)
    clock.advance(5)
    one.beat()
    assert lines(capfd) == []
    other.beat()
    one.beat()
    [over] = lines(capfd)
    assert (over["event"], over["finding"], over["node"]) == ("node is well again", "node-silent", "b")


def test_a_node_is_there_for_as_long_as_its_courier_works_and_says_when_that_is_over(spool: Database) -> None:
    told = shared(spool, server={"node": "a"})
    nodes.mark(spool, "a", "outbound", {})

    def found() -> nodes.Peers:
        return nodes.peers(spool, "a", now=told.clock.now())

    paths.run(told.settings).mkdir()
    draining.begin(told.settings)
    with Heart(told).beating():
        until(lambda: found().nodes, "a beat")
        [here] = found().nodes
        assert (here.name, here.release, here.left_at) == (
            "a",
            heart.nodes.here(told.settings, seen_at=0).release,
            None,
        )
        assert here.draining
        assert found().marks == {}  # of a door that this node has no more
    [gone] = found().nodes
    assert gone.left_at == told.clock.now()


def test_a_door_says_what_it_works_with(spool: Database) -> None:
    told = shared(spool, server={"node": "a"})
    heart.introduce(told, "ingress")
    until(lambda: nodes.peers(spool, "a", now=0).marks, "marks")
    assert nodes.peers(spool, "a", now=0).marks == {"a": {"ingress": marks.made(told.settings, "ingress")}}


@pytest.mark.parametrize("alone", [
    lambda told: heart.introduce(told, "ingress"),
    lambda told: Heart(told).beating().__enter__(),
])  # fmt: skip
def test_a_file_is_told_nothing(spool: Database, alone: Callable[[Services], object]) -> None:
    alone(services(spool))
    found = nodes.peers(spool, "a", now=0)
    assert (found.nodes, found.marks) == ((), {})
