"""A simulated Motion: records what it is sent, byte for byte, misbehaves on demand, and hears what nobody announced.

Simulated are `POST /api/whatsapp/accounts/<connector id>/notify` and, with an archive, the download of attachments;
with an inbox it downloads in turn what customers sent.
What the real one answers to a callback, and whether it checks signatures or its receive token, is unconfirmed: this
one answers 200 `{}` and checks nothing.
"""

from __future__ import annotations

import dataclasses
import re
import ssl
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Literal

from sandbox.archive import Archive, own
from sandbox.inbox import Inbox
from sandbox.record import DEADLINE_SECONDS, Entry, Record
from sandbox.reply import Reply
from sandbox.server import Server
from sandbox.style import Headed, Pair
from sandbox.wire import Heard, Wire

_NOTIFY = re.compile(r"/api/whatsapp/accounts/([0-9]{1,12})/notify")


@dataclass(frozen=True, kw_only=True)
class Received(Headed):
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

    @property
    def accepted(self) -> bool:
        return self.answered is not None and 200 <= self.answered <= 299


Event = Literal["heard", "answered", "unanswered"]
Hook = Callable[[Event, Received], None]


class Motion(Server, Record[Received]):
    """A server on a port of loopback, and what it has received; a context manager that starts and closes it.

    `on_event` is called in the thread that serves the request. At `heard` nothing has been answered yet and the fault
    of this request is chosen: a hook may kill the courier at that moment, release, take Motion down (which cuts this
    request too), or choose the fault of the next ones.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        on_event: Hook | None = None,
        archive: Archive | None = None,
        inbox: Inbox | None = None,
    ) -> None:
        Record.__init__(self)
        Server.__init__(self, self._respond, complain=self.complain, own=own, host=host, port=port, tls=tls, early=True)
        self.on_event, self.archive, self.inbox = on_event, archive, inbox

    @property
    def received(self) -> tuple[Received, ...]:
        """Everything heard, whatever was answered."""
        return self.items

    @property
    def accepted(self) -> tuple[Received, ...]:
        """What was answered with 2xx."""
        return tuple(item for item in self.received if item.accepted)

    def wait_for_accepted(self, count: int, deadline_seconds: float = DEADLINE_SECONDS) -> tuple[Received, ...]:
        """Wait until so many were answered with 2xx; returns `accepted`."""
        self.wait_for(lambda items: sum(item.accepted for item in items) >= count, deadline_seconds)
        return self.accepted

    def _respond(self, head: Heard, wire: Wire) -> None:
        if self.broken_off(head, wire):
            return
        heard = dataclasses.replace(head, body=wire.read())
        match = _NOTIFY.fullmatch(heard.path)
        if self.archive is not None and self.archive.concerns(heard):
            self.archive.respond(heard, wire, released=self._released)
        elif heard.method == "POST" and match:
            self._hear(heard, int(match[1]), wire)
        else:
            self.complain(f"{heard.method} {heard.path}")
            wire.write(Reply(status=404, body=b'{"message":"nobody announced this"}').payload)

    def _hear(self, heard: Heard, connector_id: int, wire: Wire) -> None:
        with self.changed:  # Who has seen it recorded can release it.
            entry = self._recorded(heard, connector_id)
            fault = self.pick(wire, heard, moment="answer")
        self._tell("heard", entry.item)
        with self.changed if fault.is_prompt else nullcontext():  # Who has our answer finds it written down.
            status = fault.answer(Reply(), wire, own=self.own)
            answered = entry.update(answered=status)
        if self.inbox is not None and answered.accepted:
            self.inbox.hear(answered.body)
        self._tell("unanswered" if status is None else "answered", answered)

    def _recorded(self, heard: Heard, connector_id: int) -> Entry[Received]:
        return self.add(
            lambda number: Received(
                number=number,
                connector_id=connector_id,
                body=heard.body,
                headers=heard.headers,
                query=heard.query,
                at=time.time(),
            )
        )

    def _tell(self, event: Event, received: Received) -> None:
        try:
            if self.on_event is not None:
                self.on_event(event, received)
        except OSError as error:  # which the server would take for a client that left
            raise RuntimeError("the hook failed") from error
