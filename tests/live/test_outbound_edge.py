"""The private door's edge: who is let through to the door, what arrives there, and what nginx refuses by itself."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from gateway import config, doors, paths
from gateway.config.listeners import SINCH_NAMES
from gateway.outbound import refusals
from gateway.outbound.refusals import Refused
from gateway.phrases import Reason
from gateway.serving import nginx_conf
from sandbox.child import Child
from sandbox.connection import Answer
from tests.live.house import HOST, PATIENCE_SECONDS
from tests.live.private_edge import (
    ADDRESS,
    AUTH,
    EU,
    LOG,
    MOTION,
    NAME,
    STRANGER,
    US,
    Edge,
    answer,
    standing,
)

SEND = "/eu/v1/projects/p/messages:send"
SECRET = "SECRET-OF-MOTION"


def assert_refused(answer: Answer, code: str) -> None:
    """Word for word as the door itself would say it."""
    refused = Refused(code, most=doors.MOST_CALL_BYTES, reason=Reason.OURS)
    assert (answer.status, answer.body) == (refused.status, refused.body)
    assert {name: answer.header(name) for name in refused.headers} == refused.headers
    assert json.loads(answer.body)["error"]["code"] == answer.status
    known = {"date", "content-length", "connection", "cache-control", "x-content-type-options"}
    assert {name.lower() for name, _ in answer.headers} == known | {name.lower() for name in refused.headers}


# Who is let through, and what arrives.

FORMS: dict[str, tuple[dict[str, Any], str]] = {
    "the name": ({"name": NAME, "target": "/eu/v1/x"}, "/eu/v1/x"),
    "the name in capitals": ({"name": NAME.upper(), "target": "/us/v1/x"}, "/us/v1/x"),
    "the name with a dot": ({"name": NAME, "host": f"{NAME}.", "target": "/us/v1/x"}, "/us/v1/x"),
    "the address": ({"name": ADDRESS, "target": "/eu/v1/x"}, "/eu/v1/x"),
    "a token": ({"name": NAME, "target": "/oauth2/token", "method": "POST"}, "/oauth2/token"),
    "Sinch in the EU": ({"name": EU, "target": "/v1/x"}, "/eu/v1/x"),
    "Sinch in the US": ({"name": US, "target": "/v1/x"}, "/us/v1/x"),
    "Sinch without a port": ({"name": US, "host": US, "target": "/v1/x"}, "/us/v1/x"),
    "Sinch's tokens": ({"name": AUTH, "target": "/oauth2/token", "method": "POST"}, "/oauth2/token"),
    "Sinch's tokens with a query": ({"name": AUTH, "target": "/oauth2/token?a=1"}, "/oauth2/token?a=1"),
    "a query": ({"name": EU, "target": "/v1/x?a=%2F&b=c+d&b=%zz&?"}, "/eu/v1/x?a=%2F&b=c+d&b=%zz&?"),
    "no path at all": ({"name": EU, "target": "/"}, "/eu/"),
    "dots and slashes": ({"name": EU, "target": "/v1/a//b/./../%2e%2E/c%2Fd;e"}, "/eu/v1/a//b/./../%2e%2E/c%2Fd;e"),
    "dots out of the region": ({"name": EU, "target": "/x/../us"}, "/eu/x/../us"),
    "escapes of plain letters": ({"name": NAME, "target": "/%65u/v1/%70"}, "/%65u/v1/%70"),
    "letters beyond ASCII": ({"name": NAME, "target": "/eu/caf%c3%a9/\xe9"}, "/eu/caf%c3%a9/\xe9"),
    "an absolute target": ({"name": EU, "target": f"https://{EU}/v1/x"}, "/eu/v1/x"),
}


@pytest.mark.parametrize(("asked", "arrives"), FORMS.values(), ids=FORMS)
def test_a_call_reaches_the_door_byte_for_byte(edge: Edge, asked: dict[str, Any], arrives: str) -> None:
    assert edge.told(edge.ask(**asked))["target"] == arrives


VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF).filter(lambda sign: sign not in "\x7f\xa0"))


@examples(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rest=VISIBLE)
def test_any_target_reaches_the_door_as_it_is_or_is_refused_in_sinchs_form(edge: Edge, rest: str) -> None:
    got = edge.ask(f"/{rest}", name=EU)
    if got.status == 200:
        assert edge.told(got)["target"] == f"/eu/{rest}"
    else:
        assert_refused(got, "PATH_NOT_ALLOWED" if rest.startswith("refused/") else "REQUEST_MALFORMED")


def test_every_header_of_the_client_arrives_but_what_nginx_says_itself(edge: Edge) -> None:
    own = [["authorization", f"Bearer {SECRET}"], ["content-type", "application/json"], ["idempotency-key", "7"]]
    own += [["accept-encoding", "gzip"], ["user-agent", "axios/1"], ["cookie", "a=b"], ["x-motion-gateway", "1"]]
    lies = [["x-real-ip", "10.9.9.9"], ["x-request-id", "mine"], ["x-forwarded-for", "10.9.9.9"]]
    told = edge.told(edge.ask(SEND, method="POST", headers=tuple(map(tuple, own + lies)), body=b"{}"))
    names = [name.lower() for name, _ in told["headers"]]
    assert sorted(names) == sorted(["host", "x-real-ip", "x-request-id", "content-length", *(name for name, _ in own)])
    got = {name.lower(): value for name, value in told["headers"]}
    assert [[name, got[name]] for name, _ in own] == own
    assert (got["host"], got["x-real-ip"], told["bytes"]) == (NAME, MOTION, 2)
    assert got["x-request-id"] != "mine"


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "chunked"])
def test_a_body_of_the_largest_size_arrives_whole(edge: Edge, *, chunked: bool) -> None:
    got = edge.ask(SEND, method="POST", body=b"x" * doors.MOST_CALL_BYTES, chunked=chunked)
    assert edge.told(got)["bytes"] == doors.MOST_CALL_BYTES


def test_a_slow_client_is_nginxs_to_bear(edge: Edge) -> None:
    with tls(edge, NAME) as connection:
        connection.sendall(f"POST {SEND} HTTP/1.1\r\nhost: {NAME}\r\ncontent-length: 10\r\n\r\n12345".encode())
        assert edge.told(edge.ask())["method"] == "GET"
        assert [heard.split(b" ")[0] for heard in edge.door.heard] == [b"GET"]
        connection.sendall(b"67890")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


# What nginx refuses by itself.

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a stranger": ({"source": STRANGER}, "CLIENT_NOT_ALLOWED"),
    "a stranger with another name": ({"source": STRANGER, "host": "other"}, "CLIENT_NOT_ALLOWED"),
    "a stranger at Sinch's names": ({"source": STRANGER, "name": EU}, "CLIENT_NOT_ALLOWED"),
    "a stranger at Sinch's tokens": ({"source": STRANGER, "name": AUTH, "target": "/"}, "CLIENT_NOT_ALLOWED"),
    "a stranger who says to be Motion": (
        {"source": STRANGER, "headers": (("x-forwarded-for", MOTION), ("x-real-ip", MOTION))},
        "CLIENT_NOT_ALLOWED",
    ),
    "another name": ({"host": "other.internal"}, "HOST_NOT_ALLOWED"),
    "a name below": ({"host": f"x.{NAME}"}, "HOST_NOT_ALLOWED"),
    "the public name": ({"host": HOST}, "HOST_NOT_ALLOWED"),
    "the public name, for a callback": (
        {"host": HOST, "target": "/api/whatsapp/accounts/7/notify", "method": "POST"},
        "HOST_NOT_ALLOWED",
    ),
    "the address over a connection for the name": ({"host": ADDRESS}, "HOST_NOT_ALLOWED"),
    "the name over a connection without one": ({"name": ADDRESS, "host": NAME}, "HOST_NOT_ALLOWED"),
    "one of Sinch's names over a connection for another": ({"name": EU, "host": US}, "HOST_NOT_ALLOWED"),
    "an absolute target of another name": ({"name": EU, "target": f"https://{US}/v1/x"}, "HOST_NOT_ALLOWED"),
    "a large body for another name": ({"host": "other", "body": b"x" * 2**21, "method": "POST"}, "HOST_NOT_ALLOWED"),
    "another path of Sinch's tokens": ({"name": AUTH, "target": "/oauth2/revoke"}, "PATH_NOT_ALLOWED"),
    "a path below Sinch's tokens": ({"name": AUTH, "target": "/oauth2/token/"}, "PATH_NOT_ALLOWED"),
    "Sinch's tokens in another spelling": ({"name": AUTH, "target": "/oauth2/%74oken"}, "PATH_NOT_ALLOWED"),
    "a region at Sinch's tokens": ({"name": AUTH, "target": "/eu/v1/x"}, "PATH_NOT_ALLOWED"),
    "a way of nginx's own": ({"target": "/refused/SEND_FATE_UNKNOWN"}, "PATH_NOT_ALLOWED"),
    "a body too large": ({"target": SEND, "method": "POST", "body": b"x" * (2**20 + 1)}, "BODY_TOO_LARGE"),
    "a body too large, in chunks": (
        {"target": SEND, "method": "POST", "body": b"x" * (2**20 + 1), "chunked": True},
        "BODY_TOO_LARGE",
    ),
    "a target with a blank": ({"target": "/eu/a b"}, "REQUEST_MALFORMED"),
    "a target out of the root": ({"target": "/../x"}, "REQUEST_MALFORMED"),
    "a target with a zero byte": ({"target": "/eu/%00"}, "REQUEST_MALFORMED"),
    "a target with a bad escape": ({"target": "/eu/%zz"}, "REQUEST_MALFORMED"),
    "a very long target": ({"target": f"/eu/{'a' * 20_000}"}, "REQUEST_MALFORMED"),
    "very long headers": ({"headers": (("x-long", "a" * 40_000),)}, "REQUEST_MALFORMED"),
    "an unknown coding": ({"headers": (("transfer-encoding", "gzip"),)}, "REQUEST_MALFORMED"),
    "an empty host": ({"host": ""}, "REQUEST_MALFORMED"),
    "a host that is none": ({"host": "a b"}, "REQUEST_MALFORMED"),
    "two hosts": ({"headers": (("host", NAME),)}, "REQUEST_MALFORMED"),
    "TRACE": ({"method": "TRACE"}, "REQUEST_MALFORMED"),
    "CONNECT": ({"method": "CONNECT"}, "REQUEST_MALFORMED"),
    "a method in small letters": ({"method": "get"}, "REQUEST_MALFORMED"),
}


@pytest.mark.parametrize(("asked", "code"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_in_sinchs_form_and_the_door_hears_nothing(edge: Edge, asked: dict[str, Any], code: str) -> None:
    assert_refused(edge.ask(**asked), code)
    assert edge.door.heard == []
    assert edge.house.wait_for(lambda: edge.lines(code=code))


RAW = {
    "http spoken to TLS": (None, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", "REQUEST_MALFORMED"),
    "HTTP/1.1 without a host": (NAME, b"GET /eu/x HTTP/1.1\r\nx: y\r\n\r\n", "REQUEST_MALFORMED"),
    "HTTP/1.0 without a host": (EU, b"GET /v1/x HTTP/1.0\r\nx: y\r\n\r\n", "HOST_NOT_ALLOWED"),
    "HTTP/1.0 without a host, without a name": ("", b"GET /eu/x HTTP/1.0\r\n\r\n", "HOST_NOT_ALLOWED"),
    "HTTP/9.9": (NAME, b"GET /eu/x HTTP/9.9\r\nhost: %s\r\n\r\n" % NAME.encode(), "REQUEST_MALFORMED"),
    "HTTP/2 without being asked": (NAME, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "REQUEST_MALFORMED"),
    "no request at all": (NAME, b"\x00\xff\r\n\r\n", "REQUEST_MALFORMED"),
}


@pytest.mark.parametrize(("name", "sent", "code"), RAW.values(), ids=RAW)
def test_what_no_client_would_send_is_refused_alike(edge: Edge, name: str | None, sent: bytes, code: str) -> None:
    with tls(edge, name) as connection:
        connection.sendall(sent)
        heard = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = heard.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % Refused(code).status)
    assert b"X-Motion-Gateway-Error: %s" % code.encode() in head
    assert body == Refused(code).body
    assert edge.door.heard == []


def tls(edge: Edge, name: str | None) -> socket.socket:
    """A connection for `name`; "": without one, None: in clear."""
    raw = socket.create_connection(edge.place(name), PATIENCE_SECONDS, source_address=(MOTION, 0))
    if name is None:
        return raw
    context = ssl.create_default_context(cafile=str(edge.ca))
    context.check_hostname = bool(name)
    return context.wrap_socket(raw, server_hostname=name or None)


def test_nothing_newer_than_http_1_1_is_offered(edge: Edge) -> None:
    context = ssl.create_default_context(cafile=str(edge.ca))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(edge.place(NAME), PATIENCE_SECONDS) as raw,
        context.wrap_socket(raw, server_hostname=NAME) as connection,
    ):
        assert connection.selected_alpn_protocol() == "http/1.1"


ELSEWHERE = ("/oauth2/token", SEND, "/eu/v1/x", "/v1/projects/p/messages:send", "/")


@pytest.mark.parametrize("host", [NAME, ADDRESS, *SINCH_NAMES.values(), HOST])
def test_the_public_address_leads_nobody_to_this_door(edge: Edge, host: str) -> None:
    context = ssl.create_default_context(cafile=str(edge.house.folder / "ca.pem"))
    context.check_hostname = False
    host = host.replace(ADDRESS, edge.address)
    for name in (host, HOST, None):
        for target in ELSEWHERE:
            with (
                socket.create_connection(("127.0.0.1", edge.house.public_port), PATIENCE_SECONDS) as raw,
                context.wrap_socket(raw, server_hostname=name) as connection,
            ):
                connection.sendall(f"POST {target} HTTP/1.0\r\nhost: {host}\r\ncontent-length: 0\r\n\r\n".encode())
                assert connection.recv(65536).startswith(b"HTTP/1.1 404 ")
    assert edge.door.heard == []


# What the door says, and what it leaves unsaid.


def test_the_doors_own_answers_pass_untouched_whatever_their_status(edge: Edge) -> None:
    for status in (200, 400, 401, 403, 404, 409, 413, 421, 429, 500, 502, 503, 504):
        body = b'{"error":{"code":%d}}' % status
        edge.door.reply = answer(status, body, Content_Type="application/problem+json", X_Other="1", Retry_After="9")
        got = edge.ask(SEND, method="POST")
        assert (got.status, got.body, got.header("content-type")) == (status, body, "application/problem+json")
        assert (got.header("x-other"), got.header("retry-after")) == ("1", "9")
        assert got.header("x-motion-gateway-error") is None
    assert edge.lines(upstream_status="504") == edge.lines(upstream_status="502") == []
    assert len(edge.door.heard) == 13


def test_no_header_of_the_door_leads_nginx_anywhere(edge: Edge) -> None:
    (edge.house.folder / "state" / "vault" / "file").write_text("of the vault")
    steering = {"Redirect": "/media/vault/file", "Buffering": "no", "Expires": "60", "Limit_Rate": "1", "Charset": "x"}
    edge.door.reply = answer(200, b"x" * 5000, **{f"X_Accel_{name}": value for name, value in steering.items()})
    got = edge.ask()
    assert (got.status, got.body) == (200, b"x" * 5000)
    assert [name for name, _ in got.headers if "accel" in name.lower()] == []


def test_a_place_that_an_answer_names_is_passed_on_and_not_gone_to(edge: Edge) -> None:
    edge.door.reply = answer(302, Location="http://motion_gateway_outbound/eu/x")
    got = edge.ask()
    assert (got.status, got.header("location")) == (302, "http://motion_gateway_outbound/eu/x")


def test_an_answer_with_long_headers_is_no_lost_one(edge: Edge) -> None:
    edge.door.reply = answer(200, b"{}", X_Long="a" * 12_000)
    assert edge.ask(SEND, method="POST").status == 200


def dies(connection: socket.socket, heard: bytes) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def says_half(connection: socket.socket, heard: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-")


def says_too_much(connection: socket.socket, heard: bytes) -> None:
    answer(200, X_Long="a" * 20_000)(connection, heard)


def hangs(connection: socket.socket, heard: bytes) -> None:
    connection.settimeout(30)
    connection.recv(1)  # until nginx has given up


SILENCES = {"it dies": dies, "half an answer": says_half, "headers without end": says_too_much, "it hangs": hangs}
FATES = {
    "a send": ("POST", SEND, "SEND_FATE_UNKNOWN"),
    "a change": ("POST", "/eu/v1/projects/p/contacts", "CALL_FATE_UNKNOWN"),
    "a question": ("GET", "/eu/v1/projects/p/contacts", "SINCH_TIMED_OUT"),
    "a deletion": ("DELETE", "/eu/v1/projects/p/contacts/1", "CALL_FATE_UNKNOWN"),
    "a token": ("POST", "/oauth2/token", "SINCH_TIMED_OUT"),
}


@pytest.fixture(scope="module")
def impatient() -> Iterator[Edge]:
    """An nginx that waits for the door no longer than a second."""
    with standing({"proxy_read_timeout 95s": "proxy_read_timeout 1s"}) as edge:
        yield edge


@pytest.mark.parametrize("reply", SILENCES.values(), ids=SILENCES)
@pytest.mark.parametrize(("method", "target", "code"), FATES.values(), ids=FATES)
def test_where_the_door_was_asked_and_gave_no_answer_nobody_is_told_that_nothing_was_sent(
    impatient: Edge, reply: Any, method: str, target: str, code: str
) -> None:
    impatient.door.heard.clear()
    impatient.door.reply = reply
    assert_refused(impatient.ask(target, method=method, body=b"{}"), code)
    assert len(impatient.door.heard) == 1
    assert impatient.house.wait_for(lambda: impatient.lines(code=code, method=method, status=504))


def test_the_fate_of_a_send_is_that_of_its_first_line_whatever_stands_in_its_target(impatient: Edge) -> None:
    impatient.door.reply = dies
    assert_refused(impatient.ask(f"{SEND}?/oauth2/token?", method="POST"), "SEND_FATE_UNKNOWN")
    assert_refused(impatient.ask(f"{SEND}/oauth2/token", method="POST"), "CALL_FATE_UNKNOWN")
    assert_refused(impatient.ask("/v1/oauth2/token", method="POST", name=EU), "CALL_FATE_UNKNOWN")
    assert_refused(impatient.ask("/oauth2/token?x", method="POST", name=AUTH), "SINCH_TIMED_OUT")


def test_a_door_that_cannot_be_reached_has_sent_nothing() -> None:
    with standing() as edge:
        edge.door.close()
        for method, target, _ in FATES.values():
            assert_refused(edge.ask(target, method=method, body=b"{}"), "GATEWAY_UNAVAILABLE")
        (edge.house.folder / "state" / "run" / "outbound.sock").unlink()
        assert_refused(edge.ask(SEND, method="POST"), "GATEWAY_UNAVAILABLE")
        head = edge.ask(SEND, method="HEAD")
        assert (head.status, head.body, head.header("x-motion-gateway-error")) == (503, b"", "GATEWAY_UNAVAILABLE")
        assert edge.house.wait_for(lambda: edge.lines(code="GATEWAY_UNAVAILABLE", upstream_status="502", status=503))
        edge.door.open()
        assert edge.ask().status == 200


def test_one_connection_too_many_is_told() -> None:
    words = "limit_conn motion_gateway_outbound"
    with standing({f"{words} {doors.DOORS['outbound'].per_client};": f"{words} 1;"}) as edge:
        answered = threading.Event()

        def reply(connection: socket.socket, heard: bytes) -> None:
            answered.wait(PATIENCE_SECONDS)
            answer(200)(connection, heard)

        edge.door.reply = reply
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(edge.ask)
            edge.house.wait_for(lambda: edge.door.heard)
            assert_refused(edge.ask(), "TOO_MANY_CONNECTIONS")
            answered.set()
            assert waiting.result().status == 200


def test_no_line_holds_an_id_a_token_or_a_body_whatever_becomes_of_the_call() -> None:
    with standing() as edge:
        project, message = f"/v1/projects/{SECRET}", f"messages/{SECRET}"
        calls = (f"{project}/messages:send", f"{project}/{message}?x={SECRET}", f"/{SECRET}", f"/oauth2/token?{SECRET}")
        headers = (("authorization", f"Bearer {SECRET}"), ("x-a", SECRET))
        for path in calls:
            for target in (path, f"/eu{path}", f"/us{path}"):
                for how in ({}, {"source": STRANGER}, {"host": SECRET}, {"name": EU}, {"name": AUTH, "method": "PUT"}):
                    edge.ask(target, **{"headers": headers, "method": "POST", "body": SECRET.encode(), **how})
        known = {f"{region}/v1/projects/***{call}" for region in ("", "/eu", "/us") for call in ("", "/messages:send")}
        known |= {"/oauth2/token", "other"}
        edge.house.wait_for(lambda: {line["path"] for line in edge.lines(event="edge")} >= known)
        assert {line["path"] for line in edge.lines(event="edge")} == known
        assert SECRET.lower() not in edge.log.lower()
        assert {line["port"] for line in edge.lines(event="edge")} == {edge.port, edge.sinch_port}


def test_an_nginx_that_includes_us_has_none_of_its_own_ways_here(tmp_path: Path) -> None:
    with standing() as edge:
        settings = config.load(edge.house.config, {})
        running = paths.nginx_conf(settings)
        [module] = [line for line in running.read_text().splitlines() if line.startswith("load_module")]
        included = nginx_conf.configuration(settings, whole=False)
        included = included.replace(f"listen {edge.address}:443 ", f"listen {edge.address}:{edge.sinch_port} ")
        (tmp_path / "included.conf").write_text(included)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")  # where an ordinary user may not write by default
        places = " ".join(f"{kind}_temp_path {running.parent}/{kind};" for kind in kinds)
        ways = "real_ip_header X-Forwarded-For; set_real_ip_from 127.0.0.0/8; proxy_redirect http:// https://;"
        running.write_text(f"""
            daemon off; {module} error_log stderr; pid {running.parent}/nginx.pid;
            user {paths.worker_user() or "nobody"};
            events {{}} http {{ {places} {ways} include {tmp_path}/included.conf; }}
        """)
        edge.house.children.pop().stop()
        command = (paths.program("nginx"), "-e", "stderr", "-p", str(running.parent), "-c", str(running))
        edge.house.children.append(Child(command, edge.house.folder / LOG))
        edge.house.wait_for(lambda: edge.ask().status == 200)
        lie = (("x-forwarded-for", MOTION),)
        assert_refused(edge.ask(source=STRANGER, headers=lie), "CLIENT_NOT_ALLOWED")
        told = edge.told(edge.ask(headers=(("x-forwarded-for", "10.9.9.9"),)))
        assert ["X-Real-IP", MOTION] in told["headers"]
        assert_refused(edge.ask(host="other"), "HOST_NOT_ALLOWED")
        edge.door.reply = answer(302, Location="http://elsewhere/")
        assert edge.ask().header("location") == "http://elsewhere/"


def test_every_refusal_that_nginx_gives_is_proved_here() -> None:
    proved = {code for _, code in REFUSED.values()} | {code for *_, code in (*RAW.values(), *FATES.values())}
    assert proved | {"GATEWAY_UNAVAILABLE", "TOO_MANY_CONNECTIONS"} == {one.code for one in nginx_conf.refusals()}
    assert {one.code for one in nginx_conf.refusals()} <= refusals.rows().keys()
