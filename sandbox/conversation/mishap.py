"""How the simulated Sinch can fail whoever calls it, one row each.

What goes wrong on the wire is a mode's doing; a row says what would have been sent. With each goes the question that
no answer tells: has Sinch taken the message?
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sandbox.conversation import framing, refusal
from sandbox.mode import Mode
from sandbox.style import Pair

Name = Literal[
    "none",
    "down",
    "reset",
    "close",
    "hang",
    "slow",
    "drip",
    "status",
    "redirect",
    "hostile",
    "gzip",
    "longer",
    "shorter",
    "lengthless",
    "chunked",
    "both",
    "unchunked",
    "endless",
    "garbage",
    "other",
]
Stage = Literal["connect", "head", "body", "accepted", "status", "answer-head", "answer-body"]

MEANINGS: dict[Name, str] = {
    "none": "answers as it should",
    "down": "refuses connections and cuts those it has",
    "reset": "resets the connection at some stage of request or answer",
    "close": "closes the connection at some stage of request or answer",
    "hang": "reads the request and answers nothing until it is released",
    "slow": "answers after a while",
    "drip": "sends its answer byte by byte, with pauses",
    "status": "answers with another status",
    "redirect": "sends to another host",
    "hostile": "adds headers that a proxy must not believe or pass on",
    "gzip": "sends its body compressed, asked or not",
    "longer": "promises more bytes than it sends, and closes the connection",
    "shorter": "promises fewer bytes than it sends",
    "lengthless": "says no Content-Length, and closes the connection at the end",
    "chunked": "sends its body in chunks",
    "both": "says a Content-Length as well, and sends chunks",
    "unchunked": "says that it sends chunks, and sends none",
    "endless": "sends a body that does not end",
    "garbage": "answers with something that is no HTTP",
    "other": "says something else than it should",
}
STAGES: dict[Stage, str] = {
    "connect": "as soon as there is a connection",
    "head": "after the request's head",
    "body": "after the request's body, and takes no message",
    "accepted": "before a byte of its answer, and has taken the message",
    "status": "after the answer's first line",
    "answer-head": "in the middle of the answer's head",
    "answer-body": "in the middle of the answer's body",
}

ELSEWHERE = "https://elsewhere.example.test/v1/other"
HOSTILE: tuple[Pair, ...] = (
    ("X-Accel-Redirect", "/vault/secret"),
    ("X-Accel-Buffering", "no"),
    ("X-Accel-Charset", "utf-7"),
    ("X-Accel-Expires", "3600"),
    ("X-Accel-Limit-Rate", "1"),
    ("X-Motion-Gateway-Error", "MEDIA_TOO_LARGE"),
    ("Connection", "close, X-Hop"),
    ("X-Hop", "1"),
    ("Keep-Alive", "timeout=1"),
    ("Proxy-Authenticate", 'Basic realm="proxy"'),
    ("Trailer", "X-Late"),
    ("Upgrade", "h2c"),
    ("Set-Cookie", "session=1; Path=/"),
    ("Refresh", f"0; url={ELSEWHERE}"),
    ("Strict-Transport-Security", "max-age=0"),
    ("Access-Control-Allow-Origin", "*"),
    ("Server", "simulated"),
)

_UNTAKEN = {"status", "redirect", "garbage", "hang"}


@dataclass(frozen=True, kw_only=True)
class Mishap:
    """One of them.

    `at` is the stage of `reset` and `close`; `status` and `retry_after` are those of `status`, and `status` also that
    of `redirect`, which sends to `location`; `seconds` is the delay of `slow` and the pause of `drip`; `body` is what
    `status` and `other` say. `takes` decides whether the message is taken, before any wait; None is what goes with the
    name. Only requests whose path ends with `path` are concerned.
    """

    name: Name = "none"
    at: Stage = "accepted"
    status: int = 503
    retry_after: str | None = None
    location: str = ELSEWHERE
    seconds: float = 0
    body: bytes | None = None
    headers: tuple[Pair, ...] = ()
    takes: bool | None = None
    path: str = ""

    @property
    def stage(self) -> Stage:
        """Where it begins to differ from what should be."""
        return self.at if self.name in ("reset", "close") else "accepted"

    @property
    def taken(self) -> bool:
        """Has the request its effect?"""
        if self.takes is not None:
            return self.takes
        if self.name in ("reset", "close"):
            return self.at not in ("connect", "head", "body")
        return self.name not in _UNTAKEN or (self.name == "status" and 200 <= self.status <= 299)

    @property
    def holds_back(self) -> bool:
        """Does it wait first, and go on as usual where the client is still there?"""
        return self.name in ("hang", "slow") and not self.taken

    def concerns(self, path: str) -> bool:
        return path.endswith(self.path)

    def answer(self, good: Mode) -> Mode:
        """What is done instead of this answer."""
        return _ROWS[self.name](self, good)


NONE = Mishap()
DOWN = Mishap(name="down")
HANG = Mishap(name="hang")


def reset(at: Stage = "accepted", *, path: str = "") -> Mishap:
    """The connection is reset at that stage."""
    return Mishap(name="reset", at=at, path=path)


def status(number: int, *, retry_after: str | None = None, takes: bool | None = None, path: str = "") -> Mishap:
    """Answers with that status and Sinch's form of an error."""
    return Mishap(name="status", status=number, retry_after=retry_after, takes=takes, path=path)


def quota(retry_after: str | None = None) -> Mishap:
    """Too many messages: 429."""
    return status(429, retry_after=retry_after)


def slow(seconds: float, *, takes: bool | None = None) -> Mishap:
    """Answers after so many seconds."""
    return Mishap(name="slow", seconds=seconds, takes=takes)


def _broken(mishap: Mishap, good: Mode) -> Mode:
    head = len(good.payload) - len(good.body)
    until = {
        "status": good.payload.index(b"\r\n") + 2,
        "answer-head": head // 2,
        "answer-body": head + len(good.body) // 2,
    }
    name: Literal["torn", "cut"] = "torn" if mishap.name == "reset" else "cut"
    return dataclasses.replace(good, name=name, after_bytes=until.get(mishap.at, 0))


def _waiting(name: Literal["hang", "slow", "drip", "endless", "garbage"]) -> Row:
    return lambda mishap, good: dataclasses.replace(good, name=name, seconds=mishap.seconds)


def _status(mishap: Mishap, _: Mode) -> Mode:
    after = (("retry-after", mishap.retry_after),) if mishap.retry_after is not None else ()
    body = mishap.body if mishap.body is not None else refusal.of_status(mishap.status).body
    return Mode(name="failing", status=mishap.status, body=body, headers=after + mishap.headers)


def _redirect(mishap: Mishap, _: Mode) -> Mode:
    chosen = mishap.status if 300 <= mishap.status <= 399 else 307
    return Mode(status=chosen, headers=(("location", mishap.location), *mishap.headers))


def _hostile(mishap: Mishap, good: Mode) -> Mode:
    return dataclasses.replace(good, name="closing", headers=good.headers + HOSTILE + mishap.headers)


def _other(mishap: Mishap, good: Mode) -> Mode:
    body = mishap.body if mishap.body is not None else json.dumps({"unheard_of": True}).encode()
    return dataclasses.replace(good, body=body, headers=good.headers + mishap.headers)


Row = Callable[[Mishap, Mode], Mode]

_ROWS: dict[Name, Row] = {
    "none": lambda _, good: good,
    "down": lambda _, good: dataclasses.replace(good, name="down"),
    "reset": _broken,
    "close": _broken,
    "hang": _waiting("hang"),
    "slow": _waiting("slow"),
    "drip": _waiting("drip"),
    "status": _status,
    "redirect": _redirect,
    "hostile": _hostile,
    "gzip": lambda _, good: framing.gzipped(good),
    "longer": lambda _, good: framing.promising(good, 1000),
    "shorter": lambda _, good: framing.promising(good, -1),
    "lengthless": lambda _, good: framing.lengthless(good),
    "chunked": lambda _, good: framing.chunked(good),
    "both": lambda _, good: framing.chunked(good, lengthy=True),
    "unchunked": lambda _, good: framing.unchunked(good),
    "endless": _waiting("endless"),
    "garbage": _waiting("garbage"),
    "other": _other,
}
