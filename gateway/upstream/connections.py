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
from urllib3 import HTTPHeaderDict, HTTPResponse, Retry
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

# An answer's head in the form that nearly all have: what is written otherwise http.client reads, from its first byte.
_FIELD = r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\x80-\xff]*)\r\n"
_HEAD = re.compile(rf"HTTP/1\.1 ([2-9][0-9]{{2}}) ([\t -~\x80-\xff]*)\r\n((?:{_FIELD})*)\r\n".encode("latin-1"))
_FIELDS = re.compile(_FIELD)
_BODILESS = (204, 304)
_LENGTH = re.compile("[0-9]{1,15}")
# And a request's: no blank, no break, no byte beyond Latin-1 where it could make two of one.
_LINES = re.compile(r"[A-Z]+ [!-~\x80-\xff]+ HTTP/1\.1\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\r\n\0]*\r\n)+\r\n")
_FOLD = re.compile(r"[ \t]*\r?\n[ \t]+")  # RFC 9112, 5.2

_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;.*)?\r?\n", re.DOTALL)
_LONGEST_CHUNK_LINE = 4096


class RawAnswer(http.client.HTTPResponse):
    """Lets its raw body be read, by who counts it."""

    interim = 0
    fields: HTTPHeaderDict
    _method: str

    def begin(self) -> None:
        if not self._has_begun_plainly():
            super().begin()
            self.fields = HTTPHeaderDict([(name, _FOLD.sub(" ", value)) for name, value in self.msg.items()])
        exchange.current().answer = self

    def _has_begun_plainly(self) -> bool:
        """Read the head if it came at once and has the form of nearly all; else leave every byte of it."""
        found = _HEAD.match(self.fp.peek(1))
        if found is None or self._method == "HEAD" or int(found[1]) in _BODILESS:
            return False
        fields = HTTPHeaderDict(
            [(name, value.strip(" \t")) for name, value in _FIELDS.findall(found[3].decode("latin-1"))]
        )
        length, coding = fields.get("Content-Length"), fields.get("Transfer-Encoding")
        if coding is None and length is not None and _LENGTH.fullmatch(length):
            self.length, self.chunked = int(length), False
        elif length is None and coding == "chunked":
            self.length, self.chunked, self.chunk_left = None, True, None
        else:
            return False
        self.fp.read(found.end())
        self.fields = self.headers = self.msg = fields  # type: ignore[assignment]
        self.version, self.code, self.reason = 11, int(found[1]), found[2].decode("latin-1")
        self.status, self.will_close = self.code, "close" in fields.get("Connection", "").lower()
        return True

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
    """Sends what was written, over a punctual socket."""

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

    def request(self, method: str, *_args: Any, **_kwargs: Any) -> None:  # noqa: ANN401 - urllib3's
        """Send what the exchange has written, by one write: a head by itself would be a packet of its own."""
        self._method = method
        self.send(exchange.current().request)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # as urllib3 has it
        answer = self.response_class(self.sock, method=self._method)
        try:
            answer.begin()
        except BaseException:
            answer.close()
            raise
        if answer.will_close:
            self.close()  # as it is what nobody uses again; the answer can be read on
        return HTTPResponse(
            body=answer,
            headers=answer.fields,
            status=answer.status,
            preload_content=False,
            decode_content=False,
            original_response=answer,
            request_method=self._method,
        )


class TlsConnection(Connection, HTTPSConnection):
    """Trusts the system, or the pinned CA and nobody else, both as they are when it connects; or one certificate."""

    def connect(self) -> None:
        if self.assert_fingerprint:
            self.ssl_context = _context(ssl.CERT_NONE)
        else:
            self.ssl_context = _context() if self.ca_certs else _system_context(_system_changed_at())
        super().connect()  # this reads `ca_certs`


def written(method: str, target: str, fields: Sequence[tuple[str, str]], body: bytes | None) -> bytes:
    """Write a request as it goes out, the target byte for byte. Raises ValueError for what cannot be said."""
    lines = [f"{name}: {value}\r\n" for name, value in fields]
    head = "".join([f"{method} {target} HTTP/1.1\r\n", *lines, "\r\n"])
    # Whoever puts a line break, or a colon, where none may be has made more lines, or other names, of it.
    sound = head.count("\n") == len(lines) + 2 and not any(":" in name for name, _ in fields)
    if not sound or not _LINES.fullmatch(head):
        raise ValueError("no request")
    return head.encode("latin-1") + (body or b"")


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
        return "/"  # the exchange has it written

    def build_response(self, _req: requests.PreparedRequest, resp: Any) -> requests.Response:  # noqa: ANN401 - as above
        """Hand on the answer as urllib3 has it: nobody needs the cookies and the encoding that requests makes of it."""
        made = requests.Response()
        made.status_code, made.raw = resp.status, resp
        return made

    def close(self) -> None:
        super().close()
        self._pool.close()
