"""Prepares callbacks before the clock runs: distinct, and signed as Sinch signs, or forged."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from sandbox import callbacks
from sandbox.sinch import Sinch

CONTACTS = 50


@dataclass(frozen=True)
class Letter:
    """One callback: the nonce it is known by, and the whole request as it goes over a connection that stays open."""

    nonce: str
    request: bytes = field(repr=False)


def genuine(sinch: Sinch, count: int) -> Iterator[Letter]:
    """So many messages, by each of CONTACTS customers in turn."""
    customers = [callbacks.customer(f"customer {number}") for number in range(CONTACTS)]
    for number in range(count):
        words = f"Message {number}: good morning, my parcel has not arrived yet. Could you please look where it is?"
        letter = sinch.prepare(callbacks.text(words, by=customers[number % CONTACTS]))
        yield Letter(letter.nonce, _spelled(sinch, letter.headers, letter.body))


def with_files(sinch: Sinch, count: int, *, media_url: str, every: int) -> Iterator[Letter]:
    """The same, but that each so manieth is a file at that host, and none is there twice."""
    for number, letter in enumerate(genuine(sinch, count)):
        if number % every:
            yield letter
        else:
            link, by = (
                f"{media_url}/o/{secrets.token_hex(13)}?sig={number}",
                callbacks.customer(f"customer {number % CONTACTS}"),
            )
            sent = sinch.prepare(callbacks.file(link, by=by))
            yield Letter(sent.nonce, _spelled(sinch, sent.headers, sent.body))


def forged(sinch: Sinch, count: int) -> Iterator[Letter]:
    """The same, signed with a secret that nobody has."""
    return genuine(replace(sinch, secret=secrets.token_urlsafe(32)), count)


def written(path: Path, letters: Iterable[Letter]) -> Path:
    """A file that `wrk.lua` reads."""
    with path.open("wb") as file:
        for letter in letters:
            file.write(b"%8d" % len(letter.request) + letter.request)
    return path


def _spelled(sinch: Sinch, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    route = sinch.route
    pairs = (("Host", route.parts.netloc), *headers, ("Content-Length", str(len(body))))
    lines = (f"POST {route.target} HTTP/1.1", *(f"{name}: {value}" for name, value in pairs))
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
