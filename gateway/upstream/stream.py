"""The body of an answer, a chunk at a time: whole, or an error."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import urllib3

from gateway.errors import TooLarge, UpstreamUnreachable
from gateway.phrases import Reason
from gateway.upstream.exchange import Exchange, in_our_words

CHUNK_BYTES = 64 * 1024
LINGER_SECONDS = 1.0  # for a peer that was asked to end the connection and does not: it is believed


@dataclass(frozen=True)
class Stream:
    """An answer whose body is still to come."""

    status: int
    headers: Mapping[str, str]  # names as urllib3 gives them: looked up without case
    length_bytes: int | None  # as it says; None if it comes in chunks
    _response: urllib3.BaseHTTPResponse
    _exchange: Exchange

    @property
    def certificate_ends_at(self) -> float | None:
        """When the certificate of a new connection ends, in epoch seconds; None without TLS."""
        return self._exchange.certificate_ends_at

    def chunks(self, *, most_bytes: int) -> Iterator[bytes]:
        """Hand on the body, once. Whoever got it to the end got all of it.

        Raises UpstreamUnreachable, also if the body is not what it says; TooLarge, as soon as that is known.
        """
        self._refuse_encoded()
        return self._bounded(self._as_told(), most_bytes)

    def whole(self, *, most_bytes: int) -> bytes:
        """Hand back the body as it came, encoded or not; its connection may be used again.

        Raises UpstreamUnreachable, also if the body is not what it says or is larger than `most_bytes`.
        """
        if self.length_bytes is None and not self._exchange.answer.chunked:
            raise UpstreamUnreachable(Reason.ANSWER_UNENDING)
        try:
            return b"".join(self._bounded(self._in_chunks(), most_bytes))
        except TooLarge as error:
            raise UpstreamUnreachable(Reason.ANSWER_TOO_LARGE) from error

    def _bounded(self, chunks: Iterator[bytes], most_bytes: int) -> Iterator[bytes]:
        if (self.length_bytes or 0) > most_bytes:
            raise TooLarge(Reason.ANSWER_TOO_LARGE)
        left = most_bytes
        for chunk in chunks:
            left -= len(chunk)
            if left < 0:
                raise TooLarge(Reason.ANSWER_TOO_LARGE)
            yield chunk

    def _refuse_encoded(self) -> None:
        content = self.headers.get("Content-Encoding", "").strip().lower()
        transfer = self.headers.get("Transfer-Encoding", "").strip().lower()
        if content not in ("", "identity") or transfer not in ("", "chunked"):
            raise UpstreamUnreachable(Reason.ANSWER_ENCODED)

    def _as_told(self) -> Iterator[bytes]:
        answer = self._exchange.answer
        if answer.chunked:
            return self._in_chunks()
        if self.length_bytes is None:
            # It would end where the connection ends, and a connection that breaks off looks the same.
            raise UpstreamUnreachable(Reason.ANSWER_UNENDING)
        return self._of_length(answer.fp, self.length_bytes)

    def _in_chunks(self) -> Iterator[bytes]:
        while True:
            with in_our_words():
                chunk = self._response.read(CHUNK_BYTES)
            if not chunk:
                return
            yield chunk

    def _of_length(self, body: io.BufferedReader, length_bytes: int) -> Iterator[bytes]:
        left = length_bytes
        while left:
            with in_our_words():
                chunk = body.read1(min(left, CHUNK_BYTES))
            if not chunk:
                raise UpstreamUnreachable(Reason.ANSWER_SHORT)
            left -= len(chunk)
            yield chunk
        if self._goes_on(body):
            raise UpstreamUnreachable(Reason.ANSWER_LONG)

    def _goes_on(self, body: io.BufferedReader) -> bool:
        """Say whether more comes before the connection ends, as it was asked to."""
        self._exchange.most_wait_seconds = LINGER_SECONDS
        try:
            return bool(body.peek(1))
        except OSError:
            return False
