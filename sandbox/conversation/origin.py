"""One of Sinch's origins: a port of its own, a record of what it hears, and the faults that it is told to have."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Callable

from sandbox.conversation import refusal
from sandbox.conversation.ledger import Call, Ledger
from sandbox.faults import NONE
from sandbox.record import Entry
from sandbox.reply import Reply
from sandbox.server import Server
from sandbox.wire import Heard, Wire

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
