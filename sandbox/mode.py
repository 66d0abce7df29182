"""How the simulated Motion behaves: one row for each way in which a server can disappoint its client.

What the real Motion answers to a callback is not documented (clients only look for 2xx); 200 `{}` is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sandbox.style import Pair

Name = Literal[
    "up",
    "down",
    "hang",
    "slow",
    "failing",
    "drip",
    "reset",
    "cut",
    "torn",
    "garbage",
    "endless",
    "closing",
]

_BODILESS = (204, 304)

MEANINGS: dict[Name, str] = {
    "up": "answers at once",
    "down": "refuses connections and cuts those it has",
    "hang": "reads the request and answers nothing until it is released",
    "slow": "answers after a while",
    "failing": "answers with another status",
    "drip": "sends its answer byte by byte, with pauses",
    "reset": "reads the request, then resets the connection without an answer",
    "cut": "sends a part of its answer, then closes the connection",
    "torn": "sends a part of its answer, then resets the connection",
    "garbage": "answers with something that is no HTTP",
    "endless": "answers with a body that does not end",
    "closing": "answers, then closes the kept-alive connection without having announced it",
}


@dataclass(frozen=True, kw_only=True)
class Mode:
    """One behaviour. With a `marker` it concerns only bodies that contain it: all others are answered at once.

    `seconds` is the delay of `slow` and the pause between two bytes of `drip`; `after_bytes` is how much of its answer
    `cut` and `torn` send, all but the last byte by default. `down` knows no marker. A `bare` answer has no headers but
    `headers`.
    """

    name: Name = "up"
    status: int = 200
    body: bytes = b"{}"
    headers: tuple[Pair, ...] = ()
    seconds: float = 0
    after_bytes: int = -1
    marker: bytes = b""
    bare: bool = False

    def concerns(self, body: bytes) -> bool:
        return self.marker in body

    @property
    def payload(self) -> bytes:
        """The answer in full, as it goes over the wire."""
        if self.bare:
            return self._head(self.headers) + self.body
        if self.status in _BODILESS:
            return self._head(self.headers)
        fixed = (("content-type", "application/json"), ("content-length", str(len(self.body))))
        return self._head(fixed + self.headers) + self.body

    def _head(self, headers: tuple[Pair, ...]) -> bytes:
        lines = [f"HTTP/1.1 {self.status} Simulated", *(f"{name}: {value}" for name, value in headers)]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


UP = Mode()
DOWN = Mode(name="down")
HANG = Mode(name="hang")
RESET = Mode(name="reset")
CUT = Mode(name="cut")  # A head that is cut is taken for a whole one by Python's own client: see `after_bytes`.
GARBAGE = Mode(name="garbage")
ENDLESS = Mode(name="endless")
CLOSING = Mode(name="closing")


def slow(seconds: float) -> Mode:
    """Answers 200 after so many seconds."""
    return Mode(name="slow", seconds=seconds)


def drip(seconds: float) -> Mode:
    """Answers 200, one byte at a time, with a pause of so many seconds after each."""
    return Mode(name="drip", seconds=seconds)


def failing(status: int = 500, *, retry_after: str | None = None, headers: tuple[Pair, ...] = ()) -> Mode:
    """Answers with this status; `retry_after` is sent as it is."""
    after = (("retry-after", retry_after),) if retry_after is not None else ()
    return Mode(name="failing", status=status, body=b'{"message":"simulated"}', headers=after + headers)


def poison(marker: bytes, *, status: int = 500) -> Mode:
    """Answers bodies that contain the marker with this status, all others with 200."""
    return Mode(name="failing", status=status, body=b'{"message":"simulated"}', marker=marker)
