"""A gateway whose spool is on PostgreSQL, while that is frozen, killed and back again: nobody restarts anything."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from gateway.errors import RETRY_AFTER_SECONDS
from gateway.phrases import Finding, Line, Reason
from gateway.store.engines import Database
from sandbox import callbacks
from sandbox.connection import Answer
from sandbox.sinch import Letter
from tests.live.house import House, opened
from tests.postgresql import PostgreSQL

REASON_AND_REMEDY = "spool database cannot be reached: start PostgreSQL, or mend the way"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    """One that keeps what it has committed when it is killed."""
    started = PostgreSQL(options={})
    yield started
    started.remove()


@pytest.fixture(scope="module")
def house(server: PostgreSQL) -> Iterator[House]:
    with opened(spool={"url": server.url(server.database())}) as running:
        yield running


def test_a_host_that_says_nothing_costs_its_time_once_and_not_the_writers(server: PostgreSQL) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hosts = f"host=127.0.0.1,{server.folder}&port={silent.getsockname()[1]},5432"
        url = f"postgresql://motion@/{server.database()}?{hosts}"
        with closing(Database(url, patience_seconds=0.5)) as spool:
            assert spool.ask(lambda run: run("has_revisions")) == []  # and not that its time was over by then
            engine: Any = spool._engine
            assert engine._last == (str(server.folder), 5432)


def spoken(house: House, words: str, *, who: str) -> Letter:
    return house.sinch().prepare(callbacks.text(words, by=callbacks.customer(who)))


def assert_put_off(answer: Answer) -> None:
    assert (answer.status, answer.header("retry-after")) == (503, str(RETRY_AFTER_SECONDS))


def test_what_is_answered_200_is_at_motion_in_order_whatever_becomes_of_the_server(
    house: House, server: PostgreSQL
) -> None:
    parts = {part: house.pid(part) for part in ("courier", "ingress", "ops")}
    letters = [spoken(house, f"{number}", who="Ana") for number in range(4)]
    assert house.sinch().post(letters[0]).status == 200
    house.motion.wait_for_accepted(1)

    with server.frozen():
        assert_put_off(house.sinch().post(letters[1]))
    house.wait_for(lambda: house.sinch().post(letters[1]).status == 200)

    house.motion.wait_for_accepted(2)
    server.kill()
    assert_put_off(house.sinch().post(letters[2]))
    away = json.loads(house.ops("/readyz").body)["checks"]["spool"]
    assert away == Reason.SPOOL_AWAY
    server.start()
    house.wait_for(lambda: house.sinch().post(letters[2]).status == 200)
    house.wait_for(lambda: house.sinch().post(letters[3]).status == 200)

    house.motion.wait_for(lambda heard: {letter.body for letter in letters} <= {item.body for item in heard})
    wanted = [letter.body for letter in letters]
    assert [item.body for item in house.motion.accepted if item.body in wanted] == wanted
    house.wait_for(lambda: house.ops("/readyz").status == 200)
    assert {part: house.pid(part) for part in parts} == parts
    for process in ("courier", "ingress"):
        told = house.decisions(process, event="finding", finding=Finding.SPOOL_UNAVAILABLE)
        assert {line["reason"] for line in told} >= {Reason.SPOOL_AWAY}
        assert house.decisions(process, event=Line.SPOOL_ANSWERS)


def test_what_is_a_files_alone_says_so_and_all_else_works(house: House, server: PostgreSQL) -> None:
    assert house.sinch().post(spoken(house, "hello", who="Ben")).status == 200
    house.wait_for(lambda: {row.state for row in house.events()} == {"delivered"})
    assert "pg_dump" in house.command("spool", "backup", "--to", str(house.folder / "copy"), status=2)
    contact = callbacks.customer("Ben").contact_id
    assert "1 erased" in house.command("events", "erase", "--contact", contact, "--yes")
    assert "spool" in house.command("ready")
    server.stop()
    assert REASON_AND_REMEDY in house.command("events", "list", status=2)
    complaints = json.loads(house.command("doctor", "--json", status=2))["complaints"]
    assert "spool.away" in {each["id"] for each in complaints}
    assert "spool.unavailable" not in {each["id"] for each in complaints}
