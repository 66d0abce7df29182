"""OneNote: what was put into a section, and what would run of it."""

from __future__ import annotations

import struct

import pytest

from gateway.inspection import inspector, onenote
from gateway.inspection.content import of_bytes
from gateway.inspection.structure import Trait
from gateway.inspection.verdicts import Limits, VerdictKind, judge
from tests.container_samples import pack, portable
from tests.document_samples import old_word, packaged

LIMITS = Limits(motion_bytes=10**9, gateway_bytes=10**9)
BODY = bytes(range(256)) * 16


def section(*files: bytes, named: str = "", start: bytes = onenote.STARTS[0], before: bytes = b"") -> bytes:
    """A section with these files in it ([MS-ONESTORE] 2.6.13), and such a name."""
    stored = b"".join(onenote.FILE + struct.pack("<QIQ", len(file), 0, 0) + file + bytes(16) for file in files)
    return start + BODY + named.encode("utf-16-le") + bytes(2) + before + stored + BODY


RUN = {
    "a program": section(portable()),
    "a batch file": section(b"@echo off\r\ncalc\r\n"),
    "a page": section(b"<html><script>alert(1)</script></html>"),
    "an archive with a script": section(pack([("a/b.js", b"x")])),
    "a document with a script": section(old_word(packaged("a.js"))),
    "a script that only its name tells": section(b"MsgBox 1", named="Click here.vbs"),
    "the second of two": section(b"\xff\xd8\xff\xe0", portable()),
    "a program far in": section(portable(), before=bytes(3 * 2**20 - 5000)),
    "a program in a table of contents": section(portable(), start=onenote.STARTS[1]),
}
DO_NOT = {
    "nothing": section(),
    "a picture": section(b"\xff\xd8\xff\xe0"),
    "a document": section(pack([("[Content_Types].xml", b"x"), ("word/document.xml", b"x")]), named="offer.docx"),
    "a text": section(b"buy milk", named="list.txt"),
    "a note about a script, and no file": section(named="run setup.exe"),
}


@pytest.mark.parametrize("data", RUN.values(), ids=RUN)
def test_a_file_that_would_run_is_found_and_refused_where_that_is_careful(data: bytes) -> None:
    found = inspector.inspect(of_bytes(data), name="notes.one")
    assert (found.mime, Trait.PROGRAM_WITHIN in found.traits) == (onenote.MIME, True)
    assert judge(found, profile="strict", limits=LIMITS).kind is VerdictKind.REFUSED


@pytest.mark.parametrize("data", DO_NOT.values(), ids=DO_NOT)
def test_what_is_harmless_is_a_link_under_its_ending(data: bytes) -> None:
    found = inspector.inspect(of_bytes(data), name="notes.one")
    assert (found.mime, found.traits) == (onenote.MIME, frozenset())
    verdict = judge(found, profile="strict", limits=LIMITS)
    assert (verdict.kind, verdict.extension) == (VerdictKind.LINK, ".one")


def test_what_is_too_large_to_be_looked_through_is_told_as_such() -> None:
    assert Trait.COSTLY in inspector.inspect(of_bytes(section(portable(), before=bytes(17 * 2**20)))).traits
