"""ZIP archives: documents, programs for Java and Android, and all others; with what is dangerous about any of them.

Rule 1. The main part of an office document decides, found as an office program finds it: `_rels/.rels` names the part,
        `[Content_Types].xml` its type (ECMA-376 part 2, 9.2 and 9.3). Names of folders prove nothing.
Rule 2. OpenDocument and EPUB are told by their first member. Who calls himself a document and has no such part is
        DRESSED_UP.
Rule 3. XML goes through expat, never into a tree; a document type declaration ends the reading.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote
from xml.parsers import expat

from gateway.inspection import filetypes, zip_directory
from gateway.inspection.content import Content
from gateway.inspection.filetypes import FileType
from gateway.inspection.structure import Structure, Trait
from gateway.inspection.zip_directory import STORED, Directory, Member

STARTS = (b"PK\3\4", b"PK\5\6", b"PK\7\x08PK\3\4", b"PK00PK\3\4")
MOST_RATIO = 100
MOST_UNPACKED_BYTES = 2**30
TRAILING_BYTES = 64

# What stands in an embedded object is looked at too, for its name is made up by the program that embedded it.
EMBEDDED = "/embeddings/"
MOST_EMBEDDED = 16
MOST_EMBEDDED_BYTES = 128 * 1024

# Programs for others, by a member that they cannot be without.
PACKAGES = {
    "application/vnd.android.package-archive": "AndroidManifest.xml",
    "application/java-archive": "META-INF/MANIFEST.MF",
}

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
MAIN_RELATIONS = ("/relationships/officeDocument", "/relationships/document")
MACRO_TYPES = ("macroenabled", "vbaproject", "macrosheet")
OFFICE_FOLDERS = ("word/", "xl/", "ppt/")
# What a first member `mimetype` may claim, and the member that must be there too.
CLAIMED = {
    re.compile(r"application/vnd\.oasis\.opendocument\.[a-z-]{1,40}"): "content.xml",
    re.compile(r"application/epub\+zip"): "META-INF/container.xml",
}


def read(content: Content) -> Structure | None:
    """Tell an archive, and which document or program it is; None of anything else. Raises TooCostly."""
    if not content.head(8).startswith(STARTS):
        return None
    archive = zip_directory.walk(content)
    if archive is None:
        return Structure(mime=ZIP, traits=frozenset({Trait.TRUNCATED}))
    if not archive.members:
        return Structure(mime=ZIP, traits=_traits(content, archive, ()))
    known = _program(archive) or document(content, archive)
    named = [called for member in archive.members if (called := filetypes.called(member.name))]
    if known:  # a document is made of markup
        named = [called for called in named if called.family != filetypes.MARKUP]
    else:
        known = Structure(mime=ZIP)
    traits = known.traits | _traits(content, archive, named)
    return Structure(mime=known.mime, traits=traits, details={"members": len(archive.members)})


def _program(archive: Directory) -> Structure | None:
    return next((Structure(mime=mime) for mime, needed in PACKAGES.items() if archive.named(needed)), None)


def _traits(content: Content, archive: Directory, named: Sequence[FileType]) -> frozenset[Trait]:
    """Tell what is dangerous about it; `named`: what its members would be, by their names."""
    members = archive.members
    found: dict[Trait, Callable[[], bool]] = {
        Trait.ENCRYPTED: lambda: any(member.encrypted for member in members),
        Trait.BOMB: lambda: _bomb(content, archive) or any(called.packs for called in named),
        Trait.MACROS: lambda: any(member.name.lower().endswith("vbaproject.bin") for member in members),
        Trait.PROGRAM_WITHIN: lambda: any(called.runnable for called in named) or _embeds(content, members),
        Trait.ARCHIVE_WITHIN: lambda: archive.prefix_bytes > 0,
        Trait.TRAILING: lambda: archive.trailing_bytes > TRAILING_BYTES,
    }
    return frozenset(trait for trait, there in found.items() if there())


def _bomb(content: Content, archive: Directory) -> bool:
    """Tell a bomb by what is declared: too much, too dense, or members that share their bytes."""
    return (
        archive.size_bytes > MOST_UNPACKED_BYTES
        or archive.size_bytes > MOST_RATIO * content.size_bytes
        or archive.packed_bytes > content.size_bytes
    )


def _embeds(content: Content, members: tuple[Member, ...]) -> bool:
    """Tell whether an object embedded in a document holds a program: as it is, or in an OLE package."""
    embedded = [member for member in members if EMBEDDED in f"/{member.name.lower()}"]
    return any(_holds_program(content, member) for member in embedded[:MOST_EMBEDDED])


def _holds_program(content: Content, member: Member) -> bool:
    data = zip_directory.unpack(content, member, most_bytes=MOST_EMBEDDED_BYTES) or b""
    return data.startswith((b"MZ", b"\x7fELF")) or b"This program cannot be run in DOS mode" in data


@dataclass
class _Parts:
    """What the two lists of an OOXML package say."""

    main: str = ""
    by_name: dict[str, str] = field(default_factory=dict)
    by_extension: dict[str, str] = field(default_factory=dict)
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

    @property
    def main_type(self) -> str:
        return self.by_name.get(self.main) or self.by_extension.get(self.main.rpartition(".")[2], "")

    @property
    def types(self) -> set[str]:
        return {*self.by_name.values(), *self.by_extension.values()}


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
            return Structure(mime=ZIP, traits=frozenset({Trait.DRESSED_UP}))
    mime = MAIN_PARTS.get(parts.main_type)
    main = archive.named(parts.main)
    if mime is None or main is None or not zip_directory.unpack(content, main, most_bytes=1024):
        return Structure(mime=ZIP, traits=frozenset({Trait.DRESSED_UP}))
    macros = any(word in kind for word in MACRO_TYPES for kind in parts.types)
    twice = _twice(archive, TYPES_PART, RELATIONS_PART, parts.main)
    traits = {Trait.MACROS: macros, Trait.DRESSED_UP: twice}
    return Structure(mime=mime, traits=frozenset(trait for trait, there in traits.items() if there))


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
