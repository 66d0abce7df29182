"""ZIP archives: documents, programs for Java, Android and Windows, and all others; with what is dangerous about any.

Rule 1. An archive in an archive is looked into as well, while there is little of it. It is a bomb if it unpacks to far
        more than it is, or if there is always another one inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from gateway.inspection import compound, filetypes, office, zip_directory
from gateway.inspection.content import Content, of_bytes
from gateway.inspection.office import ZIP
from gateway.inspection.structure import Structure, Trait
from gateway.inspection.zip_directory import Directory, Member

STARTS = (b"PK\3\4", b"PK\5\6", b"PK\7\x08PK\3\4", b"PK00PK\3\4")
MOST_RATIO = 100
MOST_UNPACKED_BYTES = 2**30
TRAILING_BYTES = 64

# What stands in an embedded object is looked at too, for its name is made up by the program that embedded it.
EMBEDDED = ("/embeddings/", "/object ")  # as Office and as LibreOffice call it
MOST_EMBEDDED = 16
MOST_EMBEDDED_BYTES = 128 * 1024

MOST_DEEP = 3  # archives in archives in the archive
MOST_INNER = 32
MOST_INNER_BYTES = 2**20  # of one
MOST_INNER_MEMBERS = 4096  # of all

# Programs for others, by a member that they cannot be without.
PACKAGES = {
    "application/vnd.android.package-archive": "AndroidManifest.xml",
    "application/java-archive": "META-INF/MANIFEST.MF",
    "application/vnd.ms-appx": "AppxManifest.xml",
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
    known = _program(archive) or office.document(content, archive)
    named = _named(archive)
    if known:  # a document is made of markup
        named = [called for called in named if called.family != filetypes.MARKUP]
    else:
        known = Structure(mime=ZIP)
    traits = known.traits | _traits(content, archive, named)
    return Structure(mime=known.mime, traits=traits, details={"members": len(archive.members)})


def _program(archive: Directory) -> Structure | None:
    return next((Structure(mime=mime) for mime, needed in PACKAGES.items() if archive.named(needed)), None)


def _named(archive: Directory) -> list[filetypes.FileType]:
    return [called for member in archive.members if (called := filetypes.called(member.name))]


def _traits(content: Content, archive: Directory, named: Sequence[filetypes.FileType]) -> frozenset[Trait]:
    """Tell what is dangerous about it; `named`: what its members would be, by their names."""
    members = archive.members
    inner = [*_archives_within(content, archive)]
    size = archive.size_bytes + sum(directory.size_bytes for _, _, directory in inner)
    named = [*named, *(called for _, _, directory in inner for called in _named(directory))]
    projects = [member for member in members if office.is_project(member)]
    found: dict[Trait, Callable[[], bool]] = {
        Trait.ENCRYPTED: lambda: any(member.encrypted for member in members),
        Trait.BOMB: lambda: (
            size > MOST_UNPACKED_BYTES
            or _bomb(content, archive)
            or any(depth > MOST_DEEP or _bomb(around, directory) for depth, around, directory in inner)
        ),
        Trait.MACROS: lambda: bool(projects) and office.has_code(content, projects),
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


def _archives_within(content: Content, archive: Directory) -> Iterator[tuple[int, Content, Directory]]:
    """Open the archives in the archive, and those in them: how deep each lies, its bytes, its directory.

    Those that are large, and what is beyond our bounds, stay closed. Raises TooCostly.
    """
    waiting, left, members = [(1, content, archive)], MOST_INNER, MOST_INNER_MEMBERS
    while waiting:
        depth, around, outer = waiting.pop()
        for member in outer.members:
            called = filetypes.called(member.name)
            if not (called and called.packs and called.family == "zip") or member.size_bytes > MOST_INNER_BYTES:
                continue
            inner = of_bytes(zip_directory.unpack(around, member, most_bytes=MOST_INNER_BYTES) or b"")
            found = zip_directory.walk(inner)
            left, members = left - 1, members - (len(found.members) if found else 0)
            if found:
                yield depth, inner, found
                waiting.append((depth + 1, inner, found))
            if depth > MOST_DEEP or left <= 0 or members <= 0:
                return


def _embeds(content: Content, members: tuple[Member, ...]) -> bool:
    """Tell whether an object embedded in a document holds a program: as it is, or in an OLE package."""
    embedded = [member for member in members if any(place in f"/{member.name.lower()}" for place in EMBEDDED)]
    return any(_holds_program(content, member) for member in embedded[:MOST_EMBEDDED])


def _holds_program(content: Content, member: Member) -> bool:
    data = zip_directory.unpack(content, member, most_bytes=MOST_EMBEDDED_BYTES) or b""
    if data.startswith((b"MZ", b"\x7fELF")) or b"This program cannot be run in DOS mode" in data:
        return True
    return compound.packages_program(data)
