"""Every request that the simulated Sinch has heard, byte for byte, in full or in part, and how it ended."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.conversation import tokens
from sandbox.conversation.mishap import NONE, Mishap
from sandbox.wire import Heard

_SEND = "/messages:send"
_EVENT = "/events:send"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request.

    `number` counts from 0 over all origins, in the order in which heads came; `at` is that moment in Unix seconds.
    `heard` has an empty body until all of it has come, which is when the call is `whole`. `made` is the id of the
    message or event that it became. `answered` is the status that was sent in full, None while or if there was none:
    `ended` tells which.
    """

    number: int
    origin: str
    at: float
    heard: Heard = field(repr=False)
    mishap: Mishap = field(default=NONE, repr=False)
    whole: bool = False
    made: str = ""
    answered: int | None = None
    ended: bool = False

    @property
    def what(self) -> str:
        return f"{self.heard.method} {self.heard.path}"

    @property
    def body(self) -> bytes:
        return self.heard.body

    @property
    def is_send(self) -> bool:
        return self.heard.method == "POST" and self.heard.path.endswith(_SEND)

    @property
    def is_event(self) -> bool:
        return self.heard.method == "POST" and self.heard.path.endswith(_EVENT)

    @property
    def is_token(self) -> bool:
        return self.origin == "auth" and self.heard.path == tokens.PATH

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next(iter(self.heard.all_headers(name)), None)


Wanted = Callable[[Sequence[Call]], bool]


class Entry:
    """One call in the ledger, for who writes on."""

    def __init__(self, ledger: Ledger, call: Call) -> None:
        self._ledger, self.call = ledger, call

    def update(self, **changes: Any) -> None:  # noqa: ANN401 - as dataclasses.replace
        """Change it, in the ledger too."""
        old, self.call = self.call, dataclasses.replace(self.call, **changes)
        self._ledger.exchange(old, self.call)


class Ledger:
    """The record; several threads write and read it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._calls: dict[int, Call] = {}  # by number
        self._unexpected: list[str] = []

    @property
    def calls(self) -> tuple[Call, ...]:
        with self._changed:
            return tuple(self._calls.values())

    @property
    def unexpected(self) -> tuple[str, ...]:
        with self._changed:
            return tuple(self._unexpected)

    def hear(self, origin: str, head: Heard, mishap: Mishap) -> Entry:
        """A request of which the head has come."""
        with self._changed:
            number = next(reversed(self._calls), -1) + 1
            call = self._calls[number] = Call(number=number, origin=origin, at=time.time(), heard=head, mishap=mishap)
            self._changed.notify_all()
            return Entry(self, call)

    def exchange(self, old: Call, new: Call) -> None:
        """The new one in place of the old, which may have been forgotten meanwhile."""
        with self._changed:
            if self._calls.get(old.number) is old:
                self._calls[old.number] = new
            self._changed.notify_all()

    def complain(self, about: str) -> None:
        """Note what nobody announced."""
        with self._changed:
            self._unexpected.append(about)
            self._changed.notify_all()

    def forget(self) -> None:
        """Empty it."""
        with self._changed:
            self._calls.clear()
            self._unexpected.clear()

    def wait_for(self, wanted: Wanted, deadline_seconds: float = 10) -> tuple[Call, ...]:
        """Wait until `wanted(calls)`; returns them. Raises TimeoutError at the deadline."""
        with self._changed:
            if not self._changed.wait_for(lambda: wanted(tuple(self._calls.values())), deadline_seconds):
                raise TimeoutError(f"not heard within {deadline_seconds} s; calls: {[*self._calls.values()]}")
            return tuple(self._calls.values())
