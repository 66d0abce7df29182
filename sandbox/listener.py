"""A small HTTP server on a port that stays ours while it is closed, and that can be closed with all its connections.

The port is held by a second socket that never listens (Linux: SO_REUSEADDR on both), so that nobody takes it meanwhile.
"""

from __future__ import annotations

import http.server
import re
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, cast

from sandbox.wire import Heard, Wire

_BACKLOG = 128
_HANDSHAKE_SECONDS = 10  # for clients that connect and say nothing
_DIGITS = re.compile(r"[0-9]{1,12}")


Respond = Callable[[Heard, Wire], None]
Greet = Callable[[Wire], None]
Complain = Callable[[str], None]


class Listener:
    """Hands each request to `respond`; what cannot be read as a request, to `complain`.

    `greet` has each connection before a byte is read, and may close it. With `early`, `respond` is called before the
    body is read.
    """

    def __init__(
        self,
        respond: Respond,
        *,
        complain: Complain,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        greet: Greet = lambda _: None,
        early: bool = False,
    ) -> None:
        self.respond, self.complain, self.tls = respond, complain, tls
        self.greet, self.early = greet, early
        self._reservation = reserve(host, port)
        self.address: tuple[str, int] = self._reservation.getsockname()[:2]
        self.threads: list[threading.Thread] = []
        self._server: _Server | None = None
        self._switching = threading.Lock()

    def open(self) -> None:
        """Listen; nothing happens where it does already."""
        with self._switching:
            if self._server is None:
                self._server = _Server(self)
                self._server.start()

    def close(self) -> None:
        """Refuse connections and cut those that are open."""
        with self._switching:
            if self._server is not None:
                self._server.stop()
                self._server = None

    def release(self) -> None:
        """Close for good: wait for the threads that still serve, and give the port back."""
        self.close()
        for thread in self.threads:
            if thread is not threading.current_thread():
                thread.join()
        self._reservation.close()


def reserve(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """Hold a port without listening; a server that sets SO_REUSEADDR, as nginx does, may listen there meanwhile."""
    reservation = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reservation.bind((host, port))
    except OSError:
        reservation.close()
        raise
    return reservation


class _Server:
    """One period of listening."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self._socket = reserve(*listener.address)
        self._socket.listen(_BACKLOG)
        self._connections: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._loop = threading.Thread(target=self._accept, name="listener", daemon=True)

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)  # which ends accept(), as closing would not
        self._loop.join()
        self._socket.close()
        with self._guard:
            for connection in self._connections:
                _cut(connection)

    def _accept(self) -> None:
        while True:
            try:
                connection, address = self._socket.accept()
            except OSError:
                return
            connection.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
            )  # as servers do; no answer waits for an ACK
            self._track(connection)
            thread = threading.Thread(target=self._serve, args=(connection, address), name="serving", daemon=True)
            self.listener.threads = [*(known for known in self.listener.threads if known.is_alive()), thread]
            thread.start()

    def _serve(self, connection: socket.socket, address: object) -> None:
        wire = Wire(connection)
        try:
            with connection:
                self.listener.greet(wire)
                if wire.open:
                    with self._secured(connection) as secured:
                        _Handler(secured, address, cast(Any, self))
        except OSError:
            return  # The client left, or did not like our certificate.

    def _secured(self, connection: socket.socket) -> socket.socket:
        if self.listener.tls is None:
            return connection
        connection.settimeout(_HANDSHAKE_SECONDS)
        secured = self.listener.tls.wrap_socket(connection, server_side=True)
        secured.settimeout(None)
        self._track(secured)
        return secured

    def _track(self, connection: socket.socket) -> None:
        with self._guard:
            self._connections = {known for known in self._connections if known.fileno() >= 0} | {connection}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _listener(self) -> Listener:
        return cast(_Server, self.server).listener

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline:
            self.close_connection = True
        elif self.parse_request():
            self._respond()

    def _respond(self) -> None:
        path, _, query = self.path.partition("?")
        target, headers = self.requestline.split()[1], tuple(self.headers.raw_items())
        body = b"" if self._listener.early else self._read_body()
        heard = Heard(method=self.command, target=target, path=path, query=query, headers=headers, body=body)
        wire = Wire(self.connection, read=self._read_body)
        self._listener.respond(heard, wire)
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
        self._listener.complain(f"not a request: {self.raw_requestline!r}")
        super().send_error(code, message, explain)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is inherited
        """Stay silent: what was heard is recorded, not printed."""


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # It is closed already.
