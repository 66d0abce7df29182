"""The host on which Sinch keeps what customers send: files behind links that end, for whoever knows a link.

Published of the real one is that links need no credentials, and end after seven days. Unconfirmed, and our choice: the
form of a link, that it ends with 404, and what is said of type and name (here by the name's ending).
"""

from __future__ import annotations

import re
import secrets
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sandbox import attachment, signing
from sandbox.faults import NONE
from sandbox.record import Record
from sandbox.reply import Reply
from sandbox.server import Server
from sandbox.wire import Heard, Wire

LIFE_SECONDS = 7 * 24 * 3600.0

_PATH = re.compile(r"/o/([0-9A-Z]{26})")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One file; `ends_at` is in Unix seconds, `content_type` what is said of it, where that is not as the name says."""

    link: str = field(repr=False)
    name: str
    content: bytes = field(repr=False)
    ends_at: float
    content_type: str | None = None

    @property
    def reply(self) -> Reply:
        """The answer while nothing is wrong."""
        said = attachment.type_of(self.name) if self.content_type is None else self.content_type
        headers = (("content-type", said), ("content-disposition", attachment.disposition(self.name)))
        return Reply(bare=True, headers=headers).saying(self.content)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request for a file: by whom, as its User-Agent says, at that moment in Unix seconds, and the status it got.

    `answered` is None while or if nothing was sent in full.
    """

    link: str = field(repr=False)
    method: str
    by: str
    at: float
    seconds: float | None = None
    answered: int | None = None


class MediaHost(Server, Record[Asked]):
    """The server and what it was asked; a context manager. `clock` is in Unix seconds."""

    def __init__(
        self, *, clock: Callable[[], float] = time.time, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        Record.__init__(self)
        Server.__init__(self, self._respond, complain=self.complain, host=host, tls=tls)
        self.clock = clock
        self._kept: dict[str, Kept] = {}
        self._keeping = threading.Lock()

    def keep(
        self, name: str, content: bytes, *, life_seconds: float = LIFE_SECONDS, content_type: str | None = None
    ) -> Kept:
        """Take a file in, and make the link that leads to it so long."""
        now = self.clock()
        target = f"/o/{signing.ulid(now)}?sig={secrets.token_urlsafe(16)}"
        made = Kept(
            link=self.url + target, name=name, content=content, ends_at=now + life_seconds, content_type=content_type
        )
        with self._keeping:
            self._kept[target] = made
        return made

    def kept(self, link: str) -> Kept | None:
        """The file of that link, also after its end; None where the link is none of ours."""
        with self._keeping:
            return self._kept.get(link.removeprefix(self.url))

    def end(self) -> None:
        """End all links that were made so far: what is there is there no longer, as after seven days."""
        with self._keeping:
            for target, one in self._kept.items():
                self._kept[target] = replace(one, ends_at=self.clock())

    def _respond(self, heard: Heard, wire: Wire) -> None:
        began, by = time.monotonic(), heard.header("user-agent") or ""
        entry = self.add(lambda _: Asked(link=self.url + heard.target, method=heard.method, by=by, at=time.time()))
        status = self._due(heard, wire)
        entry.update(answered=status, seconds=time.monotonic() - began)

    def _due(self, heard: Heard, wire: Wire) -> int | None:
        found, fault = self.kept(self.url + heard.target), self.pick(wire, heard)
        if found is None and _PATH.fullmatch(heard.path) is None:
            self.complain(f"{heard.method} {heard.path}")
        if heard.method not in ("GET", "HEAD") or found is None or found.ends_at <= self.clock():
            return NONE.answer(self.own(404), wire, own=self.own)
        return fault.answer(found.reply, wire, own=self.own)
