"""How a simulated server fails whoever calls it: one table for Motion's callbacks, its attachments, and Sinch.

A row says what comes instead of the answer that would have been right, and how that goes over the wire. With each goes
the question that no answer tells: has the request had its effect?
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sandbox.reply import CHUNKED, CLOSE, ELSEWHERE, HOSTILE, LOGIN, Reply, length
from sandbox.style import Pair
from sandbox.wire import Heard, Wire

STAGES = {
    "connect": "as soon as there is a connection",
    "head": "after the request's head",
    "body": "after the request's body, and does nothing",
    "accepted": "before a byte of its answer, and has done what was asked",
    "status": "after the answer's first line",
    "answer-head": "in the middle of the answer's head",
    "answer-body": "in the middle of the answer's body",
}
_BROKEN = ("reset", "close")
_UNTAKEN = ("status", "redirect", "login", "deleted", "garbage", "hang")

Own = Callable[[int], Reply]  # how a server says a status in its own form


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One of them, by its name in the table. Raises ValueError where there is none.

    `at` is the stage of `reset` and `close`; `status` that of `status` and `redirect`, which sends to `location`;
    `seconds` the delay of `slow` and the pause between two bytes of `drip`; `body` what `status` and `other` say.
    `takes` decides whether the request has its effect, before any wait; None is what goes with the name. Only requests
    are concerned whose path ends with `path` and whose body contains the `marker`.
    """

    name: str = "none"
    at: str = "accepted"
    status: int = 500
    location: str = ELSEWHERE
    seconds: float = 0
    body: bytes | None = None
    headers: tuple[Pair, ...] = ()
    takes: bool | None = None
    path: str = ""
    marker: bytes = b""

    def __post_init__(self) -> None:
        if self.name not in TABLE or self.at not in STAGES:
            raise ValueError(f"no such fault: {self.name} at {self.at}")

    @property
    def moment(self) -> str:
        """When it shows: at `connect`, after the `head`, or in the `answer`."""
        return self.at if self.name in _BROKEN and self.at in ("connect", "head") else "answer"

    @property
    def taken(self) -> bool:
        """Has the request its effect?"""
        if self.takes is not None:
            return self.takes
        if self.name in _BROKEN:
            return self.at not in ("connect", "head", "body")
        return self.name not in _UNTAKEN or (self.name == "status" and 200 <= self.status <= 299)

    @property
    def holds_back(self) -> bool:
        """Does it wait first, and go on as usual where the client is still there?"""
        return self.name in ("hang", "slow") and not self.taken

    @property
    def patience_seconds(self) -> float | None:
        """How long it waits; None stands for until it is released."""
        return None if self.name == "hang" else self.seconds

    @property
    def is_prompt(self) -> bool:
        """Does it answer in one go, without a wait?"""
        return TABLE[self.name].act is _send

    def concerns(self, heard: Heard) -> bool:
        return heard.path.endswith(self.path) and self.marker in heard.body

    def answer(self, good: Reply, wire: Wire, *, own: Own) -> int | None:
        """Do what it says instead of this answer; returns the status that was sent in full, None where none was."""
        row = TABLE[self.name]
        reply = row.reply(self, good, own)
        if wire.bodiless:
            reply = reply.bodiless()
        try:
            return row.act(self, reply, wire)
        except OSError:
            wire.close()
            return None


def _send(_: Fault, reply: Reply, wire: Wire) -> int | None:
    if reply.closing:
        wire.close()
    wire.write(reply.payload)
    return reply.status


def _wait(fault: Fault, reply: Reply, wire: Wire) -> int | None:
    return _send(fault, reply, wire) if wire.wait(fault.patience_seconds) else None


def _drip(fault: Fault, reply: Reply, wire: Wire) -> int | None:
    wire.drip(reply.payload, pause_seconds=fault.seconds)
    return reply.status


def _break(fault: Fault, reply: Reply, wire: Wire) -> None:
    head, half = len(reply.head), len(reply.body) // 2
    until = {"status": reply.head.index(b"\r\n") + 2, "answer-head": head // 2, "answer-body": head + half}
    wire.write(reply.payload[: until.get(fault.at, 0)])
    wire.close() if fault.name == "close" else wire.reset()


def _garbage(_: Fault, __: Reply, wire: Wire) -> None:
    wire.close()
    wire.write(b"\x15\x03\x01 no HTTP at all\r\n\r\n")


def _endless(_: Fault, reply: Reply, wire: Wire) -> int | None:
    wire.pour(f"HTTP/1.1 {reply.status} Simulated\r\nconnection: close\r\n\r\n".encode())
    return reply.status


def _status(fault: Fault, _: Reply, own: Own) -> Reply:
    reply = own(fault.status)
    body = reply.body if fault.body is None else fault.body
    return replace(reply, body=body, headers=reply.headers + fault.headers)


def _redirect(fault: Fault, _: Reply, __: Own) -> Reply:
    status = fault.status if 300 <= fault.status <= 399 else 302
    return Reply(status=status, body=b"", headers=(("location", fault.location), *fault.headers))


def _other(fault: Fault, good: Reply, _: Own) -> Reply:
    return good.saying(b'{"unheard_of": true}' if fault.body is None else fault.body, *fault.headers)


def _hostile(fault: Fault, good: Reply, _: Own) -> Reply:
    return replace(good, headers=good.headers + HOSTILE + fault.headers, closing=True)


@dataclass(frozen=True)
class Row:
    """What it does, in words; what comes instead of the right answer; how that goes over the wire."""

    meaning: str
    reply: Callable[[Fault, Reply, Own], Reply] = lambda _, good, __: good
    act: Callable[[Fault, Reply, Wire], int | None] = _send


TABLE = {
    "none": Row("answers as it should"),
    "down": Row("refuses connections and cuts those it has", act=_break),
    "hang": Row("reads the request and answers nothing until it is released", act=_wait),
    "slow": Row("answers after a while", act=_wait),
    "drip": Row("sends its answer byte by byte, with pauses", act=_drip),
    "status": Row("answers with another status", _status),
    "redirect": Row("sends to another host", _redirect),
    "login": Row("answers 200 with the HTML of a login page", lambda _, __, ___: LOGIN),
    "deleted": Row("has deleted what is asked for", lambda _, __, own: own(404)),
    "changed": Row("says one byte more than it should", lambda _, good, __: good.saying(good.body + b"\n")),
    "other": Row("says something else than it should", _other),
    "hostile": Row("adds headers that a proxy must not believe or pass on", _hostile),
    "gzip": Row(
        "sends its body compressed, asked or not",
        lambda _, good, __: good.saying(gzip.compress(good.body), ("content-encoding", "gzip")),
    ),
    "longer": Row(
        "promises more bytes than it sends, and closes the connection",
        lambda _, good, __: good.framed(length(len(good.body) + 1000), closing=True),
    ),
    "shorter": Row("promises fewer bytes than it sends", lambda _, good, __: good.framed(length(len(good.body) - 1))),
    "lengthless": Row(
        "says no Content-Length, and closes the connection at the end",
        lambda _, good, __: good.framed(CLOSE, closing=True),
    ),
    "chunked": Row("sends its body in chunks", lambda _, good, __: good.chunked()),
    "both": Row(
        "says a Content-Length as well, and sends chunks", lambda _, good, __: good.chunked(length(len(good.body)))
    ),
    "unchunked": Row(
        "says that it sends chunks, and sends none", lambda _, good, __: good.framed(CHUNKED, closing=True)
    ),
    "reset": Row("resets the connection at some stage of request or answer", act=_break),
    "close": Row("closes the connection at some stage of request or answer", act=_break),
    "closing": Row(
        "answers, then closes the kept-alive connection without having announced it",
        lambda _, good, __: replace(good, closing=True),
    ),
    "garbage": Row("answers with something that is no HTTP", act=_garbage),
    "endless": Row("sends a body that does not end", act=_endless),
}
MEANINGS = {name: row.meaning for name, row in TABLE.items()}

NONE = Fault()
DOWN = Fault(name="down")
HANG = Fault(name="hang")
GARBAGE = Fault(name="garbage")
ENDLESS = Fault(name="endless")
CUT = Fault(name="close", at="answer-body")


def reset(at: str = "accepted", *, path: str = "") -> Fault:
    """The connection is reset at that stage."""
    return Fault(name="reset", at=at, path=path)


def status(number: int, *, retry_after: str | None = None, headers: tuple[Pair, ...] = (), **more: Any) -> Fault:  # noqa: ANN401
    """Answers with that status in the server's own form; `retry_after` is sent as it is, `more` are a fault's."""
    after = (("retry-after", retry_after),) if retry_after is not None else ()
    return Fault(name="status", status=number, headers=after + headers, **more)


def slow(seconds: float, *, takes: bool | None = None) -> Fault:
    """Answers after so many seconds."""
    return Fault(name="slow", seconds=seconds, takes=takes)
