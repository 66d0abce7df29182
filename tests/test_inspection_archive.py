"""Archives: each thing that makes one dangerous, and its neighbour that does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inspection import archive, content
from gateway.inspection.structure import Structure, Trait
from tests.container_samples import Packing, compound, pack, portable, short, with_member
from tests.document_samples import DOCX, PACKAGE, PROSE, noise, open_text, packaged, sheet, slides_with_chart, word
from tests.together import together


def read(data: bytes) -> Structure:
    found = archive.read(content.of_bytes(data))
    assert found
    return found


TEXT = ("a.txt", PROSE.encode())


def dense(times: int) -> bytes:
    """An archive whose members claim so many times its size."""
    size = len(pack([("a", b"x")], Packing(declared=1)))
    return pack([("a", b"x")], Packing(declared=size * times))


def nested(times: int, archive: bytes) -> bytes:
    for _ in range(times):
        archive = pack([("inner.zip", archive)])
    return archive


EDGES: dict[str, tuple[bytes, frozenset[Trait]]] = {
    "harmless": (pack([TEXT]), frozenset()),
    "a hundred times its size": (dense(100), frozenset()),
    "more than that": (dense(101), frozenset({Trait.BOMB})),
    "64 bytes behind": (pack([TEXT]) + b"x" * 64, frozenset()),
    "65 bytes behind": (pack([TEXT]) + b"x" * 65, frozenset({Trait.TRAILING})),
    "an archive inside": (pack([("b.7z", b"x")]), frozenset()),
    "an archive of text inside": (pack([("b.zip", pack([TEXT]))]), frozenset()),
    "two archives inside": (pack([("b.zip", pack([TEXT])), ("c.ZIP", pack([TEXT]))]), frozenset()),
    "an archive in an archive": (nested(2, pack([TEXT])), frozenset()),
    "one in that": (nested(3, pack([TEXT])), frozenset()),
    "archives without end": (nested(6, pack([TEXT])), frozenset({Trait.BOMB})),
    "a bomb inside": (pack([("b.zip", pack([("a", bytes(900_000))]))]), frozenset({Trait.BOMB})),
    "a bomb inside of what is inside": (nested(2, pack([("a", bytes(900_000))])), frozenset({Trait.BOMB})),
    "many that are too much together": (
        pack([(f"{n}.zip", pack([("a", noise(40_000))], Packing(declared=400_000_000))) for n in range(3)]),
        frozenset({Trait.BOMB}),
    ),
    "a script in an archive inside": (pack([("b.zip", pack([("a.js", b"x")]))]), frozenset({Trait.PROGRAM_WITHIN})),
    "a program deep inside": (nested(3, pack([("a.exe", b"x")])), frozenset({Trait.PROGRAM_WITHIN})),
    "what is called an archive and is none": (pack([("b.zip", PROSE.encode())]), frozenset()),
    "a name that only looks like one": (pack([("b.zip.txt", b"x")]), frozenset()),
    "a program inside": (pack([("A.EXE", b"x")]), frozenset({Trait.PROGRAM_WITHIN})),
    "a program with a dot behind": (pack([("a.exe. ", b"x")]), frozenset({Trait.PROGRAM_WITHIN})),
    "no program": (pack([("a.exe.txt", b"x")]), frozenset()),
    "macros": (pack([("x/VBAPROJECT.BIN", b"x")]), frozenset({Trait.MACROS})),
    "encrypted": (pack([TEXT], Packing(flags=1)), frozenset({Trait.ENCRYPTED})),
    "UTF-8 names": (pack([TEXT], Packing(flags=0x800)), frozenset()),
    "behind another one": (pack([TEXT]) + pack([TEXT]), frozenset({Trait.ARCHIVE_WITHIN})),
    "cut": (pack([TEXT])[:-1], frozenset({Trait.TRUNCATED})),
    "empty": (pack([]), frozenset()),
}


@together(("data", "traits"), EDGES.values(), ids=EDGES)
def test_a_plain_archive_has_its_traits_and_no_others(data: bytes, traits: frozenset[Trait]) -> None:
    found = read(data)
    assert (found.mime, found.traits) == ("application/zip", traits)


@pytest.mark.parametrize(("size", "bomb"), [(2**30, False), (2**30 + 1, True)])
def test_more_than_a_gigabyte_is_a_bomb(size: int, bomb: bool) -> None:  # noqa: FBT001
    data = pack([("a", noise(11_000_000))], Packing(stored=True))
    at = data.index(b"PK\1\2")
    claimed = data[: at + 24] + size.to_bytes(4, "little") + data[at + 28 :]
    assert (Trait.BOMB in read(claimed).traits) is bomb


EMBEDDED = {
    "a document": (sheet(), False),
    "a program": (portable(), True),
    "an ELF": (b"\x7fELF" + bytes(100), True),
    "a package with a program": (compound([PACKAGE]), True),
    "a package with a script": (compound([packaged("a.js")]), True),
    "a short package with a script": (short([packaged("a.vbs")]), True),
    "a package with a text": (short([packaged("a.txt")]), False),
    "a package without": (compound([]), False),
    "a text that begins like one": (b"M", False),
}


@pytest.mark.parametrize(("data", "program"), EMBEDDED.values(), ids=EMBEDDED)
def test_what_is_embedded_in_a_document_is_looked_at(data: bytes, program: bool) -> None:  # noqa: FBT001
    found = read(with_member(word(), "word/embeddings/oleObject1.bin", data))
    assert (found.mime, found.traits) == (DOCX, {Trait.PROGRAM_WITHIN} if program else frozenset())


def test_what_libreoffice_embeds_is_looked_at() -> None:
    assert read(with_member(open_text(), "Object 1", compound([packaged("a.js")]))).traits == {Trait.PROGRAM_WITHIN}
    assert read(with_member(open_text(), "Object 1", compound([packaged("a.txt")]))).traits == frozenset()


def test_an_archive_in_a_document_is_looked_into() -> None:
    assert read(with_member(word(), "word/embeddings/a.zip", pack([TEXT]))).traits == frozenset()
    found = read(with_member(word(), "word/embeddings/a.zip", pack([("a.bat", b"x")])))
    assert found.traits == {Trait.PROGRAM_WITHIN}


def test_packages_for_windows_are_programs() -> None:
    assert read(pack([("AppxManifest.xml", b"x"), ("a.exe", b"x")])).mime == "application/vnd.ms-appx"


def test_a_workbook_behind_a_chart_is_no_bomb() -> None:
    assert read(slides_with_chart()).traits == frozenset()


@pytest.mark.parametrize("start", [b"", b"PK", b"PK\3\5", b"%PDF-"], ids=repr)
def test_what_begins_otherwise_is_no_archive_of_ours(start: bytes) -> None:
    assert archive.read(content.of_bytes(start + pack([TEXT]) if start == b"%PDF-" else start)) is None


@given(st.binary(max_size=300))
def test_any_bytes_behind_a_beginning_are_read(data: bytes) -> None:
    assert read(b"PK\3\4" + data).mime == "application/zip"
