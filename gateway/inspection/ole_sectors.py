"""The inside of an OLE compound file: its directory, and the beginnings of its streams ([MS-CFB]).

Rule 1. Sectors are read one by one, as the file allocation table chains them, never the table as a whole.
Rule 2. Every chain is followed for so many sectors and no further; a directory beyond that: TooCostly.
Rule 3. The tree of names is walked without recursion, each entry once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.inspection.content import Content, TooCostly

MAGIC = bytes.fromhex("d0cf11e0a1b11ae1")
STORAGE, STREAM, ROOT = 1, 2, 5
MOST_ENTRIES = 8192
MOST_STREAM_SECTORS = 256

_HEADER_SECTORS = 109  # of the table, listed in the header itself
_LAST_SECTOR = 0xFFFFFFFA  # beyond it numbers mean free, end, table
_ENTRY = struct.Struct("<64sHBB3L16s")
_ENTRY_BYTES = 128
_MOST_LISTS = 64  # sectors that list the table's sectors, beyond the header: enough for 500 MB


@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    kind: int
    left: int
    right: int
    child: int
    class_id: bytes
    start: int
    size_bytes: int


class Sectors:
    """A compound file, opened. `entries` in the order of the file; the first is the root."""

    def __init__(self, content: Content) -> None:
        """Raises TooCostly."""
        header = content.head(512)
        self._content = content
        shift, self._mini_limit = _u16(header, 30), _u32(header, 56)
        self._size = 1 << shift if shift in (9, 12) else 0
        self._lists = [_u32(header, 76 + 4 * n) for n in range(_HEADER_SECTORS)]
        self._next_list = _u32(header, 68)
        self._known: dict[int, bytes] = {}  # sectors of the table
        self.entries: tuple[Entry, ...] = tuple(self._directory(_u32(header, 48))) if self._size else ()

    def top(self) -> Iterator[Entry]:
        """The entries right below the root."""
        waiting = [self.entries[0].child] if self.entries else []
        seen = set()
        while waiting:
            number = waiting.pop()
            if number >= len(self.entries) or number in seen:
                continue
            seen.add(number)
            entry = self.entries[number]
            yield entry
            waiting += [entry.left, entry.right]

    def short(self, entry: Entry) -> bool:
        """Whether the stream lies in the mini stream, which nobody reads here."""
        return entry.size_bytes < self._mini_limit

    def beginning(self, entry: Entry, *, most_bytes: int) -> bytes:
        """The first bytes of a stream; none of a short one."""
        if self.short(entry):
            return b""
        wanted = min(entry.size_bytes, most_bytes)
        sectors = min(MOST_STREAM_SECTORS, -(-wanted // self._size))
        return b"".join(self._sector(number) for number in self._chain(entry.start, sectors))[:wanted]

    def _directory(self, start: int) -> Iterator[Entry]:
        most = MOST_ENTRIES * _ENTRY_BYTES // self._size
        for count, number in enumerate(self._chain(start, most + 1)):
            if count == most:
                raise TooCostly
            sector = self._sector(number)
            for at in range(0, len(sector) - _ENTRY_BYTES + 1, _ENTRY_BYTES):
                yield _entry(sector, at)

    def _chain(self, number: int, most: int) -> Iterator[int]:
        seen: set[int] = set()
        while number < _LAST_SECTOR and number not in seen and len(seen) < most:
            seen.add(number)
            yield number
            number = self._next(number)

    def _next(self, number: int) -> int:
        table, place = divmod(number, self._size // 4)
        if table not in self._known:
            self._known[table] = self._sector(self._table_sector(table))
        return _u32(self._known[table], 4 * place)

    def _table_sector(self, table: int) -> int:
        """Where that sector of the table is: the header lists the first ones, chained lists the others."""
        each = self._size // 4 - 1
        while table >= len(self._lists) and self._next_list < _LAST_SECTOR:
            if len(self._lists) > _HEADER_SECTORS + _MOST_LISTS * each:
                raise TooCostly
            sector = self._sector(self._next_list)
            self._lists += [_u32(sector, 4 * n) for n in range(each)]
            self._next_list = _u32(sector, 4 * each)
        return self._lists[table] if table < len(self._lists) else _LAST_SECTOR

    def _sector(self, number: int) -> bytes:
        return self._content.at((number + 1) * self._size, self._size) if number < _LAST_SECTOR else b""


def _entry(sector: bytes, at: int) -> Entry:
    name, length, kind, _, left, right, child, class_id = _ENTRY.unpack_from(sector, at)
    return Entry(
        name=name[: max(0, min(length, 64) - 2)].decode("utf-16-le", "replace"),
        kind=kind,
        left=left,
        right=right,
        child=child,
        class_id=class_id,
        start=_u32(sector, at + 116),
        size_bytes=_u32(sector, at + 120),
    )


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")


def _u32(data: bytes, at: int) -> int:
    """What does not stand there is an end."""
    return int.from_bytes(data[at : at + 4], "little") if at + 4 <= len(data) else _LAST_SECTOR
