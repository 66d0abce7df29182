"""Calls out: nothing a peer can do gets past the deadline or out of our own words."""

from __future__ import annotations

import datetime
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import clock
from gateway.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable
from gateway.phrases import Reason
from gateway.upstream import LONGEST_ANSWER_BYTES, Answer, Upstream
from sandbox import certificates
from sandbox.certificates import Signer
from tests.examples import examples
from tests.peer_samples import LONG_SECONDS, Behaviour, Peer, Wire, finishes, listens_on, says
from tests.spool_samples import until

SECRET = "token-5e4d"
TARGET = f"/notify?token={SECRET}"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
SHORT = 0.3


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    """Starts peers."""
    with ExitStack() as stack:

        def start(behaviour: Behaviour, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Peer:
            return stack.enter_context(closing(Peer(behaviour, host=host, tls=tls)))

        yield start


@contextmanager
def calling(origin: str, *, ca_file: Path | None = None) -> Iterator[Callable[..., Answer]]:
    made = Upstream(origin, ca_file=ca_file, connections=4)

    def post(
        target: str = TARGET, *, body: bytes = b"{}", headers: Sequence[tuple[str, str]] = (), deadline: float = 60
    ) -> Answer:
        return made.post(target, body=body, headers=headers, deadline_seconds=deadline)

    with closing(made):
        yield post


def _endless(wire: Wire) -> None:
    wire.say(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        wire.say(b"x" * 65536)


def _drips_body(wire: Wire) -> None:
    wire.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    wire.drip(b"x" * 1000)


def _drips_chunks(wire: Wire) -> None:
    wire.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    wire.drip(b"1\r\nx\r\n" * 200)


LATE: dict[str, Behaviour] = {
    "hangs": Wire.hang,
    "drips its headers": lambda wire: wire.drip(b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 1000),
    "drips its body": _drips_body,
    "drips chunks": _drips_chunks,
    "promises more than it says": says(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}"),
    "goes on to say that it goes on": lambda wire: wire.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 40),
    "has a body that ends where the connection does, at the deadline": says(b"HTTP/1.0 200 OK\r\n\r\n{}"),
    "sends a chunk and no last one": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
}


@pytest.mark.parametrize("behaviour", LATE.values(), ids=LATE)
def test_the_deadline_holds_against_a_peer_that(peer: Callable[..., Peer], behaviour: Behaviour) -> None:
    began = time.monotonic()
    with (
        calling(f"http://127.0.0.1:{peer(behaviour).port}") as post,
        pytest.raises(UpstreamTimeout, match=r"^no answer in time$") as caught,
    ):
        post(deadline=SHORT)
    assert SHORT * 0.9 <= time.monotonic() - began < LONG_SECONDS
    assert SECRET not in str(caught.value)


WAYS = {"cut": Reason.ANSWER_SHORT, "odd": Reason.ANSWER_MALFORMED, "off": Reason.CONNECTION_BROKEN}
BY_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BROKEN: dict[str, Behaviour] = {
    "resets": Wire.reset,
    "leaves without a word": finishes,
    "leaves in its status": says(b"HTTP/1.1 2", then=finishes),
    "leaves in its body": says(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", then=finishes),
    "cuts its chunks short": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", then=finishes),
    "cuts a chunk short": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{}", then=finishes),
    "has chunks of no size": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", then=finishes),
    "speaks another protocol": says(b"220 mail.example ESMTP\r\n", then=finishes),
    "has a status of letters": says(b"HTTP/1.1 abc OK\r\n\r\n", then=finishes),
    "has two lengths": says(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", then=finishes),
    "has a line that does not end": says(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000, then=finishes),
    "has a thousand headers": says(b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 1000 + b"\r\n", then=finishes),
    "has interim answers without end": says(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 200),
    "has a chunk with a sign": says(BY_CHUNKS + b"+2\r\n{}\r\n0\r\n\r\n"),
    "has a chunk as Python writes it": says(BY_CHUNKS + b"0x2\r\n{}\r\n0\r\n\r\n"),
    "has a chunk with a line below": says(BY_CHUNKS + b"0_2\r\n{}\r\n0\r\n\r\n"),
    "has a chunk with a very long name": says(BY_CHUNKS + b"2;" + b"x" * 5000 + b"\r\n{}\r\n0\r\n\r\n"),
}
CUT = ("leaves in its body", "cuts its chunks short", "cuts a chunk short")
OFF = ("resets", "leaves without a word")


@pytest.mark.parametrize("how", BROKEN)
def test_unreachable_is_a_peer_that(peer: Callable[..., Peer], how: str) -> None:
    reason = WAYS["cut" if how in CUT else "off" if how in OFF else "odd"]
    with calling(f"http://127.0.0.1:{peer(BROKEN[how]).port}") as post, pytest.raises(UpstreamUnreachable) as caught:
        post()
    assert caught.value.reason == reason


def test_a_chunk_may_have_a_name_and_blanks_behind_its_size(peer: Callable[..., Peer]) -> None:
    said = BY_CHUNKS + b"2 ;name=value\r\n{}\r\n0\r\n\r\n"
    with calling(f"http://127.0.0.1:{peer(says(said, then=finishes)).port}") as post:
        assert post().body == b"{}"


def test_a_peer_that_is_not_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with calling(f"http://127.0.0.1:{port}") as post, pytest.raises(UpstreamUnreachable, match=r"^connection refused$"):
        post()


def test_a_host_that_has_no_address_is_unreachable() -> None:
    with calling("http://nowhere.invalid") as post, pytest.raises(UpstreamUnreachable, match=r"^host name unknown$"):
        post()


def test_a_peer_that_does_not_accept_runs_into_the_deadline() -> None:
    with socket.socket() as full, ExitStack() as others:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # what is beyond the backlog is dropped
            other = others.enter_context(socket.socket())
            other.settimeout(0)
            other.connect_ex(full.getsockname())
        began = time.monotonic()
        with calling(f"http://127.0.0.1:{full.getsockname()[1]}") as post, pytest.raises(UpstreamTimeout):
            post(deadline=SHORT)
        assert time.monotonic() - began < LONG_SECONDS


def test_the_deadline_holds_against_a_peer_that_does_not_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the system accepts for it
        began = time.monotonic()
        with (
            calling(f"http://127.0.0.1:{silent.getsockname()[1]}") as post,
            pytest.raises(UpstreamTimeout, match=r"^no answer in time$") as caught,
        ):
            post(body=bytes(2**24), deadline=1.0)  # a busy machine takes a while to write as much down
        assert 0.9 <= time.monotonic() - began < LONG_SECONDS
        assert caught.value.sent


class Slow(Wire):
    """Reads a little now and then, and never all."""

    def hear(self) -> bool:
        while not self._closing_down.wait(0.02):
            if not self._sock.recv(65536):
                break
        return False


@pytest.mark.parametrize("tls", [False, True], ids=["in clear", "under TLS"])
def test_the_deadline_holds_against_a_peer_that_reads_slowly(
    authority: Signer,
    ca_file: Path,
    tls: bool,  # noqa: FBT001
) -> None:
    context = presenting(authority) if tls else None
    with closing(Peer(finishes, host="127.0.0.1", tls=context, wire=Slow)) as there:
        origin = f"https://localhost:{there.port}" if tls else f"http://127.0.0.1:{there.port}"
        began = time.monotonic()
        with calling(origin, ca_file=ca_file if tls else None) as post, pytest.raises(UpstreamTimeout):
            post(body=bytes(2**25), deadline=SHORT)
        assert time.monotonic() - began < LONG_SECONDS


def test_the_deadline_holds_against_a_peer_that_reads_no_more(peer: Callable[..., Peer]) -> None:
    there = peer(says(OK, then=lambda wire: wire.pause()))
    with calling(f"http://127.0.0.1:{there.port}") as post:
        assert post().status == 200
        began = time.monotonic()
        with pytest.raises(UpstreamTimeout):
            post(body=bytes(2**25), deadline=SHORT)
        assert time.monotonic() - began < LONG_SECONDS
    assert there.connections == 1


def test_an_endless_body_is_answered_with_its_beginning(peer: Callable[..., Peer]) -> None:
    with calling(f"http://127.0.0.1:{peer(_endless).port}") as post:
        assert post() == Answer(200, {}, b"x" * LONGEST_ANSWER_BYTES)


WHOLE = {
    "a length": (b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}", 201, b"{}"),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", 200, b"{}"),
    "no body": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "no reason": (b"HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n", 500, b""),
    "a redirect to nowhere": (b"HTTP/1.1 302 Found\r\nLocation: http://[\r\nContent-Length: 2\r\n\r\n{}", 302, b"{}"),
    "a hint before it": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"{}"),
    "gzip that is none": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}"),
}


@pytest.mark.parametrize(("sent", "status", "body"), WHOLE.values(), ids=WHOLE)
def test_an_answer_is_whole_with(peer: Callable[..., Peer], sent: bytes, status: int, body: bytes) -> None:
    with calling(f"http://127.0.0.1:{peer(says(sent)).port}") as post:
        answer = post()
    assert (answer.status, answer.body) == (status, body)


def test_a_body_that_ends_with_the_connection_in_time_is_whole(peer: Callable[..., Peer]) -> None:
    there = peer(says(b"HTTP/1.0 200 OK\r\n\r\n{}", then=finishes))
    with calling(f"http://127.0.0.1:{there.port}") as post:
        assert post().body == b"{}"


def test_headers_of_an_answer_are_found_without_case(peer: Callable[..., Peer]) -> None:
    there = peer(says(b"HTTP/1.1 503 Busy\r\nretry-AFTER: 7\r\nContent-Length: 0\r\n\r\n"))
    with calling(f"http://127.0.0.1:{there.port}") as post:
        assert post().headers.get("Retry-After") == "7"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(peer: Callable[..., Peer], status: int) -> None:
    elsewhere = peer(says(OK))
    location = f"http://127.0.0.1:{elsewhere.port}/"
    there = peer(says(f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()))
    with calling(f"http://127.0.0.1:{there.port}") as post:
        assert post().status == status
    assert (len(there.requests), elsewhere.connections) == (1, 0)


TARGETS = [
    "/",
    "/api/whatsapp/accounts/7/notify",
    "//double//slashes//",
    "/lower/%2f%c3%a9/and/UPPER/%2F%C3%A9",
    "/a/../b/./c",
    "/not%a-percent/%zz/%",
    "/odd?a=b?c=d//e&&=&f=%2f+[]{}|^`\"<>\\'",
    "/empty?",
    "/;semi=colon,and:colon@at!$*()~",
    "/n?token=a#no-fragment",
    "http://other.example/absolute",
]


@pytest.mark.parametrize("target", TARGETS)
def test_the_target_arrives_byte_for_byte(peer: Callable[..., Peer], target: str) -> None:
    there = peer(says(OK))
    with calling(f"http://127.0.0.1:{there.port}") as post:
        post(target)
    assert there.requests[0].split(b"\r\n")[0] == f"POST {target} HTTP/1.1".encode()


def test_body_and_headers_arrive_byte_for_byte(peer: Callable[..., Peer]) -> None:
    headers = [
        ("x-sinch-webhook-signature", "a+/=="),
        ("X-Twice", "1"),
        ("X-Twice", "2"),
        ("content-type", "application/json; Charset=UTF-8"),
        ("X-Latin", "\xe9"),
        ("User-Agent", "motion-gateway/1"),
    ]
    body = bytes(range(256)) * 1000
    there = peer(says(OK))
    with calling(f"http://127.0.0.1:{there.port}") as post:
        post(body=body, headers=headers)
    head, _, heard = there.requests[0].partition(b"\r\n\r\n")
    assert heard == body
    lines = head.split(b"\r\n")[1:]
    for name, value in headers:
        assert lines.count(f"{name}: {value}".encode("latin-1")) == 1
    ours = {line.split(b":")[0].lower() for line in lines} - {name.lower().encode() for name, _ in headers}
    assert ours == {b"host", b"accept-encoding", b"content-length"}


UNSENDABLE: dict[str, dict[str, Any]] = {
    "a line break in the target": {"target": "/a\r\nX-Forged: 1"},
    "a blank in the target": {"target": "/a b HTTP/1.1"},
    "a target beyond Latin-1": {"target": "/\u20ac"},
    "a line break in a header": {"headers": [("X-A", "1\r\nX-Forged: 1")]},
    "a header beyond Latin-1": {"headers": [("X-A", "\u20ac")]},
    "a name that is none": {"headers": [("X A:", "1")]},
}


@pytest.mark.parametrize("call", UNSENDABLE.values(), ids=UNSENDABLE)
def test_nothing_is_sent_with(peer: Callable[..., Peer], call: dict[str, Any]) -> None:
    there = peer(says(OK))
    with calling(f"http://127.0.0.1:{there.port}") as post:
        with pytest.raises(UpstreamUnreachable):
            post(**call)
        assert post().status == 200  # and the next call is as good as ever
    assert len(there.requests) == 1


def test_proxies_of_the_environment_are_not_asked(peer: Callable[..., Peer], tmp_path: Path) -> None:
    there, proxy = peer(says(OK)), peer(says(OK))
    (tmp_path / ".netrc").write_text("machine localhost login a password b\n")
    (tmp_path / ".netrc").chmod(0o600)
    address = f"http://127.0.0.1:{proxy.port}"
    names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    program = (
        "import sys; from gateway.upstream import Upstream; up = Upstream(sys.argv[1], connections=1); "
        "print(up.post('/', body=b'', headers=[], deadline_seconds=60).status); up.close()"
    )
    environ = {**os.environ, **dict.fromkeys(names, address), "HOME": str(tmp_path)}
    environ.pop("no_proxy", None)
    environ.pop("NO_PROXY", None)
    done = subprocess.run(
        [sys.executable, "-c", program, f"http://localhost:{there.port}"], env=environ, capture_output=True, text=True
    )
    assert done.stdout == "200\n", done.stderr
    assert (len(there.requests), proxy.connections) == (1, 0)
    assert b"authorization" not in there.requests[0].lower()


def test_no_cookie_is_kept(peer: Callable[..., Peer]) -> None:
    there = peer(says(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 2\r\n\r\n{}", then=listens_on))
    with calling(f"http://127.0.0.1:{there.port}") as post:
        assert [post().status for _ in range(2)] == [200] * 2
    assert b"cookie" not in there.requests[1].lower()


def test_no_thread_is_started_by_a_call(peer: Callable[..., Peer]) -> None:
    seen: set[threading.Thread] = set()

    def look(wire: Wire) -> None:
        seen.update(threading.enumerate())
        wire.say(OK)

    before = set(threading.enumerate())
    there = peer(look)
    with calling(f"http://127.0.0.1:{there.port}") as post:
        assert [post().status for _ in range(3)] == [200] * 3
    others = {thread for thread in seen if thread.name == clock.LATER}  # of what other tests have left to be done
    assert seen - before - others == set(there.threads) & seen


GREENLETS = """
from gevent import monkey
monkey.patch_all()

import sys
import gevent
from gateway.clock import steady
from gateway.errors import UpstreamError
from gateway.upstream import Upstream

def call(origin):
    up, began = Upstream(origin, connections=1), steady()
    try:
        return up.post('/', body=b'{}', headers=[], deadline_seconds=0.5).status
    except UpstreamError as error:
        waited.append((began, steady()))
        return str(error.reason)

waited = []
calls = [gevent.spawn(call, origin) for origin in sys.argv[1:]]
print([made.get() for made in calls])
print(max(began for began, _ in waited) < min(ended for _, ended in waited))
"""


def test_greenlets_have_a_deadline_each_and_wait_side_by_side(peer: Callable[..., Peer]) -> None:
    ports = [peer(behaviour).port for behaviour in (*[Wire.hang] * 5, *[_drips_body] * 5, says(OK))]
    program = [sys.executable, "-c", GREENLETS, *(f"http://127.0.0.1:{port}" for port in ports)]
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.stdout == f"{['no answer in time'] * 10 + [200]}\nTrue\n", done.stderr


def test_connections_are_used_again(peer: Callable[..., Peer]) -> None:
    there = peer(lambda wire: wire.say(OK))
    with calling(f"http://127.0.0.1:{there.port}") as post:
        assert [post().status for _ in range(5)] == [200] * 5
    assert (len(there.requests), there.connections) == (5, 1)


@pytest.mark.parametrize(
    ("extra", "connections"), [(-1, 1), (0, 1), (100_000, 3)], ids=["shorter", "as long", "longer"]
)
@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
def test_long_answers_do_not_spoil_the_connection(
    peer: Callable[..., Peer],
    extra: int,
    connections: int,
    chunked: bool,  # noqa: FBT001
) -> None:
    body = b"x" * (LONGEST_ANSWER_BYTES + extra)
    head = b"Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}".encode()
    sent = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n" if chunked else body
    there = peer(lambda wire: wire.say(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + sent))
    with calling(f"http://127.0.0.1:{there.port}") as post:
        assert [post().body for _ in range(3)] == [body[:LONGEST_ANSWER_BYTES]] * 3
    assert there.connections == connections


def test_a_connection_that_the_peer_closed_meanwhile_is_replaced(peer: Callable[..., Peer]) -> None:
    there = peer(says(OK, then=finishes))
    with calling(f"http://127.0.0.1:{there.port}") as post:
        for count in (1, 2, 3):
            assert post().status == 200
            until(lambda count=count: there.ended == count, "the peer closed the connection")
    assert there.connections == 3


def test_a_call_that_ran_out_of_time_does_not_spoil_the_next(peer: Callable[..., Peer]) -> None:
    there = peer(Wire.hang)
    with calling(f"http://127.0.0.1:{there.port}") as post:
        with pytest.raises(UpstreamTimeout):
            post(deadline=SHORT)
        there.behaviour = says(OK)
        assert post().status == 200


def test_the_deadline_holds_on_a_connection_that_is_used_again(peer: Callable[..., Peer]) -> None:
    there = peer(lambda wire: wire.say(OK))
    with calling(f"http://127.0.0.1:{there.port}") as post:
        assert post().status == 200
        there.behaviour = _drips_body
        began = time.monotonic()
        with pytest.raises(UpstreamTimeout):
            post(deadline=SHORT)
        assert time.monotonic() - began < LONG_SECONDS
    assert there.connections == 1


def test_a_connection_with_an_answer_left_unread_is_not_used_again(peer: Callable[..., Peer]) -> None:
    beginning = b"x" * (LONGEST_ANSWER_BYTES + 1)  # and nothing more that one could notice
    there = peer(says(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n" + beginning))
    with calling(f"http://127.0.0.1:{there.port}") as post:
        assert [post().status for _ in range(3)] == [200] * 3
    assert there.connections == 3


def test_each_of_several_threads_has_its_own_deadline(peer: Callable[..., Peer]) -> None:
    there = peer(lambda wire: wire.hang() if b"/hang" in wire.request else wire.say(OK))
    with calling(f"http://127.0.0.1:{there.port}") as post, ThreadPoolExecutor(2) as pool:
        hanging = pool.submit(post, "/hang", deadline=SHORT)
        assert [post("/ok").status for _ in range(20)] == [200] * 20
        assert isinstance(hanging.exception(60), UpstreamTimeout)


def test_an_ipv6_address_is_an_origin(peer: Callable[..., Peer]) -> None:
    there = peer(says(OK), host="::1")
    with calling(f"http://[::1]:{there.port}") as post:
        assert post().status == 200
    assert f"Host: [::1]:{there.port}".encode() in there.requests[0]


@pytest.fixture(scope="module")
def authority() -> Signer:
    return certificates.authority("CA of the tests")


@pytest.fixture
def ca_file(authority: Signer, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.pem)
    return path


def presenting(authority: Signer, name: str = "localhost", **dates: datetime.datetime) -> ssl.SSLContext:
    return certificates.made(name, authority, names=[name], **dates).context()


YEAR_AGO = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=365)
YESTERDAY = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)


def test_a_certificate_of_the_pinned_authority_is_trusted(
    peer: Callable[..., Peer], authority: Signer, ca_file: Path
) -> None:
    there = peer(lambda wire: wire.say(OK), tls=presenting(authority))
    with calling(f"https://localhost:{there.port}", ca_file=ca_file) as post:
        assert [post().status for _ in range(3)] == [200] * 3
    assert there.connections == 1


REFUSED: dict[str, tuple[dict[str, Any], bool]] = {
    "for another name": ({"name": "other.example"}, True),
    "that has expired": ({"name": "localhost", "begins": YEAR_AGO, "ends": YESTERDAY}, True),
    "of an authority nobody pinned": ({"name": "localhost"}, False),
}


@pytest.mark.parametrize(("made", "pinned"), REFUSED.values(), ids=REFUSED)
def test_refused_is_a_certificate(
    peer: Callable[..., Peer],
    authority: Signer,
    ca_file: Path,
    made: dict[str, Any],
    pinned: bool,  # noqa: FBT001
) -> None:
    there = peer(says(OK), tls=presenting(authority, **made))
    with (
        calling(f"https://localhost:{there.port}", ca_file=ca_file if pinned else None) as post,
        pytest.raises(UpstreamUnreachable, match=r"^certificate or TLS refused$"),
    ):
        post()
    assert there.requests == []


TRUSTING = """
import sys
from pathlib import Path
from gateway.errors import UpstreamError
from gateway.upstream import Upstream

up = Upstream(sys.argv[1], connections=1)
for content in sys.argv[3:]:
    Path(sys.argv[2]).write_text(content)
    try:
        print(up.post('/', body=b'', headers=[], deadline_seconds=60).status)
    except UpstreamError as error:
        print(error.reason)
up.close()
"""


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("SSL_CERT_FILE", ["certificate or TLS refused", "200"]),
        ("REQUESTS_CA_BUNDLE", ["certificate or TLS refused"] * 2),
    ],
)
def test_trusted_is_what_the_system_trusts_now_and_nothing_that_a_library_reads(
    peer: Callable[..., Peer], authority: Signer, tmp_path: Path, named: str, said: list[str]
) -> None:
    there = peer(lambda wire: wire.say(OK), tls=presenting(authority))
    path, contents = (
        tmp_path / "system.pem",
        [ca.pem.decode() for ca in (certificates.authority("another CA"), authority)],
    )
    path.touch()
    program = [sys.executable, "-c", TRUSTING, f"https://localhost:{there.port}", str(path), *contents]
    done = subprocess.run(program, env={**os.environ, named: str(path)}, capture_output=True, text=True)
    assert done.stdout.splitlines() == said, done.stderr


def test_a_pinned_file_that_is_not_there_refuses(peer: Callable[..., Peer], authority: Signer, tmp_path: Path) -> None:
    there = peer(says(OK), tls=presenting(authority))
    with (
        calling(f"https://localhost:{there.port}", ca_file=tmp_path / "missing.pem") as post,
        pytest.raises(UpstreamUnreachable),
    ):
        post()
    assert there.requests == []


@pytest.mark.parametrize("behaviour", LATE.values(), ids=LATE)
def test_the_deadline_holds_under_tls_against_a_peer_that(
    peer: Callable[..., Peer], authority: Signer, ca_file: Path, behaviour: Behaviour
) -> None:
    there = peer(behaviour, tls=presenting(authority))
    began = time.monotonic()
    with calling(f"https://localhost:{there.port}", ca_file=ca_file) as post, pytest.raises(UpstreamTimeout):
        post(deadline=SHORT)
    assert time.monotonic() - began < LONG_SECONDS


def test_the_deadline_holds_against_a_peer_that_never_shakes_hands(ca_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with (
            calling(f"https://127.0.0.1:{silent.getsockname()[1]}", ca_file=ca_file) as post,
            pytest.raises(UpstreamTimeout),
        ):
            post(deadline=SHORT)
        assert time.monotonic() - began < LONG_SECONDS


def test_a_peer_without_tls_is_refused(peer: Callable[..., Peer], ca_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:

        def answer() -> None:
            sock, _ = server.accept()
            with sock:
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass

        pool.submit(answer)
        with (
            calling(f"https://127.0.0.1:{server.getsockname()[1]}", ca_file=ca_file) as post,
            pytest.raises(UpstreamUnreachable, match=r"^certificate or TLS refused$"),
        ):
            post()


NAMES = ("Set-Cookie", "Set-Cookie2", "Location", "Content-Type", "Retry-After", "Connection", "X", "")
HEADERS = st.tuples(st.sampled_from(NAMES), st.text(st.characters(codec="latin-1"), max_size=30)).map(
    lambda told: "HTTP/1.1 302 Found\r\n{}: {}\r\nContent-Length: 5\r\n\r\n".format(*told).encode("latin-1")
)
HEADS = HEADERS | st.sampled_from(
    [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"HTTP/1.0 "]
)
CHUNKED = st.just(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")


def test_any_bytes_at_all_are_an_answer_or_one_of_our_errors() -> None:
    with (
        closing(Peer(finishes, host="127.0.0.1", tls=None)) as there,
        calling(f"http://127.0.0.1:{there.port}") as post,
    ):

        @settings(max_examples=examples(150), deadline=None)
        @given(head=HEADS | CHUNKED, rest=st.binary(max_size=60))
        def judge(head: bytes, rest: bytes) -> None:
            there.behaviour = says(head + rest, then=finishes)
            with suppress(UpstreamError):
                assert post().status >= 100

        judge()
