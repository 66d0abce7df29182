"""Any bytes at all: nothing reaches Motion, nothing of ours breaks, and the next callback is accepted."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox import callbacks, signing
from tests.live.house import HOST, House

NOTIFY = b"/api/whatsapp/accounts/7/notify"
PATIENCE_SECONDS = 60.0  # more than nginx has for a request that does not end
KEPT_OPEN_SECONDS = 1.0  # after an answer: nginx waits for the next request on a connection that may have one

# Shared houses are all right here: no example leaves anything behind but a log line.
MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

header_names = st.sampled_from([*signing.HEADERS, "content-type", "x-request-id", "host", "cookie", "expect", "te"])
header_values = st.binary(max_size=60).filter(lambda value: b"\n" not in value and b"\r" not in value)


def speak(house: House, sent: bytes, *, answers: int = 1) -> bytes:
    """Send raw bytes through TLS, and read to the end, or to a pause behind so many answers."""
    context = ssl.create_default_context(cafile=str(house.folder / "ca.pem"))
    heard = b""
    with (
        socket.create_connection(("127.0.0.1", house.public_port), PATIENCE_SECONDS) as raw,
        context.wrap_socket(raw, server_hostname=HOST) as connection,
        contextlib.suppress(ConnectionError, ssl.SSLError),
    ):
        connection.sendall(sent)
        while chunk := receive(connection, answered=len(statuses(heard)) >= answers and is_whole(heard)):
            heard += chunk
    return heard


def is_whole(heard: bytes) -> bool:
    """Whether the last answer has come with all that it says to have."""
    head, end, body = heard[max(0, heard.rfind(b"HTTP/1.")) :].partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\ncontent-length: ([0-9]+)", head)
    return bool(end) and (length is None or len(body) >= int(length[1]))


def receive(connection: ssl.SSLSocket, *, answered: bool) -> bytes:
    """More bytes, or none; to wait in vain is wrong only while there is no answer."""
    connection.settimeout(KEPT_OPEN_SECONDS if answered else PATIENCE_SECONDS)
    try:
        return connection.recv(65536)
    except TimeoutError:
        if answered:
            return b""
        raise


def statuses(heard: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] ([0-9]{3}) ", heard)]


def assert_unharmed(house: House, heard: bytes) -> None:
    assert set(statuses(heard)) <= {200, 401, 404, 413}, heard[:300]


def request(*, target: bytes, headers: list[tuple[str, bytes]], body: bytes) -> bytes:
    lines = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in headers)
    own = f"host: {HOST}\r\nconnection: close\r\ncontent-length: {len(body)}\r\n".encode()
    return b"POST " + target + b" HTTP/1.1\r\n" + own + lines + b"\r\n" + body


@MANY
@given(
    headers=st.lists(st.tuples(header_names, header_values), max_size=6),
    body=st.binary(max_size=200),
    query=st.binary(max_size=40),
)
def test_any_bytes_in_headers_body_and_query_are_refused_and_break_nothing(
    house: House, headers: list[tuple[str, bytes]], body: bytes, query: bytes
) -> None:
    heard = speak(house, request(target=NOTIFY + b"?" + query, headers=headers, body=body))
    assert_unharmed(house, heard)
    assert 200 not in statuses(heard)


@MANY
@given(path=st.binary(max_size=80))
def test_any_bytes_as_a_target_are_refused_and_break_nothing(house: House, path: bytes) -> None:
    heard = speak(house, request(target=b"/" + path, headers=[], body=b""))
    assert_unharmed(house, heard)
    assert 200 not in statuses(heard)


@MANY
@given(sent=st.binary(min_size=1, max_size=300))
def test_any_bytes_instead_of_a_request_are_refused_and_break_nothing(house: House, sent: bytes) -> None:
    heard = speak(house, sent + b"\r\n\r\n")
    assert_unharmed(house, heard)
    assert 200 not in statuses(heard)


@MANY
@given(body=st.binary(max_size=2000) | st.text(alphabet='{}[]":,0123456789.eE\\u-', max_size=400).map(str.encode))
def test_any_signed_body_is_accepted(house: House, body: bytes) -> None:
    headers = signing.sign(body, house.sinch().secret or "", signing.ulid(0), int(house.sinch().clock()))
    heard = speak(house, request(target=NOTIFY, headers=[(k, v.encode()) for k, v in headers.items()], body=body))
    assert statuses(heard) == [200]


LINE = b"POST %s HTTP/1.1\r\nhost: %s\r\n"
EMPTY = b"content-length: 0\r\n\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
NASTY = {
    "length and chunks": LINE + b"content-length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "two lengths": LINE + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "chunk of a lie": LINE + CHUNKED + b"\r\nffffffffffffffff1\r\nab\r\n0\r\n\r\n",
    "chunk without hex": LINE + CHUNKED + b"\r\nzz\r\nab\r\n0\r\n\r\n",
    "unknown coding": LINE + b"transfer-encoding: gzip\r\n" + EMPTY,
    "folded header": LINE + b"x-a: 1\r\n b\r\n" + EMPTY,
    "header without colon": LINE + b"nonsense\r\n" + EMPTY,
    "zero byte in a header": LINE + b"x-a: a\x00b\r\n" + EMPTY,
    "no host": b"POST %s HTTP/1.1\r\nx: %s\r\n" + EMPTY,
    "HTTP/1.0 without host": b"POST %s HTTP/1.0\r\nx: %s\r\n" + EMPTY,
    "HTTP/0.9": b"GET %s\r\nhost: %s\r\n\r\n",
    "HTTP/2.0 in the line": b"POST %s HTTP/2.0\r\nhost: %s\r\n\r\n",
    "HTTP/9.9": b"POST %s HTTP/9.9\r\nhost: %s\r\n\r\n",
    "five hundred headers": LINE + b"x: y\r\n" * 500 + EMPTY,
    "headers without end": LINE + b"x-long: " + b"y" * 60_000 + b"\r\n\r\n",
    "upgrade": LINE + b"upgrade: h2c\r\nconnection: upgrade\r\n" + EMPTY,
    "expectation": LINE + b"expect: the-unexpected\r\n" + EMPTY,
    "CONNECT": b"CONNECT %s HTTP/1.1\r\nhost: %s\r\n\r\n",
}


@pytest.mark.parametrize("sent", NASTY.values(), ids=NASTY)
def test_malformed_http_is_refused_and_the_next_callback_is_accepted(house: House, sent: bytes) -> None:
    heard = speak(house, sent % (NOTIFY, HOST.encode()))
    assert_unharmed(house, heard)
    assert 200 not in statuses(heard)
    assert house.sinch().send(callbacks.text("after it")).status == 200


HIDDEN = b"POST %s HTTP/1.1\r\nhost: %s\r\ncontent-length: 0\r\n\r\n"
ANSWERS = {
    "two requests at once": (LINE + EMPTY + LINE + b"connection: close\r\n" + EMPTY, 2),
    "a request in a body": (LINE + b"connection: close\r\ncontent-length: %d\r\n\r\n" + HIDDEN, 1),
    "a request in a chunk": (LINE + b"connection: close\r\n" + CHUNKED + b"\r\n%x\r\n" + HIDDEN + b"\r\n0\r\n\r\n", 1),
    "a request behind the last chunk": (LINE + CHUNKED + b"connection: close\r\n\r\n0\r\n\r\n" + HIDDEN, 1),
}


@pytest.mark.parametrize(("shape", "count"), ANSWERS.values(), ids=ANSWERS)
def test_a_request_is_answered_as_often_as_it_was_sent_and_none_that_was_hidden(
    house: House, shape: bytes, count: int
) -> None:
    hidden = HIDDEN % (NOTIFY, HOST.encode())
    place = (NOTIFY, HOST.encode())
    numbers = shape.count(b"%d") + shape.count(b"%x")
    requests = (shape.count(b"%s") // 2) * place
    filled = requests[:2] + (len(hidden),) * numbers + requests[2:] if numbers else requests
    heard = speak(house, shape % filled, answers=count)
    assert statuses(heard) == [401] * count
    house.settle()
    assert house.motion.received == ()


def test_http_spoken_to_the_tls_port_is_refused(house: House) -> None:
    with socket.create_connection(("127.0.0.1", house.public_port), PATIENCE_SECONDS) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert statuses(raw.recv(65536)) == [404]
