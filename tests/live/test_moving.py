"""A gateway whose spool moves to PostgreSQL and back, and gateways that are upgraded under 200 callbacks a second."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command

from gateway.paths import SPOOL
from gateway.phrases import Reason
from gateway.store import migrations, schema, sqlite
from sandbox import callbacks, faults
from sandbox.cluster import verdict
from sandbox.cluster.traffic import Plan, Traffic
from sandbox.cluster.verdict import Deed, Diary
from tests import released_spool
from tests.live.house import HOST, House, opened
from tests.live.test_upgrade import (
    CROWD,
    TABLES,
    by_lane,
    events,
    heard,
    lay_what_is_newer,
    start_in_an_outage,
)

CONTACTS = 4
ALONE = "0011"  # the schema of the last release that knew no PostgreSQL
OFFERED = Plan(events=30_000, contacts=50, seed=1)  # 200 a second, for longer than an upgrade takes
DELIVERED_SECONDS = 300.0  # what came meanwhile


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


@pytest.fixture
def nodes(database_url: str) -> Iterator[tuple[House, House]]:
    """Two that share a spool, a name and a Motion."""
    with ExitStack() as stack:
        several: list[House] = []
        for name in ("one", "two"):
            tables: dict[str, Any] = {"server": {"node": name, "public_url": f"https://{HOST}"}}
            if several:
                tables["motion"] = {"url": several[0].motion.url}
            several.append(stack.enter_context(opened(spool={"url": database_url}, **tables)))
        yield several[0], several[1]


def test_nodes_that_are_upgraded_one_by_one_refuse_nothing_and_lose_nothing(nodes: tuple[House, House]) -> None:
    first, newer = nodes[0], lay_what_is_newer(nodes[0])
    with writing(nodes) as written:
        go_on(first)
        nodes[1].release = newer
        assert "`motion-gateway migrate --rolling` changes it while they go on" in nodes[1].command("migrate", status=2)
        assert "schema next" in nodes[1].command("migrate", "--rolling")
        go_on(first)
        for node in nodes:
            restart(node, newer, meanwhile=first)
        go_on(first)
    assert_all_is_well(first, written)


def test_a_gateway_whose_spool_is_of_the_last_release_without_postgresql_is_upgraded_while_callbacks_come() -> None:
    with opened(started=False, **TABLES) as house:
        path = house.folder / "state" / SPOOL
        lay_alone(path)
        waiting = by_lane(events(house, "pending"))
        house.write_settings()
        with writing((house,)) as written:
            start_in_an_outage(house)
            house.motion.set_fault(faults.NONE)
            go_on(house)
            restart(house, lay_what_is_newer(house), meanwhile=house)
            assert sqlite.current(path) == "next"
            go_on(house)
        assert_all_is_well(house, written)
        arrived = heard(house, waiting)
        assert {lane: list(dict.fromkeys(arrived[lane])) for lane in waiting} == waiting


def lay_alone(path: Path) -> None:
    """A full spool as that release has left it."""
    released_spool.lay(path, now=time.time(), crowd=CROWD)
    with migrations.configured(path) as config:
        command.upgrade(config, ALONE)
    assert sqlite.current(path) == ALONE


@contextmanager
def writing(nodes: Sequence[House]) -> Iterator[Traffic]:
    """Customers write by all of these nodes until the block ends: 200 a second, as long as they are taken in."""
    traffic = Traffic(OFFERED, {str(house.public_port): house.sinch() for house in nodes})
    try:
        traffic.start()
        yield traffic
        traffic.end()
    finally:
        traffic.stop()


def restart(node: House, release: Path, *, meanwhile: House) -> None:
    """Stop it, let some more arrive, and start it with that release."""
    node.stop()
    if meanwhile is not node:
        go_on(meanwhile)
    node.release = release
    node.start()


def go_on(house: House) -> None:
    """Let some more arrive."""
    some = len(house.motion.accepted) + 20
    house.wait_for(lambda: len(house.motion.accepted) > some)


def waits(house: House) -> bool:
    """Whether something waits for Motion."""
    with closing(house.spool()) as spool:
        return bool(spool.read(lambda connection: connection.execute(sa.select(schema.lane).limit(1)).all()))


def assert_all_is_well(house: House, written: Traffic) -> None:
    """Each that was answered 200 arrived, those of a contact in order, and nothing but 503 was said to any other."""
    house.wait_for(lambda: not waits(house), seconds=DELIVERED_SECONDS)
    diary = Diary([Deed("nodes were restarted", 0.0, concerned=None)])
    found = verdict.found(written, house.motion.received, diary, left={}, files={}, unexpected=house.motion.unexpected)
    assert found.problems == ()
    assert written.accepted > len(written.letters)
