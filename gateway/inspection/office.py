"""Documents in ZIP archives: Office Open XML, XPS and their kin, OpenDocument, EPUB.

Rule 1. The main part decides, found as an office program finds it: `_rels/.rels` names the part, `[Content_Types].xml`
        its type (ECMA-376 part 2, 9.2 and 9.3). Names of folders prove nothing.
Rule 2. OpenDocument and EPUB are told by their first member. Who calls himself a document and has no such part is
        DRESSED_UP; a package of parts that are none of Office's is an archive.
Rule 3. XML goes through expat, never into a tree; a document type declaration ends the reading.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote
from xml.parsers import expat

from gateway.inspection import vba, zip_directory
from gateway.inspection.content import Content
from gateway.inspection.structure import Structure, Trait
from gateway.inspection.zip_directory import STORED, Directory, Member

ZIP = "application/zip"
TYPES_PART, RELATIONS_PART = "[Content_Types].xml", "_rels/.rels"
MOST_XML_BYTES = 512 * 1024
MOST_ELEMENTS = 10_000

_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_SLIDES = "application/vnd.openxmlformats-officedocument.presentationml"

# The content type of a main part, in lower case, and what the whole file is then called.
MAIN_PARTS = {
    f"{_WORD}.document.main+xml": f"{_WORD}.document",
    f"{_WORD}.template.main+xml": f"{_WORD}.template",
    f"{_SHEET}.sheet.main+xml": f"{_SHEET}.sheet",
    f"{_SHEET}.template.main+xml": f"{_SHEET}.template",
    f"{_SLIDES}.presentation.main+xml": f"{_SLIDES}.presentation",
    f"{_SLIDES}.template.main+xml": f"{_SLIDES}.template",
    f"{_SLIDES}.slideshow.main+xml": f"{_SLIDES}.slideshow",
    "application/vnd.ms-visio.drawing.main+xml": "application/vnd.ms-visio.drawing",
    "application/vnd.ms-package.xps-fixeddocumentsequence+xml": "application/vnd.ms-xpsdocument",
    "application/vnd.ms-package.3dmanufacturing-3dmodel+xml": "model/3mf",
    "application/vnd.ms-excel.sheet.binary.macroenabled.main": "application/vnd.ms-excel.sheet.binary.macroEnabled.12",
} | {
    f"application/vnd.ms-{kind}.macroenabled.main+xml": f"application/vnd.ms-{kind}.macroEnabled.12"
    for kind in (
        *("word.document", "excel.sheet", "excel.template", "excel.addin"),
        *("powerpoint.presentation", "powerpoint.slideshow", "powerpoint.template", "powerpoint.addin"),
    )
}
# The only name of a main part that says it twice.
MAIN_PARTS["application/vnd.ms-word.template.macroenabledtemplate.main+xml"] = (
    "application/vnd.ms-word.template.macroEnabled.12"
)
MAIN_RELATIONS = (
    *("/relationships/officeDocument", "/relationships/document"),
    *("/2005/06/fixedrepresentation", "/v1.0/fixedrepresentation", "/3dmodel"),
)
PROJECT, MACRO_SHEET = "vbaproject", "macrosheet"
RELATED_MACROS = ("/vbaproject", "/xlmacrosheet", "/xlintlmacrosheet")  # how the main part calls such parts
PROJECT_NAME = "vbaproject.bin"
MOST_PROJECT_BYTES = 2**20
MOST_PROJECTS = 2
OFFICE_FOLDERS = ("word/", "xl/", "ppt/")
# What a first member `mimetype` may claim, and the member that must be there too.
CLAIMED = {
    re.compile(r"application/vnd\.oasis\.opendocument\.[a-z-]{1,40}"): "content.xml",
    re.compile(r"application/epub\+zip"): "META-INF/container.xml",
}


@dataclass
class _Parts:
    """What the two lists of an OOXML package say."""

    main: str = ""
    by_name: dict[str, str] = field(default_factory=dict)
    by_extension: dict[str, str] = field(default_factory=dict)
    related: list[tuple[str, str]] = field(default_factory=list)  # by a relation, the targets that may be macros
    elements: int = 0

    def note(self, tag: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        if self.elements > MOST_ELEMENTS:
            raise expat.ExpatError
        match tag.rpartition(":")[2]:
            case "Override":
                self.by_name[_part(attributes.get("PartName", ""))] = attributes.get("ContentType", "").lower()
            case "Default":
                self.by_extension[attributes.get("Extension", "").lower()] = attributes.get("ContentType", "").lower()
            case "Relationship" if attributes.get("Type", "").endswith(MAIN_RELATIONS) and not self.main:
                self.main = _part(attributes.get("Target", ""))
            case "Relationship" if attributes.get("Type", "").lower().endswith(RELATED_MACROS):
                self.related.append((attributes["Type"].lower(), attributes.get("Target", "")))

    @property
    def main_type(self) -> str:
        return self.by_name.get(self.main) or self.by_extension.get(self.main.rpartition(".")[2], "")

    def type_of(self, member: Member) -> str:
        name = member.name.lower()
        return self.by_name.get(name) or self.by_extension.get(name.rpartition(".")[2], "")


def document(content: Content, archive: Directory) -> Structure | None:
    """Tell the document that the archive is; None if it does not even call itself one. Raises TooCostly."""
    claimed = _claim(content, archive)
    if claimed:
        return claimed
    if archive.named(TYPES_PART):
        return _package(content, archive)
    if archive.first.name.lower().startswith(OFFICE_FOLDERS):
        return Structure(mime=ZIP, traits=frozenset({Trait.DRESSED_UP}))
    return None


def _package(content: Content, archive: Directory) -> Structure:
    parts = _Parts()
    for name in (TYPES_PART, RELATIONS_PART):
        if not _note_list(content, archive, name, parts):
            return _no_document(archive)
    mime = MAIN_PARTS.get(parts.main_type)
    main = archive.named(parts.main)
    if mime is None or main is None or not zip_directory.unpack(content, main, most_bytes=1024):
        return _no_document(archive)
    twice = _twice(archive, TYPES_PART, RELATIONS_PART, parts.main)
    traits = {Trait.MACROS: _has_macros(content, archive, parts), Trait.DRESSED_UP: twice}
    return Structure(mime=mime, traits=frozenset(trait for trait, there in traits.items() if there))


def _no_document(archive: Directory) -> Structure:
    dressed = any(member.name.lower().startswith(OFFICE_FOLDERS) for member in archive.members)
    return Structure(mime=ZIP, traits=frozenset({Trait.DRESSED_UP} if dressed else ()))


def _has_macros(content: Content, archive: Directory, parts: _Parts) -> bool:
    """Tell whether a part that is there is a sheet of macros, or a project with code: by its type or by a relation.

    That a type allows macros, or is of no part, says nothing.
    """
    folder, _, name = parts.main.rpartition("/")
    main = _Parts()
    _note_list(content, archive, f"{folder}/_rels/{name}.rels".lstrip("/"), main)
    called = {member.name.lower(): parts.type_of(member) for member in archive.members}
    called |= {_part(posixpath.join(f"/{folder}", unquote(target))): kind for kind, target in main.related}
    there = [(member, called[member.name.lower()]) for member in archive.members]
    if any(MACRO_SHEET in kind for _, kind in there):
        return True
    projects = [member for member, kind in there if PROJECT in kind or is_project(member)]
    return bool(projects) and has_code(content, projects)


def is_project(member: Member) -> bool:
    """Tell by its name whether it is a project of macros."""
    return member.name.lower().endswith(PROJECT_NAME)


def has_code(content: Content, projects: Sequence[Member]) -> bool:
    """Tell whether one of these projects has code, or may have. Raises TooCostly."""
    read = [
        zip_directory.unpack(content, project, most_bytes=MOST_PROJECT_BYTES) for project in projects[:MOST_PROJECTS]
    ]
    return len(projects) > MOST_PROJECTS or not all(data is not None and vba.is_without_code(data) for data in read)


def _note_list(content: Content, archive: Directory, name: str, parts: _Parts) -> bool:
    """Note what a list says; tell whether it could be read to its end."""
    member = archive.named(name)
    xml = member and zip_directory.unpack(content, member, most_bytes=MOST_XML_BYTES)
    if not xml:
        return False
    parser = expat.ParserCreate()
    parser.StartElementHandler = parts.note
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(xml, True)  # noqa: FBT003 - expat takes it by position alone
    except (expat.ExpatError, ValueError, LookupError):  # the latter two: of an encoding that nobody knows
        return False
    return True


def _refuse(*_declaration: object) -> None:
    raise expat.ExpatError


def _twice(archive: Directory, *names: str) -> bool:
    """Tell whether one of these is there more than once: readers differ in which one they take."""
    wanted = {name.lower() for name in names}
    return sum(member.name.lower() in wanted for member in archive.members) > len(wanted)


def _part(name: str) -> str:
    return posixpath.normpath("/" + unquote(name)).lstrip("/").lower()


def _claim(content: Content, archive: Directory) -> Structure | None:
    """Tell OpenDocument and EPUB: the first member names the type, stored, so that it stands at a known place."""
    first = archive.first
    if first.name != "mimetype" or first.method != STORED:
        return None
    said = (zip_directory.unpack(content, first, most_bytes=128) or b"").decode("ascii", "replace").strip()
    needed = next((needed for form, needed in CLAIMED.items() if form.fullmatch(said)), None)
    if needed is None:
        return None
    if archive.named(needed) is None:
        return Structure(mime=ZIP, traits=frozenset({Trait.DRESSED_UP}))
    return Structure(mime=said, traits=_open_document_traits(content, archive))


def _open_document_traits(content: Content, archive: Directory) -> frozenset[Trait]:
    manifest = archive.named("META-INF/manifest.xml")
    listed = (zip_directory.unpack(content, manifest, most_bytes=MOST_XML_BYTES) if manifest else None) or b""
    macros = any(member.name.startswith(("Basic/", "Scripts/")) for member in archive.members)
    traits = {Trait.MACROS: macros, Trait.ENCRYPTED: b"encryption-data" in listed}
    return frozenset(trait for trait, there in traits.items() if there)
