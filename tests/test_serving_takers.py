"""The worker of the doors that wait for others: who takes a connection answers it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import config
from gateway.serving.takers import Takers
from gateway.serving.web import Server
from tests.spool_samples import until
from tests.test_serving_brief import BODY, HOST, LENGTH, OTHERS, PLAIN
from tests.test_serving_greenlets import Malformed, Silent

CALL = b"POST /eu/v1/projects/p/messages:send HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY
SLOW = CALL.replace(b"messages:send", b"slow")


class Listener:
    """As gunicorn has it."""

    def __init__(self, path: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(str(path))
        self.sock.listen()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)


class Door:
    """A worker whose application waits where it is asked for what is slow."""

    def __init__(self, folder: Path, settings: Path) -> None:
        self.path, self.goes_on = folder / "door.sock", threading.Event()
        cfg = Server("outbound", lambda: config.load(settings, {})).cfg
        self.worker = Takers(0, 0, [Listener(self.path)], Malformed(), 60, cfg, Silent())
        self.worker.wsgi = self._answer
        self.worker.method_queue.init()
        self.worker.set_accept_enabled(True)

    def asked(self, sent: bytes) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(60)
        connection.connect(str(self.path))
        connection.sendall(sent)
        return connection

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        if environ["PATH_INFO"].endswith("slow"):
            assert self.goes_on.wait(60)
        told = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(told)))])
        return [told]


@pytest.fixture
def door(tmp_path: Path, settings_file: Callable[..., Path]) -> Iterator[Door]:
    made = Door(tmp_path, settings_file())
    yield made
    made.goes_on.set()
    made.worker.alive = False
    made.worker.tmp.close()
    made.worker.method_queue.close()
    with made.worker.sockets[0].sock as listener:
        listener.shutdown(socket.SHUT_RDWR)  # whoever rests goes


def heard(connection: socket.socket) -> bytes:
    with connection:
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_while_some_wait_others_are_answered(door: Door) -> None:
    slow = [door.asked(SLOW) for _ in range(3)]
    for _ in range(5):
        assert heard(door.asked(CALL)).endswith(b"\r\n\r\n" + BODY)
    until(lambda: door.worker.nr_conns == len(slow), "all others are done")
    door.goes_on.set()
    assert all(heard(each).endswith(b"\r\n\r\n" + BODY) for each in slow)
    until(lambda: door.worker.nr_conns == 0, "all are done")


@pytest.mark.parametrize("sent", (PLAIN | {"a call": CALL}).values(), ids=[*PLAIN, "a call"])
def test_what_is_plain_is_answered_and_its_connection_ends(door: Door, sent: bytes) -> None:
    told = heard(door.asked(sent))
    assert (told[:15], told.endswith(sent.partition(b"\r\n\r\n")[2])) == (b"HTTP/1.1 200 OK", True)


@pytest.mark.parametrize("name", ["chunks alone", "an expectation", "another case", "two hosts"])
def test_all_else_gunicorn_reads(door: Door, name: str) -> None:
    assert heard(door.asked(OTHERS[name])).startswith(b"HTTP/1.")


def test_who_goes_without_a_word_keeps_nobody_out(door: Door) -> None:
    for _ in range(3):
        door.asked(b"").close()
    assert heard(door.asked(CALL)).endswith(BODY)


def test_who_says_half_of_a_request_holds_its_thread_for_some_seconds_and_no_longer(door: Door) -> None:
    door.worker.request_seconds = 0.01
    for half in (b"", CALL[:20], OTHERS["less than was said"]):
        assert heard(door.asked(half)) == b""
    until(lambda: door.worker.nr_conns == 0, "all are done")


def test_what_is_under_way_when_it_is_told_to_stop_is_answered(door: Door) -> None:
    slow = door.asked(SLOW)
    until(lambda: door.worker.nr_conns == 1, "it is taken")
    door.worker.alive = False
    door.goes_on.set()
    assert heard(slow).endswith(BODY)
    until(lambda: door.worker.nr_conns == 0, "all are done")
