"""urllib3's connections, as faithful as we need them."""

from __future__ import annotations

import http.client
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from gateway import clock
from gateway.upstream import exchange

# A connection that rested for longer is not used again: its peer, or a firewall on the way, may have let go of it, and
# nobody knows whether a request arrives that is sent there. Node.js, for one, lets go after 5 s.
KEPT_SECONDS = 4.0


class _Answer(http.client.HTTPResponse):
    """Lets its raw body be read, by who counts it."""

    def begin(self) -> None:
        super().begin()
        exchange.current().answer = self

    def _read_status(self) -> Any:  # noqa: ANN401 - http.client's, which tells no type
        version, status, reason = super()._read_status()  # type: ignore[misc]
        # What is interim is no answer (RFC 9110, 15.2). http.client knows that of 100 alone: any other it would take
        # for the answer, and the answer for that of the next request.
        return version, http.client.CONTINUE if 100 <= status < 200 else status, reason

    def _read_next_chunk_size(self) -> int:
        size = int(super()._read_next_chunk_size())  # type: ignore[misc]
        if size < 0:  # it would be read as all that comes, however much that is
            raise ValueError("chunk size")
        return size


class _Faithful:
    """Mixed into urllib3's connections: sends the target untouched, and lets its socket be watched."""

    response_class = _Answer
    rested_since = 0.0

    def putrequest(self, method: str, _url: str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - urllib3's
        if self.sock is not None:  # type: ignore[attr-defined]
            exchange.current().watch(self.sock)  # type: ignore[attr-defined]
        super().putrequest(method, exchange.current().target, *args, **kwargs)  # type: ignore[misc]

    def send(self, data: Any) -> None:  # noqa: ANN401 - as above
        if self.sock is None:  # type: ignore[attr-defined]
            self.connect()  # as http.client would; until then nothing is sent
        exchange.current().sent = True
        super().send(data)  # type: ignore[misc]

    def _encode_request(self, request: str) -> bytes:
        return request.encode("latin-1")  # http.client insists on ASCII; a query may hold any byte

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        exchange.current().watch(self.sock)  # type: ignore[attr-defined]


class _Connection(_Faithful, HTTPConnection):  # type: ignore[misc]
    pass


class _TlsConnection(_Faithful, HTTPSConnection):  # type: ignore[misc]
    pass


class _Fresh:
    """Mixed into urllib3's pools: what rested for too long is connected anew."""

    kept_seconds = KEPT_SECONDS

    def _get_conn(self, timeout: float | None = None) -> Any:  # noqa: ANN401 - urllib3's
        connection = super()._get_conn(timeout)  # type: ignore[misc]
        if clock.steady() - connection.rested_since > self.kept_seconds:
            connection.close()
        return connection

    def _put_conn(self, connection: Any) -> None:  # noqa: ANN401 - urllib3's
        if connection is not None:
            connection.rested_since = clock.steady()
            exchange.current().let_go()
        super()._put_conn(connection)  # type: ignore[misc]


class Pool(_Fresh, HTTPConnectionPool):
    ConnectionCls = _Connection


class TlsPool(_Fresh, HTTPSConnectionPool):
    ConnectionCls = _TlsConnection
