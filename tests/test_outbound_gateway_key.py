"""Who shows the gateway key, or a token that was given for it, comes from Motion."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.outbound import gateway_key
from gateway.outbound.refusals import Refused
from tests.service_samples import NOW
from tests.together import together

KEY = "a gateway key: with a colon, and ünicode"


def basic(password: str, *, user: str = "key-id") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def bearer(*, key: str = KEY, now: float = NOW) -> str:
    return "Bearer " + gateway_key.token(key=key, now=now)


def require(authorization: str, *, now: float = NOW) -> None:
    gateway_key.require(authorization, key=KEY, now=now)


def refusal(authorization: str, *, now: float = NOW) -> str:
    with pytest.raises(Refused) as caught:
        require(authorization, now=now)
    return caught.value.code


@pytest.mark.parametrize("user", ["key-id", "", "anything at all"])
def test_the_key_itself_is_believed_whoever_shows_it(user: str) -> None:
    require(basic(KEY, user=user))


@pytest.mark.parametrize("word", ["Bearer", "bearer", "BEARER"])
def test_a_token_that_was_given_for_the_key_is_believed(word: str) -> None:
    require(bearer().replace("Bearer", word))


def test_a_token_ends_after_an_hour_and_says_so() -> None:
    end = NOW + gateway_key.TOKEN_SECONDS
    require(bearer(), now=end - 1)
    assert refusal(bearer(), now=end) == "TOKEN_EXPIRED"


def test_an_expired_token_is_told_in_the_word_that_sdks_look_for() -> None:
    assert "expired" in Refused("TOKEN_EXPIRED").headers["WWW-Authenticate"]
    assert "expired" not in Refused("GATEWAY_KEY_WRONG").headers["WWW-Authenticate"]


WRONG = {
    "nothing": "",
    "another key": basic("another key"),
    "the key in part": basic(KEY[:-1]),
    "the key as the user": basic("", user=KEY),
    "no base64": "Basic ???",
    "no colon": "Basic " + base64.b64encode(KEY.encode()).decode(),
    "no UTF-8": "Basic " + base64.b64encode(b"user:\xff\xfe").decode(),
    "the key in clear": f"Basic {KEY}",
    "a token for another key": bearer(key="another gateway key"),
    "a token of Sinch's": "Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
    "a token with a letter changed": bearer()[:-5] + "AAAA=",
    "a token and more": bearer() + " x",
    "another scheme": "Digest " + basic(KEY)[6:],
    "a token from before 1970": "Bearer gAAAA",
}


@together("shown", WRONG.values(), ids=WRONG)
def test_anything_else_is_not(shown: str) -> None:
    assert refusal(shown) == "GATEWAY_KEY_WRONG"


@given(st.text())
def test_any_header_ends_in_our_own_words(shown: str) -> None:
    for header in (shown, f"Basic {shown}", f"Bearer {shown}", f"Bearer gAAAA{shown}"):
        assert refusal(header) in ("GATEWAY_KEY_WRONG", "TOKEN_EXPIRED")


@pytest.mark.parametrize("form", [b"grant_type=client_credentials", b"scope=&x=1&grant_type=client%5Fcredentials"])
def test_a_form_that_asks_for_client_credentials_is_granted(form: bytes) -> None:
    if b"scope=" in form:
        form = form.replace(b"scope=&", b"")
    gateway_key.require_grant(form)


@pytest.mark.parametrize(
    "form",
    [b"", b"grant_type=password", b"grant_type=client_credentials&grant_type=password", b"{}", b"\xff", b"&" * 1000],
)
def test_any_other_form_is_not(form: bytes) -> None:
    with pytest.raises(Refused, match="GRANT_NOT_ALLOWED"):
        gateway_key.require_grant(form)
