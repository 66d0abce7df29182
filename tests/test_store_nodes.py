"""Nodes that share a spool: who is there, who is missed, who is behind, who differs, and who is forgotten."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.config.marks import KEY, Key
from gateway.errors import CommandError
from gateway.store import audit, nodes
from gateway.store.audit import Action, Deed
from gateway.store.engines import Database
from gateway.store.nodes import Fault, Peer, Peers
from tests.spool_samples import NOW

pytestmark = pytest.mark.both_engines

TOKENS, SECRETS = Key("attachments.token_keys"), Key("account.webhook_secrets", "7")


def peer(name: str, **told: Any) -> Peer:
    right: dict[str, Any] = {"host": f"host-{name}", "release": "0.2.0", "build": "abc", "revision": "0012"}
    return Peer(name=name, **{**right, "seen_at": NOW, **told})


def beat(spool: Database, name: str, *, instance: str = "", again: bool = False, **told: Any) -> bool:
    node = peer(name, **told)
    said = {"instance": instance or f"of {name}", "again": again, "draining": node.draining}
    return nodes.beat(spool, node, now=node.seen_at, **said)


def faults(spool: Database, me: str = "a", *, now: float = NOW) -> list[tuple[str, str, str]]:
    return [(fault.finding.value, fault.node, fault.about) for fault in nodes.peers(spool, me, now=now).faults()]


def test_each_node_is_listed_as_it_has_said_last(spool: Database) -> None:
    beat(spool, "b")
    beat(spool, "a")
    beat(spool, "b", again=True, seen_at=NOW + 5, draining=True)
    found = nodes.peers(spool, "a", now=NOW + 5)
    assert found.nodes == (peer("a"), peer("b", seen_at=NOW + 5, draining=True))
    assert found.faults() == []


@pytest.mark.parametrize(("later", "silent"), [(29, False), (30, False), (31, True)])
def test_who_says_nothing_for_half_a_minute_is_missed(spool: Database, later: float, *, silent: bool) -> None:
    beat(spool, "a", seen_at=NOW + later)
    beat(spool, "b")
    assert faults(spool, now=NOW + later) == [("node-silent", "b", "")] * silent


def test_who_stops_in_good_order_is_not_missed_until_it_falls_silent_after_it_came_back(spool: Database) -> None:
    beat(spool, "b")
    nodes.leave(spool, "b", instance="another's", now=NOW)
    assert faults(spool, now=NOW + 99) == [("node-silent", "b", "")]
    nodes.leave(spool, "b", instance="of b", now=NOW)
    assert faults(spool, now=NOW + 99) == []
    beat(spool, "b", instance="the next")
    assert faults(spool, now=NOW + 99) == [("node-silent", "b", "")]


def test_a_node_that_is_started_again_is_alone_and_two_of_one_name_are_told_by_both(spool: Database) -> None:
    assert beat(spool, "a", instance="first")
    assert beat(spool, "a", instance="first", again=True)
    assert beat(spool, "a", instance="second", host="copied")
    assert faults(spool) == []
    assert not beat(spool, "a", instance="first", again=True, seen_at=NOW + 1)
    assert not beat(spool, "a", instance="second", again=True, host="copied", seen_at=NOW + 2)
    [fault] = nodes.peers(spool, "b", now=NOW + 2).faults()
    assert (fault.finding, fault.facts) == ("node-name-twice", {"host": "copied", "other": "host-a"})
    assert faults(spool, now=NOW + 2 + nodes.RIVAL_SECONDS) == [
        ("node-silent", "a", ""),
        ("node-name-twice", "a", ""),
    ]
    assert faults(spool, now=NOW + 3 + nodes.RIVAL_SECONDS) == [("node-silent", "a", "")]


BEHIND = {
    "as we are": ({}, False),
    "another build": ({"build": "def"}, False),
    "a release before": ({"release": "0.1.9"}, True),
    "of one digit less": ({"release": "0.2"}, True),
    "a schema before": ({"revision": "0011", "release": "0.3.0"}, True),
    "numbers and not letters": ({"release": "0.10.0"}, None),
    "a schema behind": ({"revision": "0013"}, None),
}


@pytest.mark.parametrize(("told", "behind"), BEHIND.values(), ids=BEHIND)
def test_the_older_of_two_releases_is_behind(spool: Database, told: dict[str, Any], *, behind: bool | None) -> None:
    beat(spool, "a")
    beat(spool, "b", **told)
    assert faults(spool) == ([] if behind is False else [("node-behind", "b" if behind else "a", "")])


def test_who_is_not_there_is_neither_behind_nor_ahead(spool: Database) -> None:
    beat(spool, "a", seen_at=NOW + 99)
    beat(spool, "b", release="0.1.0")
    beat(spool, "c", release="9.0.0")
    assert [found[0] for found in faults(spool, now=NOW + 99)] == ["node-silent"] * 2


Told = Mapping[str, Mapping[Key, str]]
DIFFERING: dict[str, tuple[Told, Told, list[Key]]] = {
    "the same": ({"ingress": {SECRETS: "1"}}, {"ingress": {SECRETS: "1"}}, []),
    "another": ({"ingress": {SECRETS: "1"}}, {"ingress": {SECRETS: "2"}}, [SECRETS]),
    "none there": ({"ingress": {SECRETS: "1"}}, {"ingress": {}}, [SECRETS]),
    "none here": ({"ingress": {}}, {"ingress": {SECRETS: "1"}}, [SECRETS]),
    "a door that has said nothing yet": ({"ingress": {SECRETS: "1"}}, {"outbound": {TOKENS: "1"}}, []),
    "a door there is none of": ({"ingress": {TOKENS: "1"}, "outbound": {TOKENS: "1"}}, {"ingress": {TOKENS: "1"}}, []),
    "a door that was not reloaded": (
        {"attachments": {TOKENS: "1"}, "outbound": {TOKENS: "1"}},
        {"attachments": {TOKENS: "1"}, "outbound": {TOKENS: "2"}},
        [TOKENS],
    ),
    "what the marks are keyed with": (
        {"ingress": {SECRETS: "1", Key(KEY): "1"}},
        {"ingress": {SECRETS: "2", Key(KEY): "2"}},
        [Key(KEY)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("mine", "its", "differing"), DIFFERING.values(), ids=DIFFERING)
def test_who_works_with_something_else_is_named_with_it(mine: Told, its: Told, differing: list[Key]) -> None:
    alone = Peers("a", NOW, (peer("a"), peer("b")), {"a": mine, "b": its})
    found = [(fault.finding.value, fault.node, fault.about) for fault in alone.faults()]
    assert found == [("node-differs", "b", str(key)) for key in differing]


def test_what_a_door_has_said_before_is_replaced_and_forgotten_with_the_door(spool: Database) -> None:
    nodes.mark(spool, "b", "ingress", {SECRETS: "1", TOKENS: "2"})
    nodes.mark(spool, "b", "ingress", {SECRETS: "3"})
    nodes.mark(spool, "b", "outbound", {TOKENS: "4"})
    nodes.mark(spool, "a", "outbound", {TOKENS: "4"})
    nodes.close(spool, "b", {"ingress"})
    assert nodes.peers(spool, "a", now=NOW).marks == {
        "a": {"outbound": {TOKENS: "4"}},
        "b": {"ingress": {SECRETS: "3"}},
    }


def forget(spool: Database, name: str, *, now: float = NOW) -> None:
    who = {"who": "ana", "login": "", "account": "mg"}
    nodes.forget_node(spool, name, Deed(at=now, action=Action.FORGET, about=f"node {name}", **who))


def test_a_node_that_is_gone_is_forgotten_with_all_it_has_said_and_that_is_recorded(spool: Database) -> None:
    beat(spool, "b")
    nodes.mark(spool, "b", "ingress", {SECRETS: "1"})
    with pytest.raises(CommandError, match="b is there: stop it"):
        forget(spool, "b", now=NOW + nodes.SILENT_SECONDS)
    forget(spool, "b", now=NOW + nodes.SILENT_SECONDS + 1)
    found = nodes.peers(spool, "a", now=NOW)
    assert (found.nodes, found.marks) == ((), {})
    assert [(deed.action, deed.about) for deed in audit.listed(spool, most=9)] == [("forget", "node b")]
    with pytest.raises(CommandError, match="there is no node b"):
        forget(spool, "b")


def test_the_same_fault_is_the_same_however_long_it_lasts() -> None:
    found = Fault(finding=next(iter(nodes.Finding)), node="b", facts={"seconds": 1})
    assert {found, replace(found, facts={"seconds": 2})} == {found}
    assert len({replace(found, node=name) for name, _ in itertools.product("ab", "ab")}) == 2
