"""The log: one JSON line each, and nothing of what a client sent in a line of nginx's."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import telemetry
from gateway.phrases import Line
from tests.together import together

AT = "2026/01/02 03:04:05"
HEAD = f"{AT} [error] 71#72: *3"
WHO = "client: 192.0.2.1, server: gateway.example.com"
TOKEN = "token-5e4d"


@pytest.fixture
def told(capfd: pytest.CaptureFixture[str]) -> Any:
    """Reads the lines that were written, without their time."""
    telemetry.configure("ingress")

    def read() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
        assert all(line.pop("at").endswith("Z") for line in lines)
        return lines

    return read


def test_a_decision_is_one_line_without_what_is_empty(told: Any) -> None:
    telemetry.decision("ingress", status=200, reason="", findings=(), kind=None, ms=0.0, event_id=0)
    assert told() == [{"process": "ingress", "event": "ingress", "status": 200, "ms": 0.0, "event_id": 0}]


def test_a_note_is_one_line_whatever_is_in_it(told: Any) -> None:
    telemetry.note("started", part='a\n"b"\x1b', none=None)
    assert told() == [{"process": "ingress", "event": "started", "part": 'a\n"b"\x1b', "none": None}]


def test_the_last_configuration_names_the_process(told: Any) -> None:
    telemetry.note("one")
    telemetry.configure("courier")
    telemetry.note("two")
    assert [line["process"] for line in told()] == ["ingress", "courier"]


def fail(depth: int, text: str) -> None:
    if depth:
        fail(depth - 1, text)
    raise ValueError(text)


def test_a_failure_tells_where_and_never_what(told: Any) -> None:
    try:
        try:
            fail(9, TOKEN)
        except ValueError as error:
            raise RuntimeError(TOKEN) from error
    except RuntimeError as error:
        telemetry.failure("unexpected", error, event_id=7)
    [line] = told()
    assert TOKEN not in str(line)
    [where] = line.pop("where")
    assert where.startswith("test_telemetry.py:")
    assert line == {"process": "ingress", "event": "unexpected", "fault": "RuntimeError", "event_id": 7}


def test_a_failure_tells_the_innermost_places(told: Any) -> None:
    try:
        fail(9, TOKEN)
    except ValueError as error:
        telemetry.failure("unexpected", error)
    [line] = told()
    assert [place.split()[1] for place in line["where"]] == ["fail"] * 4


def test_an_error_that_was_never_raised_has_no_place(told: Any) -> None:
    telemetry.failure("unexpected", ValueError(TOKEN))
    assert told() == [{"process": "ingress", "event": "unexpected", "fault": "ValueError", "where": []}]


OURS = '{"process":"nginx","event":"edge","status":404}'


class FullDisk(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


QUOTED = {
    "an error": (f'{HEAD} recv() failed, {WHO}, request: "GET /{TOKEN}"', f"{HEAD} recv() failed, {WHO}"),
    "what only looks like a line of ours": (OURS, OURS),
}


def test_a_line_in_our_form_is_relayed_as_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("ingress")
    telemetry.relay(OURS, Line.EDGE)
    assert capfd.readouterr().err == f"{OURS}\n"


@pytest.mark.parametrize(("line", "message"), QUOTED.values(), ids=QUOTED)
def test_a_line_in_anothers_words_is_quoted(told: Any, line: str, message: str) -> None:
    telemetry.configure("ingress")
    telemetry.quote("nginx", line)
    assert told() == [{"process": "ingress", "event": "said", "by": "nginx", "message": message}]


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    telemetry.configure("ingress")
    with contextlib.redirect_stderr(FullDisk()):
        telemetry.note("started")
        telemetry.relay(OURS, Line.EDGE)


REQUEST = f'request: "POST /notify?token={TOKEN} HTTP/1.1"'
UPSTREAM = f'upstream: "http://unix:/run/ingress.sock:/notify?token={TOKEN}"'
SCRUBBED = {
    "an upstream that is away": (
        f"{HEAD} connect() to unix:/run/ingress.sock failed (111: Connection refused) while connecting to upstream, "
        f'{WHO}, {REQUEST}, {UPSTREAM}, host: "gateway.example.com", referrer: "https://x.example/?{TOKEN}"',
        f"{HEAD} connect() to unix:/run/ingress.sock failed (111: Connection refused) while connecting to upstream, "
        f"{WHO}",
    ),
    "a body that is too large": (
        f'{HEAD} client intended to send too large body: 9 bytes, {WHO}, {REQUEST}, host: "x"',
        f"{HEAD} client intended to send too large body: 9 bytes, {WHO}",
    ),
    "a subrequest": (
        f'{HEAD} upstream timed out, {WHO}, {REQUEST}, subrequest: "/{TOKEN}", host: "x"',
        f"{HEAD} upstream timed out, {WHO}",
    ),
    "a quote in the request": (
        f'{HEAD} access forbidden by rule, {WHO}, request: "GET /a"b?{TOKEN} HTTP/1.1", host: "a"{TOKEN}"',
        f"{HEAD} access forbidden by rule, {WHO}",
    ),
    "a request cut off": (f'{HEAD} recv() failed, {WHO}, request: "GET /{TOKEN}', f"{HEAD} recv() failed, {WHO}"),
    "a host and no request": (f'{HEAD} recv() failed, {WHO}, host: "{TOKEN}"', f"{HEAD} recv() failed, {WHO}"),
    "a file that is not there": (
        f'{HEAD} open() "/var/www/acme/{TOKEN}" failed (2: No such file or directory), {WHO}, {REQUEST}, host: "x"',
        f'{HEAD} open() "…" failed (2: No such file or directory), {WHO}',
    ),
    "a file with a quote in its name": (
        f'{HEAD} open() "/var/www/a"{TOKEN}"b" failed (2: No such file or directory), {WHO}, {REQUEST}',
        f'{HEAD} open() "…" failed (2: No such file or directory), {WHO}',
    ),
    "a name that looks like the end of the line": (
        f'{HEAD} open() "/var/www/a, {WHO}, request: "{TOKEN}" failed (2: …), {WHO}, {REQUEST}',
        f'{HEAD} open() "…"',
    ),
    "a line cut off in a name": (f'{HEAD} open() "/var/www/{TOKEN}', f'{HEAD} open() "…"'),
    "a header that is none": (
        f'{HEAD} client sent invalid header line: "X-{TOKEN}\\x00" while reading client request headers, '
        f"{WHO}, {REQUEST}",
        f'{HEAD} client sent invalid header line: "…" while reading client request headers, {WHO}',
    ),
    "bytes that are no text": (
        f'{HEAD} client sent invalid method, {WHO}, request: "\ufffd\x16\x03\r\x1b[31m{TOKEN}"',
        f"{HEAD} client sent invalid method, {WHO}",
    ),
    "a certificate that cannot be read": (
        'nginx: [emerg] cannot load certificate "/etc/tls/fullchain.pem": BIO_new_file() failed',
        'nginx: [emerg] cannot load certificate "/etc/tls/fullchain.pem": BIO_new_file() failed',
    ),
    "a port that is taken": (
        f"{AT} [emerg] 71#71: bind() to 0.0.0.0:443 failed (98: Address already in use)",
        f"{AT} [emerg] 71#71: bind() to 0.0.0.0:443 failed (98: Address already in use)",
    ),
    "nothing": ("", ""),
}


@together(("line", "expected"), SCRUBBED.values(), ids=SCRUBBED)
def test_of_nginx_is_left(line: str, expected: str) -> None:
    assert telemetry.scrub(line) == expected
    assert TOKEN not in telemetry.scrub(line)


ANYTHING = st.text(max_size=40) | st.text('", :requsthoc\\', max_size=40)


@given(before=ANYTHING, after=ANYTHING, rest=ANYTHING, quoted=ANYTHING, cut=st.integers(0, 60))
def test_a_token_in_the_request_line_never_survives(before: str, after: str, rest: str, quoted: str, cut: int) -> None:
    line = f'{HEAD} open() "{quoted}" failed, {WHO}, request: "GET /{before}{TOKEN}{after} HTTP/1.1", host: "{rest}"'
    assert TOKEN not in telemetry.scrub(line[: len(line) - cut])


@given(before=ANYTHING, after=ANYTHING, cut=st.integers(0, 60))
def test_a_token_in_a_quoted_name_never_survives(before: str, after: str, cut: int) -> None:
    line = f'{HEAD} open() "{before}{TOKEN}{after}" failed, {WHO}, request: "GET / HTTP/1.1"'
    assert TOKEN not in telemetry.scrub(line[: len(line) - cut])


@given(raw=st.binary(max_size=60))
def test_bytes_of_any_kind_never_bring_a_token_through(raw: bytes) -> None:
    line = f'{HEAD} recv() failed, {WHO}, request: "GET /'.encode() + raw + TOKEN.encode() + raw + b'"'
    assert TOKEN not in telemetry.scrub(line.decode("utf-8", "replace"))


REQUEST = "0af7651916cd43dd8448eb211c80319c"


def test_what_is_called_for_a_request_has_its_id_as_trace_and_the_line_says_so(told: Any) -> None:
    telemetry.begin(REQUEST)
    telemetry.decision("outbound", request_id=REQUEST)
    made = telemetry.traceparent()
    assert re.fullmatch(f"00-{REQUEST}-(?!0{{16}})[0-9a-f]{{16}}-01", made)
    assert telemetry.traceparent() == made
    telemetry.decision("outbound", request_id=REQUEST)
    telemetry.begin(REQUEST)
    assert telemetry.traceparent() != made  # another try
    assert [line.get("traceparent") for line in told()] == [None, made]
    telemetry.begin("")


@pytest.mark.parametrize("request_id", ["", "r-1", "0" * 32, REQUEST.upper(), REQUEST + "\n", REQUEST + "0"])
def test_an_id_that_can_be_no_trace_makes_none(request_id: str) -> None:
    telemetry.begin(request_id)
    assert telemetry.traceparent() == ""


def test_each_thread_has_its_own_request() -> None:
    telemetry.begin(REQUEST)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(telemetry.traceparent).result() == ""
    telemetry.begin("")
