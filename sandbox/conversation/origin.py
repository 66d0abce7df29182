"""One of Sinch's origins: a port of its own, a record of what it hears, and the mishaps that it is told to have."""

from __future__ import annotations

import collections
import dataclasses
import ssl
import threading
from collections.abc import Callable

from sandbox.behaviour import behave
from sandbox.conversation import mishap as mishaps
from sandbox.conversation.ledger import Entry, Ledger
from sandbox.conversation.mishap import Mishap
from sandbox.listener import Listener
from sandbox.mode import Mode
from sandbox.wire import Heard, Wire

Made = Callable[[str], None]
Handle = Callable[[str, Heard, Made], Mode]


class Origin:
    """A server; `handle` has its name, a whole request, and whom to tell the id of what the request became.

    The standing mishap concerns every request; scripted ones go first, one for each request that it concerns, and
    those of the stage `connect` one for each connection.
    """

    def __init__(
        self, name: str, handle: Handle, *, ledger: Ledger, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        self.name, self.connections = name, 0
        self._handle, self._ledger = handle, ledger
        self._scheme = "https" if tls else "http"
        self._listener = Listener(
            self._respond, complain=ledger.complain, host=host, tls=tls, greet=self._greet, early=True
        )
        self._guard = threading.Lock()
        self._standing = mishaps.NONE
        self._script: collections.deque[Mishap] = collections.deque()
        self._released = threading.Event()

    @property
    def url(self) -> str:
        host, port = self._listener.address
        return f"{self._scheme}://{host}:{port}"

    @property
    def address(self) -> tuple[str, int]:
        return self._listener.address

    @property
    def mishap(self) -> Mishap:
        return self._standing

    def open(self) -> None:
        """Listen."""
        self._listener.open()

    def close(self) -> None:
        """Stop for good, letting nobody wait."""
        self.set_mishap(mishaps.DOWN)
        self._listener.release()

    def set_mishap(self, mishap: Mishap) -> None:
        """From the next request on; whoever hangs is released first, or cut where it goes down. Scripts end."""
        with self._guard:
            self._standing = mishap
            self._script.clear()
        if mishap.name == "down":
            self._listener.close()
            self.release()
        else:
            self.release()
            self._listener.open()

    def script(self, *each: Mishap) -> None:
        """One for each of the next requests that it concerns, in turn; afterwards the standing one again."""
        with self._guard:
            self._script.extend(each)

    def release(self) -> None:
        """End every wait: who still listens has an answer."""
        with self._guard:
            self._released.set()
            self._released = threading.Event()

    def _greet(self, wire: Wire) -> None:
        with self._guard:
            self.connections += 1
        mishap = self._pick(lambda one: one.stage == "connect")
        if mishap is not mishaps.NONE:
            _break(mishap, wire)

    def _pick(self, wanted: Callable[[Mishap], bool]) -> Mishap:
        with self._guard:
            if self._script and wanted(self._script[0]):
                return self._script.popleft()
            return self._standing if wanted(self._standing) else mishaps.NONE

    def _respond(self, head: Heard, wire: Wire) -> None:
        with self._guard:
            released = self._released
        mishap = self._pick(lambda one: one.stage != "connect" and one.concerns(head.path))
        entry = self._ledger.hear(self.name, head, mishap)
        try:
            entry.update(answered=self._serve(entry, wire, released))
        finally:
            entry.update(ended=True)

    def _serve(self, entry: Entry, wire: Wire, released: threading.Event) -> int | None:
        mishap = entry.call.mishap
        if mishap.stage == "head":
            _break(mishap, wire)
            return None
        heard = dataclasses.replace(entry.call.heard, body=wire.read())
        entry.update(heard=heard, whole=True)
        if mishap.holds_back:
            released.wait(mishap.seconds if mishap.name == "slow" else None)
            if wire.gone():
                wire.close()
                return None
            mishap = mishaps.NONE
        if heard.method == "HEAD":
            wire.close()  # What we answer has a body all the same.
        good = self._handle(self.name, heard, lambda made: entry.update(made=made)) if mishap.taken else Mode()
        return behave(mishap.answer(good), wire, released)


def _break(mishap: Mishap, wire: Wire) -> None:
    if mishap.name == "reset":
        wire.reset()
    else:
        wire.close()
