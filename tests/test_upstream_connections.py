"""What is made of requests and of sockets, each by itself."""

from __future__ import annotations

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
