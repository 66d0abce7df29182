"""OLE sectors ([MS-CFB]): the directory of a compound file, and any part of any stream in it.

Rule 1. OLE sectors are read one by one, as the allocation table chains them, never the table as a whole.
Rule 2. Every chain is followed for so many sectors and no further; a directory beyond that: TooCostly.
Rule 3. The tree of names is walked without recursion, each entry once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

from gateway.inspection.content import Content, TooCostly

MAGIC = bytes.fromhex("d0cf11e0a1b11ae1")
STORAGE, STREAM = 1, 2
MOST_ENTRIES = 8192
MOST_STREAM_SECTORS = 65_536
MOST_SHORT_SECTORS = 8192  # of the mini stream, which holds the short ones

_HEADER_SECTORS = 109  # of the table, listed in the header itself
_LAST_SECTOR = 0xFFFFFFFA  # beyond it numbers mean free, end, table
_ENTRY = struct.Struct("<64sHBB3L16s")
_ENTRY_BYTES = 128
_SHORT_BYTES = 64
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
        """Read header and directory. Raises TooCostly."""
        header = content.head(512)
        self._content = content
        shift, self._short_below = int.from_bytes(header[30:32], "little"), _u32(header, 56)
        self._short_start = _u32(header, 60)
        self.size_bytes = 1 << shift if shift in (9, 12) else 0  # of a sector
        self._lists = [_u32(header, 76 + 4 * n) for n in range(_HEADER_SECTORS)]
        self._next_list = _u32(header, 68)
        self._known: dict[int, bytes] = {}  # sectors of the table
        self.entries: tuple[Entry, ...] = tuple(self._directory(_u32(header, 48))) if self.size_bytes else ()

    def top(self) -> Iterator[Entry]:
        """Walk the entries right below the root, each once."""
        return self.below(self.entries[0]) if self.entries else iter(())

    def below(self, storage: Entry) -> Iterator[Entry]:
        """Walk the entries right below a storage, each once."""
        waiting = [storage.child]
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
        """Tell whether the stream lies in the mini stream."""
        return entry.size_bytes < self._short_below

    def beginning(self, entry: Entry, *, most_bytes: int) -> bytes:
        """Read the first bytes of a stream. Raises TooCostly."""
        return self.opened(entry).at(0, most_bytes)

    def opened(self, entry: Entry) -> SectorStream:
        """Open a stream, to be read anywhere."""
        return SectorStream(self, entry)

    def chain(self, number: int, most: int) -> Iterator[int]:
        """Follow the sectors from that one on, each once, `most` of them. Raises TooCostly."""
        return _followed(number, most, self._next)

    def short_chain(self, number: int) -> Iterator[int]:
        """Follow those of the mini stream. Raises TooCostly."""
        return _followed(number, MOST_SHORT_SECTORS, lambda at: _u32(self._short_table, 4 * at))

    def sector(self, number: int) -> bytes:
        """Read one; nothing where there is none. Raises TooCostly."""
        return self._content.at((number + 1) * self.size_bytes, self.size_bytes) if number < _LAST_SECTOR else b""

    def short_sector(self, number: int) -> bytes:
        """Read one of the mini stream, which is the root's. Raises TooCostly."""
        return self._root.at(number * _SHORT_BYTES, _SHORT_BYTES)

    @cached_property
    def _root(self) -> SectorStream:
        return SectorStream(self, replace(self.entries[0], size_bytes=0xFFFFFFFF))

    @cached_property
    def _short_table(self) -> bytes:
        most = 4 * MOST_SHORT_SECTORS // self.size_bytes
        return b"".join(self.sector(number) for number in self.chain(self._short_start, most))

    def _directory(self, start: int) -> Iterator[Entry]:
        most = MOST_ENTRIES * _ENTRY_BYTES // self.size_bytes
        for count, number in enumerate(self.chain(start, most + 1)):
            if count == most:
                raise TooCostly
            sector = self.sector(number)
            for at in range(0, len(sector) - _ENTRY_BYTES + 1, _ENTRY_BYTES):
                yield _entry(sector, at)

    def _next(self, number: int) -> int:
        table, place = divmod(number, self.size_bytes // 4)
        if table not in self._known:
            self._known[table] = self.sector(self._table_sector(table))
        return _u32(self._known[table], 4 * place)

    def _table_sector(self, table: int) -> int:
        """Find where that sector of the table is: the header lists the first ones, chained lists the others."""
        each = self.size_bytes // 4 - 1
        while table >= len(self._lists) and self._next_list < _LAST_SECTOR:
            if len(self._lists) > _HEADER_SECTORS + _MOST_LISTS * each:
                raise TooCostly
            sector = self.sector(self._next_list)
            self._lists += [_u32(sector, 4 * n) for n in range(each)]
            self._next_list = _u32(sector, 4 * each)
        return self._lists[table] if table < len(self._lists) else _LAST_SECTOR


class SectorStream:
    """A stream of a compound file: its bytes at any place, each sector of its chain looked up once."""

    def __init__(self, file: Sectors, entry: Entry) -> None:
        short = file.short(entry)
        self.size_bytes = entry.size_bytes
        self._each = _SHORT_BYTES if short else file.size_bytes
        self._read = file.short_sector if short else file.sector
        self._chain = file.short_chain(entry.start) if short else file.chain(entry.start, MOST_STREAM_SECTORS)
        self._numbers: list[int] = []
        self._last = (-1, b"")

    def at(self, offset: int, length: int) -> bytes:
        """Read the bytes from there on, fewer at the end. Raises TooCostly."""
        end = min(offset + length, self.size_bytes)
        first, beyond = offset // self._each, -(-end // self._each)
        data = b"".join(self._sector(place) for place in range(first, beyond))
        return data[offset - first * self._each : end - first * self._each]

    def _sector(self, place: int) -> bytes:
        if place == self._last[0]:
            return self._last[1]
        if place >= len(self._numbers):
            self._numbers += islice(self._chain, place + 1 - len(self._numbers))
        data = self._read(self._numbers[place]) if place < len(self._numbers) else b""
        self._last = (place, data)
        return data


def _followed(number: int, most: int, following: Callable[[int], int]) -> Iterator[int]:
    seen: set[int] = set()
    while number < _LAST_SECTOR and number not in seen and len(seen) < most:
        seen.add(number)
        yield number
        number = following(number)


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


def _u32(data: bytes, at: int) -> int:
    """Read a number. What does not stand there is an end."""
    return int.from_bytes(data[at : at + 4], "little") if at + 4 <= len(data) else _LAST_SECTOR
