"""One HTTP exchange over a socket of its own, written byte for byte so that nothing is tidied up on the way."""

from __future__ import annotations

import dataclasses
import functools
import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import SplitResult, urlsplit

from sandbox.style import Headed, Pair

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Slow sending: so many bytes at once, then a pause."""

    bytes_at_once: int = 1
    pause_seconds: float = 0.05


@dataclass(frozen=True, kw_only=True)
class Line:
    """How servers are reached: the public name stays in SNI and Host while `connect_to` says where the socket goes.

    `timeout_seconds` bounds the connection, each write, and the wait for the answer as a whole.
    """

    ca_file: Path | None = None
    connect_to: tuple[str, int] | None = None
    source_address: str | None = None
    timeout_seconds: float = 15
    pace: Pace | None = None

    def to(self, url: str, **changes: Any) -> Route:  # noqa: ANN401 - fields of the line
        """The route to this URL, over this line or a variant of it."""
        return Route(url=url, **({field.name: getattr(self, field.name) for field in fields(Line)} | changes))


@dataclass(frozen=True, kw_only=True)
class Route(Line):
    """The way to one server."""

    url: str

    @functools.cached_property
    def parts(self) -> SplitResult:
        return urlsplit(self.url)

    @functools.cached_property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)

    @property
    def target(self) -> str:
        """Path and query, as they stand in the request line."""
        return (self.parts.path or "/") + (f"?{self.parts.query}" if self.parts.query else "")

    @property
    def address(self) -> tuple[str, int]:
        default_port = 443 if self.parts.scheme == "https" else 80
        return self.connect_to or (self.parts.hostname or "", self.parts.port or default_port)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is sent. `host` and `target` replace those of the route's URL where they are given."""

    method: str = "POST"
    headers: tuple[Pair, ...] = ()
    body: bytes = b""
    chunked: bool = False
    host: str | None = None
    target: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer(Headed):
    """What came back, if anything did: without a status, `error` says why.

    `sent_at` is in Unix seconds; `seconds` is how long the exchange took; `waited_seconds` is the simulated wait
    before it.
    """

    status: int | None = None
    headers: tuple[Pair, ...] = ()
    body: bytes = b""
    error: str = ""
    sent_at: float = 0
    seconds: float = 0
    waited_seconds: float = 0


def exchange(route: Route, request: Request, *, stopped: threading.Event | None = None) -> Answer:
    """Send and read one answer. Nothing is raised for what the network does: the answer tells it."""
    sent_at, began = time.time(), time.monotonic()
    try:
        with _connected(route) as connection:
            _write(connection, _spelled(route, request), route.pace, stopped or threading.Event())
            answer = _read(connection, request.method, route.timeout_seconds)
    except (OSError, http.client.HTTPException) as error:
        answer = Answer(error=_reason(error))
    return dataclasses.replace(answer, sent_at=sent_at, seconds=time.monotonic() - began)


def _connected(route: Route) -> socket.socket:
    source = (route.source_address, 0) if route.source_address else None
    connection = socket.create_connection(route.address, route.timeout_seconds, source_address=source)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if route.parts.scheme != "https":
        return connection
    try:
        return route.tls.wrap_socket(connection, server_hostname=route.parts.hostname)
    except BaseException:
        connection.close()
        raise


def _spelled(route: Route, request: Request) -> bytes:
    framing = ("transfer-encoding", "chunked") if request.chunked else ("content-length", str(len(request.body)))
    pairs = [("host", request.host if request.host is not None else route.parts.netloc), *request.headers, framing]
    lines = [
        f"{request.method} {request.target or route.target} HTTP/1.1",
        *(f"{name}: {value}" for name, value in pairs),
    ]
    body = b"".join(_chunks(request.body)) if request.chunked else request.body
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def _chunks(body: bytes, size: int = 4096) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        part = body[start : start + size]
        yield f"{len(part):x}\r\n".encode() + part + b"\r\n"
    yield b"0\r\n\r\n"


def _write(connection: socket.socket, message: bytes, pace: Pace | None, stopped: threading.Event) -> None:
    step = pace.bytes_at_once if pace else len(message)
    try:
        for start in range(0, len(message), step):
            connection.sendall(message[start : start + step])
            if pace and stopped.wait(pace.pause_seconds):
                raise ConnectionAbortedError
    except (BrokenPipeError, ConnectionResetError):
        return  # A server may refuse before it has read everything; what it said can still be there to read.


def _read(connection: socket.socket, method: str, timeout_seconds: float) -> Answer:
    source = _Deadlined(connection, deadline=time.monotonic() + timeout_seconds)
    with http.client.HTTPResponse(cast(socket.socket, source), method=method) as response:
        response.begin()
        return Answer(status=response.status, body=response.read(), headers=tuple(response.getheaders()))


class _Deadlined(io.RawIOBase):
    """Reads from a socket until a deadline; a socket's own timeout would start anew with every byte."""

    def __init__(self, connection: socket.socket, *, deadline: float) -> None:
        super().__init__()
        self._connection = connection
        self._deadline = deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        remaining_seconds = self._deadline - time.monotonic()
        if remaining_seconds <= 0:
            raise TimeoutError
        self._connection.settimeout(remaining_seconds)
        return self._connection.recv_into(buffer)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    return f"{type(error).__name__}: {error}".rstrip(": ")
