"""The applications of the doors: what is served, and how every error becomes one of a few answers."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug import exceptions

from gateway import app, doors, errors
from gateway.config import addresses
from gateway.doors import DOORS
from gateway.errors import GatewayError
from gateway.outbound.refusals import Refused
from gateway.store.engines import Database
from tests import page_samples
from tests.door_samples import NOTIFY, Door, Log, assert_refused, logged, message, opened, signed
from tests.file_door_samples import LINKS
from tests.service_samples import services
from tests.together import together

SERVED = {
    "ingress": {("/api/whatsapp/accounts/<connector>/notify", "POST")},
    "attachments": {
        ("/api/attachments/<attachment_id>/download", "GET"),
        ("/api/attachments/<attachment_id>/download", "HEAD"),
        ("/media/<token>/<name>", "GET"),
        ("/media/<token>/<name>", "HEAD"),
    },
    "outbound": {
        ("/oauth2/token", "POST"),
        *(("/<region>/v1/projects/<path:rest>", method) for method in ("GET", "HEAD", "PATCH", "POST", "DELETE")),
    },
    "ops": {
        ("/healthz", "GET"),
        ("/healthz", "HEAD"),
        ("/readyz", "GET"),
        ("/readyz", "HEAD"),
        ("/metrics", "GET"),
        ("/metrics", "HEAD"),
        *page_samples.SERVED,
    },
}


@pytest.fixture
def door(spool: Database) -> Iterator[Door]:
    with opened(spool) as made:
        yield made


@pytest.fixture
def log(capfd: pytest.CaptureFixture[str]) -> Iterator[Log]:
    with logged(capfd, "ingress") as read:
        yield read


def test_every_door_has_its_list_of_what_it_serves() -> None:
    assert set(SERVED) == set(DOORS)


@pytest.mark.parametrize("name", DOORS)
def test_a_door_serves_what_is_listed_and_nothing_else(spool: Database, name: str) -> None:
    rules = app.create_app(services(spool, attachments=LINKS), door=name).url_map.iter_rules()
    assert {(rule.rule, method) for rule in rules for method in rule.methods or ()} == SERVED[name]


NOT_THERE = {
    "the root": ("POST", "/"),
    "another connector": ("POST", "/api/whatsapp/accounts/8/notify"),
    "the connector with a zero before it": ("POST", "/api/whatsapp/accounts/07/notify"),
    "the connector with a sign": ("POST", "/api/whatsapp/accounts/+7/notify"),
    "the connector with a blank": ("POST", "/api/whatsapp/accounts/7%20/notify"),
    "the connector with a zero byte": ("POST", "/api/whatsapp/accounts/7%00/notify"),
    "the connector in other digits": ("POST", "/api/whatsapp/accounts/%D9%A7/notify"),
    "a connector of many digits": ("POST", f"/api/whatsapp/accounts/{'7' * 5000}/notify"),
    "no connector": ("POST", "/api/whatsapp/accounts//notify"),
    "a slash more": ("POST", NOTIFY + "/"),
    "two slashes": ("POST", "/api//whatsapp/accounts/7/notify"),
    "two slashes at the start": ("POST", "/" + NOTIFY),
    "a path of dots": ("POST", "/api/x/../whatsapp/accounts/7/notify"),
    "other letters": ("POST", NOTIFY.upper()),
    "bytes that are no text": ("POST", "/%ff%fe"),
    "GET": ("GET", NOTIFY),
    "HEAD": ("HEAD", NOTIFY),
    "OPTIONS": ("OPTIONS", NOTIFY),
    "PUT": ("PUT", NOTIFY),
    "DELETE": ("DELETE", NOTIFY),
    "TRACE": ("TRACE", NOTIFY),
    "a method nobody knows": ("BREW", NOTIFY),
    "what another door serves": ("GET", "/readyz"),
    "static files": ("GET", "/static/x"),
}


@together(("method", "path"), NOT_THERE.values(), ids=NOT_THERE)
def test_all_that_is_not_served_is_refused_404_alike(door: Door, method: str, path: str) -> None:
    answer = door.client.open(path, method=method, data=message(), headers=signed(message()))
    if method == "HEAD":
        assert (answer.status_code, answer.data) == (404, b"")
    else:
        assert_refused(answer, 404)
    assert door.events == []


LIMIT = 2048
SIZES = [(LIMIT - 1, 200), (LIMIT, 200), (LIMIT + 1, 413), (100 * LIMIT, 413)]


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "chunked"])
@pytest.mark.parametrize(("size", "status"), SIZES)
def test_a_body_over_max_body_is_refused_413(spool: Database, size: int, status: int, *, chunked: bool) -> None:
    with opened(spool, ingress={"max_body": "2KiB"}) as door:
        body = b"x" * size
        how: dict[str, Any] = {"data": body}
        if chunked:
            how = {"input_stream": io.BytesIO(body), "environ_overrides": {"wsgi.input_terminated": True}}
        answer = door.client.post(NOTIFY, headers=signed(body), **how)
        if status == 413:
            assert_refused(answer, 413)
        assert answer.status_code == status
        assert [event.body for event in door.events] == ([body] if status == 200 else [])


class Failing:
    """A spool that fails in one way."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def tell(self, *_asked: object, **_values: object) -> object:
        raise self._error

    ask = glance = tell


def failing(door: Door, error: Exception) -> Any:
    """What the door answers when its spool raises `error`."""
    spool: Any = Failing(error)
    client = app.create_app(dataclasses.replace(door.services, spool=spool), door="ingress").test_client()
    return client.post(NOTIFY, data=message(), headers=signed(message()))


def family(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from family(child)


KINDS = [kind for kind in family(GatewayError) if not issubclass(kind, Refused)]  # those are the outbound door's


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_of_our_errors_is_answered_with_its_status_and_a_fault_of_ours_with_503(
    door: Door, log: Log, kind: type[GatewayError]
) -> None:
    answer = failing(door, kind("a fixed phrase"))
    assert_refused(answer, 503 if kind.status == 500 else kind.status)
    assert log()[-1]["reason"] == ("unexpected" if kind.status == 500 else "a fixed phrase")


FOREIGN = {
    "400": (exceptions.BadRequest("secret"), 404),
    "404": (exceptions.NotFound("secret"), 404),
    "405": (exceptions.MethodNotAllowed(["POST"], "secret"), 404),
    "413": (exceptions.RequestEntityTooLarge("secret"), 413),
    "416": (exceptions.RequestedRangeNotSatisfiable(9, description="secret"), 416),
    "414": (exceptions.RequestURITooLarge("secret"), 404),
    "500": (exceptions.InternalServerError("secret"), 503),
    "503": (exceptions.ServiceUnavailable("secret"), 503),
    "a value error": (ValueError("secret"), 503),
    "a key error": (KeyError("secret"), 503),
    "an operating system's error": (OSError(28, "secret", "secret"), 503),
    "too deep": (RecursionError("secret"), 503),
    "an exception that cannot be printed": (type("Rude", (Exception,), {"__str__": lambda _: 1 / 0})("secret"), 503),
    "an error caused by another": (RuntimeError("secret"), 503),
}


@pytest.mark.parametrize(("error", "status"), FOREIGN.values(), ids=FOREIGN)
def test_foreign_errors_are_answered_without_their_text_and_logged_without_it(
    door: Door, log: Log, error: Exception, status: int
) -> None:
    error.__cause__ = ValueError("secret cause")
    answer = failing(door, error)
    assert_refused(answer, status)
    lines = log()
    assert "secret" not in str(lines)
    assert [line["event"] for line in lines] == (["unexpected", "ingress"] if status == 503 else ["ingress"])
    if status == 503:
        assert lines[0]["fault"] == type(error).__name__
        assert lines[0]["where"][-1].startswith("test_app.py:")
        assert lines[0]["where"][-1].endswith(" tell")


def test_after_a_fault_the_next_request_is_served(door: Door) -> None:
    assert_refused(failing(door, ValueError()), 503)
    assert door.post().status_code == 200


@pytest.mark.parametrize("status", errors.CODES)
def test_a_refusal_has_one_body_for_its_status_and_says_nothing_else(status: int) -> None:
    code = errors.CODES[status]
    assert errors.body(status) == b'{"error":{"code":%d,"status":"%s"}}' % (status, code.encode())


def test_every_answer_carries_the_same_headers(door: Door) -> None:
    for answer in (door.post(), door.post(message(), {}), door.client.get("/")):
        assert {name: answer.headers[name] for name in doors.PUBLIC_HEADERS} == doors.PUBLIC_HEADERS
        assert not {"Server", "Set-Cookie", "Allow", "Location", "Date"} & set(answer.headers.keys())


def test_a_line_tells_how_long_it_took_and_who_asked(spool: Database, log: Log) -> None:
    with opened(spool) as door:
        door.client.get("/nowhere", headers={"x-request-id": "r-9", "x-real-ip": "2001:db8::1"})
    [line] = log()
    assert {key: value for key, value in line.items() if key != "at"} == {
        "process": "ingress",
        "event": "ingress",
        "status": 404,
        "reason": "no such route",
        "request_id": "r-9",
        "address": "2001:db8::1",
        "ms": 0.0,
    }


@pytest.mark.parametrize(("connector", "status"), [(7, 200), (8, 503)], ids=["ours", "nobody's"])
def test_callbacks_of_our_accounts_are_answered_before_flask_is_asked(
    spool: Database, connector: int, status: int
) -> None:
    made = app.create_app(services(spool), door="ingress")
    made.before_request(lambda: 1 / 0)
    answer = made.test_client().post(addresses.receive_path(connector), data=message(), headers=signed(message()))
    assert answer.status_code == status
    assert DOORS["ingress"].headers.items() <= dict(answer.headers).items()


@pytest.mark.parametrize("name", DOORS)
def test_what_the_server_of_a_door_cannot_read_is_refused_in_the_doors_own_words(spool: Database, name: str) -> None:
    made = app.create_app(services(spool, attachments=LINKS), door=name)
    answer = app.refuse_malformed(made, door=name)
    refused = Refused("REQUEST_MALFORMED")
    expected = (400, refused.body) if name == "outbound" else (404, errors.body(404))
    assert (answer.status_code, answer.get_data()) == expected
    assert DOORS[name].headers.items() <= dict(answer.headers).items()
