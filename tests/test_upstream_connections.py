"""What is made of requests and of sockets, each by itself."""

from __future__ import annotations

import http.client
import io
import os
import socket
import ssl
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import clock
from gateway.errors import UpstreamTimeout
from gateway.upstream import connections
from gateway.upstream.exchange import exchanging, in_our_words
from tests.peer_samples import LONG_SECONDS, Peer, listens_on, says

BY_ITSELF = """
import sys
from gateway.upstream import Upstream

there = Upstream(f"http://127.0.0.1:{sys.argv[1]}", connections=1)
for _ in range(2):
    print(there.call("GET", "/target", body=None, headers=[], deadline_seconds=5, most_bytes=9).status)
there.close()
"""


def test_it_asks_its_origin_alone_follows_nobody_asks_no_environment_and_keeps_no_cookie(tmp_path: Path) -> None:
    moved = (
        b"HTTP/1.1 302 Found\r\nSet-Cookie: a=b; Path=/\r\nLocation: http://elsewhere.example/x\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    )
    (tmp_path / ".netrc").write_text("default login a password b\n")
    (tmp_path / ".netrc").chmod(0o600)
    with closing(Peer(says(moved, then=listens_on), host="127.0.0.1", tls=None)) as there:
        environ = {**os.environ, "HOME": str(tmp_path), "http_proxy": "http://127.0.0.1:9"}
        command = [sys.executable, "-c", BY_ITSELF, str(there.port)]
        done = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert done.stdout == "302\n302\n", done.stderr
    assert [heard.split(b"\r\n")[0] for heard in there.requests] == [b"GET /target HTTP/1.1"] * 2
    assert not [heard for heard in there.requests if b"cookie" in heard.lower() or b"authorization" in heard.lower()]


SHORT = 0.3
Found = tuple[int, int, int, str, Any]


def found(port: int) -> Found:
    return socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)


def nobody() -> Found:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return found(server.getsockname()[1])


def test_of_several_addresses_the_first_is_taken_that_accepts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, exchanging("/", 5):
        port = server.getsockname()[1]
        with connections.connected([nobody(), nobody(), found(port), nobody()]) as sock:
            assert sock.getpeername() == ("127.0.0.1", port)


@pytest.mark.parametrize("addresses", [[], [nobody(), nobody()]], ids=["none", "two"])
def test_where_none_of_them_accepts_there_is_no_connection(addresses: list[Found]) -> None:
    with exchanging("/", 5), pytest.raises(OSError, match=r"no address|refused"):
        connections.connected(addresses)


def test_all_addresses_together_have_the_time_of_the_exchange() -> None:
    with socket.socket() as full, ExitStack() as others:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # what is beyond the backlog is dropped
            other = others.enter_context(socket.socket())
            other.settimeout(0)
            other.connect_ex(full.getsockname())
        began = time.monotonic()
        with pytest.raises(UpstreamTimeout), exchanging("/", SHORT), in_our_words():
            connections.connected([found(full.getsockname()[1])] * 8)
        assert time.monotonic() - began < LONG_SECONDS


def test_a_handshake_has_what_connecting_has_left_of_the_time() -> None:
    context = ssl.create_default_context()
    context.sslsocket_class = connections.PunctualTlsSocket
    with socket.create_server(("127.0.0.1", 0)) as silent, exchanging("/", 60) as exchange:
        sock = connections.connected([found(silent.getsockname()[1])])
        exchange.ends_at = clock.steady() + SHORT
        began = time.monotonic()
        with pytest.raises(UpstreamTimeout), in_our_words():
            context.wrap_socket(sock, server_hostname="localhost")
        assert time.monotonic() - began < LONG_SECONDS
        exchange.ends_at += 60


def test_head_and_body_leave_by_one_write() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # of which each write is a message
    with ours, theirs, exchanging("/", 5) as exchange:
        exchange.request = connections.written("POST", "/x", [("Host", "there")], b"{}")
        connection = connections.Connection("there")
        connection.sock = ours
        connection.request("POST", "/elsewhere")
        assert theirs.recv(1000) == b"POST /x HTTP/1.1\r\nHost: there\r\n\r\n{}"


class Came:
    """What a socket has received, to be read as http.client reads."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self.content))  # type: ignore[arg-type]


def heard(answer: http.client.HTTPResponse) -> dict[str, object]:
    answer.begin()
    told = {name.lower(): (answer.getheader(name) or "").strip(" \t") for name, _ in answer.getheaders()}
    facts = {name: getattr(answer, name) for name in ("status", "version", "length", "chunked", "will_close")}
    return {**facts, **told, "body": answer.read()}


def plain(content: bytes) -> dict[str, object]:
    with exchanging("/", 5):
        return heard(connections.RawAnswer(Came(content)))  # type: ignore[arg-type]


HEADS = {
    "a length": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b \r\n\r\n",
    "no reason": b"HTTP/1.1 404 \r\nContent-Length:2\r\n\r\n",
    "not even a blank behind the status": b"HTTP/1.1 404\r\nContent-Length: 2\r\n\r\n",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n",
    "chunks, in capitals": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n2\r\n",
    "chunks and a length": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n2\r\n",
    "another coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 2\r\n\r\n",
    "neither": b"HTTP/1.1 200 OK\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n",
    "a length in words": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n",
    "a length below nothing": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n",
    "an end": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Close\r\n\r\n",
    "an older version": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n",
    "nothing new": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
    "one before it": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
    "line feeds alone": b"HTTP/1.1 200 OK\nContent-Length: 2\n\n",
    "a folded line": b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\n",
    "Latin-1": b"HTTP/1.1 200 \xe9\r\nX-A: \xe9\r\nContent-Length: 2\r\n\r\n",
    "a head that is longer than what is read at once": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: "
    + b"b" * 9000
    + b"\r\n\r\n",
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_head_is_read_as_http_client_reads_it(head: bytes) -> None:
    came = head + b"{}\r\n0\r\n\r\n"
    assert plain(came) == heard(http.client.HTTPResponse(Came(came)))  # type: ignore[arg-type]


LINES = st.sampled_from(
    [
        b"Content-Length: 2",
        b"content-length:1",
        b"Transfer-Encoding: chunked",
        b"Connection: keep-alive",
        b"A: b",
        b"C:",
    ]
)


@given(st.lists(LINES, max_size=4, unique_by=lambda line: line[:8].lower()), st.sampled_from([b"200", b"204", b"503"]))
def test_whatever_a_head_says_it_is_read_as_http_client_reads_it(lines: list[bytes], status: bytes) -> None:
    came = b"\r\n".join([b"HTTP/1.1 " + status + b" Told", *lines, b"", b"2\r\n{}\r\n0\r\n\r\n"])
    assert plain(came) == heard(http.client.HTTPResponse(Came(came)))  # type: ignore[arg-type]
