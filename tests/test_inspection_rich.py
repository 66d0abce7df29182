"""Rich text: what the objects in it are."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inspection import content, inspector
from gateway.inspection import rich as reader
from gateway.inspection.rulebook import VerdictKind
from gateway.inspection.structure import Structure, Trait
from tests.container_samples import compound, portable
from tests.document_samples import old_sheet, packaged
from tests.media_samples import judged
from tests.together import together


def written(data: bytes, *, kind: bytes = b"Package") -> str:
    """An object of OLE 1 ([MS-OLEDS] 2.2.5), in digits."""
    name = struct.pack("<L", len(kind) + 1) + kind + b"\0"
    return (struct.pack("<2L", 0x501, 2) + name + bytes(8) + struct.pack("<L", len(data)) + data).hex()


def document(digits: str, *, word: str = "\\objemb") -> bytes:
    return f"{{\\rtf1 Hello {{\\object{word}{{\\*\\objclass Package}}{{\\*\\objdata {digits}}}}} bye.}}".encode()


def package(name: str) -> bytes:
    return packaged(name).data[4:]


SCRIPT = written(package("invoice.js"))
RUNS = {
    "a script": document(SCRIPT),
    "a script in capitals": document(SCRIPT.upper()),
    "in lines": document("\r\n".join(SCRIPT[at : at + 64] for at in range(0, len(SCRIPT), 64))),
    "with words between": document(f"{SCRIPT[:9]}\\par12 {SCRIPT[9:20]}{{\\*\\none}}{SCRIPT[20:31]}\\'41{SCRIPT[31:]}"),
    "a program": document(written(portable())),
    "a program under a harmless name": document(written(package("a.txt") + portable())),
    "as it is": document("").replace(b"\\objdata ", b"\\objdata\\bin%d " % len(package("a.vbs")) + package("a.vbs")),
    "in another document": document(written(compound([packaged("a.hta")]), kind=b"Word.Document.8")),
    "a second one": document(written(old_sheet(), kind=b"Excel.Sheet.8"))[:-1] + document(SCRIPT)[6:],
    "a link that renews itself": document("", word="\\objautlink\\objupdate"),
    "a link to the web": document(written(bytes.fromhex("e0c9ea79f9bace118c8200aa004ba90b"), kind=b"OLE2Link")),
    "with a short head": document(SCRIPT).replace(b"{\\rtf1", b"{\\rt"),
}


@together("data", RUNS.values(), ids=RUNS)
def test_a_script_or_a_program_in_it_is_told(data: bytes) -> None:
    found = inspector.inspect(content.of_bytes(data), name="a.rtf")
    assert found.mime == "application/rtf"
    assert Trait.PROGRAM_WITHIN in found.traits
    assert judged(found, "strict").kind is VerdictKind.REFUSED


@pytest.mark.parametrize("start", [b"{\\rtf1", b"{\\rt", b" \r\n{\\rtf1", b"\xef\xbb\xbf{\\rtf1"], ids=repr)
def test_rich_text_is_told(start: bytes) -> None:
    assert reader.read(content.of_bytes(start + b"\\ansi Hello.}")) == Structure(mime="application/rtf")
    assert reader.read(content.of_bytes(b"x" + start)) is None


CALM = {
    "no object": document("")[:13] + b"}",
    "words about objects": b"{\\rtf1 objdata \\objdatas invoice.js}",
    "a workbook": document(written(old_sheet(), kind=b"Excel.Sheet.8")),
    "a file that is only read": document(written(package("photo.jpg"))),
    "a sign of which nothing is left": b"{\\rtf1\\objdata 0\\",
    "digits that are cut": document(written(package("photo.jpg"))[:-1]),
}


@pytest.mark.parametrize("data", CALM.values(), ids=CALM)
def test_what_is_only_read_has_no_trait(data: bytes) -> None:
    assert reader.read(content.of_bytes(data)) == Structure(mime="application/rtf")


@given(st.binary(max_size=300))
def test_any_object_is_read(data: bytes) -> None:
    reader.read(content.of_bytes(b"{\\rtf1\\objdata " + data))
    reader.read(content.of_bytes(document(data.hex())))
