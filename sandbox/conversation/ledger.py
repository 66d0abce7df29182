"""Sinch's origins, each a port of its own, and all that they have heard: byte for byte, in full or in part."""

from __future__ import annotations

import dataclasses
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.conversation import refusal, tokens
from sandbox.faults import NONE, Fault
from sandbox.record import DEADLINE_SECONDS, Entry, Record
from sandbox.reply import Reply
from sandbox.server import Server
from sandbox.wire import Heard, Wire

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

    def wait_for_sends(self, count: int, deadline_seconds: float = DEADLINE_SECONDS) -> tuple[Call, ...]:
        """Wait until so many sends have ended, one way or the other; returns `sends`. Raises TimeoutError."""
        self.wait_for(lambda calls: sum(call.is_send and call.ended for call in calls) >= count, deadline_seconds)
        return self.sends

    def hear(self, origin: str, head: Heard) -> Entry[Call]:
        """A request of which the head has come."""
        return self.add(lambda number: Call(number=number, origin=origin, at=time.time(), heard=head))


Made = Callable[[str], None]
Handle = Callable[[str, Heard, Made], Reply]


class Origin(Server):
    """A server; `handle` has its name, a whole request, and whom to tell the id of what the request became."""

    def __init__(
        self, name: str, handle: Handle, *, ledger: Ledger, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        self.name, self._handle, self._ledger = name, handle, ledger
        complain = ledger.complain
        super().__init__(self._respond, complain=complain, own=refusal.of_status, host=host, tls=tls, early=True)

    def _respond(self, head: Heard, wire: Wire) -> None:
        entry = self._ledger.hear(self.name, head)
        try:
            entry.update(answered=None if self.broken_off(head, wire) else self._treat(entry, wire))
        finally:
            entry.update(ended=True)

    def _treat(self, entry: Entry[Call], wire: Wire) -> int | None:
        heard = dataclasses.replace(entry.item.heard, body=wire.read())
        with self._ledger.changed:  # Who has seen that it is whole can release it.
            fault = self.pick(wire, heard, moment="answer")
            entry.update(heard=heard, whole=True, fault=fault)
        if fault.holds_back:
            if not wire.wait(fault.patience_seconds):
                return None
            fault = NONE

        def become(made: str) -> None:
            entry.update(made=made)

        good = self._handle(self.name, heard, become) if fault.taken else Reply()
        return fault.answer(good, wire, own=self.own)
