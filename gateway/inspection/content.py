"""The bytes of a file, read within a budget: at any place, from front to back, box by box or chunk by chunk.

Rule 1. A reader never holds the file: it asks for the few bytes that it needs.
Rule 2. What is read in all is bounded: beyond the budget `TooCostly` is raised, and the inspector says so.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

BUDGET_BYTES = 16 * 2**20
WINDOW_BYTES = 2**16
MOST_BOXES = 10_000  # in a file; each second of a fragmented film has two
_WINDOWS = b"ms\0"  # with a number that Windows gives to codecs: the only names in QuickTime that are no words
RIFF_HEAD_BYTES = 12  # "RIFF", the length, and what it is
OPEN_LENGTHS = (0, 0xFFFFFFFF)  # written by those who cannot go back to fill it in
MOST_CHUNKS = 10_000  # in a RIFF file


class TooCostly(Exception):
    """A reader wants more of this file than anybody shall read."""


class Content:
    """A file of `size_bytes`, for one reader at a time."""

    def __init__(self, file: BinaryIO, *, size_bytes: int) -> None:
        self._file = file
        self._left = BUDGET_BYTES
        self.size_bytes = size_bytes

    def at(self, offset: int, length: int) -> bytes:
        """Read the bytes from there on: fewer than `length` at the end, none beyond it or before the start.

        Raises TooCostly.
        """
        if offset < 0 or length <= 0 or offset >= self.size_bytes:
            return b""
        length = min(length, self.size_bytes - offset)
        self._left -= length
        if self._left < 0:
            raise TooCostly
        self._file.seek(offset)
        return self._file.read(length)

    def head(self, length: int) -> bytes:
        """Read the first bytes. Raises TooCostly."""
        return self.at(0, length)

    def tail(self, length: int) -> bytes:
        """Read the last bytes. Raises TooCostly."""
        return self.at(max(0, self.size_bytes - length), length)


def of_bytes(data: bytes) -> Content:
    """Make bytes at hand readable as a file."""
    return Content(io.BytesIO(data), size_bytes=len(data))


@contextmanager
def of_file(path: Path) -> Iterator[Content]:
    """Open a file of this machine for as long as it is read. Raises OSError."""
    with path.open("rb") as file:
        yield Content(file, size_bytes=os.fstat(file.fileno()).st_size)


class Window:
    """A buffered Content: small reads from front to back, at most `most_reads`, with the last 64 KiB at hand."""

    def __init__(self, content: Content, *, most_reads: int) -> None:
        self._content = content
        self._left = most_reads
        self._start = 0
        self._data = b""

    def at(self, offset: int, length: int) -> bytes:
        """Read as Content.at does, for lengths below 64 KiB. Raises TooCostly."""
        self._left -= 1
        if self._left < 0:
            raise TooCostly
        first = offset - self._start
        if first < 0 or first + length > len(self._data):
            self._start, first = offset, 0
            self._data = self._content.at(offset, WINDOW_BYTES)
        return self._data[first : first + length]


@dataclass(frozen=True)
class Box:
    """Of an ISO base media file (ISO/IEC 14496-12, 4.2): a length, a name, and what is within."""

    name: bytes
    start: int  # of what is within
    end: int  # as it says: perhaps beyond the end of what it stands in


class Boxes:
    """All boxes of one file, which are counted wherever they stand."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self._left = MOST_BOXES

    def within(self, start: int, end: int) -> Iterator[Box]:
        """Walk from box to box, up to one that passes `end` or to bytes that are none. Raises TooCostly."""
        while start + 8 <= end:
            self._left -= 1
            if self._left < 0:
                raise TooCostly
            box = _box(self.content.at(start, 16), start, end)
            if box is None:
                return
            yield box
            start = box.end


def _box(head: bytes, start: int, end: int) -> Box | None:
    name = head[4:8]
    if len(name) < 4 or not (name.startswith(_WINDOWS) or all(0x20 <= byte < 0x7F or byte == 0xA9 for byte in name)):
        return None
    length, within = int.from_bytes(head[:4], "big"), 8
    if length == 0:  # to the end
        return Box(name, start + within, end)
    if length == 1:
        length, within = int.from_bytes(head[8:16], "big"), 16
    return Box(name, start + within, start + length) if length >= within else None


@dataclass(frozen=True)
class Chunk:
    """Of a RIFF file, as WebP and WAVE are: a name, a length, and a filler to an even end."""

    name: bytes
    start: int  # of what is within
    length: int

    @property
    def end(self) -> int:
        """With the filler."""
        return self.start + self.length + self.length % 2


def riff_chunks(content: Content, *, end: int) -> Iterator[Chunk]:
    """Walk from chunk to chunk, up to one that passes `end`. Raises TooCostly."""
    offset = RIFF_HEAD_BYTES
    for _ in range(MOST_CHUNKS):
        head = content.at(offset, 8)
        if offset + 8 > end or len(head) < 8:
            return
        chunk = Chunk(head[:4], offset + 8, int.from_bytes(head[4:], "little"))
        yield chunk
        offset = chunk.end
    raise TooCostly
