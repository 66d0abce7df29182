"""Every request that the simulated Sinch has heard, byte for byte, in full or in part, and how it ended."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from sandbox.conversation import tokens
from sandbox.faults import NONE, Fault
from sandbox.record import Entry, Record
from sandbox.wire import Heard

_SEND = "/messages:send"
_EVENT = "/events:send"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request.

    `number` counts from 0 over all origins, in the order in which heads came; `at` is that moment in Unix seconds.
    `heard` has an empty body until all of it has come, which is when the call is `whole` and its `fault` is chosen.
    `made` is the id of the message or event that it became. `answered` is the status that was sent in full, None while
    or if there was none: `ended` tells which.
    """

    number: int
    origin: str
    at: float
    heard: Heard = field(repr=False)
    fault: Fault = field(default=NONE, repr=False)
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
        return self.heard.header(name)


class Ledger(Record[Call]):
    """All calls to all origins."""

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every request, at all three origins."""
        return self.items

    @property
    def sends(self) -> tuple[Call, ...]:
        """Every `messages:send` that was heard, in full or in part, whatever became of it."""
        return tuple(call for call in self.items if call.is_send)

    @property
    def accepted(self) -> tuple[Call, ...]:
        """Those that are messages now, and on their way to the customer."""
        return tuple(call for call in self.sends if call.made)

    @property
    def events(self) -> tuple[Call, ...]:
        """Every `events:send`."""
        return tuple(call for call in self.items if call.is_event)

    @property
    def token_requests(self) -> tuple[Call, ...]:
        """Every request for an access token."""
        return tuple(call for call in self.items if call.is_token)

    def wait_for_sends(self, count: int, deadline_seconds: float = 10) -> tuple[Call, ...]:
        """Wait until so many sends have ended, one way or the other; returns `sends`. Raises TimeoutError."""
        self.wait_for(lambda calls: sum(call.is_send and call.ended for call in calls) >= count, deadline_seconds)
        return self.sends

    def hear(self, origin: str, head: Heard) -> Entry[Call]:
        """A request of which the head has come."""
        return self.add(lambda number: Call(number=number, origin=origin, at=time.time(), heard=head))
