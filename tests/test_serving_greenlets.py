"""The worker of the first door: while one callback waits, others go on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.lock import BoundedSemaphore

from gateway import config
from gateway.serving.greenlets import Greenlets
from gateway.serving.web import Server
from tests.test_serving_brief import BODY, HOST, LENGTH, OTHERS, PLAIN

# The second connection waits for a lock of the first, which gives it up once the second waits.
WAITING = """
import sys
from gateway.store import postgres  # as a door has it loaded before its worker begins
from gateway.serving.greenlets import Greenlets
worker = Greenlets.__new__(Greenlets)
worker.sockets = []
worker.patch()
import gevent
first, second = (postgres.connect(sys.argv[1], "") for _ in range(2))
first.execute("SELECT pg_advisory_lock(1)")
second.execute("SET lock_timeout = '20s'")
waits = gevent.spawn(second.execute, "SELECT pg_advisory_lock(1)")
asked = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
while not first.execute(asked).fetchall() and not waits.ready():
    gevent.sleep(0)
print("waits" if not waits.ready() else "stands still")
first.execute("SELECT pg_advisory_unlock(1)")
waits.get()
print("goes on")
"""


def test_who_waits_for_postgresql_lets_others_go_on(database_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WAITING, database_url], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.stdout, done.stderr) == ("waits\ngoes on\n", "")


class Door:
    """A worker whose application tells what it was asked, and what may happen meanwhile."""

    def __init__(self, path: Path) -> None:
        self.asked: list[bytes] = []
        self.meanwhile: Callable[[], object] = lambda: None
        cfg = Server("ingress", lambda: config.load(path, {})).cfg
        self.worker = Greenlets(0, 0, [], Malformed(), 60, cfg, Silent())
        self.worker.wsgi = self._answer

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """The other end of a connection that the worker has taken."""
        ours, theirs = socket.socketpair()
        listener = socket.socket(socket.AF_UNIX)
        with closing(ours), closing(listener):
            ours.settimeout(60)
            handled = gevent.spawn(lambda: [self.worker.handle(listener, theirs, ""), theirs.close()])
            yield ours
            ours.close()
            handled.get()

    def told(self, *sent: bytes) -> list[bytes]:
        """What is answered on one connection to each of these, sent when the one before has its answer."""
        with self.connection() as connection:
            return [ask(connection, each) for each in sent]

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., None]) -> list[bytes]:
        self.asked.append(environ["wsgi.input"].read())
        self.meanwhile()
        start_response("200 OK", [("Content-Length", str(len(BODY)))])
        return [BODY]


class Silent:
    def _tell(self, *_told: object) -> None:
        pass

    debug = exception = error = access = _tell


class Malformed:
    door, malformed = "ingress", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def ask(connection: Any, sent: bytes) -> bytes:
    """Send it, and hear the answer; all that comes before the end, where the connection has one."""
    heard = b""
    try:
        connection.sendall(sent)
        while not heard.endswith(ANSWER) and (more := connection.recv(65536)):
            heard += more
    except ConnectionError:
        pass
    return heard


@pytest.fixture
def door(settings_file: Callable[..., Path]) -> Iterator[Door]:
    made = Door(settings_file())
    with closing(made.worker.tmp):
        yield made


ASKED = b"POST /sinch/notify/7 HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + BODY
LAST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n" + BODY


def test_one_connection_has_one_callback_after_another(door: Door) -> None:
    hidden = b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(ASKED) + ASKED
    assert door.told(ASKED, hidden, ASKED) == [ANSWER] * 3
    assert door.asked == [BODY, ASKED, BODY]


@pytest.mark.parametrize("sent", (PLAIN | OTHERS).values(), ids=PLAIN | OTHERS)
def test_what_comes_on_a_connection_that_has_rested_is_answered_as_on_one_of_its_own(door: Door, sent: bytes) -> None:
    def heard(*before: bytes) -> tuple[bytes, bytes, list[bytes]]:
        door.asked.clear()
        with door.connection() as connection:
            assert [ask(connection, each) for each in before] == [ANSWER] * len(before)
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            told = b"".join(iter(lambda: connection.recv(65536), b""))
        return told.partition(b"\r\n")[0], told.rpartition(b"\r\n\r\n")[2], door.asked[len(before) :]

    assert heard(ASKED) == heard()


def test_what_comes_before_the_answer_is_never_read_as_the_next(door: Door) -> None:
    assert door.told(ASKED + ASKED, ASKED)[1:] == [b""]
    assert door.asked == [BODY]
    with door.connection() as connection:
        door.meanwhile = lambda: connection.sendall(ASKED)
        assert [ask(connection, ASKED), ask(connection, ASKED)] == [LAST, b""]
    assert door.asked == [BODY] * 2


def test_a_worker_that_is_told_to_stop_answers_what_comes_on_connections_that_rest_once_more(door: Door) -> None:
    with door.connection() as connection:
        assert ask(connection, ASKED) == ANSWER
        door.worker.alive = False
        assert [ask(connection, ASKED), ask(connection, ASKED)] == [LAST, b""]


def test_who_says_half_of_a_request_keeps_nobody_out(door: Door) -> None:
    door.worker._places = BoundedSemaphore(1)
    door.worker.request_seconds = 0.01
    for half in (ASKED[:20], OTHERS["no end"], OTHERS["less than was said"], b""):
        with door.connection() as idle, door.connection() as resting:
            idle.sendall(half)
            gevent.sleep(0)
            assert [ask(resting, ASKED), ask(resting, ASKED)] == [ANSWER] * 2
            assert ask(idle, b"") == b""
