"""A small HTTP server on a port of loopback that does as its faults say."""

from __future__ import annotations

import collections
import http.server
import re
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, Self

from sandbox.faults import DOWN, NONE, Fault, Own
from sandbox.listener import Listener
from sandbox.reply import Reply
from sandbox.wire import Heard, Wire

_DIGITS = re.compile(r"[0-9]{1,12}")

Respond = Callable[[Heard, Wire], None]


class Plan:
    """Which fault a request meets: scripted ones in turn, each once, then the standing one."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._standing: tuple[Fault, ...] = (NONE,)
        self._script: collections.deque[Fault] = collections.deque()
        self._released = threading.Event()

    @property
    def fault(self) -> Fault:
        """The standing one, the first of several."""
        return self._standing[0]

    def set_fault(self, fault: Fault, *others: Fault) -> None:
        """From the next request on, the first that concerns it; scripts end."""
        with self._guard:
            self._standing = (fault, *others)
            self._script.clear()

    def script(self, *each: Fault) -> None:
        """One for each of the next requests, in turn; afterwards the standing one again."""
        with self._guard:
            self._script.extend(each)

    def release(self) -> None:
        """End every wait: who still listens has an answer."""
        with self._guard:
            self._released.set()
            self._released = threading.Event()

    def pick(self, wire: Wire, heard: Heard | None, *, moment: str = "") -> Fault:
        """What happens to this request, at that moment if one is said; it is over where it was scripted."""

        def concerned(fault: Fault) -> bool:
            return moment in ("", fault.moment) and (heard is None or fault.concerns(heard))

        with self._guard:
            wire.released = self._released
            if self._script and concerned(self._script[0]) and self.fault.name != "down":
                return self._script.popleft()
            return next((fault for fault in self._standing if concerned(fault)), NONE)


class Server(Plan):
    """Hands each request to `respond`; a context manager that starts and closes it.

    What cannot be read as a request goes to `complain`. `own` is how it says a status. With `early`, `respond` has the
    head alone, and reads the body from the wire.
    """

    def __init__(
        self,
        respond: Respond,
        *,
        complain: Callable[[str], None] = lambda _: None,
        own: Own = lambda status: Reply(status=status),
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        early: bool = False,
    ) -> None:
        super().__init__()
        self.respond, self.own, self.early, self.misheard = respond, own, early, complain
        self.connections = 0
        self._scheme = "https" if tls else "http"
        self._listener = Listener(self._serve, host=host, port=port, tls=tls, greet=self._greet)

    def __enter__(self) -> Self:
        self.open()
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

    def open(self) -> None:
        """Listen."""
        self._listener.open()

    def close(self) -> None:
        """Stop for good, letting nobody wait."""
        self.set_fault(DOWN)
        self._listener.release()

    def set_fault(self, fault: Fault, *others: Fault) -> None:
        """From the next request on; whoever hangs is released first, or cut where it goes down. Scripts end."""
        super().set_fault(fault, *others)
        if fault.name == "down":
            self._listener.close()
        self.release()
        if fault.name != "down":
            self._listener.open()

    def broken_off(self, head: Heard, wire: Wire) -> bool:
        """Is the connection broken off after this head? Then it has been."""
        return self._broken(wire, head, moment="head")

    def _broken(self, wire: Wire, head: Heard | None, *, moment: str) -> bool:
        fault = self.pick(wire, head, moment=moment)
        if fault is not NONE:
            fault.answer(Reply(), wire, own=self.own)
        return not wire.open

    def _greet(self, connection: socket.socket) -> bool:
        with self._guard:
            self.connections += 1
        return not self._broken(Wire(connection), None, moment="connect")

    def _serve(self, connection: socket.socket) -> None:
        _Reader(connection, self.address, self)  # type: ignore[arg-type]


class _Reader(http.server.BaseHTTPRequestHandler):
    """Reads requests from a connection, one after another."""

    protocol_version = "HTTP/1.1"
    server: Any  # a Server of ours

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline:
            self.close_connection = True
        elif self.parse_request():
            self._respond()

    def _respond(self) -> None:
        path, _, query = self.path.partition("?")
        target, headers = self.requestline.split()[1], tuple(self.headers.raw_items())
        body = b"" if self.server.early else self._read_body()
        heard = Heard(method=self.command, target=target, path=path, query=query, headers=headers, body=body)
        wire = Wire(self.connection, read=self._read_body, bodiless=self.command == "HEAD")
        self.server.respond(heard, wire)
        self.close_connection = self.close_connection or not wire.open

    def _read_body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            return self._read_chunks()
        length = self.headers.get("content-length", "0")
        return self._read_exactly(int(length) if _DIGITS.fullmatch(length) else 0)

    def _read_chunks(self) -> bytes:
        parts: list[bytes] = []
        while size := int(self.rfile.readline(64).split(b";")[0], 16):
            parts.append(self._read_exactly(size))
            self.rfile.readline(3)
        while self.rfile.readline(65537) not in (b"\r\n", b"\n", b""):
            pass
        return b"".join(parts)

    def _read_exactly(self, length: int) -> bytes:
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionAbortedError
        return body

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        self.server.misheard(f"not a request: {self.raw_requestline!r}")
        super().send_error(code, message, explain)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is inherited
        """Stay silent: what was heard is recorded, not printed."""
