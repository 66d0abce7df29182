"""Sockets that know when their exchange ends, and the way through a proxy of the house.

Rule 1. The proxy is told host and port of the origin and nothing else: from then on it hands on bytes. TLS is spoken
        with the origin, and trusts whom it trusts without a proxy.
Rule 2. All of it happens within the time of the exchange, and before anything of the request has left.
Rule 3. What goes wrong at the proxy is told in phrases that name it.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from gateway import PROGRAM
from gateway.config import authority, secrets, tables
from gateway.errors import UpstreamTimeout, UpstreamUnreachable
from gateway.phrases import Reason
from gateway.upstream import exchange

CONNECT_SECONDS = 5.0  # three SYNs to a host that drops them; and once more for a handshake
NEAR_SECONDS = (
    0.01  # by which a socket's time may be off: to set it is a system call, and each lets other threads go first
)
MOST_HEAD_BYTES = 16 * 1024

_END = b"\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r]")
_REFUSED = {407: Reason.PROXY_PASSWORD, 502: Reason.PROXY_NO_WAY, 503: Reason.PROXY_NO_WAY, 504: Reason.PROXY_NO_WAY}


class PunctualSocket(socket.socket):
    """Waits for nothing longer than the exchange lasts that uses it, whatever timeout it was given."""

    def _hold_to(self, seconds: float) -> None:
        """Let whatever is waited for next take no longer."""
        held = self.gettimeout()
        if held is None or abs(held - seconds) > NEAR_SECONDS:
            self.settimeout(seconds)

    def connect(self, address: Any) -> None:  # noqa: ANN401 - socket's
        self.settimeout(min(exchange.current().left_seconds(), CONNECT_SECONDS))
        super().connect(address)

    def recv_into(self, *args: Any, **options: Any) -> int:  # noqa: ANN401 - as above
        self._hold_to(exchange.current().left_seconds())
        return super().recv_into(*args, **options)

    def say(self, content: bytes) -> None:
        """Send what belongs to the way and not to the request, of which nothing has left then."""
        self._hold_to(exchange.current().left_seconds())
        super().sendall(content)

    def sendall(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as above
        self._hold_to(exchange.current().left_seconds())
        exchange.current().leave()
        super().sendall(*args, **options)


class PunctualTlsSocket(PunctualSocket, ssl.SSLSocket):
    """The same under TLS."""

    def do_handshake(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as above
        self.settimeout(min(exchange.current().left_seconds(), CONNECT_SECONDS))
        super().do_handshake(*args, **options)
        if ends := (self.getpeercert() or {}).get("notAfter"):
            exchange.current().certificate_ends_at = float(ssl.cert_time_to_seconds(str(ends)))


def connected(found: Iterable[tuple[int, int, int, str, Any]]) -> PunctualSocket:
    """Connect to the first of the addresses that accepts; `found`: as getaddrinfo gives them. Raises OSError."""
    trouble = OSError("no address")
    for family, kind, protocol, _, address in found:
        sock = PunctualSocket(family, kind, protocol)
        try:
            if family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(address)
            return sock
        except OSError as error:
            sock.close()
            trouble = error
    raise trouble


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """Where it is, and how it is told who asks; `authorization` is empty where it does not want to know."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)

    def tunnel(self, host: str, port: int) -> PunctualSocket:
        """Connect to the origin through it. Raises UpstreamUnreachable, UpstreamTimeout."""
        try:
            sock = connected(socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM))
        except socket.gaierror as error:
            raise UpstreamUnreachable(Reason.PROXY_NO_HOST) from error
        except TimeoutError as error:
            raise UpstreamTimeout(Reason.PROXY_LATE) from error
        except OSError as error:
            raise UpstreamUnreachable(Reason.PROXY_DOWN) from error
        try:
            self._ask(sock, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except BaseException:
            sock.close()
            raise
        return sock

    def _ask(self, sock: PunctualSocket, place: str) -> None:
        lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}", f"User-Agent: {PROGRAM}"]
        lines += [f"Proxy-Authorization: {self.authorization}"] if self.authorization else []
        try:
            sock.say("\r\n".join([*lines, "", ""]).encode())
            head = _head(sock)
        except TimeoutError as error:
            raise UpstreamTimeout(Reason.PROXY_LATE) from error
        except OSError as error:
            raise UpstreamUnreachable(Reason.PROXY_BROKEN) from error
        _require_open(head)


def proxy_of(table: tables.MotionSettings | tables.SinchSettings | authority.AcmeSettings) -> Proxy | None:
    """Make the proxy that a table of the settings names, if it does."""
    if not table.proxy:
        return None
    place = urlsplit(table.proxy)
    user, password = table.proxy_username, table.proxy_password
    shown = secrets.basic(user, password.get_secret_value())[1] if user and password else ""
    return Proxy(host=place.hostname or "", port=place.port or 0, authorization=shown)


def _head(sock: PunctualSocket) -> bytes:
    """Read the answer up to the end of its head, and no byte of what follows. Raises OSError."""
    head, seen = b"", bytearray(4096)
    while not head.endswith(_END):
        many = sock.recv_into(seen, 0, socket.MSG_PEEK)
        if not many or len(head) > MOST_HEAD_BYTES:
            raise ConnectionError
        end = (head + seen[:many]).find(_END)
        wanted = many if end < 0 else end + len(_END) - len(head)
        head += seen[: sock.recv_into(seen, wanted)]
    return head


def _require_open(head: bytes) -> None:
    """Raises UpstreamUnreachable unless the proxy says that the way is open: any 2xx (RFC 9110, 9.3.6)."""
    found = _STATUS.match(head)
    status = int(found[1]) if found else 0
    if 200 <= status < 300:
        return
    told = UpstreamUnreachable(_REFUSED.get(status, Reason.PROXY_REFUSES) if status else Reason.PROXY_ODD)
    told.answered = status or None
    told.final = True  # another try would be told the same, and may lock an account
    raise told
