"""OLE compound files: old Office documents, encrypted new ones, installers, mails; by the names in their directory.

Rule 1. A VBA project ([MS-OVBA]) is without code if each of its modules, as its directory lists them, says nothing but
        attributes, options and comments. What cannot be read to its end may have code.
Rule 2. What a module was compiled to runs too, whatever its text says: where that is longer than it is of an empty
        module, there is code.
"""

from __future__ import annotations

import re

from gateway.inspection import filetypes, zip_directory
from gateway.inspection.content import Content, TooCostly, of_bytes
from gateway.inspection.ole import MAGIC, STORAGE, STREAM, Entry, Sectors, SectorStream
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
PACKAGE = "\1ole10native"  # a file of any kind, put into a document
MOST_PACKAGES = 16
PACKAGE_BYTES = 64 * 1024
MOST_NAMES = 4  # of what is packaged: its label, where it was, and where it is put
_NAMES_BYTES = 2048
_NAME_IN_PACKAGE = re.compile(rb"[^\0-\x1f]{2,260}(?=\0)")
MAIN_BYTES = 64 * 1024  # of the stream that makes the document
SEARCHED_BYTES = 4 * 2**20

# [MS-PPT] 2.4.10: a VbaInfoContainer with its atom, which says that there are macros.
_SLIDE_MACROS = b"\xff\x03\x14\0\0\0\x02\0\0\x04\x0c\0\0\0"
_FIB_ENCRYPTED = 1  # [MS-DOC] 2.5.2, of its twelfth byte
_FILE_PASS, _BOUND_SHEET, _END_OF_GLOBALS = 0x2F, 0x85, 0x0A  # [MS-XLS] 2.4.117, 2.4.28, 2.4.103
MOST_RECORDS = 20_000  # of a workbook, before its sheets

MODULES, DIRECTORY = "vba", "dir"  # of a VBA project
MOST_MODULES = 32
MOST_BYTES = 16 * 1024  # of a module, packed and unpacked
MOST_COMPILED_BYTES = 2048  # of a module without code

_VERSION, _STREAM_NAME, _OFFSET = 0x09, 0x32, 0x31  # records of the directory (2.3.4.2)
_NO_CODE = re.compile(r"\s*(?:Attribute\s.*|Option\s.*|'.*|Rem\b.*)?", re.IGNORECASE)
_CHUNK_BYTES = 4096


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
    encrypted, macros = _flags(content, top, mime, file.opened(main) if main else None)
    traits = {
        Trait.BROKEN: main is not None and not _whole(file, main, stream),
        Trait.ENCRYPTED: mime == ENCRYPTED or encrypted,
        Trait.MACROS: macros or has_code(file),
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


def _flags(content: Content, top: dict[str, Entry], mime: str, stream: SectorStream | None) -> tuple[bool, bool]:
    """Tell whether the document is encrypted, and whether it has macros that its directory does not show."""
    if stream and mime == WORD:
        return bool(int.from_bytes(stream.at(11, 1), "little") & _FIB_ENCRYPTED), False
    if stream and mime == EXCEL:
        return _records(stream)
    if mime == POWERPOINT:
        return "encryptedsummary" in top, _slide_macros(content)
    return False, False


def _records(stream: SectorStream) -> tuple[bool, bool]:
    """Find in a workbook whether a FilePass record is there, and whether a sheet is one of macros (Excel 4.0).

    Both stand before the end of the workbook's globals, wherever that is. Raises TooCostly.
    """
    encrypted = macros = False
    at = 0
    for _ in range(MOST_RECORDS):
        head = stream.at(at, 10)
        kind, length = int.from_bytes(head[:2], "little"), int.from_bytes(head[2:4], "little")
        encrypted = encrypted or kind == _FILE_PASS
        macros = macros or (kind == _BOUND_SHEET and head[9:] == b"\1")
        at += 4 + length
        if len(head) < 4 or kind == _END_OF_GLOBALS or macros:
            return encrypted, macros
    raise TooCostly


def _slide_macros(content: Content) -> bool:
    data = content.head(SEARCHED_BYTES)
    if content.size_bytes > SEARCHED_BYTES:
        data += content.tail(min(SEARCHED_BYTES, content.size_bytes - SEARCHED_BYTES))
    at = data.find(_SLIDE_MACROS)
    return at >= 0 and data[at + 18 : at + 22] != bytes(4)


def _program_within(file: Sectors) -> bool:
    packages = [entry for entry in file.entries if entry.name.lower() == PACKAGE and entry.kind == STREAM]
    return any(_runs(file.beginning(package, most_bytes=PACKAGE_BYTES)) for package in packages[:MOST_PACKAGES])


def _runs(package: bytes) -> bool:
    """Tell whether what is packaged there would run, by its bytes or by a name that it has ([MS-OLEDS] 2.3.6)."""
    if b"MZ" in package and b"PE\0\0" in package:
        return True
    names = _NAME_IN_PACKAGE.findall(package[:_NAMES_BYTES])[:MOST_NAMES]
    called = [filetypes.called(name.decode("latin-1")) for name in names]
    return any(row is not None and row.runnable for row in called)


def packages_program(data: bytes) -> bool:
    """Tell whether a compound file, embedded in another document, has a program or a script in it. Raises TooCostly."""
    return data.startswith(MAGIC) and _program_within(Sectors(of_bytes(data)))


def _is_archive_too(content: Content) -> bool:
    """Tell whether the file ends as an archive, to the byte: Office keeps small ones inside of its documents."""
    archive = zip_directory.walk(content)
    return archive is not None and archive.trailing_bytes == 0


def has_code(file: Sectors) -> bool:
    """Tell whether a compound file has a VBA project with code. Raises TooCostly."""
    storages = [entry for entry in file.entries if entry.kind == STORAGE and entry.name.lower() == MODULES]
    return any(_has_code(file, storage) for storage in storages)


def is_without_code(project: bytes) -> bool:
    """Tell of a project in a file of its own that there is no code in it. Raises TooCostly."""
    if not project.strip(b"\0"):
        return True
    file = Sectors(of_bytes(project)) if project.startswith(MAGIC) else None
    return file is not None and bool(file.entries) and not has_code(file)


def _has_code(file: Sectors, storage: Entry) -> bool:
    streams = {entry.name.lower(): entry for entry in file.below(storage) if entry.kind == STREAM}
    if not any(entry.size_bytes for entry in streams.values()):
        return False
    listed = _modules(file, streams.get(DIRECTORY))
    if listed is None or len(listed) > MOST_MODULES:
        return True
    return any(_speaks(file, streams.get(name.lower()), offset) for name, offset in listed)


def _modules(file: Sectors, directory: Entry | None) -> list[tuple[str, int]] | None:
    """List the streams of modules, and where in each its text begins; None if that cannot be read."""
    data = unpacked(file.beginning(directory, most_bytes=MOST_BYTES)) if directory else None
    if not data:
        return None
    found: list[tuple[str, int]] = []
    name, at = "", 0
    while at + 6 <= len(data):
        kind, length = int.from_bytes(data[at : at + 2], "little"), int.from_bytes(data[at + 2 : at + 6], "little")
        value = data[at + 6 : at + 6 + length]
        if kind == _STREAM_NAME:
            name = value.decode("utf-16-le", "replace")
        elif kind == _OFFSET:
            found.append((name, int.from_bytes(value, "little")))
        at += 6 + (6 if kind == _VERSION else length)  # which tells another length than it has
    return found


def _speaks(file: Sectors, module: Entry | None, offset: int) -> bool:
    """Tell whether a module has code, or may have."""
    if module is None or offset > MOST_COMPILED_BYTES or module.size_bytes > MOST_BYTES:
        return True
    text = unpacked(file.beginning(module, most_bytes=MOST_BYTES)[offset:])
    return text is None or not all(_NO_CODE.fullmatch(line) for line in text.decode("latin-1").splitlines())


def unpacked(data: bytes) -> bytes | None:
    """Unpack what VBA has packed (2.4.1); None of what cannot be unpacked."""
    if data[:1] != b"\1":
        return None
    text, at = bytearray(), 1
    while at + 2 <= len(data) and len(text) <= MOST_BYTES:
        header = int.from_bytes(data[at : at + 2], "little")
        if header >> 12 & 7 != 3:
            return bytes(text) if not data[at:].strip(b"\0") else None  # streams are filled up
        end = at + 3 + (header & 0xFFF)
        chunk = data[at + 2 : end]
        if not header >> 15:
            text += chunk
        elif not _unpack_chunk(chunk, text):
            return None
        at = end
    return bytes(text) if len(text) <= MOST_BYTES else None


def _unpack_chunk(chunk: bytes, text: bytearray) -> bool:
    """Append what a chunk holds; tell whether it could be read."""
    start, at = len(text), 0
    while at < len(chunk):
        flags, at = chunk[at], at + 1
        for bit in range(8):
            if at >= len(chunk):
                break
            if not flags >> bit & 1:
                text.append(chunk[at])
                at += 1
                continue
            token, at = int.from_bytes(chunk[at : at + 2], "little"), at + 2
            bits = max(4, (len(text) - start - 1).bit_length())
            length, back = (token & (0xFFFF >> bits)) + 3, (token >> (16 - bits)) + 1
            if back > len(text) - start or len(text) - start + length > _CHUNK_BYTES:
                return False
            for _ in range(length):
                text.append(text[-back])
    return True
