"""Files that are fetched: whole, or one of our own errors; never half, never too much, never too late."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import GatewayError, TooLarge, UpstreamError, UpstreamTimeout, UpstreamUnreachable
from gateway.phrases import Reason
from gateway.upstream import Upstream
from sandbox import certificates
from tests.examples import examples
from tests.peer_samples import LONG_SECONDS, Behaviour, Peer, Wire, answers, finishes, in_chunks, says

Start = Callable[..., Peer]
SHORT = 0.3
FILE = bytes(range(256)) * 1000  # several chunks
ENDLESS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def peer() -> Iterator[Start]:
    with ExitStack() as stack:

        def start(behaviour: Behaviour, *, tls: ssl.SSLContext | None = None) -> Peer:
            return stack.enter_context(closing(Peer(behaviour, host="127.0.0.1", tls=tls)))

        yield start


def fetch(there: Peer, *, most: int = 10**9, deadline: float = 60, ca_file: Path | None = None) -> bytes:
    origin = f"https://localhost:{there.port}" if ca_file else f"http://127.0.0.1:{there.port}"
    with (
        closing(Upstream(origin, ca_file=ca_file, connections=1)) as up,
        up.get("/file?token=5e4d", headers=[], deadline_seconds=deadline) as answer,
    ):
        return b"".join(answer.chunks(most_bytes=most))


WHOLE: dict[str, tuple[Behaviour, bytes]] = {
    "a length": (answers(FILE), FILE),
    "no bytes": (answers(b""), b""),
    "chunks": (in_chunks(FILE), FILE),
    "chunks and no bytes": (says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), b""),
    "an encoding that is none": (answers(FILE, "Content-Encoding: identity"), FILE),
}


@pytest.mark.parametrize(("behaviour", "file"), WHOLE.values(), ids=WHOLE)
def test_a_file_is_whole_that_comes_with(peer: Start, behaviour: Behaviour, file: bytes) -> None:
    assert fetch(peer(behaviour)) == file


def test_who_was_asked_to_end_the_connection_and_does_not_is_believed(peer: Start) -> None:
    there = peer(says(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"))
    assert fetch(there) == b"abc"
    assert b"\r\nConnection: close\r\n" in there.requests[0]
    assert b"\r\nAccept-Encoding: identity\r\n" in there.requests[0]


NOT_WHOLE: dict[str, tuple[Behaviour, str]] = {
    "is shorter than it says": (answers(FILE, length=len(FILE) + 1), Reason.ANSWER_SHORT),
    "has nothing of what it says": (answers(b"", length=1), Reason.ANSWER_SHORT),
    "is longer than it says": (answers(FILE, length=len(FILE) - 1), Reason.ANSWER_LONG),
    "has something where it says nothing": (answers(b"x", length=0), Reason.ANSWER_LONG),
    "says no length": (says(b"HTTP/1.1 200 OK\r\n\r\nabc", then=finishes), Reason.ANSWER_UNENDING),
    "says a length that is none": (says(b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nabc", then=finishes), ""),
    "says two lengths": (answers(b"abc", "Content-Length: 2"), ""),
    "has no last chunk": (in_chunks(FILE, last=b""), Reason.ANSWER_SHORT),
    "has a chunk of less than nothing": (says(ENDLESS + b"-1\r\nabc"), Reason.ANSWER_MALFORMED),
    "ends in a chunk": (in_chunks(FILE, last=b"ff\r\nabc"), Reason.ANSWER_SHORT),
    "is packed": (answers(FILE, "Content-Encoding: gzip"), Reason.ANSWER_ENCODED),
    "is packed under way": (answers(FILE, "Transfer-Encoding: gzip"), Reason.ANSWER_ENCODED),
    "is reset": (says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", then=Wire.reset), "connection broken"),
}


@pytest.mark.parametrize(("behaviour", "reason"), NOT_WHOLE.values(), ids=NOT_WHOLE)
def test_refused_is_a_file_that(peer: Start, behaviour: Behaviour, reason: str) -> None:
    with pytest.raises(UpstreamUnreachable) as caught:
        fetch(peer(behaviour))
    assert caught.value.reason == (reason or caught.value.reason)


@pytest.mark.parametrize(("most", "fits"), [(len(FILE) + 1, True), (len(FILE), True), (len(FILE) - 1, False)])
@pytest.mark.parametrize("behaviour", [answers(FILE), in_chunks(FILE)], ids=["with a length", "in chunks"])
def test_no_more_is_taken_than_was_said(peer: Start, behaviour: Behaviour, most: int, *, fits: bool) -> None:
    if fits:
        assert fetch(peer(behaviour), most=most) == FILE
        return
    with pytest.raises(TooLarge, match=rf"^{Reason.ANSWER_TOO_LARGE}$"):
        fetch(peer(behaviour), most=most)


def test_a_length_over_the_limit_is_refused_before_a_byte_of_it_has_come(peer: Start) -> None:
    there = peer(says(b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n"))
    with pytest.raises(TooLarge):  # and it says nothing more
        fetch(there, most=100)


def _endless(wire: Wire) -> None:
    wire.say(ENDLESS)
    while True:
        wire.say(b"10000\r\n" + b"x" * 65536 + b"\r\n")


def test_an_endless_file_ends_at_the_limit(peer: Start) -> None:
    with pytest.raises(TooLarge):
        fetch(peer(_endless), most=2**20)


def _drips(wire: Wire) -> None:
    wire.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    wire.drip(b"x" * 1000)


LATE: dict[str, Behaviour] = {
    "says nothing": Wire.hang,
    "drips": _drips,
    "stops": says(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc"),
    "stops between chunks": says(ENDLESS + b"3\r\nabc\r\n"),
    "is whole, and then too late for the deadline": says(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"),
}


@pytest.mark.parametrize("behaviour", LATE.values(), ids=LATE)
@pytest.mark.parametrize("tls", [False, True], ids=["in clear", "under TLS"])
def test_the_deadline_holds_against_who(peer: Start, behaviour: Behaviour, tmp_path: Path, *, tls: bool) -> None:
    files = certificates.issue(tmp_path, "localhost")
    there = peer(behaviour, tls=files.context() if tls else None)
    began = time.monotonic()
    with pytest.raises(UpstreamTimeout, match=r"^no answer in time$"):
        fetch(there, deadline=SHORT, ca_file=files.ca if tls else None)
    assert SHORT * 0.9 <= time.monotonic() - began < LONG_SECONDS


def test_what_goes_wrong_with_the_bytes_elsewhere_is_not_the_peers_fault(peer: Start) -> None:
    there = peer(answers(FILE))

    def write_to_a_full_disk() -> None:
        with (
            closing(Upstream(f"http://127.0.0.1:{there.port}", connections=1)) as up,
            up.get("/", headers=[], deadline_seconds=60) as answer,
        ):
            next(answer.chunks(most_bytes=10**9))
            raise OSError("disk")

    with pytest.raises(OSError, match=r"^disk$"):
        write_to_a_full_disk()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(peer: Start, status: int) -> None:
    elsewhere = peer(answers(b"x"))
    there = peer(answers(b"", f"Location: http://127.0.0.1:{elsewhere.port}/", status=f"{status} Moved"))
    with (
        closing(Upstream(f"http://127.0.0.1:{there.port}", connections=1)) as up,
        up.get("/a//b?c=%2F", headers=[("X-A", "1")], deadline_seconds=60) as answer,
    ):
        assert answer.status == status
    assert elsewhere.connections == 0
    assert there.requests[0].startswith(b"GET /a//b?c=%2F HTTP/1.1\r\n")
    assert b"\r\nX-A: 1\r\n" in there.requests[0]


def test_of_a_redirect_nobody_waits_for_the_body(peer: Start) -> None:
    there = peer(says(b"HTTP/1.1 302 Found\r\nLocation: http://[\r\nContent-Length: 9\r\n\r\n"))
    with (
        closing(Upstream(f"http://127.0.0.1:{there.port}", connections=1)) as up,
        up.get("/", headers=[], deadline_seconds=60) as answer,
    ):
        assert answer.status == 302


def test_what_is_called_meanwhile_has_a_time_of_its_own(peer: Start) -> None:
    there, hanging = peer(in_chunks(FILE)), peer(Wire.hang)
    with (
        closing(Upstream(f"http://127.0.0.1:{there.port}", connections=1)) as up,
        closing(Upstream(f"http://127.0.0.1:{hanging.port}", connections=1)) as other,
        up.get("/", headers=[], deadline_seconds=60) as answer,
    ):
        with pytest.raises(UpstreamTimeout):
            other.post("/", body=b"", headers=[], deadline_seconds=SHORT)
        assert b"".join(answer.chunks(most_bytes=10**9)) == FILE


def test_a_connection_is_not_used_twice(peer: Start) -> None:
    there = peer(lambda wire: wire.say(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcSURPLUS"))
    with closing(Upstream(f"http://127.0.0.1:{there.port}", connections=1)) as up:
        for _ in range(3):
            with up.get("/", headers=[], deadline_seconds=60) as answer, suppress(UpstreamError):
                b"".join(answer.chunks(most_bytes=100))
    assert there.connections == 3


def test_any_bytes_at_all_are_a_file_or_one_of_our_errors() -> None:
    with closing(Peer(finishes, host="127.0.0.1", tls=None)) as there:
        heads = st.sampled_from([b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"HTTP/1.1 200 OK\r\n", ENDLESS])

        @settings(max_examples=examples(150), deadline=None)
        @given(head=heads, rest=st.binary(max_size=60))
        def judge(head: bytes, rest: bytes) -> None:
            there.behaviour = says(head + rest, then=finishes)
            with suppress(GatewayError):
                assert len(fetch(there, most=40)) <= 40

        judge()
