"""One answer, framed in other ways: compressed, chunked, with a length that is none."""

from __future__ import annotations

import dataclasses
import gzip

from sandbox.mode import Mode
from sandbox.style import Pair

_TYPE = ("content-type", "application/json")
_CHUNKED = ("transfer-encoding", "chunked")


def gzipped(good: Mode) -> Mode:
    """Compressed, as it should be where it is asked for."""
    body = gzip.compress(good.body)
    return _framed(good, body, ("content-encoding", "gzip"), _length(len(body)))


def promising(good: Mode, difference: int) -> Mode:
    """With a Content-Length that is wrong by that much; one that is too long ends with the connection."""
    return _framed(good, good.body, _length(max(0, len(good.body) + difference)), closing=difference > 0)


def lengthless(good: Mode) -> Mode:
    """As long as the connection is."""
    return _framed(good, good.body, ("connection", "close"), closing=True)


def chunked(good: Mode, *, lengthy: bool = False) -> Mode:
    """In two chunks; `lengthy` says a Content-Length too, which nobody may."""
    length = (_length(len(good.body)),) if lengthy else ()
    return _framed(good, _chunks(good.body), *length, _CHUNKED)


def unchunked(good: Mode) -> Mode:
    """It says that chunks follow, and none do."""
    return _framed(good, good.body, _CHUNKED, closing=True)


def _framed(good: Mode, body: bytes, *about: Pair, closing: bool = False) -> Mode:
    """The answer with this body, and with these headers about it alone."""
    headers = (*good.headers, _TYPE, *about)
    return dataclasses.replace(good, name="closing" if closing else "up", bare=True, body=body, headers=headers)


def _length(number: int) -> Pair:
    return "content-length", str(number)


def _chunks(body: bytes) -> bytes:
    half = len(body) // 2
    parts = (part for part in (body[:half], body[half:]) if part)
    return b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts) + b"0\r\n\r\n"
