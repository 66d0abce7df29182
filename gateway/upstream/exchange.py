"""One exchange with a peer: its deadline, and what can go wrong with it, in our words."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import urllib3

from gateway.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable


@dataclass
class Exchange:
    """What a thread is exchanging: the target to send, and the socket to shut when time is up."""

    target: str
    sock: socket.socket | None = None
    expired: bool = False
    sent: bool = False  # the first byte of the request is about to leave
    answer: http.client.HTTPResponse = field(init=False)  # once its head is read
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def watch(self, sock: socket.socket) -> None:
        with self._guard:
            self.sock = sock
            if self.expired:
                _shut(sock)

    def let_go(self) -> None:
        """The socket is another's now: what expires here shall not shut it."""
        with self._guard:
            self.sock = None

    def expire(self) -> None:
        with self._guard:
            self.expired = True
            if self.sock is not None:
                _shut(self.sock)


class _Current(threading.local):
    exchange: Exchange


_current = _Current()


def current() -> Exchange:
    """That of this thread."""
    return _current.exchange


@contextmanager
def exchanging(target: str, deadline_seconds: float) -> Iterator[Exchange]:
    """Shut this thread's socket down when the time is up. Raises UpstreamTimeout if that happened."""
    exchange = _current.exchange = Exchange(target)
    timer = threading.Timer(deadline_seconds, exchange.expire)
    timer.daemon = True
    timer.start()
    try:
        yield exchange
        if exchange.expired:  # an answer that ends where its connection does looks whole
            raise UpstreamTimeout("no answer in time")
    except UpstreamError as error:
        if hasattr(exchange, "answer"):
            exchange.answer.close()  # it may hold a connection that nobody else knows of any more
        raise _told(error, exchange) from error.__cause__
    finally:
        timer.cancel()


def _told(error: UpstreamError, exchange: Exchange) -> UpstreamError:
    """The same trouble, or that time was up; and whether anything had been sent."""
    told = UpstreamTimeout("no answer in time") if exchange.expired else error
    told.sent = exchange.sent
    return told


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):  # it was closed already
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # under TLS too: its own would wait for the peer


@contextmanager
def in_our_words() -> Iterator[None]:
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
