"""Two nodes on one PostgreSQL: each names what is not well with the other, and is ready all the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.live.house import HOST, House, opened
from tests.postgresql import PostgreSQL

KEY = "a token key of the tests"


@pytest.fixture
def nodes(database_url: str) -> Iterator[tuple[House, House]]:
    """Two that share a spool; the second has another token key behind the one that both have."""
    with ExitStack() as stack:
        several = []
        for name, keys in (("one", [KEY]), ("two", [KEY, KEY + " that only one has"])):
            tables: dict[str, Any] = {
                "server": {"node": name, "public_url": f"https://{HOST}"},
                "attachments": {"token_keys": keys},
            }
            several.append(stack.enter_context(opened(spool={"url": database_url}, **tables)))
        yield several[0], several[1]


def listed(house: House) -> dict[str, dict[str, Any]]:
    return {node["name"]: node for node in json.loads(house.command("nodes", "list", "--json"))}


def state(house: House, name: str) -> str | None:
    return listed(house).get(name, {}).get("state")


def told(house: House) -> set[tuple[str, str]]:
    """What `/readyz` tells of nodes, of which it is ready all the same."""
    answer = house.ops("/readyz")
    assert answer.status == 200, answer.body
    found = json.loads(answer.body).get("findings", [])
    return {(each["finding"], each["about"]) for each in found if each["finding"].startswith("node-")}


def complained(house: House) -> set[tuple[str, str]]:
    """What doctor says of nodes."""
    said = json.loads(house.command("doctor", "--json", status=1))
    return {(each["id"], each["about"]) for each in said["complaints"] if each["id"].startswith("nodes.")}


def test_a_node_with_another_key_one_of_an_older_release_and_one_that_is_killed_are_named_by_the_other(
    nodes: tuple[House, House], postgresql: PostgreSQL, database_url: str
) -> None:
    one, two = nodes
    database = urlsplit(database_url).path[1:]
    one.wait_for(lambda: told(one) == {("node-differs", "two attachments.token_keys")})
    two.wait_for(lambda: told(two) == {("node-differs", "one attachments.token_keys")})
    [found] = one.wait_for(lambda: one.decisions("courier", event="finding", finding="node-differs"))
    assert (found["node"], found["setting"]) == ("two", "attachments.token_keys")
    assert not any("only one has" in text for text in (one.log, two.log, one.command("nodes", "list")))

    postgresql.tell(
        "INSERT INTO node (name, instance, host, release, build, revision, draining, seen_at)"
        " SELECT 'old', 'i', 'h', '0.0.9', 'b', '0001', false, seen_at + 3600 FROM node WHERE name = 'one'",
        database=database,
    )
    one.wait_for(lambda: ("node-behind", "old") in told(one))
    assert state(one, "old") == "behind"

    two.children.pop().kill()
    postgresql.tell("UPDATE node SET seen_at = seen_at - 60 WHERE name = 'two'", database=database)
    wanted = {("node-silent", "two"), ("node-behind", "old")}
    one.wait_for(lambda: told(one) == wanted)
    assert complained(one) == {("nodes.silent", "two"), ("nodes.behind", "old")}
    assert state(one, "two") == "silent"
    assert "is there: stop it" in one.command("nodes", "forget", "one", status=2)

    two.start()
    one.wait_for(lambda: state(one, "two") == "differs")
    two.stop()
    assert state(one, "two") == "stopped"
    for name in ("two", "old"):
        postgresql.tell("UPDATE node SET seen_at = seen_at - 3700 WHERE name = 'old'", database=database)
        one.command("nodes", "forget", name)
    assert set(listed(one)) == {"one"}
    one.wait_for(lambda: told(one) == set())
