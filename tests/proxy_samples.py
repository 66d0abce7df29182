"""A small proxy for CONNECT, as offices have them, that records what it is told and misbehaves on demand."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from gateway.config import secrets
from sandbox.listener import Listener

USER, PASSWORD = "gateway", "planted password of the proxy: ñ"
AUTHORIZATION = secrets.basic(USER, PASSWORD)[1]


class ForwardProxy:
    """Hands on bytes to where CONNECT says; `says`, where it is set, is all that it answers instead.

    `authorization`: what must be shown, if anything. `heads`: what it was told; `passed`: what then went out.
    """

    def __init__(self, *, authorization: str = "", says: bytes = b"", leads_to: tuple[str, int] | None = None) -> None:
        self.authorization, self.says, self.leads_to = authorization, says, leads_to
        self.heads: list[bytes] = []
        self.passed = b""
        self._listener = Listener(self._serve)
        self._listener.open()
        self.url = "http://{}:{}".format(*self._listener.address)

    def cut(self) -> None:
        """End all connections, and listen again."""
        self._listener.close()
        self._listener.open()

    def close(self) -> None:
        self._listener.release()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (heard := client.recv(65536)):
                    return
                head += heard
            self.heads.append(head)
            if self.says:
                client.sendall(self.says)
                client.recv(1)  # until it has left
            elif self.authorization and f"Proxy-Authorization: {self.authorization}\r\n".encode() not in head:
                client.sendall(b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n")
            else:
                self._tunnel(client, head.split(b" ")[1].decode())

    def _tunnel(self, client: socket.socket, place: str) -> None:
        host, _, port = place.rpartition(":")
        try:
            origin = socket.create_connection(self.leads_to or (host.strip("[]"), int(port)), timeout=60)
        except OSError:
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        with origin:
            client.sendall(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 office\r\n\r\n")
            back = threading.Thread(target=_pipe, args=(origin, client), daemon=True)
            back.start()
            with suppress(OSError):
                while heard := client.recv(65536):
                    self.passed += heard
                    origin.sendall(heard)
                origin.shutdown(socket.SHUT_WR)
            back.join(60)


def _pipe(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while heard := source.recv(65536):
            sink.sendall(heard)
        sink.shutdown(socket.SHUT_WR)
