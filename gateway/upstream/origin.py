"""One origin that is called: posts whose answers nobody needs in full, and files that are fetched."""

from __future__ import annotations

import email.utils
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import requests
import urllib3

from gateway import PROGRAM, telemetry
from gateway.errors import UpstreamError
from gateway.upstream import exchange as exchanges
from gateway.upstream.connections import KEPT_SECONDS, Guard, OriginAdapter, Pool, TlsPool, written
from gateway.upstream.exchange import exchanging, in_our_words
from gateway.upstream.sockets import Proxy
from gateway.upstream.stream import Stream

LONGEST_ANSWER_BYTES = 64 * 1024  # of an answer whose body nobody needs in full

_SECONDS = re.compile("[0-9]{1,9}")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names as urllib3 gives them: looked up without case
    body: bytes  # of `post` its first LONGEST_ANSWER_BYTES, of `call` all

    def as_response(self, url: str) -> requests.Response:
        """Give it in the form of requests, to a library that knows no other."""
        given = requests.Response()
        given.status_code, given.url, given.encoding = self.status, url, "utf-8"
        given.headers.update(self.headers)
        given.raw = io.BytesIO(self.body)
        return given

    def retry_after_seconds(self, *, now: float | None = None) -> float | None:
        """Say how long it asks to be left alone (RFC 9110, 10.2.3); None: it does not, or in no words of HTTP.

        `now`: against which a date is held, in epoch seconds; without it a date says nothing.
        """
        value = self.headers.get("Retry-After", "").strip(" \t")
        if _SECONDS.fullmatch(value):
            return float(value)
        if now is None:
            return None
        try:
            moment = email.utils.parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        # All dates of HTTP are in UTC, those of its old form too, which do not say so.
        return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now)


class Upstream:
    """One origin, with its pool of connections. Safe to use from several threads."""

    def __init__(
        self,
        origin: str,
        *,
        ca_file: Path | None = None,
        fingerprint: str = "",
        proxy: Proxy | None = None,
        guard: Guard | None = None,
        connections: int,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        """`origin`: scheme, host and optional port. `ca_file` replaces the system's trust store.

        `fingerprint`: of the one certificate that may be shown, its SHA-256 in hex; nothing else is asked of it then.
        `proxy`: through which it is reached; `guard`: is asked about its addresses, where there is no proxy.
        `kept_seconds`: how long a connection may rest until it is used again.
        """
        parsed = urllib3.util.parse_url(origin)
        host = parsed.host or ""
        common: dict[str, Any] = {"maxsize": connections, "block": False}
        if parsed.scheme == "https":
            trusted = None if ca_file is None else str(ca_file)
            proof = "NONE" if fingerprint else "REQUIRED"
            common |= {"ca_certs": trusted, "cert_reqs": proof, "assert_fingerprint": fingerprint or None}
            pool: Pool = TlsPool(host, parsed.port, **common)
        else:
            pool = Pool(host, parsed.port, **common)
        pool.kept_seconds, pool.egress, pool.guard = kept_seconds, proxy, guard
        self._adapter = OriginAdapter(pool)
        self._url = f"{origin}/"
        place = host.rstrip(".") + (
            f":{parsed.port}" if parsed.port not in (None, pool.ConnectionCls.default_port) else ""
        )
        own = (("Host", place), ("Accept-Encoding", "identity"), ("User-Agent", PROGRAM))
        self._own = {name.lower(): (name, value) for name, value in own}  # said where a caller does not say otherwise

    def post(self, target: str, *, body: bytes, headers: Sequence[tuple[str, str]], deadline_seconds: float) -> Answer:
        """Send one POST and read the answer. Raises UpstreamUnreachable, UpstreamTimeout."""
        with exchanging(target, deadline_seconds), in_our_words():
            return _read(self._ask("POST", headers, body=body))

    def call(
        self,
        method: str,
        target: str,
        *,
        body: bytes | None,
        headers: Sequence[tuple[str, str]],
        deadline_seconds: float,
        most_bytes: int,
        before_leaving: Callable[[], None] = lambda: None,
    ) -> Answer:
        """Send one request and read the whole answer. Raises UpstreamUnreachable, UpstreamTimeout.

        `before_leaving` is called when a connection is there and the first byte is about to leave: what it raises
        comes through, and nothing has left.
        """
        with exchanging(target, deadline_seconds, before_leaving) as exchange:
            with in_our_words():
                response = self._ask(method, headers, body=body)
            try:
                stream = Stream(response.status, response.headers, exchange.answer.length, response, exchange)
                return Answer(response.status, response.headers, stream.whole(most_bytes=most_bytes))
            except UpstreamError:
                response.close()
                raise

    @contextmanager
    def get(self, target: str, *, headers: Sequence[tuple[str, str]], deadline_seconds: float) -> Iterator[Stream]:
        """Send one GET and hand on the answer; its body can be read until the context ends.

        `deadline_seconds`: for all that happens in the context. Its connection is not used again.
        Raises UpstreamUnreachable, UpstreamTimeout.
        """
        with exchanging(target, deadline_seconds) as exchange:
            with in_our_words():
                response = self._ask("GET", [*headers, ("Connection", "close")])
            try:
                yield Stream(response.status, response.headers, exchange.answer.length, response, exchange)
            finally:
                response.close()

    def close(self) -> None:
        self._adapter.close()

    def _ask(
        self, method: str, headers: Sequence[tuple[str, str]], *, body: bytes | None = None
    ) -> urllib3.HTTPResponse:
        # What `prepare` does to a request is what must not be done to it: it goes out as it is written here.
        given = {name.lower() for name, _ in headers}
        fields = [*(said for name, said in self._own.items() if name not in given), *headers]
        if traceparent := telemetry.traceparent():
            fields.append((telemetry.TRACEPARENT, traceparent))
        if body is not None:
            fields.append(("Content-Length", str(len(body))))
        under_way = exchanges.current()
        under_way.request = written(method, under_way.target, fields, body)
        request = requests.PreparedRequest()
        request.method, request.url, request.headers = method, self._url, {}  # type: ignore[assignment]
        answer: urllib3.HTTPResponse = self._adapter.send(request, stream=True).raw
        return answer


def _read(response: urllib3.HTTPResponse) -> Answer:
    body = response.read(LONGEST_ANSWER_BYTES)
    if not response.isclosed() and response.read(1):
        response.close()  # there is more than anybody needs: the connection is not worth draining
    response.release_conn()
    return Answer(status=response.status, headers=response.headers, body=body)
