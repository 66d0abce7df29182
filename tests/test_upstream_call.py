"""A call whose whole answer is handed on: whole or not at all, and whether anything had been sent."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from gateway import telemetry
from gateway.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable
from gateway.upstream import Answer, Upstream
from sandbox import certificates
from tests.peer_samples import Behaviour, Peer, Wire, answers, finishes, in_chunks, says

HEADERS = [("Content-Type", "application/json"), ("Authorization", "Bearer x")]
MOST = 100_000
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

Start = Callable[[Behaviour], Peer]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda behaviour: stack.enter_context(closing(Peer(behaviour, host="127.0.0.1", tls=None)))


def call(
    port: int, *, method: str = "POST", body: bytes | None = b"{}", deadline: float = 60, scheme: str = "http"
) -> Answer:
    with closing(Upstream(f"{scheme}://127.0.0.1:{port}", connections=2)) as made:
        return made.call(method, "/v1/x?y=%20z", body=body, headers=HEADERS, deadline_seconds=deadline, most_bytes=MOST)


def trouble(port: int, **options: object) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        call(port, **options)  # type: ignore[arg-type]
    return caught.value


WHOLE: dict[str, tuple[Behaviour, int, bytes]] = {
    "with its length": (answers(b"abc"), 200, b"abc"),
    "of no length": (answers(b"", status="204 No Content"), 204, b""),
    "in chunks": (in_chunks(b"abc" * 1000), 200, b"abc" * 1000),
    "as large as it may be": (answers(b"x" * MOST), 200, b"x" * MOST),
    "as large as it may be, in chunks": (in_chunks(b"x" * MOST), 200, b"x" * MOST),
    "a refusal": (answers(b'{"error":{}}', status="400 Bad Request"), 400, b'{"error":{}}'),
    "packed": (answers(b"\x1f\x8bxx", "Content-Encoding: gzip"), 200, b"\x1f\x8bxx"),
    "a redirect": (answers(b"", "Location: http://127.0.0.1:1/", status="302 Found"), 302, b""),
}


@pytest.mark.parametrize(("behaviour", "status", "body"), WHOLE.values(), ids=WHOLE)
def test_an_answer_is_handed_on_as_it_came(start: Start, behaviour: Behaviour, status: int, body: bytes) -> None:
    peer = start(behaviour)
    answer = call(peer.port)
    assert (answer.status, answer.body) == (status, body)
    assert len(peer.requests) == 1


BROKEN: dict[str, Behaviour] = {
    "no answer": finishes,
    "a reset": Wire.reset,
    "half a status line": says(b"HTTP/1.1 2", then=finishes),
    "a status line alone": says(b"HTTP/1.1 200 OK\r\n", then=finishes),
    "half a head": says(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n", then=finishes),
    "half a head that tells a length": says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", then=finishes),
    "half a body": answers(b"ab", length=3),
    "half a chunk": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", then=finishes),
    "no last chunk": in_chunks(b"abc", last=b""),
    "a chunk of a negative size": says(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nab\r\n0\r\n\r\n", then=finishes
    ),
    "a body that ends with its connection": says(b"HTTP/1.1 200 OK\r\n\r\n{}", then=finishes),
    "a byte too many for us": answers(b"x" * (MOST + 1)),
    "a byte too many for us, in chunks": in_chunks(b"x" * (MOST + 1)),
    "no HTTP": says(b"hello\r\n\r\n", then=finishes),
    "a status that is no number": says(b"HTTP/1.1 abc OK\r\n\r\n", then=finishes),
}


@pytest.mark.parametrize("behaviour", BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_none_and_the_request_had_been_sent(start: Start, behaviour: Behaviour) -> None:
    peer = start(behaviour)
    error = trouble(peer.port)
    assert isinstance(error, UpstreamUnreachable)
    assert error.sent
    assert len(peer.requests) == 1


def test_a_hanging_peer_is_left_in_time(start: Start) -> None:
    error = trouble(start(Wire.hang).port, deadline=0.3)
    assert isinstance(error, UpstreamTimeout)
    assert error.sent


def test_where_nobody_listens_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = int(server.getsockname()[1])
    error = trouble(port)
    assert (error.reason, error.sent) == ("connection refused", False)


@pytest.mark.parametrize("behaviour", [Wire.reset, finishes, Wire.hang], ids=["reset", "end", "hang"])
def test_a_handshake_that_fails_has_sent_nothing(behaviour: Behaviour) -> None:
    # The peer speaks no TLS: it hears a ClientHello and does as it is told.
    class Rude(Wire):
        def hear(self) -> bool:
            return bool(self._sock.recv(65536))

    with closing(Peer(behaviour, host="127.0.0.1", tls=None, wire=Rude)) as peer:
        error = trouble(peer.port, scheme="https", deadline=0.5)
    assert not error.sent


def test_a_certificate_of_nobody_gets_no_request() -> None:
    context = certificates.made("nobody", names=["127.0.0.1"]).context()
    with closing(Peer(says(OK), host="127.0.0.1", tls=context)) as peer:
        error = trouble(peer.port, scheme="https")
        assert not error.sent
        assert peer.requests == []


@pytest.mark.parametrize(("kept_seconds", "connections"), [(60.0, 1), (-1.0, 2)], ids=["fresh", "rested for too long"])
def test_a_connection_is_used_again_but_not_after_a_rest(start: Start, kept_seconds: float, connections: int) -> None:
    peer = start(lambda wire: wire.say(OK))
    with closing(Upstream(f"http://127.0.0.1:{peer.port}", connections=2, kept_seconds=kept_seconds)) as made:
        for _ in range(2):
            made.call("POST", "/", body=b"{}", headers=HEADERS, deadline_seconds=60, most_bytes=MOST)
    assert (peer.connections, len(peer.requests)) == (connections, 2)


def test_what_follows_an_answer_is_nobodys_answer(start: Start) -> None:
    peer = start(lambda wire: wire.say(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"))
    made = Upstream(f"http://127.0.0.1:{peer.port}", connections=2)
    with closing(made):
        for _ in range(3):
            answer = made.call("GET", "/", body=None, headers=HEADERS, deadline_seconds=60, most_bytes=MOST)
            assert answer.body == b"{}"


def test_a_call_says_for_which_request_it_is_made(start: Start) -> None:
    peer, request_id = start(says(OK)), "0af7651916cd43dd8448eb211c80319c"
    telemetry.begin("")
    call(peer.port)
    telemetry.begin(request_id)
    call(peer.port)
    made = telemetry.traceparent()
    telemetry.begin("")
    assert b"traceparent" not in peer.requests[0]
    assert f"traceparent: {made}\r\n".encode() in peer.requests[1]
    assert made.startswith(f"00-{request_id}-")
