"""The transport of requests over sockets that know when their exchange ends, as faithful as we need it."""

from __future__ import annotations

import functools
import http.client
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family
from urllib3.util.ssl_ import create_urllib3_context

from gateway import clock
from gateway.upstream import exchange
from gateway.upstream.sockets import Proxy, PunctualTlsSocket, connected

# A connection that rested for longer is not used again: its peer, or a firewall on the way, may have let go of it, and
# nobody knows whether a request arrives that is sent there. Node.js, for one, lets go after 5 s.
KEPT_SECONDS = 4.0
MOST_INTERIM = 100  # answers before the answer; nobody sends more than one or two

# Is shown the addresses of a host before one of them is connected to, and raises what it has against any.
Guard = Callable[[Sequence[str]], None]

_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;.*)?\r?\n", re.DOTALL)
_LONGEST_CHUNK_LINE = 4096


class RawAnswer(http.client.HTTPResponse):
    """Lets its raw body be read, by who counts it."""

    interim = 0

    def begin(self) -> None:
        super().begin()
        exchange.current().answer = self

    def _read_status(self) -> Any:  # noqa: ANN401 - http.client's, which tells no type
        version, status, reason = super()._read_status()  # type: ignore[misc]
        # What is interim is no answer (RFC 9110, 15.2). http.client knows that of 100 alone: any other it would take
        # for the answer, and the answer for that of the next request.
        if not 100 <= status < 200:
            return version, status, reason
        self.interim += 1
        if self.interim > MOST_INTERIM:
            raise http.client.BadStatusLine("one more before the answer")
        return version, http.client.CONTINUE, reason

    def _read_next_chunk_size(self) -> int:
        line: bytes = self.fp.readline(_LONGEST_CHUNK_LINE)
        if not line:
            raise ValueError("no chunk")  # http.client takes it for a body that is cut short
        # http.client takes whatever `int` does: of less than nothing it would read all that comes, and 1_0 is 16.
        if not (found := _CHUNK_SIZE.fullmatch(line)):
            raise http.client.UnknownTransferEncoding
        return int(found[1], 16)


class Connection(HTTPConnection):
    """Sends the target untouched, over a punctual socket."""

    response_class = RawAnswer
    rested_since = 0.0
    egress: Proxy | None = None
    guard: Guard | None = None

    def _new_conn(self) -> socket.socket:
        if self.egress:
            return self.egress.tunnel(self.host, self.port)
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, allowed_gai_family(), socket.SOCK_STREAM)
            if self.guard:
                self.guard([str(place[0]) for *_, place in found])
            return connected(found)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError from error
        except OSError as error:
            raise NewConnectionError(self, "") from error

    def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401, ARG002 - urllib3's
        super().putrequest(method, exchange.current().target, *args, **kwargs)

    def _encode_request(self, request: str) -> bytes:
        return request.encode("latin-1")  # http.client insists on ASCII; a query may hold any byte


class TlsConnection(Connection, HTTPSConnection):
    """Trusts the system, or the pinned CA and nobody else, both as they are when it connects; or one certificate."""

    def connect(self) -> None:
        if self.assert_fingerprint:
            self.ssl_context = _context(ssl.CERT_NONE)
        else:
            self.ssl_context = _context() if self.ca_certs else _system_context(_system_changed_at())
        super().connect()  # this reads `ca_certs`


def _context(proof: ssl.VerifyMode = ssl.CERT_REQUIRED) -> ssl.SSLContext:
    made = create_urllib3_context(cert_reqs=proof)
    made.sslsocket_class = PunctualTlsSocket
    return made


def _system_changed_at() -> int:
    """Say when the one file of all that the system trusts was written, if there is one."""
    path = ssl.get_default_verify_paths().cafile
    return Path(path).stat().st_mtime_ns if path else 0


@functools.lru_cache(maxsize=1)
def _system_context(_changed_at: int) -> ssl.SSLContext:
    """Trust what the system trusts. To read all of that takes some 20 ms, so it is read once."""
    made = _context()
    made.load_default_certs()
    return made


class Pool(HTTPConnectionPool):
    """Connects anew what rested for too long."""

    ConnectionCls = Connection
    kept_seconds = KEPT_SECONDS
    egress: Proxy | None = None
    guard: Guard | None = None

    def _get_conn(self, timeout: float | None = None) -> Any:  # noqa: ANN401 - urllib3's
        connection: Any = super()._get_conn(timeout)
        connection.egress, connection.guard = self.egress, self.guard
        if clock.steady() - connection.rested_since > self.kept_seconds:
            connection.close()
        return connection

    def _put_conn(self, conn: Any) -> None:  # noqa: ANN401 - as above
        if conn is not None:
            conn.rested_since = clock.steady()
        super()._put_conn(conn)


class TlsPool(Pool, HTTPSConnectionPool):
    """The same under TLS."""

    ConnectionCls = TlsConnection


class OriginAdapter(HTTPAdapter):
    """Sends over one pool, whatever a request names; whom to trust its connections know.

    By itself, and not by a session: so nobody is followed, no environment is asked, and no cookie is kept.
    """

    def __init__(self, pool: Pool) -> None:
        super().__init__(max_retries=Retry(total=False))
        self._pool = pool

    def get_connection_with_tls_context(self, *_args: Any, **_kwargs: Any) -> Pool:  # noqa: ANN401 - requests's
        return self._pool

    def cert_verify(self, *_args: Any) -> None:  # noqa: ANN401 - as above
        """Leave the pool as it is: requests would have it trust certifi's list."""

    def request_url(self, *_args: Any) -> str:  # noqa: ANN401 - as above
        return "/"  # the connection knows the target

    def build_response(self, _req: requests.PreparedRequest, resp: Any) -> requests.Response:  # noqa: ANN401 - as above
        """Hand on the answer as urllib3 has it: nobody needs the cookies and the encoding that requests makes of it."""
        made = requests.Response()
        made.status_code, made.raw = resp.status, resp
        return made

    def close(self) -> None:
        super().close()
        self._pool.close()
