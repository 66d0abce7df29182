"""Many calls at once, tokens that end in the midst of them, and a Sinch that is away or hangs."""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import pytest

from gateway.outbound.record import UNSENT
from gateway.sinch.access_tokens import REMEMBERED_SECONDS
from gateway.sinch.client import DEADLINE_SECONDS, WAITING
from sandbox import callbacks, faults
from sandbox.agent import Agent, Told
from sandbox.callbacks import APP
from sandbox.connection import Answer
from sandbox.conversation.account import KEY
from sandbox.conversation.tokens import Life
from sandbox.faults import DOWN, HANG, NONE, Fault
from tests.live.call_house import (
    AMERICAN,
    GATEWAY_KEY,
    CallHouse,
    Trap,
    assert_refused,
    at_once,
    body,
    opened,
    sends_at,
    with_token,
)
from tests.picture_samples import picture, written

MANY = 200
HANGING = 150
TOKEN_SECONDS = 2  # of the life of one that shall end soon


@pytest.fixture(scope="module")
def _calls() -> Iterator[CallHouse]:
    with opened(vaulted=True) as calls:
        yield calls


@pytest.fixture
def calls(_calls: CallHouse) -> Iterator[CallHouse]:
    """A gateway that keeps the keys, with a token in hand."""
    with with_token(_calls) as calls:
        yield calls


def send_many(calls: CallHouse, count: int = MANY) -> list[Told]:
    """So many messages at once, each to another customer."""
    agent, customers = calls.agent(basic=True), [calls.customer() for _ in range(count)]
    return at_once(count, lambda number: agent.reply(customers[number].contact_id, f"Hola {number}"))


def assert_all_taken_once(calls: CallHouse, told: Sequence[Told]) -> None:
    assert Counter((one.status, one.reason) for one in told) == {(200, ""): len(told)}
    made = [call.made for call in calls.api.accepted]
    assert len(made) == len(told)
    assert sorted(made) == sorted(one.message_id for one in told)


@pytest.mark.parametrize("seconds", [0, 0.15], ids=["Sinch is quick", "Sinch is as slow as it is"])
def test_two_hundred_messages_at_once_when_the_token_ends_cause_one_request(calls: CallHouse, seconds: float) -> None:
    calls.api.tokens.life = Life(seconds=TOKEN_SECONDS, said=TOKEN_SECONDS)
    calls.api.tokens.expire()
    assert calls.agent(basic=True).reply(calls.customer().contact_id, "with a token that ends soon").accepted
    ends_at = time.time() + TOKEN_SECONDS
    calls.api.tokens.life = Life()
    calls.api.set_fault(faults.slow(seconds))
    calls.api.forget()
    calls.house.wait_for(lambda: time.time() > ends_at)
    assert_all_taken_once(calls, send_many(calls))
    assert (len(calls.api.token_requests), len(calls.api.sends)) == (1, MANY)


def test_two_hundred_messages_at_once_with_a_token_that_sinch_has_ended_cause_one_request(calls: CallHouse) -> None:
    calls.api.tokens.expire()
    assert_all_taken_once(calls, send_many(calls))
    assert len(calls.api.token_requests) == 1


def test_a_token_that_ends_while_many_messages_are_under_way_is_renewed_once(calls: CallHouse) -> None:
    calls.api.eu.set_fault(faults.slow(0.25))
    with ThreadPoolExecutor() as pool:
        told = pool.submit(send_many, calls)
        calls.api.wait_for_sends(MANY // 4)
        calls.api.tokens.expire()
        assert_all_taken_once(calls, told.result())
    assert len(calls.api.token_requests) == 1
    calls.api.wait_for(lambda heard: all(call.ended for call in heard))
    refused = [call for call in calls.api.sends if not call.made]
    assert {call.answered for call in refused} == {401}


NO_TOKEN = {
    "nobody listens": (DOWN, "SINCH_UNREACHABLE"),
    "no answer": (faults.reset(), "SINCH_UNREACHABLE"),
    "no HTTP": (Fault(name="garbage"), "SINCH_UNREACHABLE"),
    "an error of Sinch's": (faults.status(500), "SINCH_GIVES_NO_TOKEN"),
    "too many": (faults.status(429, retry_after="1"), "SINCH_GIVES_NO_TOKEN"),
    "a redirect": (Fault(name="redirect", status=302), "SINCH_GIVES_NO_TOKEN"),
    "something else": (Fault(name="other"), "SINCH_GIVES_NO_TOKEN"),
    "a token that is none": (Fault(name="other", body=b'{"access_token":"a b"}'), "SINCH_GIVES_NO_TOKEN"),
    "the key is refused": (faults.status(401), "SINCH_REFUSES_KEY"),
}


@pytest.mark.parametrize(("trouble", "code"), NO_TOKEN.values(), ids=NO_TOKEN)
def test_without_a_token_nothing_is_sent_and_a_queue_costs_one_try(calls: CallHouse, trouble: Fault, code: str) -> None:
    calls.api.tokens.expire()
    calls.api.auth.set_fault(trouble)
    customer, agent = calls.customer(), calls.agent(basic=True)
    assert_refused(agent.reply(customer.contact_id, "Hola"), code)
    asked, began = len(calls.api.token_requests), time.monotonic()
    for told in at_once(20, lambda _: agent.get("/messages")):
        assert_refused(told, code)
    tries = 2 + (time.monotonic() - began) // REMEMBERED_SECONDS  # a failure is remembered for so long
    assert len(calls.api.token_requests) <= asked * tries
    assert calls.api.accepted == ()
    assert (calls.sent(customer).outcome, calls.sent(customer).code) == (UNSENT, code)


def test_an_outage_fails_fast_and_is_over_when_it_is_over(calls: CallHouse) -> None:
    calls.api.set_fault(DOWN)
    told = send_many(calls, 60)
    for one in told:
        assert_refused(one, "SINCH_UNREACHABLE")
    assert max(one.answer.seconds for one in told) < DEADLINE_SECONDS  # which one alone may take that hangs
    calls.api.set_fault(NONE)
    assert_all_taken_once(calls, send_many(calls, 20))


@contextmanager
def hanging(calls: CallHouse, *agents: Agent) -> Iterator[list[Future[Told]]]:
    """HANGING messages by these agents in turn, which wait for Sinch; at the end it answers.

    None is given up before: who was answered meanwhile was answered though they waited.
    """
    customers = [calls.customer() for _ in range(HANGING)]
    with ThreadPoolExecutor(HANGING) as pool:
        waiting = [
            pool.submit(agents[number % len(agents)].reply, customer.contact_id, "Hola")
            for number, customer in enumerate(customers)
        ]
        try:
            calls.api.wait_for(lambda heard: sum(call.whole for call in heard) >= WAITING * len(agents))
            yield waiting
            assert sum(not future.done() for future in waiting) >= WAITING * len(agents)
        finally:
            calls.api.set_fault(NONE)


def assert_surplus_was_told(waiting: Sequence[Future[Told]], *, regions: int) -> None:
    told = [future.result() for future in waiting]
    let_in = WAITING * regions
    assert Counter((one.status, one.reason) for one in told) == {
        (200, ""): let_in,
        (503, "SINCH_BUSY"): HANGING - let_in,
    }
    for one in told:
        if one.status == 503:
            assert_refused(one, "SINCH_BUSY")


def test_a_sinch_that_hangs_starves_no_other_door(calls: CallHouse) -> None:
    photo = written(picture(), "JPEG")
    file = calls.house.archive.put("photo.jpg", photo)
    assert calls.agent(basic=True).send_file(calls.customer().contact_id, file.attachment_id).accepted
    link = urlsplit(json.loads(calls.api.accepted[-1].body)["message"]["media_message"]["url"]).path
    calls.api.forget()
    for origin in (calls.api.eu, calls.api.us):
        origin.set_fault(HANG)
    with hanging(calls, calls.agent(basic=True), calls.agent(AMERICAN, basic=True)) as waiting:
        for number in range(10):
            sent = calls.house.sinch().send(callbacks.text(f"while Sinch hangs: {number}"))
            asked = calls.house.ask(link, method="GET"), calls.house.ops("/readyz")
            assert [answer.status for answer in (*sent.answers, *asked)] == [200] * 3
        calls.house.wait_for(lambda: sum(future.done() for future in waiting) >= HANGING - 2 * WAITING)
        assert_refused(calls.agent(basic=True).get("/messages"), "SINCH_BUSY")
    assert_surplus_was_told(waiting, regions=2)
    assert len(calls.api.accepted) == 2 * WAITING


def test_a_region_that_hangs_leaves_the_other_alone(calls: CallHouse) -> None:
    american = calls.agent(AMERICAN, basic=True)
    calls.api.eu.set_fault(HANG)
    with hanging(calls, calls.agent(basic=True)) as waiting:
        assert american.reply(calls.customer().contact_id, "while the surplus still waits").accepted
        calls.house.wait_for(lambda: sum(future.done() for future in waiting) >= HANGING - WAITING)
        for number in range(10):
            assert american.reply(calls.customer().contact_id, f"Hello {number}").accepted
        assert_refused(calls.agent(basic=True).get("/messages"), "SINCH_BUSY")
    assert_surplus_was_told(waiting, regions=1)


SHOWN = {
    "nothing": "",
    "another key": "Basic " + base64.b64encode(b"x:another key of the tests").decode(),
    "the key as the user": "Basic " + base64.b64encode(f"{GATEWAY_KEY}:".encode()).decode(),
    "the key of Sinch": "Basic " + base64.b64encode(f"{KEY.key_id}:{KEY.key_secret}".encode()).decode(),
    "the key as it is": GATEWAY_KEY,
    "the key as a token": f"Bearer {GATEWAY_KEY}",
    "a token of nobody's": "Bearer gAAAAABhY2FkYWJyYQ==",
    "no base64": "Basic ....",
    "no UTF-8": "Basic /////w==",
}


@pytest.mark.parametrize("shown", SHOWN.values(), ids=SHOWN)
def test_who_does_not_show_the_gateways_key_is_refused_and_sinch_hears_nothing(calls: CallHouse, shown: str) -> None:
    headers = (("content-type", "application/json"), *((("authorization", shown),) if shown else ()))
    said = json.dumps(body(calls.customer())).encode()
    for target in (f"/eu{sends_at()}", "/oauth2/token"):
        assert_refused(calls.ask(target, headers=headers, body=said), "GATEWAY_KEY_WRONG")
    token = calls.api.tokens.given[-1]
    bearer = (("authorization", f"Bearer {token}"), ("content-type", "application/json"))
    assert_refused(calls.ask(f"/eu{sends_at()}", headers=bearer, body=said), "GATEWAY_KEY_WRONG")
    assert calls.api.calls == ()


def test_the_keys_of_sinch_go_to_sinch_alone(calls: CallHouse) -> None:
    agent, customer = calls.agent(basic=True), calls.customer()
    with closing(Trap()) as trap:
        for location in (f"http://{trap.place}/v1/x", f"https://{trap.place}/oauth2/token", f"//{trap.place}/"):
            calls.api.tokens.expire()
            calls.api.auth.script(Fault(name="redirect", status=307, location=location))
            assert_refused(agent.reply(customer.contact_id, "Hola"), "SINCH_GIVES_NO_TOKEN")
            calls.house.wait_for(lambda: agent.get("/messages").status == 200)
            calls.api.eu.script(Fault(name="redirect", status=307, location=location))
            assert_refused(agent.reply(customer.contact_id, "Hola"), "SEND_FATE_UNKNOWN")
        assert trap.heard == []
    american = calls.agent(AMERICAN, basic=True).reply(customer.contact_id, "Hello")
    assert american.accepted
    keys = {call.header("authorization") for call in calls.api.token_requests}
    assert keys <= {
        "Basic " + base64.b64encode(f"{key.key_id}:{key.key_secret}".encode()).decode() for key in (KEY, AMERICAN.key)
    }
    assert all((call.header("authorization") or "").startswith("Bearer ") for call in calls.api.sends)


def test_neither_side_hears_the_others_secrets_and_the_log_none(calls: CallHouse) -> None:
    agent, customer = calls.agent(), calls.customer()
    calls.api.tokens.expire()
    told = [agent.reply(customer.contact_id, "Hola"), agent.get("/messages"), agent.get("/contacts")]
    assert {one.status for one in told} == {200}
    key = "Basic " + base64.b64encode(f"{KEY.key_id}:{KEY.key_secret}".encode()).decode()
    given = calls.api.tokens.given
    for call in calls.api.calls:
        assert call.header("authorization") in ([key] if call.is_token else [f"Bearer {token}" for token in given])
        assert GATEWAY_KEY not in str(call.heard.headers) + call.body.decode()
    for one in told:
        said = str(one.answer.headers) + one.answer.body.decode()
        assert [secret for secret in (KEY.key_secret, *given) if secret in said] == []
    secrets = [GATEWAY_KEY, KEY.key_secret, AMERICAN.key.key_secret, key[6:], *given]
    assert [secret for secret in secrets if secret in calls.house.log] == []


HEAVY = {
    "combining characters": '{"media_message":{"url":"https://a.b/' + "\u0301\u0316" * 60_000 + '"}}',
    "many values": '{"x":[' + "{}," * 340_000 + "0]}",
    "escapes": '{"text_message":{"text":"' + "%25" * 340_000 + '"}}',
}


def test_agents_beside_bodies_of_a_mebibyte_are_answered_as_ever(calls: CallHouse) -> None:
    headers = (("authorization", calls.agent(basic=True)._basic), ("content-type", "application/json"))
    customer, agent = calls.customer(), calls.agent(basic=True)
    bodies = [
        f'{{"app_id":"{APP.app_id}","recipient":{{"contact_id":"{customer.contact_id}"}},"message":{said}}}'.encode()
        for said in HEAVY.values()
    ]

    def heavy(number: int) -> Answer:
        return calls.ask(f"/eu{sends_at()}", method="POST", headers=headers, body=bodies[number % len(bodies)])

    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(heavy, number) for number in range(12)]
        for number in range(10):
            assert agent.reply(calls.customer().contact_id, f"Hola {number}").accepted
        assert {one.result().status for one in waiting} <= {200, 400}
