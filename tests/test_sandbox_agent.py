"""Motion's agent against the simulated Sinch itself: tokens, messages, and what is understood of the answers."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox import agent, attachment, faults
from sandbox.agent import Agent, Told, Way
from sandbox.auto_reply import AutoReply, written
from sandbox.callbacks import ANA, APP
from sandbox.connection import Answer, Request, Route, exchange
from sandbox.conversation.account import KEY, Key
from sandbox.conversation.api import ConversationApi
from sandbox.conversation.tokens import Life
from sandbox.faults import Fault
from sandbox.motion import Motion
from tests.sinch_samples import PROJECT


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def api():
    with ConversationApi() as running:
        running.wrote(ANA)
        yield running


def made(api: ConversationApi, **how) -> Agent:
    link = lambda number: attachment.link("https://gateway.example.test", number, token="t")  # noqa: E731
    return Agent(Way(api=api.eu.url, auth=api.auth.url, timeout_seconds=5), **{"link": link, **how})


def said(api: ConversationApi) -> dict:
    return json.loads(api.accepted[-1].body)


def test_a_reply_is_sent_with_a_token_that_was_asked_for_first(api):
    told = made(api).reply(ANA.contact_id, "¿En qué puedo ayudar?")
    assert (told.accepted, told.message_id) == (True, api.accepted[0].made)
    asked, sent = api.calls
    assert (asked.is_token, asked.body, asked.header("content-type")) == (
        True,
        b"grant_type=client_credentials",
        "application/x-www-form-urlencoded",
    )
    assert sent.header("authorization") == f"Bearer {api.tokens.given[0]}"
    assert said(api) == {
        "app_id": APP.app_id,
        "recipient": {"contact_id": ANA.contact_id},
        "message": {"text_message": {"text": "¿En qué puedo ayudar?"}},
    }


def test_every_kind_of_message_has_the_shape_that_sinch_wants(api):
    one = made(api)
    link = "https://gateway.example.test/api/attachments/101/download?token=t"
    place = {"title": "Here", "coordinates": {"latitude": 43.7, "longitude": 10.4}}
    choice = {"text_message": {"text": "Sure?"}, "choices": [{"text_message": {"text": "Yes"}}]}
    told = [
        one.send_file(ANA.contact_id, 101, message_metadata="m"),
        one.send_card(ANA.contact_id, 101, title="Offer"),
        one.send(ANA.contact_id, {"location_message": place}),
        one.send(ANA.contact_id, {"choice_message": choice}),
    ]
    assert [item.status for item in told] == [200] * 4
    bodies = [json.loads(item.body) for item in api.accepted]
    assert [next(iter(body["message"])) for body in bodies] == [
        *("media_message", "card_message", "location_message", "choice_message")
    ]
    assert (bodies[0]["message"]["media_message"]["url"], bodies[0]["message_metadata"]) == (link, "m")
    assert bodies[1]["message"]["card_message"]["media_message"]["url"] == link
    assert len(api.token_requests) == 1


@pytest.mark.parametrize(("later", "requests"), [(3599, 1), (3600, 2)], ids=["before its end", "at its end"])
def test_a_token_is_kept_until_its_end(api, later, requests):
    clock = Clock()
    one = made(api, clock=clock)
    one.reply(ANA.contact_id, "one")
    clock.now = later
    one.reply(ANA.contact_id, "two")
    assert len(api.token_requests) == requests


def test_a_token_of_which_no_end_is_known_is_kept(api):
    api.tokens.life = Life(said=None)
    clock = Clock()
    one = made(api, clock=clock)
    one.reply(ANA.contact_id, "one")
    clock.now = 1e9
    one.reply(ANA.contact_id, "two")
    assert len(api.token_requests) == 1


def test_a_token_that_has_expired_all_the_same_is_replaced_once(api):
    one = made(api)
    one.reply(ANA.contact_id, "one")
    api.tokens.expire()
    assert one.reply(ANA.contact_id, "two").accepted
    assert (len(api.token_requests), len(api.sends), len(api.accepted)) == (2, 3, 2)
    api.tokens.life = Life(seconds=0)
    api.tokens.expire()
    assert one.reply(ANA.contact_id, "three").status == 401
    assert (len(api.token_requests), len(api.sends)) == (3, 5)


def test_a_token_that_is_malformed_is_not_replaced(api):
    one = made(api)
    one.reply(ANA.contact_id, "one")
    api.tokens.forget()
    assert one.reply(ANA.contact_id, "two").status == 401
    assert len(api.token_requests) == 1


def test_many_replies_at_once_ask_for_one_token(api):
    one = made(api)
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda number: one.reply(ANA.contact_id, str(number)), range(40)))
    assert all(item.accepted for item in told)
    assert (len(api.token_requests), len(api.accepted)) == (1, 40)


def test_a_key_can_be_shown_with_each_call(api):
    one = made(api, basic=True)
    assert one.reply(ANA.contact_id, "one").accepted
    assert (api.token_requests, api.sends[0].header("authorization")[:6]) == ((), "Basic ")


def test_sinchs_error_is_understood(api):
    told = made(api).reply("nobody", "one")
    assert (told.status, told.accepted, told.message_id) == (400, False, "")
    assert (told.message, told.error["status"]) == ("Invalid argument", "INVALID_ARGUMENT")
    assert told.details[0]["field_violations"] == [{"field": "recipient.contact_id", "description": "invalid id"}]


def test_a_key_that_is_refused_is_told(api):
    told = made(api, key=Key(key_secret="other")).reply(ANA.contact_id, "one")
    assert (told.status, told.message) == (401, "Client authentication failed")
    assert api.sends == ()


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (faults.reset("accepted"), "ConnectionResetError"),
        (faults.DOWN, "refused"),
        (faults.status(503), "Service unavailable"),
        (Fault(name="status", status=502, body=b"<html>"), "Error 502"),
        (Fault(name="status", status=500, body=b'{"error":[1]}'), "Error 500"),
        (Fault(name="other", body=b"[]"), "Error 200"),
    ],
    ids=["broken off", "down", "503", "html", "another form", "no object"],
)
def test_what_is_no_answer_of_sinchs_has_words_too(api, chosen, message):
    one = made(api)
    one.reply(ANA.contact_id, "one")
    api.eu.set_fault(chosen)
    told = one.reply(ANA.contact_id, "two")
    assert (told.accepted, told.message.startswith(message)) == (False, True)


def test_a_reason_among_the_details_is_found():
    body = {"error": {"code": 400, "details": [{"@type": "x"}, {"reason": "CHANNEL_FAILURE"}, 5]}}
    assert Told(Answer(status=400, body=json.dumps(body).encode())).reason == "CHANNEL_FAILURE"
    assert Told(Answer(status=400)).reason == ""


def test_it_reads_what_sinch_keeps(api):
    one = made(api)
    one.reply(ANA.contact_id, "one")
    assert len(one.get("/messages").content["messages"]) == 2


def test_the_two_forms_of_an_address():
    based = agent.by_base_url("https://gateway.example.test:8444", "us")
    assert based.route(based.api, "/v1").url == "https://gateway.example.test:8444/us/v1"
    assert based.route(based.auth, "/oauth2/token").url == "https://gateway.example.test:8444/oauth2/token"
    named = agent.by_sinch_names("eu", connect_to=("127.0.0.1", 8444))
    assert named.route(named.api, PROJECT).url == f"https://eu.conversation.api.sinch.com{PROJECT}"
    assert named.route(named.auth, "").address == ("127.0.0.1", 8444)


def test_no_secret_is_in_a_representation(api):
    told = made(api).reply(ANA.contact_id, "private words")
    assert KEY.key_secret not in repr(made(api).key)
    assert told.message_id not in repr(told)


def test_a_customers_text_is_answered_by_itself(api):
    words = {"Hola": "¿En qué puedo ayudar?"}
    with AutoReply(made(api), words.get) as agent, Motion(on_event=agent.hook) as motion:
        route = Route(url=f"{motion.url}/api/whatsapp/accounts/7/notify")
        for text in ("…", "Hola"):
            content = api.wrote(ANA, words=text).content
            assert exchange(route, Request(body=json.dumps(content).encode())).status == 200
        (reply,) = agent.wait_for(1)
    assert (reply.contact_id, reply.heard, reply.said) == (ANA.contact_id, "Hola", "¿En qué puedo ayudar?")
    assert reply.told.message_id == api.accepted[0].made
    assert len(api.sends) == 1


def test_a_text_that_motion_did_not_take_is_not_answered(api):
    with AutoReply(made(api), str) as agent, Motion(on_event=agent.hook) as motion:
        motion.script(faults.status(500))
        route = Route(url=f"{motion.url}/api/whatsapp/accounts/7/notify")
        body = json.dumps(api.wrote(ANA, words="Hola").content).encode()
        assert [exchange(route, Request(body=body)).status for _ in range(2)] == [500, 200]
        assert len(agent.wait_for(1)) == 1
    assert len(api.sends) == 1


def test_waiting_for_replies_ends_at_the_deadline(api):
    with AutoReply(made(api), str) as agent, pytest.raises(TimeoutError, match="it did not come to that"):
        agent.wait_for(1, deadline_seconds=0.01)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"message":5}', b'{"message":{"contact_id":"c","contact_message":{"media_message":{}}}}'],
    ids=repr,
)
def test_what_is_not_a_customers_text_is_not_answered(body):
    assert written(body) == ("", "")
