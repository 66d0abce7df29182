"""What a balancer hears at the public address: yes or no, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway import draining, paths
from gateway.ingress.beacon import SECONDS, Beacon
from gateway.store.engines import Database
from tests.door_samples import Door, Log, assert_refused, logged, opened
from tests.service_samples import services
from tests.spool_samples import meddle
from tests.test_diagnosis_routes import listening

PATH = "/health"
FILES = {"token_keys": ["a key of some length"]}


@pytest.fixture
def door(spool: Database) -> Iterator[Door]:
    with opened(spool, server={"health_path": PATH}) as found:
        paths.run(found.services.settings).mkdir()
        yield found


@pytest.fixture
def log(capfd: pytest.CaptureFixture[str]) -> Iterator[Log]:
    with logged(capfd, "ingress") as read:
        yield read


def test_a_node_that_takes_callbacks_says_so_without_a_word_and_without_a_line(door: Door, log: Log) -> None:
    for answer in (door.client.get(PATH), door.client.head(PATH)):
        assert (answer.status_code, answer.data) == (200, b"")
    assert log() == []
    assert_refused(door.client.get(f"{PATH}/"), 404)


def test_a_node_that_drains_says_no_at_once_and_serves_all_the_same(door: Door, log: Log) -> None:
    assert door.client.get(PATH).status_code == 200
    draining.begin(door.services.settings)
    assert_refused(door.client.get(PATH), 503)
    assert door.post().status_code == 200
    draining.end(door.services.settings)
    assert door.client.get(PATH).status_code == 200
    assert [line.get("reason") for line in log() if line["status"] == 503] == ["draining"]


def test_a_node_whose_spool_cannot_be_written_says_no_and_not_why(door: Door) -> None:
    meddle(door.services.spool, "DROP TABLE alembic_version")
    assert_refused(door.client.get(PATH), 503)


def test_a_node_whose_door_for_files_is_shut_says_no(spool: Database) -> None:
    with opened(spool, server={"health_path": PATH}, attachments=FILES) as door:
        assert_refused(door.client.get(PATH), 503)
    with opened(spool, server={"health_path": PATH}, attachments=FILES) as door:
        socket = paths.socket(door.services.settings, "attachments")
        with listening(socket):
            assert door.client.get(PATH).status_code == 200


def test_whoever_asks_and_however_often_there_is_one_look_in_two_seconds(spool: Database) -> None:
    told, now = services(spool), [0.0]
    beacon = Beacon(told, steady=lambda: now[0])
    beacon.require_well()
    meddle(spool, "DROP TABLE alembic_version")
    now[0] = SECONDS - 0.1
    beacon.require_well()
    now[0] = SECONDS
    with pytest.raises(Exception, match="spool schema"):
        beacon.require_well()


def test_without_the_setting_there_is_no_such_path(spool: Database) -> None:
    with opened(spool) as door:
        assert_refused(door.client.get(PATH), 404)
