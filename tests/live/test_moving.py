"""A gateway whose spool moves to PostgreSQL and back, and two on one PostgreSQL that are upgraded one after another."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway.phrases import Reason
from sandbox import callbacks, faults
from sandbox.motion import Received
from sandbox.sinch import Letter
from tests.live.house import HOST, PATIENCE_SECONDS, House, opened
from tests.live.test_upgrade import lay_what_is_newer

CONTACTS = 4
AHEAD = 5  # texts of each that Motion may not have yet when the next one is written
UNLIMITED = {"webhooks_per_account": "off"}  # that is as fast as the machine takes it


def text(contact: int, number: int) -> callbacks.Callback:
    return callbacks.text(f"text {number}", by=callbacks.customer(f"contact {contact}"))


def test_a_spool_that_moves_and_moves_back_takes_everything_along(database_url: str) -> None:
    with opened() as house:
        house.motion.set_fault(faults.DOWN)
        sent = [house.sinch().send(text(number % CONTACTS, number)).letter for number in range(20)]
        house.stop()
        move = ("spool", "move", "--to", database_url)
        with subprocess.Popen(house.typed(*move), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as killed:
            until_moving(house, database_url)
            killed.send_signal(signal.SIGKILL)
        assert "rows and digests are the same on both sides" in house.command(*move)
        assert Reason.SPOOL_MOVED in house.command("serve", status=2)

        house.tables["spool"] = {"url": database_url}
        house.start()
        assert house.sinch().post(sent[7]).status == 200  # a repeat: it is known there
        sent += [house.sinch().send(text(number % CONTACTS, number)).letter for number in range(20, 28)]
        house.stop()
        house.command("spool", "move", "--to", "sqlite")

        del house.tables["spool"]
        house.start()
        sent += [house.sinch().send(text(number % CONTACTS, number)).letter for number in range(28, 36)]
        house.motion.set_fault(faults.NONE)
        house.settle()
        assert len(house.motion.accepted) == len(sent)
        for contact in range(CONTACTS):
            of_contact = [letter.body for letter in sent[contact::CONTACTS]]
            assert [item.body for item in house.motion.accepted if item.body in of_contact] == of_contact


def until_moving(house: House, url: str) -> None:
    """Wait until the move has begun to fill it."""

    def said() -> bool:
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return found is not None and "moving" in str(found[0])

    house.wait_for(said)


@dataclass
class Balancer:
    """Leads each callback to one node after the other, and to the other one where nobody listens any more."""

    nodes: tuple[House, ...]
    turns: Iterator[int] = field(default_factory=count)
    refused: list[str] = field(default_factory=list)  # whatever is not 200, and not 503 with Retry-After

    def deliver(self, letter: Letter) -> None:
        """Post it again and again, as Sinch would, until it is accepted."""
        accepted = False
        while not accepted:
            answer = self.nodes[next(self.turns) % len(self.nodes)].sinch().post(letter)
            accepted = answer.status == 200
            if answer.status not in (None, 200) and not (answer.status == 503 and answer.header("Retry-After")):
                self.refused.append(f"{answer.status} {answer.body!r}")
                return


@pytest.fixture
def nodes(database_url: str) -> Iterator[tuple[House, House]]:
    """Two that share a spool, a name and a Motion."""
    with ExitStack() as stack:
        several: list[House] = []
        for name in ("one", "two"):
            tables: dict[str, Any] = {"server": {"node": name, "public_url": f"https://{HOST}"}}
            if several:
                tables["motion"] = {"url": several[0].motion.url}
            several.append(stack.enter_context(opened(spool={"url": database_url}, limits=UNLIMITED, **tables)))
        yield several[0], several[1]


def test_nodes_that_are_upgraded_one_by_one_refuse_nothing_and_lose_nothing(nodes: tuple[House, House]) -> None:
    balancer, ended = Balancer(nodes), threading.Event()
    sinch, newer, heard = nodes[0].sinch(), lay_what_is_newer(nodes[0]), nodes[0].motion

    def write(contact: int) -> list[bytes]:
        """One customer writes, each text once the one before is accepted, and not much faster than Motion hears."""
        written: list[bytes] = []
        for number in count():
            if number > AHEAD:
                heard.wait_for(partial(has, written[-AHEAD]), PATIENCE_SECONDS)
            letter = sinch.prepare(text(contact, number))
            balancer.deliver(letter)
            written.append(letter.body)
            if ended.is_set():
                return written
        raise AssertionError

    with ThreadPoolExecutor(CONTACTS) as pool:
        writers = [pool.submit(write, contact) for contact in range(CONTACTS)]
        try:
            upgrade(nodes, newer)
        finally:
            ended.set()
        written = [writer.result() for writer in writers]
    assert balancer.refused == []
    nodes[0].wait_for(lambda: len({item.body for item in heard.accepted}) == sum(map(len, written)))
    for bodies in written:
        mine = set(bodies)
        assert list(dict.fromkeys(item.body for item in heard.accepted if item.body in mine)) == bodies


def has(body: bytes, items: Sequence[Received]) -> bool:
    return any(item.body == body for item in reversed(items))


def upgrade(nodes: tuple[House, House], newer: Path) -> None:
    """As docs/several-machines.md tells: change the schema while both go on, then restart one after the other."""
    go_on(nodes[0])
    nodes[1].release = newer
    assert "`motion-gateway migrate --rolling` changes it while they go on" in nodes[1].command("migrate", status=2)
    assert "schema next" in nodes[1].command("migrate", "--rolling")
    go_on(nodes[0])
    for node in nodes:
        node.stop()
        go_on(nodes[0])
        node.release = newer
        node.start()
    go_on(nodes[0])


def go_on(house: House) -> None:
    """Let some more arrive."""
    some = len(house.motion.accepted) + 20
    house.wait_for(lambda: len(house.motion.accepted) > some)
