"""A peer on loopback that speaks HTTP as badly as a test likes."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress

from sandbox.listener import Listener


def raw_request(connection: socket.socket) -> bytes:
    """One request with the body whose length it says; nothing when the other side has left."""
    heard = b""
    while b"\r\n\r\n" not in heard:
        if not (chunk := connection.recv(65536)):
            return b""
        heard += chunk
    head, _, body = heard.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        if not (chunk := connection.recv(65536)):
            return b""
        body += chunk
    return head + b"\r\n\r\n" + body


LONG_SECONDS = 15.0  # which a busy machine may take to notice a deadline; whoever drips here goes on for longer


class Wire:
    """A connection as the peer sees it."""

    def __init__(self, sock: socket.socket, closing_down: threading.Event) -> None:
        self._sock = sock
        self._closing_down = closing_down
        self.request = b""

    def hear(self) -> bool:
        """Read one `request`, head and body. False when the other side has left."""
        self.request = raw_request(self._sock)
        return bool(self.request)

    def say(self, content: bytes) -> None:
        self._sock.sendall(content)

    def drip(self, content: bytes) -> None:
        """A byte at a time, as long as anybody listens."""
        for byte in content:
            if self._closing_down.wait(0.02):
                return
            self.say(bytes([byte]))

    def hang(self) -> None:
        """Say nothing until the other side leaves."""
        self._sock.recv(1)

    def pause(self) -> None:
        """Neither speak nor listen until the test ends."""
        self._closing_down.wait(60)

    def reset(self) -> None:
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self._sock.close()


Behaviour = Callable[[Wire], None]


class Peer:
    """A server that treats every request with `behaviour`, and records what it heard on which connection."""

    def __init__(self, behaviour: Behaviour, *, host: str, tls: ssl.SSLContext | None, wire: type[Wire] = Wire) -> None:
        self.behaviour = behaviour
        self._wire = wire
        self.requests: list[bytes] = []
        self.connections = 0
        self.ended = 0  # connections whose end the client can see
        self._closing_down = threading.Event()
        self._listener = Listener(self._serve, host=host, tls=tls, greet=self._count)
        self._listener.open()
        self.port = self._listener.address[1]

    @property
    def threads(self) -> tuple[threading.Thread, ...]:
        return self._listener.threads

    def close(self) -> None:
        self._closing_down.set()
        self._listener.release()

    def _count(self, _: socket.socket) -> bool:
        self.connections += 1
        return True

    def _serve(self, sock: socket.socket) -> None:
        wire = self._wire(sock, self._closing_down)
        with suppress(OSError), sock:  # peers leave when they please
            while wire.hear():
                self.requests.append(wire.request)
                self.behaviour(wire)
        self.ended += 1


def says(content: bytes, *, then: Callable[[Wire], None] = Wire.hang) -> Behaviour:
    def behave(wire: Wire) -> None:
        wire.say(content)
        then(wire)

    return behave


def finishes(wire: Wire) -> None:
    """End the connection, after everything was sent."""
    wire._sock.shutdown(socket.SHUT_RDWR)


def listens_on(_wire: Wire) -> None:
    """Keep the connection for the next request."""


def answers(
    body: bytes,
    *headers: str,
    status: str = "200 OK",
    length: int | None = None,
    then: Callable[[Wire], None] = finishes,
) -> Behaviour:
    """A whole answer, and the end of the connection; `length`: what it says of its body, if not the truth."""
    told = [f"Content-Length: {len(body) if length is None else length}", *headers]
    if then is finishes:
        told.append("Connection: close")  # or the next request might be sent while it ends
    lines = [f"HTTP/1.1 {status}", *told, "", ""]
    return says("\r\n".join(lines).encode("latin-1") + body, then=then)


def in_chunks(body: bytes, *headers: str, last: bytes = b"0\r\n\r\n") -> Behaviour:
    lines = ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *headers, "", ""]
    return says("\r\n".join(lines).encode("latin-1") + b"%x\r\n%b\r\n" % (len(body), body) + last, then=finishes)
