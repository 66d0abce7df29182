"""The bytes of a file, read at any place, within a budget.

Rule 1. A reader never holds the file: it asks for the few bytes that it needs.
Rule 2. What is read in all is bounded: beyond the budget `TooCostly` is raised, and the inspector says so.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

BUDGET_BYTES = 16 * 2**20


class TooCostly(Exception):
    """A reader wants more of this file than anybody shall read."""


class Content:
    """`size_bytes`, and `at(offset, length)`. One reader at a time."""

    def __init__(self, file: BinaryIO, *, size_bytes: int) -> None:
        self._file = file
        self._left = BUDGET_BYTES
        self.size_bytes = size_bytes

    def at(self, offset: int, length: int) -> bytes:
        """The bytes from there on: fewer than `length` at the end, none beyond it or before the start.

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
        return self.at(0, length)

    def tail(self, length: int) -> bytes:
        return self.at(max(0, self.size_bytes - length), length)


def of_bytes(data: bytes) -> Content:
    return Content(io.BytesIO(data), size_bytes=len(data))


@contextmanager
def of_file(path: Path) -> Iterator[Content]:
    """Raises OSError."""
    with path.open("rb") as file:
        yield Content(file, size_bytes=os.fstat(file.fileno()).st_size)
