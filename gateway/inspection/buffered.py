"""Small reads from front to back of a file, without asking for each of them."""

from __future__ import annotations

from gateway.inspection.content import Content, TooCostly

WINDOW_BYTES = 2**16


class Window:
    """`at` of a Content, with the last 64 KiB at hand, for at most `most_reads` reads."""

    def __init__(self, content: Content, *, most_reads: int) -> None:
        self._content = content
        self._left = most_reads
        self._start = 0
        self._data = b""

    def at(self, offset: int, length: int) -> bytes:
        """As Content.at, for lengths below 64 KiB. Raises TooCostly."""
        self._left -= 1
        if self._left < 0:
            raise TooCostly
        first = offset - self._start
        if first < 0 or first + length > len(self._data):
            self._start, first = offset, 0
            self._data = self._content.at(offset, WINDOW_BYTES)
        return self._data[first : first + length]
