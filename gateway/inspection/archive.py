"""ZIP archives: documents, programs for Java and Android, and all others; with what is dangerous about any of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.inspection import filetypes, office, zip_directory
from gateway.inspection.content import Content
from gateway.inspection.filetypes import FileType
from gateway.inspection.office import ZIP
from gateway.inspection.structure import Structure, Trait
from gateway.inspection.zip_directory import Directory, Member

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


def read(content: Content) -> Structure | None:
    """Raises TooCostly."""
    if not content.head(8).startswith(STARTS):
        return None
    archive = zip_directory.walk(content)
    if archive is None:
        return Structure(mime=ZIP, traits=frozenset({Trait.TRUNCATED}))
    if not archive.members:
        return Structure(mime=ZIP, traits=_traits(content, archive, ()))
    known = _program(archive) or office.document(content, archive)
    called = [of_it for member in archive.members if (of_it := filetypes.called(member.name))]
    if known:  # a document is made of markup
        called = [of_it for of_it in called if of_it.family != filetypes.MARKUP]
    else:
        known = Structure(mime=ZIP)
    traits = known.traits | _traits(content, archive, called)
    return Structure(mime=known.mime, traits=traits, details={"members": len(archive.members)})


def _program(archive: Directory) -> Structure | None:
    return next((Structure(mime=mime) for mime, needed in PACKAGES.items() if archive.named(needed)), None)


def _traits(content: Content, archive: Directory, called: Sequence[FileType]) -> frozenset[Trait]:
    """What is dangerous about it; `called`: what its members would be, by their names."""
    members = archive.members
    found: dict[Trait, Callable[[], bool]] = {
        Trait.ENCRYPTED: lambda: any(member.encrypted for member in members),
        Trait.BOMB: lambda: _bomb(content, archive) or any(of_it.packs for of_it in called),
        Trait.MACROS: lambda: any(member.name.lower().endswith("vbaproject.bin") for member in members),
        Trait.PROGRAM_WITHIN: lambda: any(of_it.runnable for of_it in called) or _embeds(content, members),
        Trait.ARCHIVE_WITHIN: lambda: archive.prefix_bytes > 0,
        Trait.TRAILING: lambda: archive.trailing_bytes > TRAILING_BYTES,
    }
    return frozenset(trait for trait, there in found.items() if there())


def _bomb(content: Content, archive: Directory) -> bool:
    """By what is declared: too much, too dense, or members that share their bytes. An archive within is one too."""
    return (
        archive.size_bytes > MOST_UNPACKED_BYTES
        or archive.size_bytes > MOST_RATIO * content.size_bytes
        or archive.packed_bytes > content.size_bytes
    )


def _embeds(content: Content, members: tuple[Member, ...]) -> bool:
    """Whether an object embedded in a document holds a program: as it is, or in an OLE package."""
    embedded = [member for member in members if EMBEDDED in f"/{member.name.lower()}"]
    return any(_holds_program(content, member) for member in embedded[:MOST_EMBEDDED])


def _holds_program(content: Content, member: Member) -> bool:
    data = zip_directory.unpack(content, member, most_bytes=MOST_EMBEDDED_BYTES) or b""
    return data.startswith((b"MZ", b"\x7fELF")) or b"This program cannot be run in DOS mode" in data
