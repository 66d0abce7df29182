"""One exchange with a peer: when it ends, and what can go wrong with it, in our words."""

from __future__ import annotations

import math
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from http import client

from requests import exceptions as theirs
from requests.cookies import CookieConflictError
from urllib3 import exceptions as lower
from urllib3.util.ssl_match_hostname import CertificateError

from gateway import clock
from gateway.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable
from gateway.phrases import Reason

Ours = tuple[type[UpstreamError], Reason]

LATE: Ours = (UpstreamTimeout, Reason.NO_ANSWER)
BROKEN: Ours = (UpstreamUnreachable, Reason.CONNECTION_BROKEN)
SHORT: Ours = (UpstreamUnreachable, Reason.ANSWER_SHORT)
MALFORMED: Ours = (UpstreamUnreachable, Reason.ANSWER_MALFORMED)

# What is ours, and what is theirs. Whatever stands nowhere is told as the class that it was made from; but each
# exception of these libraries shall stand here on purpose (tests/test_upstream_exchange.py).
_THEIRS: dict[Ours, tuple[type[Exception], ...]] = {
    LATE: (
        *(theirs.Timeout, theirs.ConnectTimeout, theirs.ReadTimeout),
        *(lower.TimeoutError, lower.ConnectTimeoutError, lower.ReadTimeoutError, TimeoutError),
    ),
    (UpstreamUnreachable, Reason.NO_HOST): (lower.NameResolutionError, socket.gaierror, socket.herror),
    (UpstreamUnreachable, Reason.CONNECTION_REFUSED): (lower.NewConnectionError,),
    (UpstreamUnreachable, Reason.TLS_REFUSED): (
        *(theirs.SSLError, lower.SSLError, CertificateError, ssl.SSLCertVerificationError),
    ),
    SHORT: (lower.IncompleteRead, client.IncompleteRead),
    MALFORMED: (
        *(client.BadStatusLine, client.LineTooLong, client.UnknownProtocol, client.UnknownTransferEncoding),
        *(lower.InvalidChunkLength, lower.HeaderParsingError, client.HTTPException),
        *(theirs.InvalidHeader, lower.InvalidHeader),  # two lengths; ours are sound
    ),
    BROKEN: (
        # A connection that broke; of TLS, what goes wrong after the handshake.
        *(theirs.ConnectionError, theirs.ChunkedEncodingError, theirs.ContentDecodingError),
        *(theirs.InvalidJSONError, theirs.JSONDecodeError, theirs.StreamConsumedError, CookieConflictError),
        *(lower.ProtocolError, lower.DecodeError, lower.ResponseNotChunked, lower.BodyNotHttplibCompatible),
        client.RemoteDisconnected,
        *(ssl.SSLError, ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError),
        *(ssl.SSLWantReadError, ssl.SSLWantWriteError),
        # A request that cannot be sent, or not now.
        *(theirs.URLRequired, theirs.MissingSchema, theirs.InvalidSchema, theirs.InvalidURL),
        *(lower.LocationValueError, lower.LocationParseError, lower.URLSchemeUnknown),
        *(theirs.UnrewindableBodyError, lower.UnrewindableBodyError, client.UnimplementedFileMode),
        *(lower.PoolError, lower.ClosedPoolError, lower.EmptyPoolError, lower.FullPoolError),
        *(client.InvalidURL, client.NotConnected, client.ImproperConnectionState),
        *(client.CannotSendRequest, client.CannotSendHeader, client.ResponseNotReady),
        # What we never ask for: redirects, retries, proxies, a status as an error.
        *(theirs.TooManyRedirects, theirs.RetryError, theirs.HTTPError, theirs.ProxyError, theirs.InvalidProxyURL),
        *(lower.HostChangedError, lower.MaxRetryError, lower.ResponseError, lower.TimeoutStateError),
        *(lower.ProxyError, lower.ProxySchemeUnknown, lower.ProxySchemeUnsupported),
        # What all of them are made from.
        *(theirs.RequestException, lower.HTTPError, lower.RequestError, OSError, ValueError),
    ),
}
WORDS = {kind: ours for ours, kinds in _THEIRS.items() for kind in kinds}


@dataclass
class Exchange:
    """What is exchanged: the target to send, and when all of it ends, on the steady clock."""

    target: str
    ends_at: float
    before_leaving: Callable[[], None] = lambda: None  # may call all of it off, by raising
    request: bytes = field(default=b"", repr=False)  # as it goes out
    sent: bool = False  # the first byte of the request is about to leave
    most_wait_seconds: float = math.inf  # for what comes next
    answer: client.HTTPResponse = field(init=False)  # once its head is read
    certificate_ends_at: float | None = None  # epoch seconds; of the one that a new connection was shown

    @property
    def expired(self) -> bool:
        return clock.steady() >= self.ends_at

    def leave(self) -> None:
        """Let bytes leave; before the first of them whoever began this is asked whether it still shall."""
        if not self.sent:
            self.before_leaving()
        self.sent = True

    def left_seconds(self) -> float:
        """Say how long whatever is done next may take. Raises TimeoutError when time is up."""
        left = min(self.ends_at - clock.steady(), self.most_wait_seconds)
        if left <= 0:
            raise TimeoutError
        return left


_current: ContextVar[Exchange] = ContextVar("exchange")
current = _current.get  # that of this thread, or greenlet


@contextmanager
def exchanging(
    target: str, deadline_seconds: float, before_leaving: Callable[[], None] = lambda: None
) -> Iterator[Exchange]:
    """Hold what happens in the context to one time. Raises UpstreamTimeout when that is up, and says what had left."""
    exchange = Exchange(target, clock.steady() + deadline_seconds, before_leaving)
    before = _current.set(exchange)
    try:
        yield exchange
        if exchange.expired:  # its end was waited for in vain, or was there already
            raise UpstreamTimeout(LATE[1])
    except UpstreamError as error:
        if hasattr(exchange, "answer"):
            exchange.answer.close()  # it may hold a connection that nobody else knows of any more
        late = exchange.expired and not isinstance(error, UpstreamTimeout)
        told = UpstreamTimeout(LATE[1]) if late else error
        told.sent = exchange.sent
        told.answered = exchange.answer.status if hasattr(exchange, "answer") else error.answered
        raise told from error.__cause__
    finally:
        _current.reset(before)


@contextmanager
def in_our_words() -> Iterator[None]:
    """Translate whatever the libraries raise. Raises UpstreamUnreachable, UpstreamTimeout."""
    try:
        yield
    except tuple(WORDS) as error:
        ours, words = _told(error)
        raise ours(words) from error


def against_certificate(error: BaseException) -> str:
    """Say what OpenSSL has against the certificate that was shown; "" where that was not why.

    These words hold no more than names and dates of the certificate.
    """
    told, seen = [error], set[int]()
    while told:
        one = told.pop()
        if isinstance(one, ssl.SSLCertVerificationError):
            return one.verify_message
        if id(one) not in seen:
            seen.add(id(one))
            told += [each for each in (one.__cause__, one.__context__, *one.args) if isinstance(each, BaseException)]
    return ""


def _told(error: Exception) -> Ours:
    """Say what is ours for an error; one that says only that something broke is asked for what it holds."""
    told = next(WORDS[kind] for kind in type(error).__mro__ if kind in WORDS)
    held = [one for one in error.args if isinstance(one, Exception) and isinstance(one, tuple(WORDS))]
    return _told(held[0]) if told is BROKEN and held else told
