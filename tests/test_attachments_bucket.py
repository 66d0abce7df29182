"""The store that vaults share: signed requests at a real server, and every answer of a bad one in our own words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from gateway.attachments.bucket import Bucket
from gateway.clock import WallClock
from gateway.config import addresses
from gateway.errors import StoreTrouble
from gateway.phrases import Reason
from tests import config_samples
from tests.peer_samples import Behaviour, Peer, Wire, answers, finishes, in_chunks, says
from tests.s3_samples import S3, SECRET
from tests.service_samples import HandClock

FILE = b"Dear customer, here is your offer.\n" * 1000
DIGEST = hashlib.sha256(FILE).digest()
MOST = 10 * len(FILE)
KEYS = {"store": "s3://motion-files", "store_key_id": "AKIA", "store_key_secret": SECRET}
LINKS = {"proxy_token": "t" * 16}


@contextmanager
def opened(store: dict[str, Any], *, clock: Any = None, seconds: float = 30) -> Iterator[Bucket]:
    settings = config_samples.settings(attachments=LINKS | store).attachments
    with closing(Bucket(settings.model_copy(update={"store_timeout": seconds}), clock=clock or WallClock())) as bucket:
        yield bucket


@contextmanager
def before(behaviour: Behaviour, *, seconds: float = 30) -> Iterator[tuple[Bucket, Peer]]:
    """A bucket at a store that behaves like that."""
    peer = Peer(behaviour, host="127.0.0.1", tls=None)
    store = KEYS | {"store_url": f"http://127.0.0.1:{peer.port}"}
    with closing(peer), opened(store, seconds=seconds) as bucket:
        yield bucket, peer


def fetched(bucket: Bucket, digest: bytes = DIGEST) -> tuple[int | None, bytes]:
    came: list[bytes] = []
    size = bucket.fetch(digest, came.append, expect=lambda _size: None, most_bytes=MOST)
    return size, b"".join(came)


def trouble(bucket: Bucket, deed: str) -> str:
    deeds = {"fetch": lambda: fetched(bucket), "put": lambda: bucket.put(DIGEST, FILE)}
    deeds |= {"drop": lambda: bucket.drop(DIGEST), "list": lambda: [*bucket.listed()]}
    with pytest.raises(StoreTrouble) as caught:
        deeds[deed]()
    return caught.value.reason


def test_what_is_put_comes_back_and_putting_it_again_changes_nothing(s3: S3) -> None:
    with opened(s3.settings()) as bucket:
        assert fetched(bucket) == (None, b"")
        bucket.put(DIGEST, FILE)
        bucket.put(DIGEST, FILE)
        assert fetched(bucket) == (len(FILE), FILE)
        assert s3.path(FILE).read_bytes() == FILE
        [kept] = bucket.listed()
        assert (kept.digest, kept.size_bytes) == (DIGEST, len(FILE))
        assert abs(kept.since - WallClock().now()) < 3600
        bucket.drop(DIGEST)
        bucket.drop(DIGEST)
        assert (fetched(bucket), [*bucket.listed()]) == ((None, b""), [])


def test_a_file_of_no_bytes_and_a_long_prefix_are_fine_too(s3: S3) -> None:
    nothing = hashlib.sha256(b"").digest()
    with opened(s3.settings(store="s3://motion-files/a/b")) as bucket:
        bucket.put(nothing, b"")
        assert fetched(bucket, nothing) == (0, b"")
        assert [kept.digest for kept in bucket.listed()] == [nothing]
        bucket.drop(nothing)


WRONG = {"other": FILE[:-1] + b"?", "short": FILE[:-1], "long": FILE + b"?", "none": b"", "too long": FILE * 11}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_store_that_lies_about_bytes_is_not_believed(s3: S3, wrong: bytes) -> None:
    s3.lay(FILE, wrong)
    with opened(s3.settings()) as bucket:
        assert trouble(bucket, "fetch") == Reason.STORE_BYTES


REFUSED = {
    "another key": ({"store_key_secret": "another secret key, as long"}, Reason.STORE_KEYS),
    "another key's id": ({"store_key_id": "AKIAOFNOBODY"}, Reason.STORE_KEYS),
    "another bucket": ({"store": "s3://nobodys-files"}, Reason.STORE_BUCKET),
}


@pytest.mark.parametrize("deed", ["fetch", "put", "list"])
@pytest.mark.parametrize(("change", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_real_store_refuses_what_is_wrong(s3: S3, change: dict[str, str], reason: Reason, deed: str) -> None:
    with opened(s3.settings(**change)) as bucket:
        assert trouble(bucket, deed) == reason


@pytest.mark.parametrize("deed", ["fetch", "put", "drop", "list"])
def test_a_clock_that_is_wrong_is_told_as_that(s3: S3, deed: str) -> None:
    with opened(s3.settings(), clock=HandClock()) as bucket:  # of 2023
        assert trouble(bucket, deed) == Reason.STORE_CLOCK


def error(code: str, status: str) -> Behaviour:
    return answers(f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode(), status=status)


# What a store answers, and what that is in our words.
MISHAPS: dict[str, tuple[Behaviour, str]] = {
    "skewed": (error("RequestTimeTooSkewed", "403 Forbidden"), Reason.STORE_CLOCK),
    "not allowed": (error("AccessDenied", "403 Forbidden"), Reason.STORE_KEYS),
    "not allowed, without a word": (answers(b"", status="401 Unauthorized"), Reason.STORE_KEYS),
    "over its quota": (error("QuotaExceeded", "403 Forbidden"), Reason.STORE_FULL),
    "full": (answers(b"no room", status="507 Insufficient Storage"), Reason.STORE_FULL),
    "another region": (error("AuthorizationHeaderMalformed", "400 Bad Request"), Reason.STORE_ELSEWHERE),
    "redirects": (answers(b"", "Location: http://127.0.0.1:1/", status="307 Moved"), Reason.STORE_ELSEWHERE),
    "slow down": (error("SlowDown", "503 Slow Down"), Reason.STORE_FAILED),
    "failed": (answers(b"<html>", status="500 Internal Server Error"), Reason.STORE_FAILED),
    "odd": (answers(b"?", status="418 I am a teapot"), Reason.STORE_ODD),
    "breaks off": (says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", then=finishes), Reason.ANSWER_SHORT),
    "no end": (says(b"HTTP/1.1 200 OK\r\n\r\nabc", then=finishes), Reason.ANSWER_UNENDING),
    "no HTTP": (says(b"SSH-2.0\r\n\r\n", then=finishes), Reason.ANSWER_MALFORMED),
}
WAITS: dict[str, tuple[Behaviour, str]] = {
    "hangs": (Wire.hang, "put"),
    "drips": (lambda wire: wire.drip(b"HTTP/1.1 200 OK\r\nX: " + bytes(10_000)), "fetch"),
}


@pytest.mark.parametrize("deed", ["fetch", "put"])
@pytest.mark.parametrize(("behaviour", "reason"), MISHAPS.values(), ids=MISHAPS)
def test_whatever_a_store_does_is_told_in_our_words(behaviour: Behaviour, reason: str, deed: str) -> None:
    with before(behaviour) as (bucket, peer):
        assert trouble(bucket, deed) == reason
        assert SECRET.encode() not in b"".join(peer.requests)


@pytest.mark.parametrize(("behaviour", "deed"), WAITS.values(), ids=WAITS)
def test_nobody_waits_for_a_slow_store_beyond_its_time(behaviour: Behaviour, deed: str) -> None:
    with before(behaviour, seconds=0.3) as (bucket, _):
        assert trouble(bucket, deed) == Reason.NO_ANSWER


@pytest.mark.parametrize(("status", "puts"), [("412 Precondition Failed", 1), ("501 Not Implemented", 2)])
def test_what_is_there_already_is_a_success(status: str, puts: int) -> None:
    def behave(wire: Wire) -> None:
        conditional = b"if-none-match: *" in wire.request.lower()
        (answers(b"", status=status) if conditional else answers(b""))(wire)

    with before(behave) as (bucket, peer):
        bucket.put(DIGEST, FILE)
        assert len(peer.requests) == puts
        assert all(request.endswith(FILE) for request in peer.requests)


PAGE = "<Contents><Key>{}</Key><LastModified>2026-11-30T18:00:00.0Z</LastModified><Size>9</Size></Contents>"


def test_a_store_larger_than_a_page_is_listed_to_its_end() -> None:
    names = [hashlib.sha256(bytes([number])).hexdigest() for number in range(3)]
    pages = [PAGE.format(f"{name:.2}/{name}") for name in names]
    pages[0] += "<NextContinuationToken>one+/=</NextContinuationToken>"
    pages[1] += "<NextContinuationToken>two</NextContinuationToken>"

    def behave(wire: Wire) -> None:
        in_chunks(pages.pop(0).encode(), "Connection: close")(wire)

    with before(behave) as (bucket, peer):
        assert [(kept.digest.hex(), kept.size_bytes) for kept in bucket.listed()] == [(name, 9) for name in names]
        assert b"?continuation-token=one%2B%2F%3D&list-type=2" in peer.requests[1]


def test_what_is_not_named_as_ours_is_no_object_of_ours() -> None:
    ours = f"{DIGEST.hex():.2}/{DIGEST.hex()}"
    names = ("notes.txt", f"00/{DIGEST.hex()}", f"{ours}.old", f"a/{ours}")
    told = "".join(PAGE.format(name) for name in names)
    with before(answers(told.encode())) as (bucket, _):
        assert [*bucket.listed()] == []


WAYS: dict[str, tuple[dict[str, Any], str]] = {
    "Amazon's": ({}, "https://s3.us-east-1.amazonaws.com"),
    "Amazon's elsewhere, in the name": (
        {"store_region": "eu-central-1", "store_path_style": False},
        "https://motion-files.s3.eu-central-1.amazonaws.com",
    ),
    "ours": ({"store_url": "http://[::1]:9000"}, "http://[::1]:9000"),
    "ours, in the name": (
        {"store_url": "http://s3.internal:9000", "store_path_style": False},
        "http://motion-files.s3.internal:9000",
    ),
}


@pytest.mark.parametrize(("way", "origin"), WAYS.values(), ids=WAYS)
def test_the_bucket_stands_in_the_path_or_in_the_name(way: dict[str, Any], origin: str) -> None:
    with opened(KEYS | way) as bucket:
        assert bucket.origin == origin
    assert addresses.bucket("s3://motion-files/a/b") == ("motion-files", "a/b/")
