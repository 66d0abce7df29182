"""The office: who may enter, and what it says of the house."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from gateway import draining, lock, paths
from gateway.delivery import trouble
from gateway.diagnosis import routes
from gateway.errors import REMEDIES, remedy_of_check
from gateway.ingress import intake
from gateway.phrases import Reason
from gateway.store.engines import Database
from tests.door_samples import Door, Log, assert_refused, logged, opened
from tests.mishaps import MISHAPS
from tests.service_samples import NOW
from tests.spool_samples import callback
from tests.together import together

PASSWORD = "pässword: of the office"
OPS = {"username": "op", "password": PASSWORD}


def basic(user: str, password: str, *, encoding: str = "utf-8") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode(encoding)).decode()


def ask(door: Door, path: str, authorization: str | None = None) -> TestResponse:
    return door.client.get(path, headers={} if authorization is None else {"authorization": authorization})


RIGHT = basic("op", PASSWORD)
WRONG = {
    "missing": None,
    "empty": "",
    "the scheme alone": "Basic",
    "the scheme and a blank": "Basic ",
    "of another scheme": "Bearer " + RIGHT.removeprefix("Basic "),
    "digest": f'Digest username="op", password="{PASSWORD}"',
    "without a scheme": RIGHT.removeprefix("Basic "),
    "not base64": "Basic !!!",
    "beyond ASCII": "Basic \xe9\xff",
    "base64 without its end": RIGHT[:-3],
    "base64 of no text": "Basic " + base64.b64encode(b"\xff\xfe").decode(),
    "without a colon": "Basic " + base64.b64encode(b"op").decode(),
    "another user": basic("Op", PASSWORD),
    "no user": basic("", PASSWORD),
    "no password": basic("op", ""),
    "another password": basic("op", PASSWORD + "x"),
    "the password cut": basic("op", PASSWORD[:-1]),
    "the password in Latin-1": basic("op", PASSWORD, encoding="latin-1"),
    "user and password exchanged": basic(PASSWORD, "op"),
    "right, with something behind it": basic("op", PASSWORD + "\n"),
    "twice": f"{RIGHT}, {RIGHT}",
}


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_who_does_not_prove_to_be_the_operator_is_refused(spool: Database, path: str) -> None:
    @together("authorization", WRONG.values(), ids=WRONG)
    def refused(door: Door, authorization: str | None) -> None:
        assert_refused(ask(door, path, authorization), 401, door="ops")

    with opened(spool, door="ops", ops=OPS) as door:
        refused(door=door)


@pytest.mark.parametrize("authorization", [RIGHT, RIGHT.replace("Basic", "basic"), RIGHT.replace("Basic", "BASIC")])
def test_the_operator_is_let_in(spool: Database, authorization: str) -> None:
    with opened(spool, door="ops", ops=OPS) as door:
        assert ask(door, "/healthz", authorization).json["status"] == "ok"


def test_without_a_password_in_the_settings_everybody_who_reaches_it_is_let_in(spool: Database) -> None:
    with opened(spool, door="ops") as door:
        assert ask(door, "/healthz").status_code == 200
        assert ask(door, "/healthz", "Basic !!!").status_code == 200


@pytest.mark.parametrize("path", ["/metrics/", "/healthz/", "/readyz/x", "/api/whatsapp/accounts/7/notify"])
def test_all_else_is_not_there(spool: Database, path: str) -> None:
    with opened(spool, door="ops", ops=OPS) as door:
        assert_refused(ask(door, path, RIGHT), 404, door="ops")
        assert_refused(door.client.post("/healthz"), 404, door="ops")


def test_neither_user_nor_password_is_logged(spool: Database, capfd: pytest.CaptureFixture[str]) -> None:
    with logged(capfd, "ops") as log, opened(spool, door="ops", ops=OPS) as door:
        ask(door, "/healthz", RIGHT)
        ask(door, "/healthz", basic("op", "wrong-secret"))
        lines = log()
    assert [(line["status"], line.get("reason")) for line in lines] == [
        (200, None),
        (401, "operator not authenticated"),
    ]
    assert not [word for word in ("ssword", "wrong-secret", RIGHT[6:]) if word in json.dumps(lines, ensure_ascii=False)]


# Readiness


@pytest.fixture
def log(capfd: pytest.CaptureFixture[str]) -> Iterator[Log]:
    with logged(capfd, "ops") as read:
        yield read


@contextlib.contextmanager
def listening(path: Path) -> Iterator[None]:
    path.parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        door.listen()
        yield


@contextlib.contextmanager
def ready(spool: Database, *, without: str = "") -> Iterator[Door]:
    """An office in a house where all is well, but for what `without` names."""
    with contextlib.ExitStack() as stack:
        door = stack.enter_context(opened(spool, door="ops"))
        settings = door.services.settings
        if without != "courier":
            stack.enter_context(lock.only_one(paths.lock(settings, "courier"), "courier"))
        if without != "ingress":
            stack.enter_context(listening(paths.socket(settings, "ingress")))
        yield door


def test_a_house_in_which_all_is_well_is_ready_and_says_what_waits(spool: Database, log: Log) -> None:
    intake.accept(spool, callback("m1"), now=NOW - 90)
    intake.accept(spool, callback("m2"), now=NOW - 60)
    intake.accept(spool, callback("m1", text="other"), now=NOW)
    with ready(spool) as door:
        answer = ask(door, "/readyz")
    assert answer.status_code == 200
    assert answer.json == {
        "ready": True,
        "checks": {"spool": "ok", "courier": "ok", "ingress": "ok"},
        "events": {"pending": 2, "parked": 0},
        "oldest_pending_seconds": 90,
    }
    assert "reason" not in log()[-1]


def test_a_house_whose_motion_is_in_trouble_is_ready_and_says_so(spool: Database) -> None:
    found = {"finding": "kind-refused", "about": "7 CONTACT_CREATE", "reason": "400", "since": NOW}
    with ready(spool) as door:
        spool.tell(lambda run: run("keep_trouble", **found))
        answer = ask(door, "/readyz")
        trouble.end(spool, "kind-refused", "7 CONTACT_CREATE")
        after = ask(door, "/readyz")
    told = answer.json
    assert told is not None
    assert (answer.status_code, told["ready"]) == (200, True)
    assert told["findings"] == [found | {"remedy": "turn this trigger off at Sinch, or look at Motion"}]
    assert "findings" not in (after.json or {})


@pytest.mark.parametrize(("accepted_at", "age"), [(None, None), (NOW, 0), (NOW - 0.6, 1), (NOW + 60, 0)])
def test_the_oldest_event_that_waits_is_never_younger_than_now(
    spool: Database, accepted_at: float | None, age: int | None
) -> None:
    if accepted_at is not None:
        intake.accept(spool, callback(), now=accepted_at)
    with ready(spool) as door:
        told: Any = ask(door, "/readyz").json
    assert told["oldest_pending_seconds"] == age


def test_the_attachments_door_counts_where_there_are_links(spool: Database) -> None:
    with opened(spool, door="ops", attachments={"proxy_token": "a token of some length"}) as door:
        assert ask(door, "/readyz").json["checks"]["attachments"] == "the attachments door is shut"
        settings = door.services.settings
        settings.server.state_dir.joinpath("run").mkdir()
        with listening(paths.socket(settings, "attachments")):
            assert ask(door, "/readyz").json["checks"]["attachments"] == "ok"


def test_the_outbound_door_counts_where_there_is_one(spool: Database) -> None:
    links, clients = {"token_keys": ["a key of some length"]}, {"outbound_clients": ["10.0.0.9"]}
    with opened(spool, door="ops", server=clients, attachments=links) as door:
        assert ask(door, "/readyz").json["checks"]["outbound"] == "the outbound door is shut"
        settings = door.services.settings
        settings.server.state_dir.joinpath("run").mkdir()
        with listening(paths.socket(settings, "outbound")):
            assert ask(door, "/readyz").json["checks"]["outbound"] == "ok"


FAULTS = {"courier": "no courier is running", "ingress": "the ingress door is shut"}


@pytest.mark.parametrize(("missing", "said"), FAULTS.items(), ids=FAULTS)
def test_a_house_in_which_something_is_missing_is_not_ready_and_says_what(
    spool: Database, log: Log, missing: str, said: str
) -> None:
    with ready(spool, without=missing) as door:
        answer = ask(door, "/readyz")
    assert answer.status_code == 503
    assert answer.json == {
        "ready": False,
        "checks": {"spool": "ok", "courier": "ok", "ingress": "ok", missing: said},
    }
    assert log()[-1]["reason"] == f"{missing}: {said}"


def test_a_fetcher_that_stands_still_is_as_bad_as_none(spool: Database) -> None:
    with opened(spool, door="ops", inbound={"media": "keep"}) as door:
        place = paths.lock(door.services.settings, "fetcher")
        with lock.only_one(place, "fetcher"), lock.beating(place):
            assert routes.outcomes(door.services)["fetcher"] == "ok"
            os.utime(place, (0, 0))
            assert routes.outcomes(door.services)["fetcher"] == "the fetcher stands still"
            assert "`kill -CONT`" in remedy_of_check("fetcher", "the fetcher stands still")
        assert routes.outcomes(door.services)["fetcher"] == "no fetcher is running"


def not_ready(door: Door) -> str:
    answer = ask(door, "/readyz")
    assert answer.status_code == 503
    told: Any = answer.json
    assert not told["ready"]
    assert {name for name, outcome in told["checks"].items() if outcome != "ok"} == {"spool"}
    return str(told["checks"]["spool"])


def test_a_house_that_drains_is_not_ready_for_a_balancer_and_says_so(spool: Database) -> None:
    with ready(spool) as door:
        settings = door.services.settings
        draining.begin(settings)
        answer = ask(door, "/readyz")
        assert (answer.status_code, answer.json["checks"]["drain"]) == (503, "draining")
        draining.end(settings)
        assert "drain" not in ask(door, "/readyz").json["checks"]


def test_a_spool_that_is_locked_is_not_ready(spool: Database) -> None:
    with ready(spool) as door, contextlib.closing(sqlite3.connect(spool.path, isolation_level=None)) as locker:
        locker.execute("BEGIN IMMEDIATE")
        assert not_ready(door) == "spool locked"
        locker.execute("ROLLBACK")
        assert ask(door, "/readyz").status_code == 200


def test_a_house_that_takes_callbacks_in_by_its_lifeboat_is_ready_and_says_so(spool: Database) -> None:
    with ready(spool) as door:
        afloat = door.services.settings.server.state_dir / paths.LIFEBOAT / paths.AFLOAT
        afloat.parent.mkdir()
        afloat.touch()
        spool.path.rename(spool.path.with_name("aside"))
        answer = ask(door, "/readyz")
    told = answer.json
    assert told is not None
    assert (answer.status_code, told["ready"]) == (200, True)
    assert [found["finding"] for found in told["findings"]] == ["lifeboat"]


SPOILT_FILES = {
    "missing": (None, "spool schema is not yet of this release; restart the gateway, or run `motion-gateway migrate`"),
    "empty": (b"", "spool schema is not yet of this release; restart the gateway, or run `motion-gateway migrate`"),
    "no database": (b"secret" * 1000, "spool damaged"),
}


@pytest.mark.parametrize(("content", "said"), SPOILT_FILES.values(), ids=SPOILT_FILES)
def test_a_spool_that_is_none_is_not_ready(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "other.sqlite3"
    if content is not None:
        path.write_bytes(content)
    spool = Database(path, patience_seconds=0.1)
    with contextlib.closing(spool), ready(spool) as door:
        assert not_ready(door) == said
    assert path.exists() is (content is not None)


def test_a_socket_that_nobody_listens_on_any_more_is_a_shut_door(spool: Database) -> None:
    with ready(spool) as door:
        pass
    with lock.only_one(paths.lock(door.services.settings, "courier"), "courier"):
        told: Any = ask(door, "/readyz").json
    assert paths.socket(door.services.settings, "ingress").exists()
    assert told["checks"] == {"spool": "ok", "courier": "ok", "ingress": "the ingress door is shut"}


def test_asking_whether_a_courier_runs_does_not_keep_one_from_starting(spool: Database) -> None:
    with ready(spool, without="courier") as door:
        ask(door, "/readyz")
        with lock.only_one(paths.lock(door.services.settings, "courier"), "courier", patience_seconds=0.2):
            assert ask(door, "/readyz").status_code == 200


def test_a_spool_that_another_file_took_the_place_of_is_not_ready_and_says_what_to_do(spool: Database) -> None:
    with ready(spool) as door:
        assert ask(door, "/readyz").status_code == 200
        MISHAPS["replaced by a copy"].do(spool.path)
        assert not_ready(door) == "spool file was replaced"
        told: Any = ask(door, "/readyz").json
    assert told["findings"] == [
        {
            "finding": "spool-displaced",
            "about": "",
            "reason": "spool file was replaced",
            "remedy": REMEDIES[Reason.SPOOL_REPLACED],
        }
    ]
