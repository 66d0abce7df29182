"""OLE compound files: old Office documents, encrypted new ones, installers, mails; by the names in their directory."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.inspection import filetypes, program, vba, zip_directory
from gateway.inspection.content import Content, TooCostly, of_bytes
from gateway.inspection.ole import MAGIC, MOST_ENTRIES, STORAGE, STREAM, Entry, Sectors, SectorStream
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
PACKED = b"PK\3\4"
PACKED_BYTES = 4 * 2**20  # of an archive that came with a mail
MOST_PACKAGES = 16
PACKAGE_BYTES = 64 * 1024
MOST_NAMES = 4  # of what is packaged: its label, where it was, and where it is put
_NAMES_BYTES = 2048
_NAME_IN_PACKAGE = re.compile(rb"[^\0-\x1f]{2,260}(?=\0)")
# What a mail keeps of an attachment: its name, long and short, in UTF-16 or as ever; its bytes.
_NAME_OF_ATTACHED = re.compile(r"__substg1\.0_370[47]001([ef])")
DATA_OF_ATTACHED = "__substg1.0_37010102"
MAIN_BYTES = 64 * 1024  # of the stream that makes the document
SEARCHED_BYTES = 4 * 2**20

# [MS-PPT] 2.4.10: a VbaInfoContainer with its atom, which says that there are macros.
_SLIDE_MACROS = b"\xff\x03\x14\0\0\0\x02\0\0\x04\x0c\0\0\0"
_FIB_ENCRYPTED = 1  # [MS-DOC] 2.5.2, of its twelfth byte
_FILE_PASS, _BOUND_SHEET, _END_OF_GLOBALS = 0x2F, 0x85, 0x0A  # [MS-XLS] 2.4.117, 2.4.28, 2.4.103
MOST_RECORDS = 20_000  # of a workbook, before its sheets


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
        Trait.MACROS: macros or vba.has_code(file),
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
    if any(runs(file.beginning(package, most_bytes=PACKAGE_BYTES)) for package in packages[:MOST_PACKAGES]):
        return True
    return any(_would_run(name) for name in _attached(file)) or any(carries(data) for data in _attachments(file))


def _attached(file: Sectors) -> Iterator[str]:
    """List the names of what is attached to a mail, and to mails in it ([MS-OXMSG] 2.2.2, [MS-OXCMSG] 2.2.2.10)."""
    for entry in [entry for entry in file.entries if entry.kind == STREAM][:MOST_ENTRIES]:
        if found := _NAME_OF_ATTACHED.fullmatch(entry.name.lower()):
            data = file.beginning(entry, most_bytes=_NAMES_BYTES)
            yield data.decode("utf-16-le" if found[1] == "f" else "latin-1", "replace").rstrip("\0")


def _attachments(file: Sectors) -> Iterator[bytes]:
    named = [entry for entry in file.entries if entry.kind == STREAM and entry.name.lower() == DATA_OF_ATTACHED]
    for entry in named[:MOST_PACKAGES]:
        data = file.beginning(entry, most_bytes=PACKAGE_BYTES)
        if data.startswith(PACKED) and entry.size_bytes > PACKAGE_BYTES:  # its directory stands at its end
            if entry.size_bytes > PACKED_BYTES:
                raise TooCostly
            data = file.beginning(entry, most_bytes=PACKED_BYTES)
        yield data


def carries(data: bytes) -> bool:
    """Tell of a file that came in another one whether it would run, or holds what would. Raises TooCostly."""
    return program.read(of_bytes(data)) is not None or packages_program(data) or _packs_program(data)


def _packs_program(data: bytes) -> bool:
    archive = zip_directory.walk(of_bytes(data)) if data.startswith(PACKED) else None
    called = [filetypes.called(member.name) for member in archive.members] if archive else []
    document = archive is not None and archive.named("[Content_Types].xml")  # which is made of markup
    return any(row is not None and row.runnable and not (document and row.family == filetypes.MARKUP) for row in called)


def _would_run(name: str) -> bool:
    called = filetypes.called(name)
    return called is not None and (called.runnable or called.family == filetypes.MARKUP)


def runs(package: bytes) -> bool:
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
