"""One request as it came, and the server's end of the connection on which it is answered."""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.style import Pair


@dataclass(frozen=True, kw_only=True)
class Heard:
    """A request as it was sent; header values without the blanks around them, the body without its chunks.

    `target` is what stood in the request line; a `path` that began with several slashes has one.
    """

    method: str
    target: str
    path: str
    query: str
    headers: tuple[Pair, ...] = field(repr=False)
    body: bytes = field(repr=False)

    def all_headers(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Wire:
    """The server's end of one connection, for answers that are no answers.

    `read` gives the body to who has not had it with the head; whoever leaves it unread must close. Raises OSError.
    """

    def __init__(self, connection: socket.socket, *, read: Callable[[], bytes] = lambda: b"") -> None:
        self._connection = connection
        self.read = read
        self.open = True

    def write(self, data: bytes) -> None:
        """Raises OSError where the client is gone."""
        self._connection.sendall(data)

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
