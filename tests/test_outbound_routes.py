"""The third door: what passes as it is, and what does not."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from gateway import app, doors
from gateway.outbound import allowed, refusals
from gateway.outbound.allowed import AppIn
from gateway.store import turned_away
from gateway.store.engines import Database
from gateway.upstream import Answer
from tests import config_samples
from tests.call_door_samples import (
    AUTHORIZATION,
    PROJECT,
    SEND,
    CallDoor,
    assert_refused,
    link,
    media,
    opened,
    sending,
    vaulted,
    without_sinch,
)
from tests.door_samples import Log, logged
from tests.peer_samples import answers, listens_on
from tests.test_outbound_allowed import example
from tests.test_outbound_gateway_key import basic as basic_of

BASE = f"/eu/v1/projects/{PROJECT}"
FOUND = answers(b'{"apps":[], "n": 1.10}', "Content-Type: application/json", then=listens_on)


@pytest.fixture
def door(spool: Database) -> Iterator[CallDoor]:
    with opened(spool, FOUND, outbound={"allow_management": True}) as made:
        yield made


@pytest.mark.parametrize(
    "row", [row for row in allowed.OPERATIONS if row is not allowed.MESSAGES_SEND], ids=lambda row: row.name
)
def test_every_other_call_of_the_table_goes_out_and_comes_back_as_it_is(door: CallDoor, row: allowed.Operation) -> None:
    path = example(row.path)
    body = None if row.method == "GET" else b'{"app_id":"app-1", "x" :1e400}'
    answer = door.call(f"{BASE}/{path}?page_token=a%2Fb", method=row.method, body=body)
    assert (answer.status_code, answer.data) == (200, b'{"apps":[], "n": 1.10}')
    [heard] = door.sinch.requests
    head, _, said = heard.partition(b"\r\n\r\n")
    assert head.startswith(f"{row.method} /v1/projects/{PROJECT}/{path}?page_token=a%2Fb HTTP/1.1\r\n".encode())
    assert said == (body or b"")
    assert f"Authorization: {AUTHORIZATION}".encode() in head
    assert door.sends == []


def test_of_motions_headers_only_those_of_the_list_reach_sinch(door: CallDoor) -> None:
    given = {
        "accept": "application/json",
        "accept-language": "it",
        "accept-encoding": "gzip",
        "user-agent": "axios/1.7",
        "cookie": "a=b",
        "x-forwarded-for": "192.0.2.9",
        "x-sendfile-type": "X-Accel-Redirect",
        "connection": "X-Hop",
        "x-hop": "1",
        "te": "trailers",
        "referer": "x",
    }
    door.call(f"{BASE}/contacts", method="GET", **given)
    head = door.sinch.requests[0].partition(b"\r\n\r\n")[0].decode()
    told = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    assert told == {
        "Host": f"127.0.0.1:{door.sinch.port}",
        "Accept": "application/json",
        "Accept-Language": "it",
        "Accept-Encoding": "identity",
        "Authorization": AUTHORIZATION,
        "Content-Type": "application/json",
        "User-Agent": "axios/1.7",
        "Via": "1.1 motion-gateway",
    }


APPS: list[tuple[bytes | None, AppIn, str | None]] = [
    (b'{"app_id":"app-1"}', AppIn.BODY, None),
    (b'{"appId":"app-1"}', AppIn.BODY, None),
    (b'{"app_id":"app-9"}', AppIn.BODY, "APP_NOT_CONFIGURED"),
    (b'{"appId":"app-9"}', AppIn.BODY, "APP_NOT_CONFIGURED"),
    (b"{}", AppIn.BODY, "APP_MISSING"),
    (b"", AppIn.BODY, "BODY_NOT_JSON"),
    (b"x", AppIn.BODY, "BODY_NOT_JSON"),
    (b'{"app_id":"app-1","app_id":"app-9"}', AppIn.BODY, "BODY_REPEATS_KEY"),
    (b'{"app_id":"app-1","appId":"app-9"}', AppIn.BODY, "BODY_REPEATS_KEY"),
    (b"", AppIn.PERHAPS_BODY, None),
    (b"{}", AppIn.PERHAPS_BODY, None),
    (b'{"app_id":"app-9"}', AppIn.PERHAPS_BODY, "APP_NOT_CONFIGURED"),
    (b"x", AppIn.PERHAPS_BODY, "BODY_NOT_JSON"),
    (b"x", AppIn.NOWHERE, None),
]


@pytest.mark.parametrize(("body", "place", "code"), APPS)
def test_an_app_in_a_body_is_one_of_ours(door: CallDoor, body: bytes, place: AppIn, code: str | None) -> None:
    for row in allowed.OPERATIONS:
        if row.app_in is not place or row.method == "GET" or row is allowed.MESSAGES_SEND:
            continue
        answer = door.call(f"{BASE}/{example(row.path)}", method=row.method, body=body)
        if code is None:
            assert answer.status_code == 200
        else:
            assert_refused(answer, code, field="app_id" if code.startswith(("APP", "BODY_REPEATS")) else "")
    assert (door.sinch.requests == []) == (code is not None)


def test_management_is_off_by_default(spool: Database) -> None:
    with opened(spool) as door:
        assert_refused(door.call(f"{BASE}/apps/app-1", method="GET"), "MANAGEMENT_NOT_ALLOWED")
        assert door.sinch.requests == []


def test_calls_of_a_project_are_counted(spool: Database) -> None:
    with opened(spool, FOUND, limits={"calls_per_project": "2/minute"}) as door:
        statuses = [door.call(f"{BASE}/contacts", method="GET").status_code for _ in range(2)]
        assert statuses == [200, 200]
        assert_refused(door.call(), "PROJECT_LIMIT")
        assert len(door.sinch.requests) == 2


def test_events_count_as_sends_of_their_app(spool: Database) -> None:
    with opened(spool, FOUND, limits={"sends_per_app": "1/minute"}) as door:
        body = b'{"app_id":"app-1"}'
        assert door.call(f"{BASE}/events:send", body=body).status_code == 200
        assert_refused(door.call(f"{BASE}/events:send", body=body), "APP_LIMIT")


def test_an_account_without_a_key_signs_in_with_that_of_its_project(spool: Database) -> None:
    tables = vaulted()
    keyless = config_samples.account(connector_id=6, app_id="app-6", webhook_secrets=["another webhook secret here"])
    with opened(spool, **tables | {"account": [keyless, *tables["account"]]}) as door:
        shown = basic_of(tables["outbound"]["gateway_key"])
        for target in (f"{BASE}/contacts", f"{BASE}/messages?app_id=app-6"):
            assert door.call(target, method="GET", authorization=shown).status_code == 200
        assert door.call(body=sending(app_id="app-6"), authorization=shown).status_code == 200
        assert all(b"Authorization: Bearer token-1" in request for request in door.sinch.requests)
        assert door.sends[0].connector_id == 6


def test_motions_own_token_request_passes_as_it_is(door: CallDoor) -> None:
    basic = "Basic a2V5OnNlY3JldA=="
    answer = door.call("/oauth2/token", body=b"grant_type=client_credentials", authorization=basic)
    assert json.loads(answer.data)["access_token"] == "token-1"
    head, _, body = door.auth.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /oauth2/token HTTP/1.1")
    assert f"Authorization: {basic}".encode() in head
    assert body == b"grant_type=client_credentials"
    assert door.sinch.requests == []


def test_a_key_of_motions_that_sinch_refuses_is_kept_with_what_to_do(door: CallDoor, spool: Database) -> None:
    door.auth.behaviour = answers(b'{"error":"invalid_client"}', status="401 Unauthorized")
    assert door.call("/oauth2/token", body=b"grant_type=client_credentials").status_code == 401
    door.services.turned_away.write()
    [row] = turned_away.listed(spool)
    assert row.kind == ("outbound", "Sinch refuses Motion's key")
    assert "Key Secret" in turned_away.kinds()[row.kind].remedy


@pytest.mark.parametrize(
    "target", ["/oauth2/token?x=1", "/oauth2/token/", "/eu/oauth2/token", "/oauth2", "/oauth2/Token"]
)
def test_tokens_have_one_path(door: CallDoor, target: str) -> None:
    assert_refused(door.call(target, body=b"x"), "PATH_NOT_ALLOWED")
    assert door.auth.requests == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT"])
def test_tokens_have_one_method(door: CallDoor, method: str) -> None:
    answer = door.call("/oauth2/token", method=method)
    assert (answer.status_code, answer.headers[refusals.HEADER]) == (403, "METHOD_NOT_ALLOWED")


def test_a_body_has_a_limit(door: CallDoor) -> None:
    largest = b"x" * doors.MOST_CALL_BYTES
    assert_refused(door.call(SEND, body=largest), "BODY_NOT_JSON")
    assert_refused(door.call(SEND, body=largest + b"x"), "BODY_TOO_LARGE")


@pytest.mark.parametrize("status", [200, 201, 204, 400, 401, 403, 404, 409, 429, 500, 501, 503, 599])
def test_sinchs_status_and_body_come_through(spool: Database, status: int) -> None:
    body = b"" if status == 204 else b'{"error":{"code":1}}'
    with opened(spool, answers(body, status=f"{status} X", length=None)) as door:
        answer = door.call(f"{BASE}/contacts", body=b"{}")
    assert (answer.status_code, answer.data) == (status, body)
    assert refusals.HEADER not in answer.headers


@hypothesis(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_bytes_as_a_body_are_passed_on_or_refused(door: CallDoor, body: bytes) -> None:
    for target in (SEND, f"{BASE}/events:send", f"{BASE}/contacts", "/oauth2/token"):
        answer = door.call(target, body=body)
        assert answer.status_code in (200, 400)
    del door.sinch.requests[:]


def test_a_line_of_the_log_tells_what_happened_and_no_secret(
    spool: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    with logged(capfd, "outbound") as read, opened(spool) as door:
        door.call(authorization="Bearer planted-secret")
        door.call(f"{BASE}/messages/planted-id?channel_identity=planted", method="GET")
        door.call("/eu/v1/projects/planted/messages", method="GET")
        lines = told(read)
    assert [line["reason"] for line in lines] == ["handed on", "handed on", "PROJECT_NOT_CONFIGURED"]
    assert lines[0]["call"] == "POST messages:send"
    assert (lines[0]["outcome"], lines[0]["kind"], lines[0]["connector_id"]) == ("accepted", "text", 7)
    assert lines[1]["call"] == "GET messages/<message_id>"
    assert "account.project_id" not in lines[2]["why"]
    assert "No account" in lines[2]["why"]
    assert "planted" not in str(lines)


def told(read: Log) -> list[dict[str, object]]:
    return [line for line in read() if line["event"] == "outbound"]


def test_a_fault_of_ours_is_told_in_sinchs_form(spool: Database) -> None:
    with opened(spool) as door:
        made = dataclasses.replace(door.services, limits=None)  # type: ignore[arg-type]
        door.client = app.create_app(made, door="outbound").test_client()
        assert_refused(door.call(), "GATEWAY_UNAVAILABLE")


@pytest.mark.parametrize(
    ("path", "method", "code"),
    [
        ("events:send", "POST", "SEND_FATE_UNKNOWN"),
        ("contacts", "POST", "CALL_FATE_UNKNOWN"),
        ("messages/1", "DELETE", "CALL_FATE_UNKNOWN"),
        ("contacts", "GET", "GATEWAY_UNAVAILABLE"),
    ],
)
def test_a_fault_of_ours_while_a_call_is_under_way_does_not_say_that_nothing_was_sent(
    spool: Database, path: str, method: str, code: str
) -> None:
    with opened(spool) as made:
        door = without_sinch(made)
        assert_refused(door.call(f"{BASE}/{path}", method=method, body=b'{"app_id":"app-1"}'), code)


class _Odd:
    """A Sinch whose answer nobody can hand on: it has no headers at all."""

    def call(self, *_: object) -> tuple[Answer, int]:
        return Answer(status=200, headers=None, body=b"{}"), 1  # type: ignore[arg-type]


@pytest.mark.parametrize(("target", "code"), [(SEND, "SEND_FATE_UNKNOWN"), (f"{BASE}/contacts", "CALL_FATE_UNKNOWN")])
def test_a_fault_of_ours_after_a_call_does_not_say_that_nothing_was_sent(
    spool: Database, target: str, code: str
) -> None:
    with opened(spool) as door:
        made = dataclasses.replace(door.services, sinch=_Odd())  # type: ignore[arg-type]
        door.client = app.create_app(made, door="outbound").test_client()
        assert_refused(door.call(target, body=sending()), code)


def test_a_line_of_the_log_tells_of_a_refused_message_what_was_known_by_then(
    spool: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    with logged(capfd, "outbound") as read, opened(spool) as door:
        door.call(body=sending(media(link("99"))))
        [line] = told(read)
        [sent] = door.sends
    assert {name: value for name, value in line.items() if name not in ("at", "ms", "request_id", "address")} == {
        "process": "outbound",
        "event": "outbound",
        "status": 400,
        "call": "POST messages:send",
        "connector_id": 7,
        "app_id": "app-1",
        "kind": "media",
        "reference": sent.reference,
        "attachments": ["99"],
        "reason": "MEDIA_NOT_REACHABLE",
        "why": "The file of this link cannot be had: no such attachment.",
    }


@pytest.mark.parametrize(("length", "handed_on"), [(1000, True), (1001, False)])
def test_a_header_that_nginx_has_no_room_for_is_left_out(spool: Database, length: int, *, handed_on: bool) -> None:
    with opened(spool, answers(b"{}", f"Content-Language: {'x' * length}")) as door:
        answer = door.call(f"{BASE}/contacts", method="GET")
    assert (answer.status_code, "Content-Language" in answer.headers) == (200, handed_on)


def test_a_call_that_is_refused_for_how_something_is_set_up_is_counted_with_its_project(spool: Database) -> None:
    with opened(spool, FOUND) as door:
        for target in ("/eu/v1/projects/project-9/messages:send", "/eu/v2/nowhere?token=x"):
            door.call(target)
        door.services.turned_away.write()
    assert {(row.door, row.reason, row.about) for row in turned_away.listed(spool)} == {
        ("outbound", "PROJECT_NOT_CONFIGURED", "project-9"),
        ("outbound", "PATH_NOT_ALLOWED", ""),
    }
