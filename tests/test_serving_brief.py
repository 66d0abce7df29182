"""What the busy door reads by itself: as gunicorn would, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gunicorn import http
from gunicorn.http import wsgi

from gateway import config
from gateway.serving import brief
from gateway.serving.greenlets import Greenlets
from gateway.serving.web import Server
from tests.together import together

LINE = b"POST /sinch/notify/7 HTTP/1.0\r\n"
HOST, LENGTH, BODY = b"Host: gateway.example\r\n", b"Content-Length: 2\r\n", b"{}"
PASSED = (
    b"X-Real-IP: 192.0.2.1\r\nX-Request-ID: 0123456789abcdef0123456789abcdef\r\nConnection: close\r\n"
    b"content-type: application/json\r\nUser-Agent: \xe9 \t of nobody  \r\nAccept: \r\n"
)
# Each is read by itself, as gunicorn reads it.
PLAIN = {
    "as nginx passes it": LINE + HOST + LENGTH + PASSED + b"\r\n" + BODY,
    "a query": b"POST /a/b_c.d~e-f//g?token=%2F&x=/?[]@ HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
    "a colon, as Sinch has them": b"POST /v1/projects/p/messages:send HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
    "a port": LINE + b"Host: gateway.example:8443\r\n" + LENGTH + b"\r\n" + BODY,
    "blanks that are none to HTTP": LINE + HOST + LENGTH + b"X-A: \xa0\x85a\x85\xa0\r\n\r\n" + BODY,
    "no body": LINE + HOST + b"Content-Length: 0\r\n\r\n",
    "a body with ends of lines": LINE + HOST + b"Content-Length: 8\r\n\r\n\r\n\r\n\r\n\r\n",
}
# Each is left to gunicorn, whatever that makes of it.
OTHERS = {
    "another method": b"GET /a HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
    "another case": b"post /a HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
    "another version": b"POST /a HTTP/2.0\r\n" + HOST + LENGTH + b"\r\n" + BODY,
    "two blanks": b"POST  /a HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
    "an encoded path": b"POST /%61 HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
    "two slashes": b"POST //a/b HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
    "a fragment": b"POST /a#b HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
    "a fragment in the query": b"POST /a?b#c HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
    "another host in the line": b"POST http://b/a HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
    "an empty line before": b"\r\n" + LINE + HOST + LENGTH + b"\r\n" + BODY,
    "no host": LINE + LENGTH + b"\r\n" + BODY,
    "two hosts": LINE + HOST + HOST + LENGTH + b"\r\n" + BODY,
    "a host in brackets": LINE + b"Host: [::1]:80\r\n" + LENGTH + b"\r\n" + BODY,
    "no length": LINE + HOST + b"\r\n" + BODY,
    "two lengths": LINE + HOST + LENGTH + LENGTH + b"\r\n" + BODY,
    "two lengths, spelled otherwise": LINE + HOST + LENGTH + b"content-length: 3\r\n\r\n" + BODY,
    "lengths in one": LINE + HOST + b"Content-Length: 2, 2\r\n\r\n" + BODY,
    "a length with a sign": LINE + HOST + b"Content-Length: +2\r\n\r\n" + BODY,
    "chunks": LINE + HOST + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n" + BODY,
    "chunks alone": LINE + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an expectation": LINE + HOST + LENGTH + b"Expect: 100-continue\r\n\r\n" + BODY,
    "a trailer": LINE + HOST + LENGTH + b"Trailer: X-A\r\n\r\n" + BODY,
    "a wish for trailers": LINE + HOST + LENGTH + b"TE: trailers\r\n\r\n" + BODY,
    "an upgrade": LINE + HOST + LENGTH + b"Upgrade: h2c\r\n\r\n" + BODY,
    "a header that comes twice": LINE + HOST + LENGTH + b"X-A: 1\r\nX-A: 2\r\n\r\n" + BODY,
    "an underscore": LINE + HOST + LENGTH + b"X_Real-IP: 192.0.2.9\r\n\r\n" + BODY,
    "a blank before the colon": LINE + HOST + LENGTH + b"X-A : 1\r\n\r\n" + BODY,
    "no blank after the colon": LINE + HOST + LENGTH + b"X-A:1\r\n\r\n" + BODY,
    "no colon": LINE + HOST + LENGTH + b"X-A\r\n\r\n" + BODY,
    "a folded header": LINE + HOST + LENGTH + b"X-A: 1\r\n 2\r\n\r\n" + BODY,
    "a line feed alone": LINE + HOST + LENGTH + b"X-A: 1\nX-B: 2\r\n\r\n" + BODY,
    "a carriage return alone": LINE + HOST + LENGTH + b"X-A: 1\rX-B: 2\r\n\r\n" + BODY,
    "a zero": LINE + HOST + LENGTH + b"X-A: \x00\r\n\r\n" + BODY,
    "a long header": LINE + HOST + LENGTH + b"X-A: " + b"a" * 8190 + b"\r\n\r\n" + BODY,
    "a large body": LINE + HOST + b"Content-Length: 40000\r\n\r\n" + b"a" * 40000,
    "less than was said": LINE + HOST + b"Content-Length: 3\r\n\r\n" + BODY,
    "no end": LINE + HOST + LENGTH,
    "nothing": b"",
}
# What has no meaning for who is asked, or is an object of its own.
_OF_GUNICORN = {"gunicorn.socket", "wsgi.early_hints", "wsgi.errors", "wsgi.input"}


class Wire:
    """A connection on which this came, so many bytes at a time."""

    def __init__(self, came: bytes, size: int) -> None:
        self.left, self.size = came, size

    def recv(self, most: int) -> bytes:
        given, self.left = self.left[: min(most, self.size)], self.left[min(most, self.size) :]
        return given


@pytest.fixture
def worker(settings_file: Callable[..., Path]) -> Greenlets:
    path = settings_file()
    made = Greenlets.__new__(Greenlets)
    made.cfg = Server("ingress", lambda: config.load(path, {})).cfg
    return made


@together("size", [1, 100_000], ids=["byte by byte", "at once"])
@together("sent", PLAIN.values(), ids=PLAIN)
def test_a_request_is_read_as_gunicorn_reads_it(worker: Greenlets, sent: bytes, size: int) -> None:
    parsed = next(http.get_parser(worker.cfg, iter([sent]), ""))
    _, theirs = wsgi.create(parsed, None, "", "/ingress.sock", worker.cfg)
    came, ours = brief.read(Wire(sent, size).recv, worker._base)
    assert ours is not None
    assert (came, ours["wsgi.input"].read()) == (sent, theirs["wsgi.input"].read())
    same = {"wsgi.multithread": True}  # which gunicorn's worker adds
    assert _told(ours) == _told(theirs) | same


@together("size", [7, 100_000], ids=["in pieces", "at once"])
@together("sent", OTHERS.values(), ids=OTHERS)
def test_all_that_is_written_otherwise_is_gunicorns_from_its_first_byte(
    worker: Greenlets, sent: bytes, size: int
) -> None:
    wire = Wire(sent, size)
    came, environ = brief.read(wire.recv, worker._base)
    begun = brief.Begun(wire, came)
    assert environ is None
    assert b"".join(iter(lambda: begun.recv(8192), b"")) == sent


def test_what_follows_a_request_is_no_other(worker: Greenlets) -> None:
    one = LINE + HOST + LENGTH + b"\r\n" + BODY
    assert brief.read(Wire(one + one, 100_000).recv, worker._base) == (one + one, None)
    came, environ = brief.read(Wire(one + one, len(one)).recv, worker._base)
    assert environ is not None
    assert (came, environ["wsgi.input"].read()) == (one, BODY)  # and what more there is, the worker looks at


def test_what_was_made_for_an_answer_is_closed() -> None:
    closed = []

    class Parts:
        def __iter__(self) -> Iterator[bytes]:
            yield from (b"{", b"}")

        def close(self) -> None:
            closed.append(self)

    def application(_environ: dict[str, Any], start_response: Callable[..., None]) -> Parts:
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "2")])
        return Parts()

    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"
    asked = {"SERVER_PROTOCOL": "HTTP/1.1"}
    assert brief.answered(application, asked, may_rest=lambda: True) == (head + b"{}", True)
    assert len(closed) == 1


# Asked so and answered so: whether the connection rests.
RESTS = {
    "as nginx asks": ("HTTP/1.1", {}, [("Content-Length", "2")], True),
    "HTTP/1.0": ("HTTP/1.0", {}, [("Content-Length", "2")], False),
    "a word of the connection": ("HTTP/1.1", {"HTTP_CONNECTION": "keep-alive"}, [("Content-Length", "2")], False),
    "no length": ("HTTP/1.1", {}, [], False),
    "another length": ("HTTP/1.1", {}, [("Content-Length", "3")], False),
    "two lengths": ("HTTP/1.1", {}, [("Content-Length", "2"), ("content-length", "2")], False),
    "chunks": ("HTTP/1.1", {}, [("Content-Length", "2"), ("Transfer-Encoding", "chunked")], False),
}


@pytest.mark.parametrize(("protocol", "asked", "told", "rests"), RESTS.values(), ids=RESTS)
def test_a_connection_rests_behind_an_answer_that_tells_its_length(
    protocol: str, asked: dict[str, str], told: list[tuple[str, str]], *, rests: bool
) -> None:
    def application(_environ: dict[str, Any], start_response: Callable[..., None]) -> list[bytes]:
        start_response("200 OK", told)
        return [b"{}"]

    environ = {"SERVER_PROTOCOL": protocol, **asked}
    answer, found = brief.answered(application, environ, may_rest=lambda: True)
    assert (found, b"Connection: close" in answer) == (rests, not rests)
    assert brief.answered(application, environ, may_rest=lambda: False)[1] is False


def _told(environ: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in environ.items() if name not in _OF_GUNICORN}
