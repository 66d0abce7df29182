"""OLE compound files: old Office documents, encrypted new ones, installers, mails; by the names in their directory."""

from __future__ import annotations

import struct

from gateway.inspection import zip_directory
from gateway.inspection.content import Content
from gateway.inspection.ole_sectors import MAGIC, STORAGE, STREAM, Entry, Sectors
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


def read(content: Content) -> Structure | None:
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
    """The name of the stream that makes the file what it is, and what that is."""
    if file.entries[0].class_id in INSTALLERS:
        return "", INSTALLER
    named = ((name, mime) for name, mime in STREAMS.items() if name in top and top[name].kind == STREAM)
    return next(named, ("", OLE))


def _whole(file: Sectors, main: Entry, stream: bytes) -> bool:
    """Whether its beginning is there; a short stream lies elsewhere and is taken for granted."""
    return main.size_bytes > 0 and (file.short(main) or len(stream) == min(main.size_bytes, MAIN_BYTES))


def _flags(content: Content, top: dict[str, Entry], mime: str, stream: bytes) -> tuple[bool, bool]:
    """Whether the document is encrypted, and whether it has macros that its directory does not show."""
    if mime == WORD:
        return bool(stream[11:12]) and bool(stream[11] & _FIB_ENCRYPTED), False
    if mime == EXCEL:
        return _records(stream)
    if mime == POWERPOINT:
        return "encryptedsummary" in top, _slide_macros(content)
    return False, False


def _records(stream: bytes) -> tuple[bool, bool]:
    """Of a workbook: a FilePass record is there; a sheet is one of macros (Excel 4.0)."""
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
    """Whether the file ends as an archive, to the byte: Office itself keeps small archives inside of its documents."""
    archive = zip_directory.walk(content)
    return archive is not None and archive.trailing_bytes == 0
