"""Old documents and what else lives in compound files, by the names in them; macros, packages, encryption."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inspection import compound as reader
from gateway.inspection import content
from gateway.inspection.structure import Structure, Trait
from tests.container_samples import Node, compound, pack, portable, short
from tests.document_samples import CODE, INSTALLER_CLASS, PACKAGE, old_slides, old_word, packaged, storage
from tests.together import together


def read(data: bytes) -> Structure:
    found = reader.read(content.of_bytes(data))
    assert found
    return found


@pytest.mark.parametrize(("name", "mime"), reader.STREAMS.items(), ids=reader.STREAMS)
def test_a_stream_below_the_root_tells_the_type(name: str, mime: str) -> None:
    assert read(compound([Node(name.upper(), b"x")])).mime == mime


@pytest.mark.parametrize("name", reader.STREAMS)
def test_neither_a_storage_nor_a_stream_elsewhere_tells_it(name: str) -> None:
    assert read(compound([storage(name)])).mime == reader.OLE
    assert read(compound([storage("ObjectPool", Node(name, b"x"))])).mime == reader.OLE


@pytest.mark.parametrize("kind", [0x82, 0x84, 0x86])
def test_an_installer_is_one_whatever_else_is_in_it(kind: int) -> None:
    data = compound([Node("WordDocument", b"x")], class_id=bytes([kind]) + INSTALLER_CLASS[1:])
    assert read(data).mime == reader.INSTALLER


def records(*kinds: tuple[int, bytes]) -> Node:
    start = struct.pack("<2H", 0x809, 16) + bytes(16)
    return Node("Workbook", start + b"".join(struct.pack("<2H", kind, len(data)) + data for kind, data in kinds))


def attached(name: str, *, of: str = "3707001F", data: bytes = b"x") -> list[Node]:
    """What a mail keeps of an attachment ([MS-OXMSG] 2.2.2)."""
    written = name.encode("utf-16-le" if of.endswith("F") else "latin-1")
    return [
        storage("__attach_version1.0_#00000000", Node(f"__substg1.0_{of}", written), Node("__substg1.0_37010102", data))
    ]


def mail(name: str, *, of: str = "3707001F", data: bytes = b"x") -> bytes:
    return compound([Node("__properties_version1.0", b"x"), *attached(name, of=of, data=data)])


TRAITS: dict[str, tuple[bytes, frozenset[Trait]]] = {
    "a text": (old_word(), frozenset()),
    "a text with macros": (old_word(storage("Macros", CODE)), frozenset({Trait.MACROS})),
    "macros deep inside": (old_word(storage("a", storage("b", CODE))), frozenset({Trait.MACROS})),
    "macros in capitals": (
        old_word(storage("_VBA_PROJECT_CUR", storage("vBa", *CODE.children))),
        frozenset({Trait.MACROS}),
    ),
    "a storage for macros with none": (old_word(storage("_VBA_PROJECT_CUR")), frozenset()),
    "a project without modules": (old_word(storage("Macros", storage("VBA"))), frozenset()),
    "a name that only looks like it": (old_word(storage("VBAX")), frozenset()),
    "a text, encrypted": (old_word(encrypted=True), frozenset({Trait.ENCRYPTED})),
    "a sheet": (compound([records((0x85, bytes(5) + b"\0"))]), frozenset()),
    "a sheet of macros": (compound([records((0x85, bytes(5) + b"\1"))]), frozenset({Trait.MACROS})),
    "a sheet of charts": (compound([records((0x85, bytes(5) + b"\2"))]), frozenset()),
    "a sheet of macros behind 70 KB": (
        compound([records(*[(0xFC, bytes(8000))] * 9, (0x85, bytes(5) + b"\1"))]),
        frozenset({Trait.MACROS}),
    ),
    "a sheet of macros behind 5 MB": (
        compound([records(*[(0x3C, bytes(8224))] * 640, (0x85, bytes(5) + b"\1"))]),
        frozenset({Trait.MACROS}),
    ),
    "a sheet of macros behind many records": (
        compound([records(*[(0xE0, bytes(20))] * 15_000, (0x85, bytes(5) + b"\1"))]),
        frozenset({Trait.MACROS}),
    ),
    "a sheet of macros, hidden well": (compound([records((0x85, bytes(4) + b"\2\1"))]), frozenset({Trait.MACROS})),
    "a sheet of macros in a short book": (short([records((0x85, bytes(5) + b"\1"))]), frozenset({Trait.MACROS})),
    "a sheet of macros behind the globals": (
        compound([records((0x0A, b""), (0x85, bytes(5) + b"\1"))]),
        frozenset(),
    ),
    "a sheet, encrypted behind 70 KB": (
        compound([records(*[(0xFC, bytes(8000))] * 9, (0x2F, bytes(6)))]),
        frozenset({Trait.ENCRYPTED}),
    ),
    "a sheet, encrypted": (compound([records((0x2F, bytes(6)))]), frozenset({Trait.ENCRYPTED})),
    "slides": (old_slides(), frozenset()),
    "slides with macros": (old_slides(macros=True), frozenset({Trait.MACROS})),
    "slides with macros at the end": (
        compound([Node("PowerPoint Document", b"x" * 6_000_000 + old_slides(macros=True))]),
        frozenset({Trait.MACROS}),
    ),
    "a package with a program": (old_word(PACKAGE), frozenset({Trait.PROGRAM_WITHIN})),
    "a package of two letters": (old_word(Node("\1Ole10Native", b"MZ")), frozenset()),
    "a package with a script": (old_word(packaged("invoice.js")), frozenset({Trait.PROGRAM_WITHIN})),
    "a package with a script of PowerShell": (old_word(packaged("run.ps1")), frozenset({Trait.PROGRAM_WITHIN})),
    "a package with a shortcut deep inside": (
        old_word(storage("ObjectPool", storage("_1", packaged("a.pdf.lnk")))),
        frozenset({Trait.PROGRAM_WITHIN}),
    ),
    "a short package with a script": (
        short([Node("WordDocument", bytes(900)), packaged("a.vbs")]),
        frozenset({Trait.PROGRAM_WITHIN}),
    ),
    "a package with a label that hides it": (
        old_word(packaged("a.bat", label="notes")),
        frozenset({Trait.PROGRAM_WITHIN}),
    ),
    "a mail with a script": (mail("invoice.js"), frozenset({Trait.PROGRAM_WITHIN})),
    "a mail with a script under its short name": (
        mail("INVOIC~1.VBS", of="3704001F"),
        frozenset({Trait.PROGRAM_WITHIN}),
    ),
    "a mail with a script, of an older kind": (mail("invoice.js", of="3707001E"), frozenset({Trait.PROGRAM_WITHIN})),
    "a mail with a page": (mail("a.html"), frozenset({Trait.PROGRAM_WITHIN})),
    "a mail with a program under another name": (mail("a.txt", data=portable()), frozenset({Trait.PROGRAM_WITHIN})),
    "a mail with a document with a script": (
        mail("a.doc", data=old_word(packaged("a.js"))),
        frozenset({Trait.PROGRAM_WITHIN}),
    ),
    "a mail with a mail with a script": (
        compound([Node("__properties_version1.0", b"x"), storage("__substg1.0_3701000D", *attached("a.lnk"))]),
        frozenset({Trait.PROGRAM_WITHIN}),
    ),
    "a mail with an archive with a script": (
        mail("a.zip", data=pack([("a/b.js", b"x")])),
        frozenset({Trait.PROGRAM_WITHIN}),
    ),
    "a mail with an archive with a page": (
        mail("a.zip", data=pack([("b.htm", b"x")])),
        frozenset({Trait.PROGRAM_WITHIN}),
    ),
    "a mail with a large archive with a script": (
        mail("a.zip", data=pack([("a.bin", random.Random(1).randbytes(100_000)), ("a/b.js", b"x")])),
        frozenset({Trait.PROGRAM_WITHIN}),
    ),
    "a mail with an archive with photos": (mail("a.zip", data=pack([("a.jpg", b"x")])), frozenset()),
    "a mail with a new document": (
        mail("a.docx", data=pack([("[Content_Types].xml", b"x"), ("word/document.xml", b"x")])),
        frozenset(),
    ),
    "a mail with a photo": (mail("photo.jpg", data=b"\xff\xd8\xff\xe0"), frozenset()),
    "a mail about a script": (mail("photo.jpg", of="0037001F"), frozenset()),
    "a package with a document": (old_word(packaged("offer.pdf")), frozenset()),
    "a package with a text": (old_word(packaged("notes.txt")), frozenset()),
    "a program in another stream": (old_word(Node("Data", portable())), frozenset()),
    "an archive behind": (old_word() + pack([("a", b"x")]), frozenset({Trait.ARCHIVE_WITHIN})),
    "an archive inside": (old_word(Node("Theme", pack([("a", b"x")]))), frozenset()),
    "an archive and a byte behind": (old_word() + pack([("a", b"x")]) + b"\0", frozenset()),
    "its text cut": (old_word(first=True)[:8000], frozenset({Trait.BROKEN})),
    "no entry": (old_word()[:1024], frozenset({Trait.BROKEN})),
}


@together(("data", "traits"), TRAITS.values(), ids=TRAITS)
def test_a_compound_file_has_its_traits_and_no_others(data: bytes, traits: frozenset[Trait]) -> None:
    assert read(data).traits == traits


@pytest.mark.parametrize("data", [b"", b"\xd0\xcf\x11\xe0", b"x" * 600], ids=["nothing", "half its magic", "another"])
def test_anything_else_is_none(data: bytes) -> None:
    assert reader.read(content.of_bytes(data)) is None


@given(st.sampled_from([old_word(), old_slides()]), st.integers(0, 12_000), st.binary(max_size=64))
def test_any_change_is_read(data: bytes, at: int, change: bytes) -> None:
    reader.read(content.of_bytes(data[:at] + change + data[at + len(change) :]))
