"""Documents in archives: by their main part, whatever the members are called and in whatever order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inspection import content, office, zip_directory
from gateway.inspection.structure import Structure, Trait
from tests.container_samples import Node, compound, pack
from tests.document_samples import DOCX, PPTX, TYPES, XLSX, storage
from tests.together import together

RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
STRICT = "http://purl.oclc.org/ooxml/officeDocument/relationships/officeDocument"
MAIN = f"{DOCX}.main+xml"


def types(*rows: str, start: str = '<?xml version="1.0"?><Types>', end: str = "</Types>") -> bytes:
    return (start + "".join(rows) + end).encode()


def override(kind: str = MAIN, part: str = "/word/document.xml") -> str:
    return f'<Override PartName="{part}" ContentType="{kind}"/>'


def relations(target: str = "word/document.xml", kind: str = RELATION) -> bytes:
    return f'<Relationships><Relationship Id="r1" Type="{kind}" Target="{target}"/></Relationships>'.encode()


def document(*members: tuple[str, bytes]) -> Structure | None:
    data = content.of_bytes(pack(members))
    directory = zip_directory.walk(data)
    assert directory
    return office.document(data, directory)


def package(listed: bytes, related: bytes, *more: tuple[str, bytes], part: str = "word/document.xml") -> Structure:
    found = document((TYPES, listed), ("_rels/.rels", related), (part, b"<x/>"), *more)
    assert found
    return found


@together(("kind", "mime"), office.MAIN_PARTS.items(), ids=office.MAIN_PARTS)
def test_the_main_part_tells_the_type(kind: str, mime: str) -> None:
    found = package(types(override(kind.upper())), relations())
    assert found.mime == mime
    assert found.traits == frozenset()  # it may have macros, and has none


GENUINE = {
    "as Office writes it": (types(override()), relations(), "word/document.xml"),
    "strict": (types(override()), relations(kind=STRICT), "word/document.xml"),
    "an absolute target": (types(override()), relations("/word/document.xml"), "word/document.xml"),
    "a target with steps": (types(override()), relations("./x/../word/document.xml"), "word/document.xml"),
    "an escaped target": (types(override(part="/a%20b.xml")), relations("a%20b.xml"), "a b.xml"),
    "another folder": (types(override(part="/x/y.xml")), relations("x/y.xml"), "x/y.xml"),
    "another case": (types(override(part="/Word/Document.xml")), relations(), "WORD/document.xml"),
    "by its extension": (types(f'<Default Extension="XML" ContentType="{MAIN}"/>'), relations(), "word/document.xml"),
    "prefixed": (
        types(override().replace("<O", "<t:O"), start='<t:Types xmlns:t="x">', end="</t:Types>"),
        relations(),
        "word/document.xml",
    ),
    "single quotes": (types(override().replace('"', "'")), relations(), "word/document.xml"),
    "a comment": (types("<!--" + override(f"{XLSX}.main+xml") + "-->", override()), relations(), "word/document.xml"),
    "with a mark": (b"\xef\xbb\xbf" + types(override()), relations(), "word/document.xml"),
}


@together(("listed", "related", "part"), GENUINE.values(), ids=GENUINE)
def test_a_genuine_package_is_a_document(listed: bytes, related: bytes, part: str) -> None:
    found = package(listed, related, part=part)
    assert (found.mime, found.traits) == (DOCX, frozenset())


FAKE = {
    "no such part": (types(override(part="/a.xml")), relations("a.xml")),
    "a part of no document": (types(override("text/xml")), relations()),
    "a part without a type": (types(), relations()),
    "no relation": (types(override()), b"<Relationships/>"),
    "a relation of another kind": (types(override()), relations(kind="http://a/thumbnail")),
    "no XML": (b"word", relations()),
    "XML that breaks off": (types(override())[:-3], relations()),
    "no relations": (types(override()), b""),
    "an encoding that nobody knows": (
        types(override(), start='<?xml version="1.0" encoding="x-y"?><Types>'),
        relations(),
    ),
    "entities": (types(override("&a;"), start=f'<!DOCTYPE a [<!ENTITY a "{MAIN}">]><Types>'), relations()),
    "too many parts": (types(override() * 10_000), relations()),
}


@pytest.mark.parametrize(("listed", "related"), FAKE.values(), ids=FAKE)
def test_what_has_no_main_part_is_dressed_up(listed: bytes, related: bytes) -> None:
    found = package(listed, related)
    assert (found.mime, found.traits) == ("application/zip", {Trait.DRESSED_UP})


MACROS = {
    "a project": "application/vnd.ms-office.vbaProject",
    "a sheet": "application/vnd.ms-excel.macrosheet+xml",
    "an international sheet": "application/vnd.ms-excel.intlmacrosheet+xml",
}


@pytest.mark.parametrize("kind", MACROS.values(), ids=MACROS)
def test_macros_are_seen_by_the_type_of_a_part(kind: str) -> None:
    listed = types(override(), override(kind, "/a.bin"))
    assert package(listed, relations(), ("a.bin", b"x")).traits == {Trait.MACROS}
    assert package(listed, relations()).traits == frozenset()  # there is no such part


@together("kind", ["vbaProject", "xlMacrosheet", "xlIntlMacrosheet"])
@together("target", ["code.bin", "/word/code.bin", "../word/./Code.BIN", "c%6Fde.bin"])
def test_macros_are_seen_by_the_relation_of_a_part(kind: str, target: str) -> None:
    relation = relations(target, f"http://schemas.microsoft.com/office/2006/relationships/{kind}")
    related = ("word/_rels/document.xml.rels", relation)
    assert package(types(override()), relations(), related, ("word/code.bin", b"x")).traits == {Trait.MACROS}
    assert package(types(override()), relations(), related).traits == frozenset()


MAY_HAVE_MACROS = {
    "a document": "application/vnd.ms-word.document.macroEnabled.main+xml",
    "a template": "application/vnd.ms-word.template.macroEnabledTemplate.main+xml",
    "a workbook": "application/vnd.ms-excel.sheet.macroEnabled.main+xml",
    "a binary workbook": "application/vnd.ms-excel.sheet.binary.macroEnabled.main",
    "a slideshow": "application/vnd.ms-powerpoint.slideshow.macroEnabled.main+xml",
}


@pytest.mark.parametrize("kind", MAY_HAVE_MACROS.values(), ids=MAY_HAVE_MACROS)
def test_what_may_have_macros_has_none_without_a_project(kind: str) -> None:
    found = package(types(override(kind)), relations())
    assert "macroEnabled" in found.mime
    assert found.traits == frozenset()
    assert package(types(override(kind)), relations(), ("word/vbaProject.bin", b"x")).traits == {Trait.MACROS}


def project(*children: Node) -> bytes:
    return compound([storage("VBA", *children), Node("PROJECT", b"ID=")] if children else [Node("PROJECT", b"ID=")])


BIN = '<Default Extension="bin" ContentType="application/vnd.ms-office.vbaProject"/>'
SETTINGS = override("application/vnd.openxmlformats-officedocument.printerSettings", "/a.bin")
UNUSED = {
    "a default for no part": (BIN, (), False),
    "a default in capitals for no part": (
        BIN.upper()
        .replace("DEFAULT", "Default")
        .replace("EXTENSION", "Extension")
        .replace("CONTENTTYPE", "ContentType"),
        (),
        False,
    ),
    "a default for another part's name": (BIN + SETTINGS, (("a.bin", b"x"),), False),
    "a default for a part": (BIN, (("a.bin", b"x"),), True),
    "a default for a part in capitals": (BIN, (("A.BIN", b"x"),), True),
    "a sheet of macros by default": (
        '<Default Extension="xml" ContentType="application/vnd.ms-excel.macrosheet+xml"/>',
        (("xl/macrosheets/a.xml", b"x"),),
        True,
    ),
    "an empty project": (BIN, (("word/vbaProject.bin", b""),), False),
    "a project without modules": (BIN, (("word/vbaProject.bin", project()),), False),
    "a project that nobody can read": (BIN, (("word/vbaProject.bin", b"x"),), True),
    "a project with a directory that nobody can read": (
        BIN,
        (("word/vbaProject.bin", project(Node("dir", b"x"))),),
        True,
    ),
}


@pytest.mark.parametrize(("row", "members", "macros"), UNUSED.values(), ids=UNUSED)
def test_macros_are_those_that_a_part_has(row: str, members: tuple[tuple[str, bytes], ...], macros: bool) -> None:  # noqa: FBT001
    found = package(types(row, override()), relations(), *members)
    assert (found.mime, found.traits) == (DOCX, {Trait.MACROS} if macros else frozenset())


def test_a_document_that_may_have_macros_has_none_in_an_empty_project() -> None:
    kind = "application/vnd.ms-word.document.macroEnabled.main+xml"
    assert package(types(override(kind), BIN), relations(), ("word/vbaProject.bin", project())).traits == frozenset()
    assert package(types(override(kind), BIN), relations(), ("word/vbaProject.bin", b"x")).traits == {Trait.MACROS}


@pytest.mark.parametrize("name", [TYPES, "_RELS/.rels", "word/Document.xml"])
def test_two_members_of_one_name_are_dressed_up(name: str) -> None:
    assert Trait.DRESSED_UP in package(types(override()), relations(), (name, b"<x/>")).traits


def test_another_document_inside_changes_nothing() -> None:
    found = package(types(override(), override(f"{PPTX}.main+xml", "/ppt/p.xml")), relations(), ("ppt/p.xml", b"x"))
    assert found.mime == DOCX


@pytest.mark.parametrize("name", ["a.txt", "words/a", "document.xml", "x/word/a"])
def test_a_plain_archive_calls_itself_nothing(name: str) -> None:
    assert document((name, b"x")) is None


CLAIMS = {
    "application/vnd.oasis.opendocument.spreadsheet": "content.xml",
    "application/epub+zip": "META-INF/container.xml",
}


@pytest.mark.parametrize(("mime", "needed"), CLAIMS.items(), ids=CLAIMS)
def test_a_claim_is_believed_of_who_has_the_content(mime: str, needed: str) -> None:
    claim = ("mimetype", mime.encode())
    assert document(claim, (needed, b"x")) == Structure(mime=mime)
    assert document(claim, ("a", b"x")) == Structure(mime="application/zip", traits=frozenset({Trait.DRESSED_UP}))
    assert document((needed, b"x"), claim) is None


@pytest.mark.parametrize("claim", ["text/html", "application/vnd.oasis.opendocument.a\r\nX: y", ""], ids=repr)
def test_any_other_claim_is_none(claim: str) -> None:
    assert document(("mimetype", claim.encode()), ("content.xml", b"x")) is None


def test_an_encrypted_open_document_says_so_in_its_manifest() -> None:
    claim = ("mimetype", b"application/vnd.oasis.opendocument.text")
    found = document(claim, ("content.xml", b"x"), ("META-INF/manifest.xml", b"<m:encryption-data/>"))
    assert found
    assert found.traits == {Trait.ENCRYPTED}


@given(st.binary(max_size=200), st.text(max_size=50))
def test_any_lists_are_read(raw: bytes, text: str) -> None:
    package(raw, relations())
    package(types(override()), raw)
    package(types(text), relations(text))
