"""What may not pass does not, what passes arrives byte for byte, and nobody on the other side can steer the gateway."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import json
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.config.listeners import SINCH_NAMES
from gateway.outbound.record import ACCEPTED
from gateway.outbound.record import REFUSED as REFUSED_BY_US
from sandbox import faults
from sandbox.agent import Agent, Told
from sandbox.callbacks import APP, Customer
from sandbox.connection import Answer, Request
from sandbox.conversation.account import KEY
from sandbox.faults import NONE, Fault
from sandbox.reply import HOSTILE
from tests.live.call_house import (
    AMERICAN,
    PROXY_TOKEN,
    CallHouse,
    Trap,
    assert_refused,
    body,
    opened,
    sends_at,
    text,
)
from tests.live.house import HOST, PATIENCE_SECONDS
from tests.live.private_edge import AUTH, EU, NAME, STRANGER, US
from tests.picture_samples import picture, written

PROJECT = f"/v1/projects/{APP.project_id}"
SEND = sends_at()
AMERICAN_APP = AMERICAN.app.app_id


@pytest.fixture(scope="module")
def _calls() -> Iterator[CallHouse]:
    with opened(sinch_names=True) as calls:
        yield calls


@pytest.fixture
def calls(_calls: CallHouse) -> Iterator[CallHouse]:
    _calls.quiet()
    yield _calls
    _calls.api.set_fault(NONE)


@pytest.fixture
def agent(calls: CallHouse) -> Agent:
    return calls.agent(basic=True)


@pytest.fixture
def customer(calls: CallHouse) -> Customer:
    return calls.customer()


def ask(calls: CallHouse, target: str, *, name: str = NAME, method: str = "POST", **more: Any) -> Answer:
    """A call with Motion's credentials; a message, where nothing else is said."""
    headers = (("authorization", calls.agent(basic=True)._basic), ("content-type", "application/json"))
    more["headers"] = headers + more.get("headers", ())
    if method in ("POST", "PATCH"):
        more.setdefault("body", json.dumps(body(calls.customer())).encode())
    return calls.ask(target, name=name, method=method, **more)


# What is not configured.

OTHER_APP = json.dumps({"app_id": AMERICAN_APP, "recipient": {"contact_id": "x"}, "event": {"a": {}}}).encode()
NO_APP = b'{"message":{}}'
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another project": ({"target": "/eu/v1/projects/another/messages:send"}, "PROJECT_NOT_CONFIGURED"),
    "the project of another region": (
        {"target": f"/eu{sends_at(AMERICAN.app)}"},
        "PROJECT_NOT_CONFIGURED",
    ),
    "another region": ({"target": f"/us{SEND}"}, "PROJECT_NOT_CONFIGURED"),
    "another region by its name": ({"target": SEND, "name": US}, "PROJECT_NOT_CONFIGURED"),
    "a region that nobody is in": ({"target": f"/br{SEND}"}, "REGION_NOT_CONFIGURED"),
    "a region in capitals": ({"target": f"/EU{SEND}"}, "PATH_NOT_ALLOWED"),
    "no region": ({"target": SEND}, "PATH_NOT_ALLOWED"),
    "a region too many": ({"target": f"/eu{SEND}", "name": EU}, "PATH_NOT_ALLOWED"),
    "another app": ({"target": f"/eu{SEND}", "body": OTHER_APP}, "APP_NOT_CONFIGURED"),
    "another app of an event": ({"target": f"/eu{PROJECT}/events:send", "body": OTHER_APP}, "APP_NOT_CONFIGURED"),
    "another app of a question": (
        {"target": f"/eu{PROJECT}/capability:query", "body": OTHER_APP},
        "APP_NOT_CONFIGURED",
    ),
    "another app in the query": (
        {"target": f"/eu{PROJECT}/messages?app_id={AMERICAN_APP}", "method": "GET"},
        "APP_NOT_CONFIGURED",
    ),
    "another app in the query's other spelling": (
        {"target": f"/eu{PROJECT}/messages?appId={AMERICAN_APP}", "method": "GET"},
        "APP_NOT_CONFIGURED",
    ),
    "another app in an escaped query": (
        {"target": f"/eu{PROJECT}/messages?%61pp_id={AMERICAN_APP}", "method": "GET"},
        "APP_NOT_CONFIGURED",
    ),
    "two apps in the query": (
        {"target": f"/eu{PROJECT}/messages?app_id={APP.app_id}&app_id={AMERICAN_APP}", "method": "GET"},
        "APP_NOT_CONFIGURED",
    ),
    "another app beside the query of a message": ({"target": f"/eu{SEND}?app_id=x"}, "APP_NOT_CONFIGURED"),
    "a bad escape in the query": ({"target": f"/eu{SEND}?x=%ff"}, "QUERY_NOT_READ"),
    "a query that is none": ({"target": f"/eu{SEND}?&"}, "QUERY_NOT_READ"),
    "an ampersand at the end": (
        {"target": f"/eu{PROJECT}/messages?page_size=10&", "method": "GET"},
        "QUERY_NOT_READ",
    ),
    "a bare name in the query": ({"target": f"/eu{PROJECT}/messages?page_token", "method": "GET"}, "QUERY_NOT_READ"),
    "no app": ({"target": f"/eu{SEND}", "body": NO_APP}, "APP_MISSING"),
    "apps": ({"target": f"/eu{PROJECT}/apps", "method": "GET"}, "MANAGEMENT_NOT_ALLOWED"),
    "a webhook": ({"target": f"/eu{PROJECT}/webhooks"}, "MANAGEMENT_NOT_ALLOWED"),
    "templates": ({"target": f"/eu{PROJECT}/templates", "method": "GET"}, "PATH_NOT_ALLOWED"),
    "another version": ({"target": f"/eu/v2/projects/{APP.project_id}/messages:send"}, "PATH_NOT_ALLOWED"),
    "the root": ({"target": "/", "method": "GET"}, "PATH_NOT_ALLOWED"),
    "a callback": ({"target": "/api/whatsapp/accounts/7/notify"}, "PATH_NOT_ALLOWED"),
    "readiness": ({"target": "/readyz", "method": "GET"}, "PATH_NOT_ALLOWED"),
    "another method": ({"target": f"/eu{SEND}", "method": "GET"}, "METHOD_NOT_ALLOWED"),
    "PUT": ({"target": f"/eu{SEND}", "method": "PUT"}, "METHOD_NOT_ALLOWED"),
    "OPTIONS": ({"target": f"/eu{SEND}", "method": "OPTIONS"}, "METHOD_NOT_ALLOWED"),
    "a deletion of all": ({"target": f"/eu{PROJECT}/contacts", "method": "DELETE"}, "METHOD_NOT_ALLOWED"),
    "a token by GET": ({"target": "/oauth2/token", "method": "GET"}, "METHOD_NOT_ALLOWED"),
    "a token with a query": ({"target": "/oauth2/token?x=1"}, "PATH_NOT_ALLOWED"),
    "a message at Sinch's tokens": ({"target": SEND, "name": AUTH}, "PATH_NOT_ALLOWED"),
    "a loop": ({"target": f"/eu{SEND}", "headers": (("via", "1.1 motion-gateway"),)}, "GATEWAY_LOOP"),
    "a loop over others": (
        {"target": f"/eu{SEND}", "headers": (("via", "1.1 a, 1.1 motion-gateway, 1.1 b"),)},
        "GATEWAY_LOOP",
    ),
    "a compressed body": ({"target": f"/eu{SEND}", "headers": (("content-encoding", "gzip"),)}, "BODY_ENCODED"),
    "a stranger": ({"target": f"/eu{SEND}", "source": STRANGER}, "CLIENT_NOT_ALLOWED"),
    "another host": ({"target": f"/eu{SEND}", "host": "other.internal"}, "HOST_NOT_ALLOWED"),
    "another of Sinch's names": ({"target": SEND, "name": EU, "host": US}, "HOST_NOT_ALLOWED"),
    "too large a body": ({"target": f"/eu{SEND}", "body": b"x" * (2**20 + 1)}, "BODY_TOO_LARGE"),
}


@pytest.mark.parametrize(("asked", "code"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_by_its_rule_and_sinch_hears_nothing(calls: CallHouse, asked: dict[str, Any], code: str) -> None:
    assert_refused(ask(calls, **asked), code)
    assert calls.api.calls == ()


SPELLINGS = {
    "two slashes first": f"//eu{SEND}",
    "two slashes": f"/eu/{SEND}",
    "two slashes at the end": f"/eu{PROJECT}//messages:send",
    "a slash at the end": f"/eu{SEND}/",
    "a dot": f"/eu/.{SEND}",
    "two dots": f"/eu/x/..{SEND}",
    "two dots out of the region": f"/us/../eu{SEND}",
    "escaped dots": f"/us/%2e%2e/eu{SEND}",
    "dots out of the project": f"/eu/v1/projects/another/../{APP.project_id}/messages:send",
    "dots behind the call": f"/eu{PROJECT}/x/../messages:send",
    "dots out of the call": f"/eu{PROJECT}/messages/..%2fmessages:send",
    "dots for an id": f"/eu{PROJECT}/messages/..",
    "an escaped slash": f"/eu{PROJECT}%2Fmessages:send",
    "an escaped colon": f"/eu{PROJECT}/messages%3Asend",
    "an escaped letter": f"/eu{PROJECT}/%6dessages:send",
    "an escaped digit of the project": f"/eu/v1/projects/%{ord(APP.project_id[0]):x}{APP.project_id[1:]}/messages:send",
    "an escaped region": f"/%65u{SEND}",
    "escaped twice": f"/eu{PROJECT}/messages%253Asend",
    "a backslash": f"/eu{PROJECT}\\messages:send",
    "a parameter": f"/eu{SEND};a=b",
    "a fragment": f"/eu{SEND}#x",
    "capitals": f"/eu{PROJECT}/Messages:Send",
    "capitals of the project": f"/eu/v1/projects/{APP.project_id.upper()}/messages:send",
    "a letter beyond ASCII": f"/eu{PROJECT}/messages:s\xe9nd",
    "an escaped letter beyond ASCII": f"/eu{PROJECT}/messages:send%c3%a9",
    "an escaped line's end": f"/eu{SEND}%0a",
    "an escaped blank": f"/eu{SEND}%20",
    "an absolute target of elsewhere": f"http://elsewhere.example.test/eu{SEND}",
    "an absolute target with a user": f"https://user@{NAME}/eu{SEND}",
}


@pytest.mark.parametrize("target", SPELLINGS.values(), ids=SPELLINGS)
def test_a_path_has_one_spelling(calls: CallHouse, target: str) -> None:
    for name, asked in ((NAME, target), (EU, re.sub("^/eu(?=/)", "", target))):
        answer = ask(calls, asked, name=name)
        code = answer.header("x-motion-gateway-error") or ""
        assert code in ("PATH_NOT_ALLOWED", "PROJECT_NOT_CONFIGURED", "REQUEST_MALFORMED", "HOST_NOT_ALLOWED"), answer
        assert_refused(answer, code)
    assert calls.api.calls == ()


NO_REQUEST: dict[str, dict[str, Any]] = {
    "a very short method": {"method": "A"},
    "a very long method": {"method": "A" * 21},
    "a control character in a header": {"headers": (("x-a", "a\x01b"),)},
    "a control character in a type": {"headers": (("user-agent", "a\x02b"),)},
    "two types": {"headers": (("content-type", "text/plain"),)},
    "two credentials": {"headers": (("authorization", "Basic x"),)},
    "letters beyond ASCII in the query": {"target": f"/eu{SEND}?channel_identity=%2b34600111222\xe9"},
}


@pytest.mark.parametrize("asked", NO_REQUEST.values(), ids=NO_REQUEST)
def test_what_nobody_can_read_is_refused_in_sinchs_form_too_and_not_quoted(
    calls: CallHouse, asked: dict[str, Any]
) -> None:
    assert_refused(ask(calls, **{"target": f"/eu{SEND}", **asked}), "REQUEST_MALFORMED")
    assert calls.api.calls == ()
    assert "34600111222" not in calls.house.log


def test_headers_that_rewrite_a_request_elsewhere_do_nothing_here(calls: CallHouse) -> None:
    names = ("x-original-url", "x-rewrite-url", "x-forwarded-host", "x-forwarded-prefix", "x-http-method-override")
    lies = tuple((name, "/eu/v1/projects/another/apps") for name in names)
    assert ask(calls, f"/eu{SEND}", headers=lies).status == 200
    [call] = calls.api.calls
    assert call.what == f"POST {SEND}"


def test_nobody_reaches_this_door_by_the_public_address(calls: CallHouse) -> None:
    context = ssl.create_default_context(cafile=str(calls.house.folder / "ca.pem"))
    context.check_hostname = False
    said = json.dumps(body(calls.customer())).encode()
    for host in (NAME, calls.address, *SINCH_NAMES.values(), HOST):
        for sni in (host, HOST, None):
            for target in (f"/eu{SEND}", SEND, "/oauth2/token"):
                head = f"POST {target} HTTP/1.0\r\nhost: {host}\r\nauthorization: {calls.agent()._basic}\r\n"
                head += f"content-type: application/json\r\ncontent-length: {len(said)}\r\n\r\n"
                with (
                    socket.create_connection(("127.0.0.1", calls.house.public_port), PATIENCE_SECONDS) as raw,
                    context.wrap_socket(raw, server_hostname=sni) as connection,
                ):
                    connection.sendall(head.encode() + said)
                    assert connection.recv(65536).startswith(b"HTTP/1.1 404 "), (host, sni, target)
    assert calls.api.calls == ()


# What comes back cannot steer anybody.


@pytest.fixture(scope="module")
def trap() -> Iterator[Trap]:
    with contextlib.closing(Trap()) as trap:
        yield trap


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300, 304])
def test_a_redirect_is_neither_followed_nor_handed_on(
    calls: CallHouse, agent: Agent, customer: Customer, trap: Trap, status: int
) -> None:
    for location in (f"http://{trap.place}/v1/x", f"https://{trap.place}/", f"//{trap.place}/", "/v1/projects/x"):
        calls.api.set_fault(Fault(name="redirect", status=status, location=location))
        told = (agent.reply(customer.contact_id, "Hola"), agent.get("/messages"), calls.agent().get("/messages"))
        for one, code in zip(told, ("SEND_FATE_UNKNOWN", "SINCH_ANSWER_BROKEN", "SINCH_ANSWER_BROKEN"), strict=True):
            assert_refused(one, code)
            assert one.answer.header("location") is None
    assert trap.heard == []
    assert {call.origin for call in calls.api.calls} == {"eu", "auth"}
    shown = {call.header("authorization") for call in calls.api.calls}
    assert shown == {agent._basic}


def test_a_link_to_elsewhere_is_sent_as_it_is_and_not_fetched(calls: CallHouse, agent: Agent, trap: Trap) -> None:
    motion = calls.house.motion.url
    links = (
        f"http://{trap.place}/api/attachments/101/download",
        f"{motion}@{trap.place}/api/attachments/101/download",
        f"http://{trap.place}/?{motion}/api/attachments/101/download",
        f"http://{trap.place}#{motion}/api/attachments/101/download",
    )
    for link in links:
        customer = calls.customer()
        assert agent.send(customer.contact_id, {"media_message": {"url": link}}).accepted, link
        [call] = calls.calls_of(customer)
        assert json.loads(call.body)["message"]["media_message"] == {"url": link}
    assert trap.heard == []


def test_a_link_in_which_some_read_motions_host_and_others_another_is_refused(
    calls: CallHouse, agent: Agent, trap: Trap
) -> None:
    motion = calls.house.motion.url.removeprefix("http://")
    for link in (f"http://{trap.place}\\@{motion}/api/attachments/101/download", f"http:\\\\{motion}/api/x"):
        customer = calls.customer()
        assert_refused(agent.send(customer.contact_id, {"media_message": {"url": link}}), "MEDIA_NOT_REACHABLE")
        assert calls.calls_of(customer) == ()
    assert trap.heard == []


def test_no_link_of_motions_leaves_in_a_text_or_behind_a_button(calls: CallHouse, agent: Agent) -> None:
    photo = written(picture(), "JPEG")
    link = calls.link(calls.house.archive.put("photo.jpg", photo).attachment_id)
    button = {"url_message": {"title": "Abrir", "url": link}}
    for said in (text(f"Vea {link}."), {"choice_message": {"text_message": {"text": "?"}, "choices": [button]}}):
        customer = calls.customer()
        assert agent.send(customer.contact_id, said).accepted
        [call] = calls.calls_of(customer)
        assert PROXY_TOKEN.encode() not in call.body
        [minted] = re.findall(r"https://[^/]+(/media/[^\s\"]+[^\s\".])", call.body.decode())
        fetched = calls.house.ask(minted, method="GET")
        assert (fetched.status, fetched.body) == (200, photo)


def test_where_it_cannot_be_replaced_it_does_not_leave_either(calls: CallHouse, agent: Agent) -> None:
    link = calls.link(calls.house.archive.put("photo.jpg", written(picture(), "JPEG")).attachment_id)
    for said in (
        link.replace("attachments", "attachment%73"),
        f"La clave es {PROXY_TOKEN}",
        link.replace("//", "//a@"),
    ):
        customer = calls.customer()
        error = assert_refused(agent.send(customer.contact_id, text(said)), "OWN_LINK_NOT_ALLOWED")
        assert error["details"][0]["metadata"]["field"] == "message.text_message.text"
        assert calls.calls_of(customer) == ()
    event = json.dumps({"app_id": APP.app_id, "event": {"generic_event": {"payload": {"a": link}}}}).encode()
    assert_refused(ask(calls, f"/eu{PROJECT}/events:send", body=event), "OWN_LINK_NOT_ALLOWED")
    assert_refused(ask(calls, f"/eu{SEND}", headers=(("accept-language", link),)), "OWN_LINK_NOT_ALLOWED")
    assert calls.api.calls == ()
    assert PROXY_TOKEN not in calls.house.log


TOO_LONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "a choice's text": (
        {"choice_message": {"text_message": {"text": "x" * 4097}, "choices": [{"text_message": {"text": "Sí"}}]}},
        "MESSAGE_SPLIT_REQUIRED",
        "message.choice_message.text_message.text",
    ),
    "a card's description": (
        {"cardMessage": {"title": "x", "description": "x" * 4097}},
        "MESSAGE_SPLIT_REQUIRED",
        "message.card_message.description",
    ),
    "a caption": (
        {
            "explicit_channel_message": {
                "WHATSAPP": json.dumps({"image": {"link": "https://a/b", "caption": "x" * 1025}})
            }
        },
        "MESSAGE_SPLIT_REQUIRED",
        "message.explicit_channel_message.WHATSAPP: image.caption",
    ),
    "a button": (
        {"explicit_channel_message": {"WHATSAPP": json.dumps({"interactive": {"action": {"button": "x" * 21}}})}},
        "TEXT_TOO_LONG",
        "message.explicit_channel_message.WHATSAPP: interactive.action.button",
    ),
    "eleven cards": (
        {"carousel_message": {"cards": [{"title": "x"}] * 11}},
        "TOO_MANY_PARTS",
        "message.carousel_message.cards",
    ),
}


@pytest.mark.parametrize(("said", "code", "field"), TOO_LONG.values(), ids=TOO_LONG)
def test_what_whatsapp_takes_not_so_much_of_is_refused_with_field_length_and_limit(
    calls: CallHouse, agent: Agent, said: dict[str, Any], code: str, field: str
) -> None:
    customer = calls.customer()
    error = assert_refused(agent.send(customer.contact_id, said), code)
    assert error["details"][0]["metadata"]["field"] == field
    assert len(re.findall("[0-9]+", error["details"][0]["metadata"]["says"])) == 2
    assert calls.calls_of(customer) == ()
    assert (calls.sent(customer).outcome, calls.sent(customer).code) == (REFUSED_BY_US, code)


KNOWN = {"date", "content-type", "content-length", "connection", "cache-control", "x-content-type-options"}


def test_an_upstreams_headers_do_nothing(calls: CallHouse, agent: Agent, customer: Customer) -> None:
    digest = "of-nothing"
    steering = (("X-Accel-Redirect", f"/media/vault/{digest[:2]}/{digest}"), ("Location", "https://elsewhere.test/"))
    for one in (Fault(name="hostile", headers=steering), faults.status(400), faults.status(503, retry_after="7")):
        calls.api.set_fault(dataclasses.replace(one, headers=one.headers + HOSTILE + steering))
        for told in (agent.reply(customer.contact_id, "Hola"), agent.get("/messages"), calls.agent().get("/messages")):
            expected = 200 if one.name == "hostile" else one.status
            assert (told.status, told.answer.header("x-motion-gateway-error")) == (expected, None)
            assert told.content
            names = [name.lower() for name, _ in told.answer.headers]
            assert set(names) <= KNOWN | {"retry-after"}
            assert len(names) == len(set(names))


def test_what_sinch_says_of_an_answer_is_handed_on(calls: CallHouse, agent: Agent) -> None:
    said = {
        "Content-Language": "es",
        "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT",
        "WWW-Authenticate": 'Bearer a="b"',
    }
    calls.api.eu.set_fault(Fault(name="status", status=404, body=b"{}", headers=tuple(said.items())))
    told = agent.get("/messages")
    assert (told.status, told.answer.body) == (404, b"{}")
    assert {name: told.answer.header(name) for name in said} == said


def test_sinch_hears_what_is_needed_and_nothing_else(calls: CallHouse, agent: Agent) -> None:
    passed = {"accept": "application/json", "accept-language": "es", "user-agent": "axios/1"}
    kept = ("cookie", "x-forwarded-for", "x-real-ip", "x-request-id", "forwarded", "x-api-key", "idempotency-key", "te")
    kept += ("traceparent", "tracestate")
    headers = (*passed.items(), *((name, "kept") for name in kept), ("via", "1.1 proxy"), ("accept-encoding", "br"))
    assert ask(calls, f"/eu{SEND}", headers=headers).status == 200
    [call] = calls.api.calls
    heard = {name.lower(): value for name, value in call.heard.headers}
    expected = {"accept-encoding": "identity", "via": "1.1 motion-gateway", "authorization": agent._basic, **passed}
    assert {name: heard.pop(name) for name in expected} == expected
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", heard.pop("traceparent"))
    assert heard.keys() == {"host", "content-type", "content-length"}


# Bodies.


def nasty(customer: Customer, calls: CallHouse) -> dict[str, bytes]:
    """What a body may be that nobody would send."""
    good = json.dumps(body(customer)).encode()
    start = f'{{"app_id":"{APP.app_id}","recipient":{{"contact_id":"{customer.contact_id}"}},'.encode()
    link = calls.link(999_999)

    def message(said: object) -> bytes:
        return start + b'"message":' + json.dumps(said).encode() + b"}"

    return {
        "nothing": b"",
        "a zero byte": b"\0",
        "blanks": b" \t\r\n",
        "half an object": good[:-1],
        "cut in a word": good[: len(good) // 2],
        "something behind": good + b"x",
        "two objects": good + good,
        "a byte order mark": b"\xef\xbb\xbf" + good,
        "UTF-16": good.decode().encode("utf-16"),
        "UTF-32": good.decode().encode("utf-32"),
        "no UTF-8": good.replace(b"Buenos", b"Bu\xffnos"),
        "overlong UTF-8": good.replace(b"Buenos", b"Bu\xc0\xafnos"),
        "a surrogate in UTF-8": good.replace(b"Buenos", b"Bu\xed\xa0\x80nos"),
        "half a surrogate pair": message({"text_message": {"text": "\ud83e"}}),
        "a surrogate pair the wrong way round": message({"text_message": {"text": "\ude91\ud83e"}}),
        "a control character in a string": good.replace(b"Buenos", b"Bu\nnos"),
        "a bad escape": good.replace(b"Buenos", b"Bu\\xnos"),
        "half an escape": good.replace(b"Buenos", b"Bu\\u00"),
        "an array": b"[" + good + b"]",
        "a string": b'"x"',
        "a number": b"1",
        "null": b"null",
        "NaN": start + b'"x":NaN}',
        "Infinity": start + b'"x":-Infinity}',
        "a comma too many": start + b'"x":1,}',
        "a comment": start + b'/* x */"x":1}',
        "single quotes": good.replace(b'"', b"'"),
        "a number with a zero first": start + b'"x":01}',
        "a number without digits": start + b'"x":-}',
        "a hundred thousand digits": start + b'"x":' + b"9" * 100_000 + b"}",
        "a million brackets": b"[" * 1_000_000,
        "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "deep arrays in a message": start + b'"message":' + b"[" * 5000 + b"]" * 5000 + b"}",
        "levels up to what is usual": start + b'"message":' + b"[" * 90 + b"]" * 90 + b"}",
        "a key twice": start + b'"app_id":"x"}',
        "a key twice, once escaped": start + b'"\\u0061pp_id":"x"}',
        "a key twice, in two spellings": start + b'"appId":"x"}',
        "a key twice far inside": message({"text_message": {"text": "a"}}).replace(b'"a"', b'"a","text":"b"'),
        "ten thousand keys": start + b",".join(b'"k%d":0' % number for number in range(10_000)) + b"}",
        "a large string": message({"text_message": {"text": "x" * 1_000_000}}),
        "an app that is a number": good.replace(f'"{APP.app_id}"'.encode(), b"7"),
        "an app that is an object": good.replace(f'"{APP.app_id}"'.encode(), b'{"a":1}'),
        "a recipient that is a list": start.replace(b'{"contact_id":', b"[").replace(b"},", b"],") + b'"message":{}}',
        "a message that is a list": message([]),
        "a message that is a text": message("text_message"),
        "a text that is a number": message({"text_message": {"text": 1}}),
        "a text that is a list": message({"text_message": ["x"]}),
        "media that is a link": message({"media_message": link}),
        "a link that is a list": message({"media_message": {"url": [link]}}),
        "a link that is a number": message({"media_message": {"url": 1}}),
        "a link that is empty": message({"media_message": {"url": ""}}),
        "a link without a host": message({"media_message": {"url": "https://"}}),
        "a link with half an address": message({"media_message": {"url": "https://[::1"}}),
        "a link with a bad port": message({"media_message": {"url": "https://a:99999999999/"}}),
        "a link with a zero byte": message({"media_message": {"url": f"{link}\0"}}),
        "a link with a line's end": message({"media_message": {"url": f"{link}\nx"}}),
        "half a surrogate pair in a link": message({"media_message": {"url": f"{link}\ud800"}}),
        "a very long link": message({"media_message": {"url": "https://a/" + "a" * 500_000}}),
        "a link to a file that is not there": message({"media_message": {"url": link}}),
        "a thousand such links": message({"carousel_message": {"cards": [{"media_message": {"url": link}}] * 1000}}),
        "choices that are a map": message({"choice_message": {"choices": {"a": 1}}}),
        "sections of lists of lists": message({"list_message": {"title": "x", "sections": [[[[]]], {"items": {}}]}}),
        "a channel's JSON that is none": message({"explicit_channel_message": {"WHATSAPP": "{"}}),
        "a channel's JSON within JSON": message({"explicit_channel_message": {"WHATSAPP": json.dumps("{" * 900)}}),
        "a channel's deep JSON": message({"explicit_channel_message": {"WHATSAPP": "[" * 100_000}}),
        "a channel's JSON with a key twice": message({"explicit_channel_message": {"WHATSAPP": '{"a":1,"a":2}'}}),
        "a channel that is a number": message({"explicit_channel_message": {"WHATSAPP": 7}}),
        "channels that are a list": message({"explicit_channel_omni_message": [1]}),
        "a correlation id that is a number": start + b'"correlation_id":7}',
        "a correlation id that is long": start + b'"correlation_id":"' + b"x" * 5000 + b'"}',
        "a prototype": start + b'"__proto__":{"app_id":"x"},"constructor":{}}',
        "compressed": gzip.compress(good),
        "a form": b"grant_type=client_credentials",
        "XML": b'<?xml version="1.0"?><a/>',
        "a request": b"POST / HTTP/1.1\r\nhost: x\r\n\r\n",
        "any byte": bytes(range(256)) * 64,
    }


def test_any_bytes_are_passed_on_or_refused_and_never_a_fault_of_ours(calls: CallHouse, customer: Customer) -> None:
    wrong = {}
    for what, said in nasty(customer, calls).items():
        for path in ("messages:send", "events:send", "capability:query", "messages:fetch-last-message"):
            for chunked in (False, True) if path == "messages:send" else (False,):
                answer = ask(calls, f"/eu{PROJECT}/{path}", body=said, chunked=chunked)
                ours = answer.header("x-motion-gateway-error")
                if ours:
                    assert_refused(answer, ours)
                absent = path == "messages:fetch-last-message"  # which the simulated Sinch does not have
                fine = (200, 400, 403, 404) if absent else (200, 400, 403)
                if answer.status not in fine or not json.loads(answer.body):
                    wrong[what, path] = answer
    assert wrong == {}
    assert not calls.house.decisions("outbound", event="unexpected")


@pytest.mark.parametrize("path", ["messages:send", "events:send", "contacts"])
@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; x"])
def test_whatever_a_body_calls_itself_it_is_read_or_left_as_the_bytes_that_it_is(
    calls: CallHouse, agent: Agent, customer: Customer, path: str, kind: str
) -> None:
    said = json.dumps({**body(customer, correlation_id="mine"), "event": {"a": {}}}).encode()
    headers = (("authorization", agent._basic), *((("content-type", kind),) if kind else ()))
    answer = calls.ask(f"/eu{PROJECT}/{path}", headers=headers, body=said)
    assert (answer.status, answer.header("x-motion-gateway-error")) == (404 if path == "contacts" else 400, None)
    [call] = calls.api.calls
    assert (call.body, call.header("content-type")) == (said, kind or None)


def odd(customer: Customer, message: str) -> str:
    """A message in which all that can be spelled in several ways is spelled in the unusual one."""
    return f"""
    {{\t"ttl":"10s" , "x_number":1.10,"x_large":1e400,"x_small":-0.0e-0,"x_exact":12345678901234567890,
      "x_digits":0.1000000000000000055511151231257827021181583404541015625,\r
      "z":1,"a":2,"x_escapes":"\\u00e9\\/\\ud83e\\ude91 é/🪑 \\u0000\\b\\f","\\u0078_key":[ ],"x_empty":{{ }},
      "recipient":{{"contact_id":"\\u00{ord(customer.contact_id[0]):02x}{customer.contact_id[1:]}"}},"x":null,"y":[1,[2,{{}}]],
      "unheard_of":{{"Deep":[true,false,null,"\\"",{{"app_id":"not ours"}}]}},
      "message":{message},"app_id":"{APP.app_id}" \n}}  """


TEXT = '{"text_message":{"text":"Buenos d\\u00edas \\/ \\ud83e\\ude91","unheard_of":1.50}}'


def test_a_message_that_says_all_itself_arrives_byte_for_byte(
    calls: CallHouse, agent: Agent, customer: Customer
) -> None:
    said = odd(customer, TEXT).replace('"z":1,', '"z":1,"correlation_id":"mine",').encode()
    assert agent.post("/messages:send", said).accepted
    assert [call.body for call in calls.api.sends] == [said]


def test_but_for_our_reference_a_message_arrives_byte_for_byte(
    calls: CallHouse, agent: Agent, customer: Customer
) -> None:
    said = odd(customer, TEXT).encode()
    assert agent.post("/messages:send", said).accepted
    [call] = calls.api.sends
    row = calls.sent(customer)
    added = f',"correlation_id":"{row.reference}"'.encode()
    assert call.body.count(added) == 1
    assert call.body.replace(added, b"") == said


def test_of_a_file_only_the_link_is_another_and_its_name_is_new(
    calls: CallHouse, agent: Agent, customer: Customer
) -> None:
    file = calls.house.archive.put("chair é.jpg", written(picture(), "JPEG"))
    link = calls.link(file.attachment_id).replace("/", "\\/")
    said = odd(customer, f'{{"mediaMessage" :{{ "thumbnail_url":null ,"url":\t"{link}" , "x":1.10 }}}}').encode()
    calls.api.eu.set_fault(faults.status(200, takes=False))  # it knows no camels
    told = agent.post("/messages:send", said)
    assert told.status == 200
    [call] = calls.api.sends
    minted = re.search(rb'"(https://[^"]+/media/[^"]+)"', call.body)
    assert minted
    back = call.body.replace(minted[1], link.encode())
    for added in (f',"correlation_id":"{calls.sent(customer).reference}"', ',"filename_override":"chair é.jpg"'):
        assert back.count(added.encode()) == 1, (added, back.decode())
        back = back.replace(added.encode(), b"")
    assert back == said


@pytest.mark.parametrize("path", ["/events:send", "/capability:query", "/messages:transcode", "/contacts"])
def test_the_body_of_any_other_call_arrives_byte_for_byte(
    calls: CallHouse, agent: Agent, customer: Customer, path: str
) -> None:
    said = odd(customer, TEXT).encode()
    agent.post(path, said)
    [call] = calls.api.calls
    assert (call.heard.target, call.body) == (f"{PROJECT}{path}", said)


@pytest.mark.parametrize("query", ["page_size=2&x=%2F+%41&&y", "page_token=a%20b&channel=WHATSAPP", "?", "app_id="])
def test_a_query_arrives_as_it_is(calls: CallHouse, agent: Agent, query: str) -> None:
    told: Told = agent.call(Request(method="GET"), f"/messages?{query}")
    targets = [call.heard.target for call in calls.api.calls]
    if told.answer.header("x-motion-gateway-error"):
        assert_refused(told, "QUERY_NOT_READ")
        assert targets == []
    else:
        assert targets == [f"{PROJECT}/messages?{query}"]


def test_the_log_says_what_was_called_and_nothing_of_it(calls: CallHouse, agent: Agent, customer: Customer) -> None:
    secret = "planted words of a message"
    assert agent.reply(customer.contact_id, secret).accepted
    assert calls.agent().get(f"/messages?page_token={secret.replace(' ', '+')}").status == 400
    lines = calls.house.wait_for(lambda: calls.house.decisions("outbound", call="POST messages:send", outcome=ACCEPTED))
    assert {"connector_id", "app_id", "kind", "reference", "message_id", "status", "ms", "address"} <= lines[-1].keys()
    log = calls.house.log
    hidden = [secret, secret.replace(" ", "+"), KEY.key_secret, agent._basic[6:], customer.phone, APP.project_id]
    assert [one for one in (*hidden, *calls.api.tokens.given) if one in log] == []
