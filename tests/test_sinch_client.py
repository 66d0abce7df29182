"""Calls to Sinch: each is made once, unless nothing can have happened; and each answer is Sinch's or none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field

import pytest

from gateway.config import Account
from gateway.outbound import refusals
from gateway.sinch import TOTAL_SECONDS, Effect, SinchError
from gateway.sinch.client import Request, Sinch
from tests import config_samples
from tests.peer_samples import Behaviour, Peer, Wire, answers, finishes, in_chunks, listens_on, says
from tests.service_samples import HandClock
from tests.spool_samples import until
from tests.token_samples import Auth, account

TARGET = "/v1/projects/project-1/messages:send"
ACCEPTED = answers(b'{"message_id":"01X"}', then=listens_on)


@dataclass
class Line:
    """A Sinch of the tests, and a client of it that waits for nothing."""

    sinch: Sinch
    peer: Peer
    auth: Peer
    pauses: list[float] = field(default_factory=list)

    def call(
        self, kind: Effect = Effect.SEND, *, region: str = "eu", account: Account | None = None
    ) -> tuple[int, bytes, int]:
        request = Request(
            method="GET" if kind is Effect.READ else "POST",
            target=TARGET,
            effect=kind,
            headers=[("Content-Type", "application/json"), ("Authorization", "Bearer of-motion")][
                : 1 if account else 2
            ],
            body=None if kind is Effect.READ else b'{"a":1.10}',
            account=account,
        )
        answer, tries = self.sinch.call(region, request)
        return answer.status, answer.body, tries

    def refusal(self, kind: Effect = Effect.SEND, **options: object) -> str:
        with pytest.raises(SinchError) as caught:
            self.call(kind, **options)  # type: ignore[arg-type]
        return refusals.of_sinch(caught.value, kind).code


HANGS = 1.0  # seconds for a call at which Sinch hangs: a token and the request leave within it on a busy machine, too


@contextmanager
def opened(
    behaviour: Behaviour, *, deadline: float = 60, waiting: int = 4, clock: HandClock | None = None
) -> Iterator[Line]:
    with ExitStack() as stack:
        peer, auth = (
            stack.enter_context(closing(Peer(does, host="127.0.0.1", tls=None))) for does in (behaviour, Auth())
        )
        origins = {
            "eu": f"http://127.0.0.1:{peer.port}",
            "us": "http://127.0.0.1:9",
            "auth": f"http://127.0.0.1:{auth.port}",
        }
        settings, pauses = config_samples.settings(sinch=origins).sinch, []
        sinch = Sinch(
            settings,
            clock=clock or HandClock(),
            pause=pauses.append,
            deadline_seconds=deadline,
            waiting=waiting,
            patience_seconds=0,
        )
        yield Line(stack.enter_context(closing(sinch)), peer, auth, pauses)


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """One for each request; the last one for all that follow."""
    left = list(behaviours)

    def behave(wire: Wire) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(wire)

    return behave


def test_a_call_goes_out_as_it_was_given() -> None:
    with opened(ACCEPTED) as line:
        assert line.call() == (200, b'{"message_id":"01X"}', 1)
        [heard] = line.peer.requests
    head, _, body = heard.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == f"POST {TARGET} HTTP/1.1"
    assert sorted(said.split(":")[0].lower() for said in lines[1:]) == [
        "accept-encoding", "authorization", "content-length", "content-type", "host", "user-agent", "via"
    ]  # fmt: skip
    assert "Via: 1.1 motion-gateway" in lines
    assert "Authorization: Bearer of-motion" in lines
    assert body == b'{"a":1.10}'


def test_where_we_sign_in_our_token_goes_out() -> None:
    with opened(ACCEPTED) as line:
        line.call(account=account())
        assert b"Authorization: Bearer token-1" in line.peer.requests[0]


# What becomes of a message, by what Sinch does: the refusal or the status, and how often it was made.
ONCE: dict[str, tuple[Behaviour, str | int]] = {
    "no answer": (finishes, "SEND_FATE_UNKNOWN"),
    "a reset": (Wire.reset, "SEND_FATE_UNKNOWN"),
    "a hang": (Wire.hang, "SEND_FATE_UNKNOWN"),
    "half a status line": (says(b"HTTP/1.1 2", then=finishes), "SEND_FATE_UNKNOWN"),
    "half a head": (says(b"HTTP/1.1 200 OK\r\nContent-", then=finishes), "SEND_FATE_UNKNOWN"),
    "half a head, reset": (says(b"HTTP/1.1 200 OK\r\nContent-", then=Wire.reset), "SEND_FATE_UNKNOWN"),
    "half a body": (answers(b'{"mess', length=20), "SEND_FATE_UNKNOWN"),
    "half a body, hanging": (says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), "SEND_FATE_UNKNOWN"),
    "no last chunk": (in_chunks(b"{}", last=b""), "SEND_FATE_UNKNOWN"),
    "a redirect": (answers(b"", "Location: /", status="307 Temporary Redirect"), "SEND_FATE_UNKNOWN"),
    "an odd status": (says(b"HTTP/1.1 700 X\r\nContent-Length: 0\r\n\r\n"), "SEND_FATE_UNKNOWN"),
    "early hints": (says(b"HTTP/1.1 103 Early Hints\r\n\r\n"), "SEND_FATE_UNKNOWN"),
    "500": (answers(b"", status="500 X"), 500),
    "503": (answers(b"", "Retry-After: 0", status="503 X"), 503),
    "429 without a time": (answers(b"", status="429 X"), 429),
    "429 with a time too long": (answers(b"", "Retry-After: 6", status="429 X"), 429),
    "401": (answers(b"", status="401 X"), 401),
    "400": (answers(b"{}", status="400 X"), 400),
}


@pytest.mark.parametrize("kind", [Effect.SEND, Effect.CHANGE])
@pytest.mark.parametrize(("behaviour", "ended"), ONCE.values(), ids=ONCE)
def test_what_left_once_does_not_leave_again(kind: Effect, behaviour: Behaviour, ended: str | int) -> None:
    with opened(behaviour, deadline=HANGS) as line:
        if isinstance(ended, int):
            assert line.call(kind)[0] == ended
        else:
            assert line.refusal(kind) == (ended if kind is Effect.SEND else "CALL_FATE_UNKNOWN")
        assert len(line.peer.requests) == 1


HEAD = b"HTTP/1.1 200 OK\r\n"
ENDLESS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"100000\r\n" + b"x" * 2**20 + b"\r\n") * 9
HAPPENED: dict[str, tuple[Behaviour, str]] = {
    "nothing": (Wire.hang, "no answer in time"),
    "a hang-up": (finishes, "connection broken"),
    "a reset": (Wire.reset, "connection broken"),
    "a redirect": (answers(b"", "Location: /x", status="302 Found"), "answer leads elsewhere (status 302)"),
    "not modified": (says(b"HTTP/1.1 304 Not Modified\r\n\r\n"), "answer leads elsewhere (status 304)"),
    "HTTP/1.0 without a length": (
        says(b"HTTP/1.0 200 OK\r\n\r\n{}", then=finishes),
        "answer does not say where it ends (status 200)",
    ),
    "half a body": (answers(b'{"mess', length=20), "answer shorter than it says (status 200)"),
    "half an error": (answers(b"{", length=9, status="503 X"), "answer shorter than it says (status 503)"),
    "half a body, reset": (
        says(HEAD + b"Content-Length: 9\r\n\r\n{", then=Wire.reset),
        "connection broken (status 200)",
    ),
    "half a body, hanging": (says(HEAD + b"Content-Length: 9\r\n\r\n{"), "answer did not end in time (status 200)"),
    "no last chunk": (in_chunks(b"{}", last=b""), "answer shorter than it says (status 200)"),
    "a chunk of less than nothing": (in_chunks(b"{}", last=b"-1\r\n"), "answer is not HTTP (status 200)"),
    "an endless body": (says(ENDLESS), "answer too large (status 200)"),
    "a body that says it is huge": (answers(b"{", length=10**12), "answer too large (status 200)"),
    "two lengths": (answers(b"{}", "Content-Length: 1"), "answer is not HTTP (status 200)"),
    "no HTTP": (says(b"SSH-2.0-OpenSSH_9\r\n", then=finishes), "answer is not HTTP"),
    "too many headers": (says(HEAD + b"X: a\r\n" * 1000 + b"\r\n"), "answer is not HTTP"),
    "a flood of 1xx": (says(b"HTTP/1.1 102 Processing\r\n\r\n" * 500), "answer is not HTTP"),
    "an odd status": (
        says(b"HTTP/1.1 700 X\r\nContent-Length: 0\r\n\r\n"),
        "answer has no status of HTTP (status 700)",
    ),
}


@pytest.mark.parametrize("kind", Effect)
@pytest.mark.parametrize(("behaviour", "words"), HAPPENED.values(), ids=HAPPENED)
def test_what_happened_is_told_with_the_status(kind: Effect, behaviour: Behaviour, words: str) -> None:
    with opened(behaviour, deadline=HANGS) as line, pytest.raises(SinchError) as caught:
        line.call(kind)
    assert caught.value.words == words
    assert f": {words}. " in refusals.of_sinch(caught.value, kind).says


def test_a_message_is_sent_again_where_sinch_says_when() -> None:
    busy = answers(b"", "Retry-After: 2", status="429 X")
    with opened(in_turn(busy, busy, ACCEPTED)) as line:
        assert line.call()[::2] == (200, 3)
        assert line.pauses == [2.0, 2.0]
    with opened(busy) as line:
        assert line.call()[::2] == (429, 3)


def test_where_nobody_listens_a_message_is_tried_again_and_then_not_sent() -> None:
    with opened(ACCEPTED) as line:
        assert line.refusal(region="us") == "SINCH_UNREACHABLE"
        assert line.pauses == [0.2, 0.6]
        assert line.peer.requests == []


@pytest.mark.parametrize(
    ("behaviour", "ended", "tries"),
    [
        (answers(b"", status="503 X"), 503, 3),
        (answers(b"", "Retry-After: 9", status="503 X"), 503, 1),
        (answers(b"", status="500 X"), 500, 1),
        (Wire.hang, "SINCH_TIMED_OUT", 1),
        (Wire.reset, "SINCH_ANSWER_BROKEN", 3),
        (answers(b"{", length=9), "SINCH_ANSWER_BROKEN", 3),
        (answers(b"", "Location: http://127.0.0.1:1/", status="302 Found"), "SINCH_ANSWER_BROKEN", 1),
    ],
    ids=["503", "503 for long", "500", "hang", "reset", "half a body", "redirect"],
)
def test_a_read_may_be_made_again(behaviour: Behaviour, ended: str | int, tries: int) -> None:
    with opened(behaviour, deadline=HANGS) as line:
        if isinstance(ended, int):
            assert line.call(Effect.READ)[::2] == (ended, tries)
        else:
            assert line.refusal(Effect.READ) == ended
        assert len(line.peer.requests) == tries


EXPIRED = answers(
    b"{}", 'www-authenticate: Bearer error="invalid_token", error_description="Jwt expired at 2026"', status="401 X"
)


def test_an_expired_token_is_renewed_once_and_the_call_made_once_more() -> None:
    with opened(in_turn(EXPIRED, ACCEPTED)) as line:
        assert line.call(account=account())[::2] == (200, 2)
        first, second = line.peer.requests
        assert (b"Bearer token-1" in first, b"Bearer token-2" in second) == (True, True)
        assert len(line.auth.requests) == 2


@pytest.mark.parametrize(("took", "statuses"), [(19.0, 200), (20.0, 401)], ids=["in time", "too late"])
def test_a_token_is_renewed_only_if_all_of_it_still_ends_in_time(took: float, statuses: int) -> None:
    clock = HandClock()

    def slowly(wire: Wire) -> None:
        clock.advance(took)
        EXPIRED(wire)

    with opened(in_turn(slowly, ACCEPTED), clock=clock) as line:
        assert line.call(account=account())[0] == statuses
        assert len(line.auth.requests) == (2 if statuses == 200 else 1)


def test_a_call_is_not_made_again_when_its_time_is_over() -> None:
    clock = HandClock()
    busy = answers(b"", "Retry-After: 1", status="429 X")

    def slowly(wire: Wire) -> None:
        clock.advance(TOTAL_SECONDS - 1)
        busy(wire)

    with opened(slowly, clock=clock) as line:
        assert line.call()[::2] == (429, 1)


def test_a_token_that_expires_again_and_again_ends_in_sinchs_own_answer() -> None:
    with opened(EXPIRED) as line:
        assert line.call(account=account())[::2] == (401, 2)


def test_motions_own_expired_token_is_motions_to_renew() -> None:
    with opened(EXPIRED) as line:
        assert line.call()[::2] == (401, 1)
        assert line.auth.requests == []


def test_a_401_for_another_reason_renews_nothing() -> None:
    with opened(answers(b"{}", status="401 X")) as line:
        assert line.call(account=account())[::2] == (401, 1)
        assert len(line.auth.requests) == 1


def test_of_those_who_wait_for_a_region_only_so_many_are_let_in() -> None:
    with opened(Wire.hang, deadline=1, waiting=1) as line:
        waiting = threading.Thread(target=lambda: line.refusal(Effect.READ))
        waiting.start()
        until(lambda: bool(line.peer.requests), "a call waits")
        assert line.refusal() == "SINCH_BUSY"
        assert line.refusal(region="us") == "SINCH_UNREACHABLE"
        assert line.sinch.token(headers=[], body=b"").status == 200
        waiting.join()
        assert line.refusal(Effect.READ) == "SINCH_TIMED_OUT"
        assert len(line.peer.requests) == 2
