"""Whether it is ready, asked from outside: of the right one alone, and any answer told with a remedy."""

from __future__ import annotations

import datetime
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli import group
from gateway.config import addresses
from gateway.errors import CommandError, remedy_of_check
from sandbox import certificates
from tests.peer_samples import Behaviour, Peer, Wire, finishes, says

HOST = "gateway.example.com"
READY = {
    "ready": True,
    "checks": {"spool": "ok", "courier": "ok"},
    "events": {"pending": 2},
    "oldest_pending_seconds": 6,
}
AWAY = {"finding": "motion-down", "about": "", "reason": "connection refused", "since": 1.0, "remedy": "bring it back"}
STALE = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


def answer(status: int, said: object) -> Behaviour:
    body = json.dumps(said).encode()
    return says(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Callable[..., Peer]]:
    """Starts what listens where the ops door should, with a certificate of `folder`."""
    started: list[Peer] = []

    def start(behaviour: Behaviour, folder: Path = tmp_path / "tls", **variant: Any) -> Peer:
        folder.mkdir()
        files = certificates.issue(folder, HOST, **variant)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(files.certificate, files.private_key)
        started.append(Peer(behaviour, host="127.0.0.1", tls=tls))
        return started[-1]

    yield start
    for peer in started:
        peer.close()


@pytest.fixture
def run(settings_file: Callable[..., Path]) -> Callable[..., Result]:
    def ready(port: int, *options: str, **tables: Any) -> Result:
        file = settings_file(server={"ops_port": port}, **tables)
        return CliRunner().invoke(group, ["--config", str(file), "ready", *options])

    return ready


def test_a_gateway_that_is_ready_is_told_so_with_what_waits(
    office: Callable[..., Peer], run: Callable[..., Result]
) -> None:
    done = run(office(answer(200, READY | {"findings": [AWAY]})).port)
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "Ready.",
        "spool           ok",
        "courier         ok",
        "events          2 pending",
        "oldest pending  6 s",
        "motion-down     connection refused: bring it back",
    ]


def test_limits_that_each_process_counts_for_itself_are_told_and_make_nobody_unready(
    office: Callable[..., Peer], run: Callable[..., Result]
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as nobody:
        gone = {"storage": f"redis://127.0.0.1:{nobody.getsockname()[1]}"}
    port = office(answer(200, READY | {"findings": [AWAY]})).port
    done = run(port, "--json", limits=gone)
    said = json.loads(done.stdout)
    assert (done.exit_code, said["ready"]) == (0, True)
    assert [found["finding"] for found in said["findings"]] == ["motion-down", "limits-storage-away"]
    assert "gives no answer: each process counts for itself meanwhile: Start it" in run(port, limits=gone).stdout


NOT_READY: dict[str, tuple[Behaviour, str, str]] = {
    "no courier": (
        answer(503, {"ready": False, "checks": {"courier": "no courier is running"}}),
        "courier",
        "no courier is running",
    ),
    "a shut door": (
        answer(503, {"ready": False, "checks": {"ingress": "the ingress door is shut"}}),
        "ingress",
        "the ingress door is shut",
    ),
    "a full disk": (
        answer(503, {"ready": False, "checks": {"spool": "spool disk full"}}),
        "spool",
        "spool disk full",
    ),
    "nginx before a shut door": (
        answer(503, {"error": {"code": 503, "status": "UNAVAILABLE"}}),
        "ops",
        "the ops door is shut",
    ),
    "another password": (answer(401, {"error": {"code": 401}}), "ops", "answered 401"),
    "a page of somebody": (says(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<a/>"), "ops", "answered 200"),
    "a list": (answer(200, [1]), "ops", "answered 200"),
    "ready, in a word": (answer(200, {"ready": "yes", "checks": {}}), "ops", "answered 200"),
    "ready, and no checks": (answer(200, {"ready": True}), "ops", "answered 200"),
    "a redirect": (answer(302, {}), "ops", "answered 302"),
    "no word": (finishes, "ops", "connection broken"),
    "another protocol": (says(b"220 mail.example ESMTP\r\n", then=Wire.reset), "ops", "answer is not HTTP"),
}


@pytest.mark.parametrize(("behaviour", "check", "outcome"), NOT_READY.values(), ids=NOT_READY)
def test_what_is_missing_is_told_with_its_remedy(
    office: Callable[..., Peer], run: Callable[..., Result], behaviour: Behaviour, check: str, outcome: str
) -> None:
    done = run(office(behaviour).port, "--json")
    said = json.loads(done.stdout)
    assert (done.exit_code, said["ready"], said["checks"][check]) == (1, False, outcome)
    assert said["remedies"][check]


def test_where_ports_are_kept_and_no_nginx_starts_it_is_told_where_to_look() -> None:
    assert "see nginx's log" in remedy_of_check("ops", "no answer in time")


def test_a_full_disk_is_told_with_what_to_do_about_it(office: Callable[..., Peer], run: Callable[..., Result]) -> None:
    said = run(office(answer(503, {"ready": False, "checks": {"spool": "spool disk full"}})).port).stdout
    assert "spool disk full: make room on the disk of server.state_dir" in said


def test_where_nothing_listens_it_is_not_ready(office: Callable[..., Peer], run: Callable[..., Result]) -> None:
    with closing(office(answer(200, READY))) as gone:
        pass
    done = run(gone.port)
    assert done.exit_code == 1
    assert done.stdout.startswith("Not ready.\nops  connection refused: start the gateway")


def test_the_certificate_is_known_however_old_it_is_and_whoever_signed_it(
    office: Callable[..., Peer], run: Callable[..., Result]
) -> None:
    assert run(office(answer(200, READY), ends=STALE, begins=STALE - datetime.timedelta(days=9)).port).exit_code == 0


def test_nobody_else_is_shown_the_password_or_believed(
    office: Callable[..., Peer], run: Callable[..., Result], tmp_path: Path
) -> None:
    ours = office(answer(200, READY))
    other = office(answer(200, READY), tmp_path / "other")
    password = {"ops": {"username": "op", "password": "of the office"}}
    assert run(ours.port, **password).exit_code == 0
    assert b"authorization: basic b3a6b2ygdghlig9mzmljzq==" in ours.requests[0].lower()
    done = run(other.port, **password)
    assert done.exit_code == 1
    assert "certificate or TLS refused: reload the gateway" in done.stdout
    assert other.requests == []


def test_without_a_certificate_to_know_it_by_nobody_is_asked(run: Callable[..., Result]) -> None:
    done = run(1)
    assert isinstance(done.exception, CommandError)
    assert "fullchain.pem cannot be read" in str(done.exception)


def test_no_proxy_of_the_environment_is_asked(
    office: Callable[..., Peer], run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert run(office(answer(200, READY)).port).exit_code == 0


def test_who_waits_hears_when_it_is_ready(office: Callable[..., Peer], run: Callable[..., Result]) -> None:
    def behave(wire: Wire) -> None:
        (answer(200, READY) if len(peer.requests) > 1 else finishes)(wire)

    peer = office(behave)
    assert run(peer.port, "--wait", "60").exit_code == 0
    assert len(peer.requests) == 2


WHERE = {
    "127.0.0.1": "127.0.0.1",
    "0.0.0.0": "127.0.0.1",
    "[::]": "127.0.0.1",
    "[::1]": "[::1]",
    "10.0.0.5": "10.0.0.5",
}


@pytest.mark.parametrize(("listens", "asked"), WHERE.items(), ids=WHERE)
def test_a_wildcard_is_asked_at_loopback(listens: str, asked: str) -> None:
    assert addresses.reached(listens) == asked
