"""The simulated token endpoint, and what the API makes of credentials."""

from __future__ import annotations

import json

import pytest

from sandbox.conversation.account import KEY, Key
from sandbox.conversation.api import ConversationApi
from sandbox.conversation.tokens import Life
from tests.sinch_samples import PROJECT, ask_token, basic, bearer, call, send, token

NOW = 1_772_620_530.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def api(clock):
    with ConversationApi(clock=clock) as running:
        yield running


def test_a_key_gets_a_token_that_opens_the_api(api):
    answer = ask_token(api)
    content = json.loads(answer.body)
    assert (answer.status, content["token_type"], content["expires_in"], content["scope"]) == (200, "bearer", 3600, "")
    assert call(api, f"{PROJECT}/messages", headers=bearer(content["access_token"])).status == 200
    assert api.tokens.given == (content["access_token"],)


def test_every_request_for_a_token_is_counted(api):
    assert len({token(api) for _ in range(3)}) == 3
    ask_token(api, authorization=basic(Key(key_secret="other")))
    assert len(api.token_requests) == 4
    assert api.token_requests[0].body == b"grant_type=client_credentials"


@pytest.mark.parametrize(
    "shown",
    [basic(Key(key_id="other")), basic(Key(key_secret="other")), "Basic !", "Basic Og==", f"Bearer {KEY.key_secret}"],
    ids=["another key", "another secret", "no base64", "both empty", "no basic"],
)
def test_a_wrong_key_gets_401_and_no_token(api, shown):
    answer = ask_token(api, authorization=shown)
    assert (answer.status, json.loads(answer.body)["error"]) == (401, "invalid_client")
    assert answer.header("www-authenticate") == 'Basic realm="auth"'
    assert api.tokens.given == ()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "application/x-www-form-urlencoded"),
        (b"grant_type=password", "application/x-www-form-urlencoded"),
        (b"grant_type=client_credentials", "application/json"),
    ],
)
def test_a_request_for_another_grant_is_400(api, body, kind):
    headers = (("authorization", basic()), ("content-type", kind))
    assert ask_token(api, headers=headers, body=body).status == 400


def test_anything_else_at_the_token_origin_is_404_and_unexpected(api):
    assert call(api, "/oauth2/token", origin="auth").status == 404
    assert call(api, f"{PROJECT}/messages", origin="auth").status == 404
    assert api.unexpected == ("GET /oauth2/token", f"GET {PROJECT}/messages")


@pytest.mark.parametrize(("later", "status"), [(59.9, 200), (60, 401)], ids=["just before", "at its end"])
def test_a_token_lives_as_long_as_was_chosen_whatever_was_said(api, clock, later, status):
    api.tokens.life = Life(seconds=60, said=3600)
    given = token(api)
    clock.now += later
    assert send(api, headers=bearer(given)).status == status


def test_an_expired_token_is_refused_in_the_vendors_words(api, clock):
    given = token(api)
    clock.now += 10
    api.tokens.expire()
    answer = send(api, headers=bearer(given))
    assert (answer.status, answer.body) == (401, b"{}")
    assert answer.header("www-authenticate") == (
        'Bearer error="invalid_token", error_description="Jwt expired at 2026-03-04T10:35:40Z", '
        'error_uri="https://tools.ietf.org/html/rfc6750#section-3.1"'
    )
    assert (len(api.sends), api.accepted) == (1, ())
    assert send(api, headers=bearer(token(api))).status == 200


@pytest.mark.parametrize("said", [7, "3600", 1.5, -1, {}], ids=repr)
def test_anything_can_be_said_of_its_life(api, said):
    api.tokens.life = Life(said=said)
    assert json.loads(ask_token(api).body)["expires_in"] == said


def test_nothing_need_be_said_of_its_life(api):
    api.tokens.life = Life(said=None)
    assert "expires_in" not in json.loads(ask_token(api).body)


def test_a_token_that_is_not_known_any_more_is_malformed_and_not_expired(api):
    given = token(api)
    api.tokens.forget()
    answer = send(api, headers=bearer(given))
    assert answer.status == 401
    assert "invalid_token" in answer.header("www-authenticate")
    assert "expired" not in answer.header("www-authenticate")


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("authorization", ""),),
        (("authorization", "Bearer"),),
        (("authorization", f"Digest {KEY.key_id}"),),
        (("authorization", basic()), ("authorization", basic())),
    ],
    ids=["none", "empty", "no token", "another scheme", "twice"],
)
def test_without_credentials_it_is_401(api, headers):
    answer = send(api, headers=(*headers, ("content-type", "application/json")))
    assert answer.status == 401
    assert answer.header("www-authenticate").startswith("Bearer")
    assert api.accepted == ()


def test_a_key_shown_as_basic_opens_the_api(api):
    assert send(api, headers=(("authorization", basic()), ("content-type", "application/json"))).status == 200


def test_tokens_and_secrets_are_in_no_representation(api):
    given = token(api)
    send(api, headers=bearer(given))
    assert given not in repr(api.calls)
    assert KEY.key_secret not in repr(api.accounts)
