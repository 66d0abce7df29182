"""Access tokens of Sinch: one request at a time, before their end, and failures that cost one try."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest

from gateway.sinch import SinchError, access_tokens
from gateway.sinch.access_tokens import Tokens
from gateway.upstream import Upstream
from tests.config_samples import ABSENT
from tests.peer_samples import Behaviour, Peer, Wire, answers, finishes
from tests.service_samples import HandClock
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
        with pytest.raises(SinchError, match=access_tokens.NONE_GIVEN):
            held.of(account())
        auth.behaviour = None
        clock.advance(access_tokens.REMEMBERED_SECONDS)
        assert held.of(account()) == "token-2"


def test_two_hundred_who_come_when_it_has_ended_cause_one_request() -> None:
    clock = HandClock()
    with opened(Auth(), clock) as (held, peer), ThreadPoolExecutor(200) as pool:
        held.of(account())
        clock.advance(LIFE)
        together = threading.Barrier(200)

        def ask(_number: int) -> str:
            together.wait()
            return held.of(account())

        assert set(pool.map(ask, range(200))) == {"token-2"}
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

        assert set(pool.map(ask, range(200))) == {"SINCH_ANSWER_BROKEN"}
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
    "an error": (answers(b"", status="500 X"), "SINCH_ANSWER_BROKEN"),
    "a redirect": (answers(b"", "Location: /", status="302 Found"), "SINCH_ANSWER_BROKEN"),
    "no JSON": (answers(b"<html>"), "SINCH_ANSWER_BROKEN"),
    "deep JSON": (answers(b"[" * 50_000), "SINCH_ANSWER_BROKEN"),
    "no object": (answers(b"[]"), "SINCH_ANSWER_BROKEN"),
    "no token": (answers(b'{"expires_in":3600}'), "SINCH_ANSWER_BROKEN"),
    "a number as token": (answers(b'{"access_token":5}'), "SINCH_ANSWER_BROKEN"),
    "a token with a line feed": (answers(b'{"access_token":"a\\nX-Evil: 1"}'), "SINCH_ANSWER_BROKEN"),
    "an empty token": (answers(b'{"access_token":""}'), "SINCH_ANSWER_BROKEN"),
    "no answer": (finishes, "SINCH_UNREACHABLE"),
    "a reset": (Wire.reset, "SINCH_UNREACHABLE"),
}


@pytest.mark.parametrize(("behaviour", "code"), ODD.values(), ids=ODD)
def test_whatever_else_is_answered_is_no_token(behaviour: Behaviour, code: str) -> None:
    auth = Auth()
    auth.behaviour = behaviour
    with opened(auth, HandClock()) as (held, _peer), pytest.raises(SinchError) as caught:
        held.of(account())
    assert caught.value.trouble == code
    assert not caught.value.sent
    assert "key 1" not in caught.value.reason


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
