"""Access tokens of Sinch: one request at a time, before their end, and failures that cost one try."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest

from gateway.outbound import refusals
from gateway.phrases import Reason
from gateway.sinch import Effect, SinchError, access_tokens
from gateway.sinch.access_tokens import Tokens
from gateway.upstream import Upstream
from tests.config_samples import ABSENT
from tests.peer_samples import Behaviour, Peer, Wire, answers, finishes, says
from tests.service_samples import HandClock
from tests.spool_samples import until
from tests.together import together
from tests.token_samples import LIFE, Auth, account


@contextmanager
def opened(auth: Auth, clock: HandClock) -> Iterator[tuple[Tokens, Peer]]:
    with (
        closing(Peer(auth, host="127.0.0.1", tls=None)) as peer,
        closing(Upstream(f"http://127.0.0.1:{peer.port}", connections=4)) as upstream,
    ):
        yield Tokens(upstream, clock=clock, pause=lambda _seconds: None), peer


def test_a_token_is_asked_for_as_sinch_wants_it_and_kept() -> None:
    clock = HandClock()
    with opened(Auth(), clock) as (held, peer):
        assert [held.of(account()) for _ in range(3)] == ["token-1"] * 3
        [request] = peer.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /oauth2/token HTTP/1.1\r\n")
    assert b"Authorization: Basic " + base64.b64encode(b"key-1:the secret of key 1") in head
    assert b"Content-Type: application/x-www-form-urlencoded" in head
    assert body == b"grant_type=client_credentials"


@pytest.mark.parametrize(
    ("life", "margin"), [(3600, 60), (600, 60), (300, 30), (30, 3)], ids=["an hour", "ten minutes", "five", "half"]
)
def test_a_token_is_renewed_before_its_end(life: int, margin: int) -> None:
    clock, auth = HandClock(), Auth()
    auth.life = life
    with opened(auth, clock) as (held, _peer):
        held.of(account())
        clock.advance(life - margin - 0.1)
        assert held.of(account()) == "token-1"
        clock.advance(0.1)
        assert held.of(account()) == "token-2"


def test_a_renewal_that_fails_early_leaves_the_token_that_still_lives() -> None:
    clock, auth = HandClock(), Auth()
    with opened(auth, clock) as (held, peer):
        held.of(account())
        auth.behaviour = answers(b"", status="500 X")
        clock.advance(LIFE - 60)
        assert [held.of(account()) for _ in range(5)] == ["token-1"] * 5
        assert len(peer.requests) == 2
        clock.advance(60)
        with pytest.raises(SinchError, match=Reason.ANSWER_NO_TOKEN):
            held.of(account())
        auth.behaviour = None
        clock.advance(access_tokens.REMEMBERED_SECONDS)
        assert held.of(account()) == "token-2"


def test_two_hundred_who_come_when_it_has_ended_cause_one_request() -> None:
    clock, auth, all_wait = HandClock(), Auth(), threading.Event()

    def late(wire: Wire) -> None:
        assert all_wait.wait(60)
        auth.behaviour = None
        auth(wire)

    with opened(auth, clock) as (held, peer), ThreadPoolExecutor(200) as pool:
        held.of(account())
        clock.advance(LIFE)
        auth.behaviour = late
        first = pool.submit(held.of, account())
        until(lambda: len(peer.requests) == 2, "the request of the first")
        looks = clock.asked.total()  # each of the others looks once, and waits
        others = [pool.submit(held.of, account()) for _ in range(199)]
        until(lambda: clock.asked.total() == looks + 199, "all others wait")
        all_wait.set()
        assert {one.result(60) for one in (first, *others)} == {"token-2"}
        assert len(peer.requests) == 2


def test_two_hundred_whose_token_sinch_refused_cause_one_request() -> None:
    with opened(Auth(), HandClock()) as (held, peer), ThreadPoolExecutor(200) as pool:
        refused = held.of(account())
        got = pool.map(lambda _number: held.renewed(account(), refused=refused, expired=True), range(200))
        assert set(got) == {"token-2"}
        assert len(peer.requests) == 2


def test_two_hundred_who_come_while_sinch_gives_none_cause_one_request() -> None:
    clock, auth = HandClock(), Auth()
    auth.behaviour = answers(b"", status="500 X")

    with opened(auth, clock) as (held, peer), ThreadPoolExecutor(200) as pool:

        def ask(_number: int) -> str:
            with pytest.raises(SinchError) as caught:
                held.of(account())
            return caught.value.trouble

        assert set(pool.map(ask, range(200))) == {"SINCH_GIVES_NO_TOKEN"}
        assert len(peer.requests) == 1


def test_each_key_has_its_own_token() -> None:
    with opened(Auth(), HandClock()) as (held, _peer):
        other = account(key_id="key-2")
        assert [held.of(account()), held.of(other), held.of(account())] == ["token-1", "token-2", "token-1"]


@pytest.mark.parametrize("missing", ["key_id", "key_secret"])
def test_an_account_without_a_key_has_no_token(missing: str) -> None:
    without = account(key_id=ABSENT, key_secret=ABSENT)
    with opened(Auth(), HandClock()) as (held, peer):
        with pytest.raises(SinchError, match="KEY_NOT_CONFIGURED"):
            held.of(without)
        assert peer.requests == []


ODD: dict[str, tuple[Behaviour, str]] = {
    "a wrong key": (answers(b'{"error":"invalid_client"}', status="401 Unauthorized"), "SINCH_REFUSES_KEY"),
    "a bad request": (answers(b"", status="400 Bad Request"), "SINCH_REFUSES_KEY"),
    "an error": (answers(b"", status="500 X"), "SINCH_GIVES_NO_TOKEN"),
    "a redirect": (answers(b"", "Location: /", status="302 Found"), "SINCH_GIVES_NO_TOKEN"),
    "no JSON": (answers(b"<html>"), "SINCH_GIVES_NO_TOKEN"),
    "deep JSON": (answers(b"[" * 50_000), "SINCH_GIVES_NO_TOKEN"),
    "no object": (answers(b"[]"), "SINCH_GIVES_NO_TOKEN"),
    "no token": (answers(b'{"expires_in":3600}'), "SINCH_GIVES_NO_TOKEN"),
    "a number as token": (answers(b'{"access_token":5}'), "SINCH_GIVES_NO_TOKEN"),
    "a token with a line feed": (answers(b'{"access_token":"a\\nX-Evil: 1"}'), "SINCH_GIVES_NO_TOKEN"),
    "an empty token": (answers(b'{"access_token":""}'), "SINCH_GIVES_NO_TOKEN"),
    "no answer": (finishes, "SINCH_UNREACHABLE"),
    "a reset": (Wire.reset, "SINCH_UNREACHABLE"),
}


@together(("behaviour", "code"), ODD.values(), ids=ODD)
def test_whatever_else_is_answered_is_no_token(behaviour: Behaviour, code: str) -> None:
    auth = Auth()
    auth.behaviour = behaviour
    with opened(auth, HandClock()) as (held, _peer), pytest.raises(SinchError) as caught:
        held.of(account())
    assert caught.value.trouble == code
    assert not caught.value.sent
    assert "key 1" not in caught.value.reason


LATER = "Fri, 31 Dec 2400 23:59:59 GMT"
TOLD: dict[str, tuple[Behaviour, str, int]] = {
    # Sinch's behaviour, our words, and our Retry-After
    "429": (answers(b"", "Retry-After: 7", status="429 X"), "answer gives no access token (status 429)", 7),
    "429 without a time": (answers(b"", status="429 X"), "answer gives no access token (status 429)", 5),
    "429 with a date": (answers(b"", f"Retry-After: {LATER}", status="429 X"), "(status 429)", 3600),
    "429 with a date gone by": (answers(b"", "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT", status="429 X"), "429", 0),
    "429 with nonsense": (answers(b"", "Retry-After: soon", status="429 X"), "answer gives no access token", 5),
    "500": (answers(b"oops", status="500 X"), "answer gives no access token (status 500)", 5),
    "503": (answers(b"", "Retry-After: 30", status="503 X"), "answer gives no access token (status 503)", 30),
    "302": (answers(b"", "Location: /", status="302 Found"), "answer gives no access token (status 302)", 5),
    "404": (answers(b"{}", status="404 X"), "answer gives no access token (status 404)", 5),
    "204": (says(b"HTTP/1.1 204 No Content\r\n\r\n"), "answer gives no access token (status 204)", 5),
    "a captive portal": (answers(b"<html>Log in"), "answer gives no access token (status 200)", 5),
    "401": (answers(b"", status="401 X"), "answer gives no access token (status 401)", 5),
    "403": (answers(b"<html>", status="403 X"), "answer gives no access token (status 403)", 5),
    "half a body": (answers(b"{", length=9), "answer shorter than it says (status 200)", 5),
    "nothing": (finishes, "connection broken", 5),
}


@together(("behaviour", "words", "wait"), TOLD.values(), ids=TOLD)
def test_why_there_is_no_token_is_told_with_the_status_and_that_nothing_was_sent(
    behaviour: Behaviour, words: str, wait: int
) -> None:
    auth = Auth()
    auth.behaviour = behaviour
    with opened(auth, HandClock()) as (held, _peer), pytest.raises(SinchError) as caught:
        held.of(account())
    refused = refusals.of_sinch(caught.value, Effect.SEND)
    assert words in refused.says
    assert refused.says.endswith(". Nothing was sent.")
    assert (refused.status, refused.headers["Retry-After"]) == (503, str(wait))


@pytest.mark.parametrize(
    ("life", "seconds"),
    [
        (None, access_tokens.UNTOLD_SECONDS),
        ("3600", access_tokens.UNTOLD_SECONDS),
        (True, access_tokens.UNTOLD_SECONDS),
        (0, access_tokens.UNTOLD_SECONDS),
        (-5, access_tokens.UNTOLD_SECONDS),
        (10**400, access_tokens.LONGEST_SECONDS),
        (10**9, access_tokens.LONGEST_SECONDS),
    ],
    ids=lambda value: str(value)[:12],
)
def test_a_life_that_is_none_is_taken_for_a_short_one(life: object, seconds: float) -> None:
    clock, auth = HandClock(), Auth()
    auth.life = life
    with opened(auth, clock) as (held, _peer):
        held.of(account())
        clock.advance(seconds - 61)
        assert held.of(account()) == "token-1"
        clock.advance(61)
        assert held.of(account()) == "token-2"


def test_a_token_that_is_refused_without_a_word_of_its_age_is_renewed_if_it_is_not_young() -> None:
    clock = HandClock()
    with opened(Auth(), clock) as (held, peer):
        first = held.of(account())
        clock.advance(access_tokens.YOUNG_SECONDS - 1)
        assert held.renewed(account(), refused=first, expired=False) == first
        clock.advance(1)
        assert held.renewed(account(), refused=first, expired=False) == "token-2"
        assert len(peer.requests) == 2


def test_two_secrets_of_one_key_have_a_token_each() -> None:
    with opened(Auth(), HandClock()) as (held, _peer):
        other = account(key_secret="another secret of key 1")
        assert [held.of(account()), held.of(other), held.of(account())] == ["token-1", "token-2", "token-1"]
