"""The only module that opens connections.

Rule 1. An upstream is one configured origin; neither a request nor an answer can name another:
        redirects are not followed, and neither the environment nor .netrc is asked.
Rule 2. An exchange has a total deadline. When it passes, its socket is shut down, whatever it is
        doing, so that a peer that drips bytes cannot hold us.
Rule 3. The request target goes out byte for byte as it was given.
Rule 4. Every failure is UpstreamUnreachable or UpstreamTimeout, in fixed words: the texts of the
        libraries below may hold addresses and tokens.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import Timeout

from gateway.errors import UpstreamTimeout, UpstreamUnreachable

CONNECT_SECONDS = 5.0  # three SYNs to a host that drops them
LONGEST_ANSWER_BYTES = 64 * 1024  # of an answer whose body nobody needs in full


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names as urllib3 gives them: looked up without case
    body: bytes  # its first LONGEST_ANSWER_BYTES


@dataclass
class _Exchange:
    """What a thread is exchanging: the target to send, and the socket to shut when time is up."""

    target: str
    sock: socket.socket | None = None
    expired: bool = False

    def watch(self, sock: socket.socket) -> None:
        self.sock = sock
        if self.expired:
            _shut(sock)

    def expire(self) -> None:
        self.expired = True
        if self.sock is not None:
            _shut(self.sock)


class _Current(threading.local):
    exchange: _Exchange


_current = _Current()


class _Faithful:
    """Mixed into urllib3's connections: sends the target untouched, and lets its socket be watched."""

    def putrequest(self, method: str, _url: str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - urllib3's
        if self.sock is not None:  # type: ignore[attr-defined]
            _current.exchange.watch(self.sock)  # type: ignore[attr-defined]
        super().putrequest(method, _current.exchange.target, *args, **kwargs)  # type: ignore[misc]

    def _encode_request(self, request: str) -> bytes:
        return request.encode("latin-1")  # http.client insists on ASCII; a query may hold any byte

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        _current.exchange.watch(self.sock)  # type: ignore[attr-defined]


class _Connection(_Faithful, HTTPConnection):  # type: ignore[misc]
    pass


class _TlsConnection(_Faithful, HTTPSConnection):  # type: ignore[misc]
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class Upstream:
    """One origin, with its pool of connections. Safe to use from several threads."""

    def __init__(self, origin: str, *, ca_file: Path | None = None, connections: int) -> None:
        """`origin`: scheme, host and optional port. `ca_file` replaces the system's trust store."""
        parsed = urllib3.util.parse_url(origin)
        host = parsed.host or ""
        common: dict[str, Any] = {"maxsize": connections, "block": False, "retries": False}
        if parsed.scheme == "https":
            trusted = None if ca_file is None else str(ca_file)
            self._pool: HTTPConnectionPool = _TlsPool(
                host, parsed.port, ca_certs=trusted, cert_reqs="REQUIRED", **common
            )
        else:
            self._pool = _Pool(host, parsed.port, **common)

    def post(self, target: str, *, body: bytes, headers: Sequence[tuple[str, str]], deadline_seconds: float) -> Answer:
        """Send one POST and read the answer. Raises UpstreamUnreachable, UpstreamTimeout."""
        with _exchanging(target, deadline_seconds), _in_our_words():
            response = self._pool.urlopen(
                "POST",
                "/",
                body=body,
                headers=urllib3.HTTPHeaderDict(headers),
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
                timeout=Timeout(connect=min(CONNECT_SECONDS, deadline_seconds), read=deadline_seconds),
            )
            return _read(response)

    def close(self) -> None:
        self._pool.close()


def _read(response: urllib3.BaseHTTPResponse) -> Answer:
    body = response.read(LONGEST_ANSWER_BYTES)
    if response.read(1):
        response.close()  # there is more than anybody needs: the connection is not worth draining
    response.release_conn()
    return Answer(status=response.status, headers=response.headers, body=body)


@contextmanager
def _exchanging(target: str, deadline_seconds: float) -> Iterator[None]:
    """Shut this thread's socket down when the time is up. Raises UpstreamTimeout if that happened."""
    exchange = _current.exchange = _Exchange(target)
    timer = threading.Timer(deadline_seconds, exchange.expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    except UpstreamUnreachable as error:
        if exchange.expired:
            raise UpstreamTimeout("no answer in time") from error
        raise
    finally:
        timer.cancel()
    if exchange.expired:  # an answer that ends where its connection does looks whole
        raise UpstreamTimeout("no answer in time")


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):  # it was closed already
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # under TLS too: its own would wait for the peer


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except urllib3.exceptions.NameResolutionError as error:
        raise UpstreamUnreachable("host name unknown") from error
    except urllib3.exceptions.NewConnectionError as error:  # urllib3 makes it a kind of the next
        raise UpstreamUnreachable("connection refused") from error
    except (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.ReadTimeoutError) as error:
        raise UpstreamTimeout("no answer in time") from error
    except urllib3.exceptions.SSLError as error:
        raise UpstreamUnreachable("certificate or TLS refused") from error
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise UpstreamUnreachable("connection broken") from error


def is_listening(path: Path) -> bool:
    """Whether something accepts connections on the Unix socket `path`."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(CONNECT_SECONDS)
        return probe.connect_ex(str(path)) == 0
