"""Prepares callbacks before the clock runs: distinct, and signed as Sinch signs, or forged."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

from sandbox import callbacks
from sandbox.sinch import Letter, Sinch

CONTACTS = 50


def genuine(sinch: Sinch, count: int) -> Iterator[Letter]:
    """So many messages, by each of CONTACTS customers in turn."""
    customers = [callbacks.customer(f"customer {number}") for number in range(CONTACTS)]
    for number in range(count):
        words = f"Message {number}: good morning, my parcel has not arrived yet. Could you please look where it is?"
        yield sinch.prepare(callbacks.text(words, by=customers[number % CONTACTS]))


def forged(sinch: Sinch, count: int) -> Iterator[Letter]:
    """The same, signed with a secret that nobody has."""
    return genuine(Sinch(url=sinch.url, secret=secrets.token_urlsafe(32)), count)


def spelled(sinch: Sinch, letter: Letter) -> bytes:
    """The whole request, as it goes over a connection that stays open."""
    route = sinch.route
    pairs = (("Host", route.parts.netloc), *letter.headers, ("Content-Length", str(len(letter.body))))
    lines = (f"POST {route.target} HTTP/1.1", *(f"{name}: {value}" for name, value in pairs))
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + letter.body


def written(path: Path, requests: list[bytes]) -> Path:
    """A file that `wrk.lua` reads."""
    with path.open("wb") as file:
        for request in requests:
            file.write(b"%8d" % len(request) + request)
    return path
