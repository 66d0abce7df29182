"""A port that stays ours while nobody listens on it, and connections that can all be cut at once.

The port is held by a second socket that never listens (Linux: SO_REUSEADDR on both), so that nobody takes it meanwhile.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

_BACKLOG = 128
_HANDSHAKE_SECONDS = 10  # for clients that connect and say nothing
_LEAVE_SECONDS = 60

Serve = Callable[[socket.socket], None]
Greet = Callable[[socket.socket], bool]


class Listener:
    """Hands each connection to `serve`, in a thread of its own, behind the handshake where there is `tls`.

    `greet` has it before a byte is read, and says whether it goes on. A `host` that is a path is a Unix socket.
    """

    def __init__(
        self,
        serve: Serve,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        greet: Greet = lambda _: True,
    ) -> None:
        self._serve, self._greet, self._tls = serve, greet, tls
        self._reservation = reserve(host, port)
        self.address = (host, 0) if _is_path(host) else self._reservation.getsockname()[:2]
        self._listening: socket.socket | None = None
        self._accepting = threading.Thread()
        self._threads: list[threading.Thread] = []
        self._connections: set[socket.socket] = set()
        self._guard, self._switching = threading.Lock(), threading.Lock()

    @property
    def threads(self) -> tuple[threading.Thread, ...]:
        """Those that accept and serve."""
        return (self._accepting, *self._threads)

    def open(self) -> None:
        """Listen; nothing happens where it does already."""
        with self._switching:
            if self._listening is None:
                self._listening = reserve(*self.address)
                self._listening.listen(_BACKLOG)
                self._accepting = threading.Thread(target=self._accept, args=(self._listening,), daemon=True)
                self._accepting.start()

    def close(self) -> None:
        """Refuse connections and cut those that are open."""
        with self._switching:
            if self._listening is None:
                return
            _cut(self._listening)  # which ends accept(), as closing would not
            self._accepting.join()
            self._listening.close()
            with self._guard:
                self._listening = None
                for connection in self._connections:
                    _cut(connection)

    def release(self) -> None:
        """Close for good: wait for the threads that still serve, and give the port back. Raises TimeoutError."""
        self.close()
        self._reservation.close()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(_LEAVE_SECONDS)
                if thread.is_alive():
                    raise TimeoutError("a connection that was cut is still served")

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):  # It was cut.
            while True:
                connection, _ = listening.accept()
                self._track(connection, listening)
                thread = threading.Thread(target=self._run, args=(connection, listening), daemon=True)
                self._threads = [*(known for known in self._threads if known.is_alive()), thread]
                thread.start()

    def _run(self, connection: socket.socket, listening: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:  # The client left, or did not like our certificate.
            if connection.family != socket.AF_UNIX:  # As servers do: no answer waits for an ACK.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._greet(connection):
                with self._secured(connection, listening) as secured:
                    self._serve(secured)

    def _secured(self, connection: socket.socket, listening: socket.socket) -> socket.socket:
        if self._tls is None:
            return connection
        connection.settimeout(_HANDSHAKE_SECONDS)
        secured = self._tls.wrap_socket(connection, server_side=True)
        secured.settimeout(None)
        self._track(secured, listening)
        return secured

    def _track(self, connection: socket.socket, listening: socket.socket) -> None:
        with self._guard:
            self._connections = {known for known in self._connections if known.fileno() >= 0} | {connection}
            if self._listening is not listening:  # It was closed during the handshake.
                _cut(connection)


def reserve(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """Hold a port without listening; a server that sets SO_REUSEADDR, as nginx does, may listen there meanwhile."""
    if _is_path(host):
        Path(host).unlink(missing_ok=True)
        reservation = socket.socket(socket.AF_UNIX)
    else:
        reservation = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        reservation.bind(host if _is_path(host) else (host, port))
    except OSError:
        reservation.close()
        raise
    return reservation


def _is_path(host: str) -> bool:
    return host.startswith("/")


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # It is closed already.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)  # TLS and all, while another thread reads
