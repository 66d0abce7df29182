"""urllib3's connections, as faithful as we need them."""

from __future__ import annotations

import http.client
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from gateway.upstream import exchange


class _Answer(http.client.HTTPResponse):
    """Lets its raw body be read, by who counts it."""

    def begin(self) -> None:
        super().begin()
        exchange.current().answer = self

    def _read_next_chunk_size(self) -> int:
        size = int(super()._read_next_chunk_size())  # type: ignore[misc]
        if size < 0:  # it would be read as all that comes, however much that is
            raise ValueError("chunk size")
        return size


class _Faithful:
    """Mixed into urllib3's connections: sends the target untouched, and lets its socket be watched."""

    response_class = _Answer

    def putrequest(self, method: str, _url: str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - urllib3's
        if self.sock is not None:  # type: ignore[attr-defined]
            exchange.current().watch(self.sock)  # type: ignore[attr-defined]
        super().putrequest(method, exchange.current().target, *args, **kwargs)  # type: ignore[misc]

    def _encode_request(self, request: str) -> bytes:
        return request.encode("latin-1")  # http.client insists on ASCII; a query may hold any byte

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        exchange.current().watch(self.sock)  # type: ignore[attr-defined]


class _Connection(_Faithful, HTTPConnection):  # type: ignore[misc]
    pass


class _TlsConnection(_Faithful, HTTPSConnection):  # type: ignore[misc]
    pass


class Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection
