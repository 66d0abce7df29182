"""One request as it came, and the server's end of the connection on which it is answered."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.style import Headed, Pair

_BLOCK, _BLOCK_PAUSE_SECONDS = b" " * 65_536, 0.005


@dataclass(frozen=True, kw_only=True)
class Heard(Headed):
    """A request as it was sent; header values without the blanks around them, the body without its chunks.

    `target` is what stood in the request line; a `path` that began with several slashes has one.
    """

    method: str
    target: str
    path: str
    query: str
    headers: tuple[Pair, ...] = field(repr=False)
    body: bytes = field(repr=False)


class Wire:
    """The server's end of one connection, for answers that are no answers.

    `read` gives the body to who has not had it with the head; whoever leaves it unread must close. `bodiless` says that
    no body may follow. Whoever waits before it answers waits for `released`. Raises OSError.
    """

    def __init__(
        self, connection: socket.socket, *, read: Callable[[], bytes] = lambda: b"", bodiless: bool = False
    ) -> None:
        self._connection = connection
        self.read, self.bodiless = read, bodiless
        self.open = True
        self.released = threading.Event()

    def write(self, data: bytes) -> None:
        """Raises OSError where the client is gone."""
        self._connection.sendall(data)

    def wait(self, seconds: float | None) -> bool:
        """Wait so long, or until it is released; is the client still there? Where it is not, the connection ends."""
        self.released.wait(seconds)
        if self.gone():
            self.close()
        return self.open

    def drip(self, data: bytes, *, pause_seconds: float) -> None:
        """Send it byte by byte, with a pause after each, until it is released."""
        for byte in data:
            self.write(bytes((byte,)))
            self.released.wait(pause_seconds)

    def pour(self, head: bytes) -> None:
        """Send a head and a body that does not end before the client leaves, or it is released."""
        self.close()
        self.write(head)
        while not (self.gone() or self.released.wait(_BLOCK_PAUSE_SECONDS)):
            self.write(_BLOCK)

    def gone(self) -> bool:
        """Has the client closed its side?"""
        poll = select.poll()
        poll.register(self._connection.fileno(), select.POLLRDHUP)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Close the connection after this answer."""
        self.open = False

    def reset(self) -> None:
        """Close it with a reset."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.open = False
