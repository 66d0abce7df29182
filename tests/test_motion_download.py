"""Motion is asked for an attachment, and does what it likes."""

from __future__ import annotations

import base64
import gzip
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from gateway.attachments.content_disposition import Promise
from gateway.errors import GatewayError, NotFound, TooLarge, Unavailable
from gateway.inspection import content, inspector
from gateway.motion import download
from gateway.motion.download import Download, Source
from gateway.phrases import Reason
from tests import config_samples
from tests.peer_samples import LONG_SECONDS, Behaviour, Peer, Wire, answers, in_chunks, says
from tests.together import together

Start = Callable[[Behaviour], Peer]
FILE = b"\xff\xd8\xff" + bytes(range(256)) * 500


@pytest.fixture
def peer() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda behaviour: stack.enter_context(closing(Peer(behaviour, host="127.0.0.1", tls=None)))


def fetch(there: Peer, attachment_id: str = "4711", **tables: Any) -> tuple[Download, bytes, list[int]]:
    """What came, its bytes, and the sizes that were announced."""
    motion = {"url": f"http://127.0.0.1:{there.port}"} | tables.pop("motion", {})
    settings = config_samples.settings(motion=motion, **tables)
    written, expected = bytearray(), list[int]()
    with closing(Source(settings.motion, settings.attachments)) as motions:
        came = motions.fetch(attachment_id, written.extend, expect=expected.append)
    return came, bytes(written), expected


def test_a_file_comes_with_its_digest_size_type_and_name(peer: Start) -> None:
    there = peer(answers(FILE, "Content-Type: Image/JPEG; x=1", 'Content-Disposition: attachment; filename="a b.jpg"'))
    came, written, expected = fetch(there)
    assert written == FILE
    assert came == Download(
        digest=hashlib.sha256(FILE).digest(),
        size_bytes=len(FILE),
        promise=Promise(file=True, name="a b.jpg"),
        declared="image/jpeg",
    )
    assert expected == [len(FILE)]


def test_a_file_in_chunks_announces_no_size(peer: Start) -> None:
    came, written, expected = fetch(peer(in_chunks(FILE)))
    assert (came.size_bytes, written, expected) == (len(FILE), FILE, [0])
    assert (came.promise, came.declared) == (Promise(file=False, name=""), "")


REQUESTS: dict[str, tuple[dict[str, Any], str, bytes | None]] = {
    "nothing": ({}, "/api/attachments/4711/download", None),
    "a password": (
        {"username": "gateway", "password": "p\u00e4ss:word"},
        "/api/attachments/4711/download",
        b"Basic " + base64.b64encode("gateway:p\u00e4ss:word".encode()),
    ),
    "a key": ({"api_key": "a.b&c=d e/f"}, "/api/attachments/4711/download?apikey=a.b%26c%3Dd%20e%2Ff", None),
    "another path": ({"attachment_path": "/v2/files/{id}"}, "/v2/files/4711", None),
}


@pytest.mark.parametrize(("motion", "target", "authorization"), REQUESTS.values(), ids=REQUESTS)
def test_motion_is_asked_with(peer: Start, motion: dict[str, Any], target: str, authorization: bytes | None) -> None:
    there = peer(answers(FILE))
    fetch(there, motion=motion)
    first, *lines = there.requests[0].rstrip().split(b"\r\n")
    headers = dict(line.split(b": ", 1) for line in lines)
    assert first == f"GET {target} HTTP/1.1".encode()
    assert headers.get(b"Authorization") == authorization
    assert (headers[b"Accept"], headers[b"Accept-Encoding"]) == (b"*/*", b"identity")


IDS = {"1": True, "10": True, "123456789012": True, "1234567890123": False, "0": False, "07": False, "": False}
IDS |= {"-1": False, "1 ": False, "1\n": False, "7/../8": False, "7?a": False, "\u0667": False, "\u00b2": False}
IDS |= {"x": False, "7x": False, "+7": False}


@pytest.mark.parametrize(("attachment_id", "right"), IDS.items())
def test_an_id_is_up_to_twelve_digits_and_anything_else_is_asked_of_nobody(
    peer: Start, attachment_id: str, *, right: bool
) -> None:
    there = peer(answers(FILE))
    if right:
        fetch(there, attachment_id)
    else:
        with pytest.raises(NotFound, match=rf"^{Reason.NO_ATTACHMENT_ID}$"):
            fetch(there, attachment_id)
    assert there.connections == right


STATUSES: dict[str, tuple[type[GatewayError], str]] = {
    "404 Not Found": (NotFound, Reason.GONE),
    "410 Gone": (NotFound, Reason.GONE),
    "300 Multiple Choices": (NotFound, Reason.REDIRECTED),
    "301 Moved Permanently": (NotFound, Reason.REDIRECTED),
    "302 Found": (NotFound, Reason.REDIRECTED),
    "304 Not Modified": (NotFound, Reason.REDIRECTED),
    "399 Odd": (NotFound, Reason.REDIRECTED),
    "401 Unauthorized": (Unavailable, Reason.CREDENTIALS_REFUSED),
    "403 Forbidden": (Unavailable, Reason.CREDENTIALS_REFUSED),
    "500 Internal Server Error": (Unavailable, Reason.MOTION_FAILED),
    "502 Bad Gateway": (Unavailable, Reason.MOTION_FAILED),
    "503 Service Unavailable": (Unavailable, Reason.MOTION_FAILED),
    "599 Odd": (Unavailable, Reason.MOTION_FAILED),
    "201 Created": (Unavailable, Reason.MOTION_ODD),
    "204 No Content": (Unavailable, Reason.MOTION_ODD),
    "206 Partial Content": (Unavailable, Reason.MOTION_ODD),
    "400 Bad Request": (Unavailable, Reason.MOTION_ODD),
    "408 Request Timeout": (Unavailable, Reason.MOTION_ODD),
    "429 Too Many Requests": (Unavailable, Reason.MOTION_ODD),
}


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_means(peer: Start, status: str) -> None:
    expected, reason = STATUSES[status]
    there = peer(answers(b"" if status[:3] in ("204", "304") else FILE, "Location: /login", status=status))
    with pytest.raises(GatewayError) as caught:
        fetch(there)
    assert (type(caught.value), caught.value.reason) == (expected, reason)
    assert len(there.requests) == 1


def _drips(wire: Wire) -> None:
    wire.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    wire.drip(b"x" * 1000)


BROKEN: dict[str, tuple[Behaviour, str]] = {
    "promises more than it sends": (answers(FILE, length=len(FILE) + 1), Reason.ANSWER_SHORT),
    "sends more than it promises": (answers(FILE, length=len(FILE) - 1), Reason.ANSWER_LONG),
    "does not say where it ends": (says(b"HTTP/1.1 200 OK\r\n\r\n" + FILE, then=Wire.reset), Reason.ANSWER_UNENDING),
    "breaks off between chunks": (in_chunks(FILE, last=b""), "answer shorter than it says"),
    "resets half-way": (says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", then=Wire.reset), "connection broken"),
    "packs": (answers(gzip.compress(FILE), "Content-Encoding: gzip"), Reason.ANSWER_ENCODED),
    "resets at once": (Wire.reset, "connection broken"),
    "hangs": (Wire.hang, "no answer in time"),
    "drips": (_drips, "no answer in time"),
}


@pytest.mark.parametrize(("behaviour", "reason"), BROKEN.values(), ids=BROKEN)
def test_unavailable_for_now_is_what_a_motion_has_that(peer: Start, behaviour: Behaviour, reason: str) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        fetch(peer(behaviour), motion={"timeout": "1s"})
    assert type(caught.value) is Unavailable
    assert caught.value.reason == reason
    assert time.monotonic() - began < LONG_SECONDS


def _endless(wire: Wire) -> None:
    wire.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        wire.say(b"10000\r\n" + b"x" * 65536 + b"\r\n")


KB = 1000
SIZES: dict[str, tuple[Behaviour, int, int, str]] = {
    "as much as both take": (answers(b"x" * KB), KB, KB, ""),
    "one byte too many for Motion": (answers(b"x" * (KB + 1)), KB, 2 * KB, Reason.OVER_MOTIONS),
    "one byte too many for us": (answers(b"x" * (KB + 1)), 2 * KB, KB, Reason.OVER_OURS),
    "as much as Motion takes and too many for us": (answers(b"x" * 2 * KB), 2 * KB, KB, Reason.OVER_OURS),
    "too many for both": (answers(b"x" * 3 * KB), 2 * KB, KB, Reason.OVER_MOTIONS),
    "as much as both take, in chunks": (in_chunks(b"x" * KB), KB, KB, ""),
    "one byte too many for Motion, in chunks": (in_chunks(b"x" * (KB + 1)), KB, 2 * KB, Reason.OVER_MOTIONS),
    "one byte too many for us, in chunks": (in_chunks(b"x" * (KB + 1)), 2 * KB, KB, Reason.OVER_OURS),
    "no end": (_endless, 2 * KB, KB, Reason.OVER_OURS),
    "a length that nobody waits for": (
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"),
        KB,
        2 * KB,
        Reason.OVER_MOTIONS,
    ),
}


@pytest.mark.parametrize(("behaviour", "motions", "ours", "reason"), SIZES.values(), ids=SIZES)
def test_a_file_may_have(peer: Start, behaviour: Behaviour, motions: int, ours: int, reason: str) -> None:
    tables = {"motion": {"max_attachment": f"{motions // KB}kB"}, "attachments": {"max_bytes": f"{ours // KB}kB"}}
    if not reason:
        assert fetch(peer(behaviour), **tables)[0].size_bytes == KB
        return
    with pytest.raises(TooLarge) as caught:
        fetch(peer(behaviour), **tables)
    assert caught.value.reason == reason


JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
PAGE = b"<!DOCTYPE html><html><title>Log in</title><form></form></html>"
ERROR = b'{"message": "no such file", "status": 404}'
NOBODY = Promise(file=False, name="")


def named(name: str) -> Promise:
    return Promise(file=True, name=name)


# What came, what Motion promised, what it called it, and whether it is a page.
PAGES: dict[str, tuple[bytes, Promise, str, bool]] = {
    "a login page": (PAGE, NOBODY, "text/html", True),
    "a login page that says nothing of itself": (PAGE, NOBODY, "", True),
    "a login page that calls itself a picture": (PAGE, NOBODY, "image/jpeg", True),
    "a login page under the name of a picture": (PAGE, named("photo.JPG"), "text/html", True),
    "an error": (ERROR, NOBODY, "application/json", True),
    "an error that calls itself octets": (ERROR, NOBODY, "application/octet-stream", True),
    "an error under the name of a film": (ERROR, named("film.mp4"), "video/mp4", True),
    "a sentence that calls itself HTML": (b"Please log in", NOBODY, "text/html", True),
    "a word that calls itself JSON": (b'"gone"', NOBODY, "application/json", True),
    "nothing at all, called JSON": (b"", NOBODY, "application/json", True),
    "nothing at all": (b"", NOBODY, "", False),
    "a sentence": (b"Please log in", NOBODY, "text/plain", False),
    "an HTML file": (PAGE, named("offer.html"), "text/html", False),
    "an HTML file of no name": (PAGE, named(""), "text/html", False),
    "a table in HTML": (PAGE, named("report.xls"), "application/vnd.ms-excel", False),
    "a JSON file": (ERROR, named("data.json"), "application/json", False),
    "JSON in a text": (ERROR, named("log.txt"), "text/plain", False),
    "a picture": (JPEG, named("photo.jpg"), "image/jpeg", False),
    "a picture that is called HTML": (JPEG, NOBODY, "text/html", False),
    "a picture that is called JSON": (JPEG, named("photo.jpg"), "application/json", False),
    "a text that is called HTML and named": (b"Hello", named("a.txt"), "text/html", False),
}


@together(("came", "promise", "declared", "page"), PAGES.values(), ids=PAGES)
def test_a_page_is_no_file_but_a_file_may_hold_a_page(
    came: bytes, promise: Promise, declared: str, *, page: bool
) -> None:
    seen = inspector.inspect(content.of_bytes(came), name=promise.name)
    taken = Download(digest=b"", size_bytes=len(came), promise=promise, declared=declared)
    if not page:
        download.require_no_page(taken, seen)
        return
    with pytest.raises(NotFound, match=rf"^{Reason.NO_FILE}$"):
        download.require_no_page(taken, seen)
