"""Fetches a media link as Sinch, WhatsApp behind it, or the customer's phone may do it; redirects are never followed.

How the real ones fetch is not published: methods, Range, repetitions, addresses and the time limit are habits here, one
row each. Reported by integrators are GET without HEAD, several fetches of one link, and changing addresses.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal

from sandbox.connection import Answer, Line, Request, exchange

Habit = Literal["get", "head", "range", "again", "parallel"]

MEANINGS: dict[Habit, str] = {
    "get": "one GET",
    "head": "HEAD, then GET whatever it said",
    "range": "GET in pieces, by Range",
    "again": "GET three times, one after another",
    "parallel": "GET from several addresses at the same time",
}

_TOTAL = re.compile(r"bytes ([0-9]{1,12})-[0-9]{1,12}/([0-9]{1,12})")
_MOST_PIECES = 10_000
_COMPARED = ("content-type", "content-length", "etag")


@dataclass(frozen=True)
class Tried:
    """One request and what came back."""

    method: str
    answer: Answer = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What fetching a link gave. `content` is None where no fetch succeeded as a whole."""

    link: str = field(repr=False)
    tried: tuple[Tried, ...]
    content: bytes | None = field(default=None, repr=False)

    @property
    def decisive(self) -> Answer:
        """The first answer to a GET that was not a success, else the first one to a GET at all."""
        answers = [item.answer for item in self.tried if item.method == "GET"]
        return next((answer for answer in answers if answer.status not in (200, 206)), answers[0])

    @property
    def seconds(self) -> float:
        """From the first request to the last answer."""
        ends = [item.answer.sent_at + item.answer.seconds for item in self.tried]
        return max(ends) - min(item.answer.sent_at for item in self.tried)

    @property
    def contradictions(self) -> tuple[str, ...]:
        """Where two answers about the same link differ and must not."""
        answers = [item.answer for item in self.tried if item.answer.status == 200]
        pairs = [(answers[0], other) for other in answers[1:]]
        headers = [name for one, other in pairs for name in _COMPARED if one.header(name) != other.header(name)]
        bodies = {item.answer.body for item in self.tried if item.method == "GET" and item.answer.status == 200}
        return (*dict.fromkeys(f"two answers with another {name}" for name in headers), *_several(bodies))


@dataclass(frozen=True, kw_only=True)
class Fetcher(Line):
    """Somebody who fetches: the way to the server, and the habit. `source_addresses` are used in turn."""

    habit: Habit = "get"
    source_addresses: tuple[str | None, ...] = (None,)
    connections: int = 4
    piece_bytes: int = 65_536
    timeout_seconds: float = 30

    def fetch(self, link: str) -> Fetched:
        """Nothing is raised for what the network does: the answers tell it."""
        return _HABITS[self.habit](self, link)

    def ask(self, link: str, *, method: str = "GET", part: str = "", turn: int = 0) -> Tried:
        """One request over a connection of its own; `part` is the value of Range, `turn` chooses the address."""
        route = self.to(link, source_address=self.source_addresses[turn % len(self.source_addresses)])
        headers = (("accept", "*/*"), *((("range", part),) if part else ()))
        return Tried(method, exchange(route, Request(method=method, headers=headers)))


def _get(fetcher: Fetcher, link: str) -> Fetched:
    return _whole(link, fetcher.ask(link))


def _head(fetcher: Fetcher, link: str) -> Fetched:
    return _whole(link, fetcher.ask(link, method="HEAD"), fetcher.ask(link, turn=1))


def _again(fetcher: Fetcher, link: str) -> Fetched:
    return _whole(link, *(fetcher.ask(link, turn=turn) for turn in range(3)))


def _parallel(fetcher: Fetcher, link: str) -> Fetched:
    with ThreadPoolExecutor(fetcher.connections, thread_name_prefix="fetching") as pool:
        return _whole(link, *pool.map(lambda turn: fetcher.ask(link, turn=turn), range(fetcher.connections)))


def _range(fetcher: Fetcher, link: str) -> Fetched:
    content, tried = b"", []
    for turn in itertools.islice(itertools.count(), _MOST_PIECES):
        part = f"bytes={len(content)}-{len(content) + fetcher.piece_bytes - 1}"
        tried.append(fetcher.ask(link, part=part, turn=turn))
        answer = tried[-1].answer
        if answer.status == 200:  # Range was ignored, as it may be.
            return Fetched(link=link, tried=tuple(tried), content=answer.body)
        total = _TOTAL.fullmatch(answer.header("content-range") or "") if answer.status == 206 else None
        if total is None or int(total[1]) != len(content) or not answer.body:
            break
        content += answer.body
        if len(content) >= int(total[2]):
            return Fetched(link=link, tried=tuple(tried), content=content)
    return Fetched(link=link, tried=tuple(tried))


def _whole(link: str, *tried: Tried) -> Fetched:
    gets = [item.answer for item in tried if item.method == "GET"]
    good = all(answer.status == 200 for answer in gets)
    return Fetched(link=link, tried=tried, content=gets[0].body if good else None)


def _several(bodies: set[bytes]) -> tuple[str, ...]:
    return ("two answers with another body",) if len(bodies) > 1 else ()


_HABITS: dict[Habit, Callable[[Fetcher, str], Fetched]] = {
    "get": _get,
    "head": _head,
    "range": _range,
    "again": _again,
    "parallel": _parallel,
}
