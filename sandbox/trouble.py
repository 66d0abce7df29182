"""How the simulated Motion can disappoint somebody who fetches an attachment, one row each.

What goes wrong on the wire is a mode's doing; a row says what would have been sent.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sandbox import mode
from sandbox.attachment import Attachment
from sandbox.mode import Mode
from sandbox.style import Pair

Name = Literal[
    "none",
    "status",
    "hang",
    "slow",
    "drip",
    "endless",
    "reset",
    "cut",
    "garbage",
    "login",
    "redirect",
    "longer",
    "shorter",
    "lengthless",
    "chunked",
    "changed",
    "deleted",
]

MEANINGS: dict[Name, str] = {
    "none": "hands attachments out",
    "status": "answers with another status",
    "hang": "reads the request and answers nothing until it is released",
    "slow": "answers after a while",
    "drip": "sends the file byte by byte, with pauses",
    "endless": "sends a body that does not end",
    "reset": "resets the connection without an answer",
    "cut": "closes the connection half-way through the file",
    "garbage": "answers with something that is no HTTP",
    "login": "answers 200 with the HTML of its login page",
    "redirect": "sends to its login page with 302",
    "longer": "promises more bytes than it sends",
    "shorter": "promises fewer bytes than it sends",
    "lengthless": "says no Content-Length and closes the connection at the end",
    "chunked": "says no Content-Length and sends chunks",
    "changed": "has other bytes than before under the same id and name",
    "deleted": "has deleted the file",
}

_LOGIN = b"<!doctype html><html><head><title>Login</title></head><body><form method=post></form></body></html>"
_TOO_MANY = 1000
_CHANGE = b"\n"


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One of them; `seconds` is the delay of `slow` and the pause of `drip`."""

    name: Name = "none"
    status: int = 500
    seconds: float = 0

    def answer(self, attachment: Attachment) -> Mode:
        """What is done when this attachment is asked for."""
        good = Mode(bare=True, body=attachment.content, headers=attachment.headers, seconds=self.seconds)
        return _ROWS[self.name](self, good)


NONE = Trouble()
REFUSED = Mode(name="failing", status=401, body=b'{"message":"Unauthorized"}')
ABSENT = Mode(name="failing", status=404, body=b'{"message":"Not Found"}')


def status(number: int) -> Trouble:
    """Answers with that status and Motion's JSON."""
    return Trouble(name="status", status=number)


def _failing(trouble: Trouble, _: Mode) -> Mode:
    return Mode(name="failing", status=trouble.status, body=b'{"message":"simulated"}')


def _behaving(name: mode.Name) -> Row:
    return lambda _, good: dataclasses.replace(good, name=name)


def _cut(_: Trouble, good: Mode) -> Mode:
    half = len(good.payload) - len(good.body) // 2 - 1
    return dataclasses.replace(good, name="cut", after_bytes=half)


def _login(_: Trouble, good: Mode) -> Mode:
    length = ("content-length", str(len(_LOGIN)))
    return dataclasses.replace(good, body=_LOGIN, headers=(("content-type", "text/html; charset=utf-8"), length))


def _redirect(_: Trouble, good: Mode) -> Mode:
    return dataclasses.replace(good, status=302, body=b"", headers=(("location", "/login"), ("content-length", "0")))


def _promising(difference: int) -> Row:
    def row(_: Trouble, good: Mode) -> Mode:
        length = str(max(0, len(good.body) + difference))
        return dataclasses.replace(good, name="closing", headers=_with(good, ("content-length", length)))

    return row


def _lengthless(_: Trouble, good: Mode) -> Mode:
    return dataclasses.replace(good, name="closing", headers=_with(good, ("connection", "close")))


def _chunked(_: Trouble, good: Mode) -> Mode:
    body = f"{len(good.body):x}\r\n".encode() + good.body + b"\r\n0\r\n\r\n"
    return dataclasses.replace(good, body=body, headers=_with(good, ("transfer-encoding", "chunked")))


def _changed(_: Trouble, good: Mode) -> Mode:
    body = good.body + _CHANGE
    return dataclasses.replace(good, body=body, headers=_with(good, ("content-length", str(len(body)))))


def _with(good: Mode, pair: Pair) -> tuple[Pair, ...]:
    """The headers with `pair` instead of the length."""
    return (*(kept for kept in good.headers if kept[0] != "content-length"), pair)


Row = Callable[[Trouble, Mode], Mode]

_ROWS: dict[Name, Row] = {
    "none": lambda _, good: good,
    "status": _failing,
    "hang": _behaving("hang"),
    "slow": _behaving("slow"),
    "drip": _behaving("drip"),
    "endless": _behaving("endless"),
    "reset": _behaving("reset"),
    "cut": _cut,
    "garbage": _behaving("garbage"),
    "login": _login,
    "redirect": _redirect,
    "longer": _promising(_TOO_MANY),
    "shorter": _promising(-1),
    "lengthless": _lengthless,
    "chunked": _chunked,
    "changed": _changed,
    "deleted": lambda _, __: ABSENT,
}
