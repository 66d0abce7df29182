"""A simulated Motion: records what it is sent, byte for byte, misbehaves on demand, and hears what nobody announced.

Simulated are `POST /api/whatsapp/accounts/<connector id>/notify` and, with an archive, the download of attachments.
What the real one answers to a callback, and whether it checks signatures or its receive token, is unconfirmed: this
one answers 200 `{}` and checks nothing.
"""

from __future__ import annotations

import collections
import dataclasses
import re
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from sandbox.archive import Archive
from sandbox.behaviour import behave
from sandbox.listener import Listener
from sandbox.mode import DOWN, UP, Mode
from sandbox.style import Pair
from sandbox.wire import Heard, Wire

_NOTIFY = re.compile(r"/api/whatsapp/accounts/([0-9]{1,12})/notify")
_NOT_FOUND = Mode(status=404, body=b'{"message":"nobody announced this"}')


@dataclass(frozen=True, kw_only=True)
class Received:
    """One callback as Motion heard it.

    `number` counts from 0 in the order of arrival; `at` is when its last byte had come, in Unix seconds; `answered` is
    the status that was sent in full, None while or if there was none.
    """

    number: int
    connector_id: int
    body: bytes = field(repr=False)
    headers: tuple[Pair, ...] = field(repr=False)
    query: str
    at: float
    answered: int | None = None

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next(iter(self.all_headers(name)), None)

    def all_headers(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def accepted(self) -> bool:
        return self.answered is not None and 200 <= self.answered <= 299


Event = Literal["heard", "answered", "unanswered"]
Hook = Callable[[Event, Received], None]
Wanted = Callable[[Sequence[Received]], bool]


class Motion:
    """A server on a port of loopback; a context manager that starts and closes it.

    `on_event` is called in the thread that serves the request. At `heard` nothing has been answered yet and the mode of
    this request is chosen: a hook may kill the courier at that moment, release, take Motion down (which cuts this
    request too), or choose the mode of the next ones.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        on_event: Hook | None = None,
        archive: Archive | None = None,
    ) -> None:
        self.on_event, self.archive = on_event, archive
        self._scheme = "https" if tls else "http"
        self._listener = Listener(self._respond, complain=self._complain, host=host, port=port, tls=tls)
        self._changed = threading.Condition()
        self._mode = UP
        self._script: collections.deque[Mode] = collections.deque()
        self._released = threading.Event()
        self._received: list[Received] = []
        self._unexpected: list[str] = []

    def __enter__(self) -> Self:
        self._listener.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def address(self) -> tuple[str, int]:
        return self._listener.address

    @property
    def url(self) -> str:
        host, port = self.address
        return f"{self._scheme}://{host}:{port}"

    def close(self) -> None:
        """Stop for good, letting nobody wait."""
        self.set_mode(DOWN)
        self._listener.release()

    @property
    def mode(self) -> Mode:
        return self._mode

    def set_mode(self, mode: Mode) -> None:
        """From the next request on; whoever hangs is released first, or cut where Motion goes down."""
        with self._changed:
            self._mode = mode
            self._script.clear()
        if mode.name == "down":
            self._listener.close()
            self.release()
        else:
            self.release()
            self._listener.open()

    def script(self, *modes: Mode) -> None:
        """One mode for each of the next requests that it concerns, in turn; afterwards the standing mode again."""
        with self._changed:
            self._script.extend(modes)

    def release(self) -> None:
        """End every wait of `hang`, `slow`, `drip` and `endless`, of downloads too: who still listens has an answer."""
        with self._changed:
            self._released.set()
            self._released = threading.Event()

    @property
    def received(self) -> tuple[Received, ...]:
        """Everything heard, whatever was answered."""
        with self._changed:
            return tuple(self._received)

    @property
    def accepted(self) -> tuple[Received, ...]:
        """What was answered with 2xx."""
        return tuple(item for item in self.received if item.accepted)

    @property
    def unexpected(self) -> tuple[str, ...]:
        """Requests for anything but `notify` and attachments, and bytes that were no request."""
        with self._changed:
            return tuple(self._unexpected)

    def assert_nothing_unexpected(self) -> None:
        """Raises AssertionError with what nobody announced."""
        if unexpected := self.unexpected:
            raise AssertionError("Motion heard what nobody announced: " + "; ".join(unexpected))

    def forget(self) -> None:
        """Empty both records."""
        with self._changed:
            self._received.clear()
            self._unexpected.clear()

    def wait_for(self, wanted: int | Wanted, deadline_seconds: float = 10) -> tuple[Received, ...]:
        """Wait until so many requests were heard, or until `wanted(received)`; returns `received`.

        Raises TimeoutError at the deadline.
        """
        test: Wanted = (lambda items: len(items) >= wanted) if isinstance(wanted, int) else wanted
        with self._changed:
            if not self._changed.wait_for(lambda: test(tuple(self._received)), deadline_seconds):
                raise TimeoutError(f"not heard within {deadline_seconds} s; received: {self._received}")
            return tuple(self._received)

    def wait_for_accepted(self, count: int, deadline_seconds: float = 10) -> tuple[Received, ...]:
        """Wait until so many were answered with 2xx; returns `accepted`."""
        self.wait_for(lambda items: sum(item.accepted for item in items) >= count, deadline_seconds)
        return self.accepted

    def _respond(self, heard: Heard, wire: Wire) -> None:
        if self.archive is not None and (attachment_id := self.archive.asked(heard)) is not None:
            self.archive.respond(attachment_id, heard, wire, self._released)
            return
        match = _NOTIFY.fullmatch(heard.path)
        if heard.method != "POST" or match is None:
            self._complain(f"{heard.method} {heard.path}")
            behave(_NOT_FOUND, wire, self._released)
            return
        received, mode, released = self._record(heard, int(match[1]))
        self._tell("heard", received)
        status = behave(mode, wire, released)
        self._tell("unanswered" if status is None else "answered", self._update(received, status))

    def _record(self, heard: Heard, connector_id: int) -> tuple[Received, Mode, threading.Event]:
        """Under one lock, so that who has seen a request recorded can release it."""
        with self._changed:
            received = Received(
                number=len(self._received),
                connector_id=connector_id,
                body=heard.body,
                headers=heard.headers,
                query=heard.query,
                at=time.time(),
            )
            self._received.append(received)
            self._changed.notify_all()
            return received, self._next_mode(heard.body), self._released

    def _update(self, received: Received, status: int | None) -> Received:
        answered = dataclasses.replace(received, answered=status)
        with self._changed:
            # It may have been forgotten meanwhile.
            self._received = [answered if item is received else item for item in self._received]
            self._changed.notify_all()
            return answered

    def _next_mode(self, body: bytes) -> Mode:
        if self._script and self._script[0].concerns(body) and self._mode.name != "down":
            return self._script.popleft()
        return self._mode if self._mode.concerns(body) else UP

    def _complain(self, about: str) -> None:
        with self._changed:
            self._unexpected.append(about)
            self._changed.notify_all()

    def _tell(self, event: Event, received: Received) -> None:
        try:
            if self.on_event is not None:
                self.on_event(event, received)
        except OSError as error:  # which the listener would take for a client that left
            raise RuntimeError("the hook failed") from error
