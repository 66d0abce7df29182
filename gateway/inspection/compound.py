"""OLE compound files: old Office documents, encrypted new ones, installers, mails; by the names in their directory.

Rule 1. OLE sectors ([MS-CFB]) are read one by one, as the allocation table chains them, never the table as a whole.
Rule 2. Every chain is followed for so many sectors and no further; a directory beyond that: TooCostly.
Rule 3. The tree of names is walked without recursion, each entry once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.inspection import zip_directory
from gateway.inspection.content import Content, TooCostly
from gateway.inspection.structure import Structure, Trait

OLE, ENCRYPTED = "application/x-ole-storage", "application/encrypted"
WORD, EXCEL, POWERPOINT = "application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"
INSTALLER = "application/x-msi"

# Class of the root: installers, patches, transforms. Windows runs them by it, whatever else is in the file.
INSTALLERS = frozenset(
    bytes([kind, 0x10, 0x0C, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46]) for kind in (0x82, 0x84, 0x86)
)

# A name right below the root, and what the file then is. The first row that fits counts.
STREAMS = {
    "encryptedpackage": ENCRYPTED,
    "worddocument": WORD,
    "workbook": EXCEL,
    "book": EXCEL,
    "powerpoint document": POWERPOINT,
    "__properties_version1.0": "application/vnd.ms-outlook",
    "visiodocument": "application/vnd.visio",
}
MACRO_NAMES = frozenset({"vba", "_vba_project", "macros", "_vba_project_cur"})
PACKAGE = "\1ole10native"  # a file of any kind, put into a document
MOST_PACKAGES = 16
PACKAGE_BYTES = 64 * 1024
MAIN_BYTES = 64 * 1024  # of the stream that makes the document
SEARCHED_BYTES = 4 * 2**20

# [MS-PPT] 2.4.10: a VbaInfoContainer with its atom, which says that there are macros.
_SLIDE_MACROS = b"\xff\x03\x14\0\0\0\x02\0\0\x04\x0c\0\0\0"
_FIB_ENCRYPTED = 1  # [MS-DOC] 2.5.2, of its twelfth byte
_FILE_PASS, _BOUND_SHEET = 0x2F, 0x85  # [MS-XLS] 2.4.117, 2.4.28

MAGIC = bytes.fromhex("d0cf11e0a1b11ae1")
STORAGE, STREAM = 1, 2
MOST_ENTRIES = 8192
MOST_STREAM_SECTORS = 256

_HEADER_SECTORS = 109  # of the table, listed in the header itself
_LAST_SECTOR = 0xFFFFFFFA  # beyond it numbers mean free, end, table
_ENTRY = struct.Struct("<64sHBB3L16s")
_ENTRY_BYTES = 128
_MOST_LISTS = 64  # sectors that list the table's sectors, beyond the header: enough for 500 MB


def read(content: Content) -> Structure | None:
    """Tell a compound file by the streams below its root; None of anything else. Raises TooCostly."""
    if content.head(8) != MAGIC:
        return None
    file = Sectors(content)
    if not file.entries:
        return Structure(mime=OLE, traits=frozenset({Trait.BROKEN}))
    top = {entry.name.lower(): entry for entry in file.top() if entry.kind in (STREAM, STORAGE)}
    name, mime = _main(file, top)
    main = top.get(name)
    stream = file.beginning(main, most_bytes=MAIN_BYTES) if main else b""
    encrypted, macros = _flags(content, top, mime, stream)
    traits = {
        Trait.BROKEN: main is not None and not _whole(file, main, stream),
        Trait.ENCRYPTED: mime == ENCRYPTED or encrypted,
        Trait.MACROS: macros or any(entry.name.lower() in MACRO_NAMES for entry in file.entries if entry.kind),
        Trait.PROGRAM_WITHIN: _program_within(file),
        Trait.ARCHIVE_WITHIN: _is_archive_too(content),
    }
    return Structure(mime=mime, traits=frozenset(trait for trait, there in traits.items() if there))


def _main(file: Sectors, top: dict[str, Entry]) -> tuple[str, str]:
    """Find the name of the stream that makes the file what it is, and what that is."""
    if file.entries[0].class_id in INSTALLERS:
        return "", INSTALLER
    named = ((name, mime) for name, mime in STREAMS.items() if name in top and top[name].kind == STREAM)
    return next(named, ("", OLE))


def _whole(file: Sectors, main: Entry, stream: bytes) -> bool:
    """Tell whether its beginning is there; a short stream lies elsewhere and is taken for granted."""
    return main.size_bytes > 0 and (file.short(main) or len(stream) == min(main.size_bytes, MAIN_BYTES))


def _flags(content: Content, top: dict[str, Entry], mime: str, stream: bytes) -> tuple[bool, bool]:
    """Tell whether the document is encrypted, and whether it has macros that its directory does not show."""
    if mime == WORD:
        return bool(stream[11:12]) and bool(stream[11] & _FIB_ENCRYPTED), False
    if mime == EXCEL:
        return _records(stream)
    if mime == POWERPOINT:
        return "encryptedsummary" in top, _slide_macros(content)
    return False, False


def _records(stream: bytes) -> tuple[bool, bool]:
    """Find in a workbook whether a FilePass record is there, and whether a sheet is one of macros (Excel 4.0)."""
    encrypted = macros = False
    at = 0
    while at + 4 <= len(stream):
        kind, length = struct.unpack_from("<2H", stream, at)
        encrypted = encrypted or kind == _FILE_PASS
        macros = macros or (kind == _BOUND_SHEET and stream[at + 9 : at + 10] == b"\1")
        at += 4 + length
    return encrypted, macros


def _slide_macros(content: Content) -> bool:
    data = content.head(SEARCHED_BYTES)
    if content.size_bytes > SEARCHED_BYTES:
        data += content.tail(min(SEARCHED_BYTES, content.size_bytes - SEARCHED_BYTES))
    at = data.find(_SLIDE_MACROS)
    return at >= 0 and data[at + 18 : at + 22] != bytes(4)


def _program_within(file: Sectors) -> bool:
    packages = [entry for entry in file.entries if entry.name.lower() == PACKAGE and entry.kind == STREAM]
    return any(
        b"MZ" in data and b"PE\0\0" in data
        for data in (file.beginning(package, most_bytes=PACKAGE_BYTES) for package in packages[:MOST_PACKAGES])
    )


def _is_archive_too(content: Content) -> bool:
    """Tell whether the file ends as an archive, to the byte: Office keeps small ones inside of its documents."""
    archive = zip_directory.walk(content)
    return archive is not None and archive.trailing_bytes == 0


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
        shift, self._mini_limit = int.from_bytes(header[30:32], "little"), _u32(header, 56)
        self._size = 1 << shift if shift in (9, 12) else 0
        self._lists = [_u32(header, 76 + 4 * n) for n in range(_HEADER_SECTORS)]
        self._next_list = _u32(header, 68)
        self._known: dict[int, bytes] = {}  # sectors of the table
        self.entries: tuple[Entry, ...] = tuple(self._directory(_u32(header, 48))) if self._size else ()

    def top(self) -> Iterator[Entry]:
        """Walk the entries right below the root, each once."""
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
        """Tell whether the stream lies in the mini stream, which nobody reads here."""
        return entry.size_bytes < self._mini_limit

    def beginning(self, entry: Entry, *, most_bytes: int) -> bytes:
        """Read the first bytes of a stream; none of a short one. Raises TooCostly."""
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
        """Find where that sector of the table is: the header lists the first ones, chained lists the others."""
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


def _u32(data: bytes, at: int) -> int:
    """Read a number. What does not stand there is an end."""
    return int.from_bytes(data[at : at + 4], "little") if at + 4 <= len(data) else _LAST_SECTOR
