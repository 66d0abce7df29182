"""ZIP archives: documents, programs for Java and Android, and all others; with what is dangerous about any of them."""

from __future__ import annotations

from collections.abc import Callable

from gateway.inspection import office, zip_directory
from gateway.inspection.content import Content
from gateway.inspection.office import ZIP
from gateway.inspection.structure import Structure, Trait
from gateway.inspection.zip_directory import Directory, Member

STARTS = (b"PK\3\4", b"PK\5\6", b"PK\7\x08PK\3\4", b"PK00PK\3\4")
MOST_RATIO = 100
MOST_UNPACKED_BYTES = 2**30
TRAILING_BYTES = 64

# What a name says. Office programs embed documents in documents, so those are no archives within an archive.
PROGRAMS = (
    ".exe .dll .scr .com .pif .cpl .sys .msi .msp .lnk .hta .bat .cmd .ps1 .psm1 .vbs .vbe .js .jse .wsf .wsh .jar .apk"
    " .class .dex .sh .elf .reg .url .chm .scf"
)
ARCHIVES = ".zip .zipx .7z .rar .gz .tgz .bz2 .xz .zst .tar .cab .iso .img .vhd .lzh .arj .ace .jar .war .ear .apk"
_PROGRAMS, _ARCHIVES = tuple(PROGRAMS.split()), tuple(ARCHIVES.split())

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
    if not content.head(8).startswith(STARTS):
        return None
    archive = zip_directory.walk(content)
    if archive is None:
        return Structure(mime=ZIP, traits=frozenset({Trait.TRUNCATED}))
    if not archive.members:
        return Structure(mime=ZIP, traits=_traits(content, archive))
    known = _program(archive) or office.document(content, archive) or Structure(mime=ZIP)
    traits = known.traits | _traits(content, archive)
    return Structure(mime=known.mime, traits=traits, details={"members": len(archive.members)})


def _program(archive: Directory) -> Structure | None:
    return next((Structure(mime=mime) for mime, needed in PACKAGES.items() if archive.named(needed)), None)


def _traits(content: Content, archive: Directory) -> frozenset[Trait]:
    members = archive.members
    found: dict[Trait, Callable[[], bool]] = {
        Trait.ENCRYPTED: lambda: any(member.encrypted for member in members),
        Trait.BOMB: lambda: _bomb(content, archive),
        Trait.MACROS: lambda: any(member.name.lower().endswith("vbaproject.bin") for member in members),
        Trait.PROGRAM_WITHIN: lambda: any(_names(member, _PROGRAMS) for member in members) or _embeds(content, members),
        Trait.ARCHIVE_WITHIN: lambda: archive.prefix_bytes > 0,
        Trait.TRAILING: lambda: archive.trailing_bytes > TRAILING_BYTES,
    }
    return frozenset(trait for trait, there in found.items() if there())


def _bomb(content: Content, archive: Directory) -> bool:
    """By what is declared: too much, too dense, members that share their bytes, or an archive in the archive."""
    return (
        archive.size_bytes > MOST_UNPACKED_BYTES
        or archive.size_bytes > MOST_RATIO * content.size_bytes
        or archive.packed_bytes > content.size_bytes
        or any(_names(member, _ARCHIVES) for member in archive.members)
    )


def _names(member: Member, endings: tuple[str, ...]) -> bool:
    return member.name.lower().rstrip(" .").endswith(endings)


def _embeds(content: Content, members: tuple[Member, ...]) -> bool:
    """Whether an object embedded in a document holds a program: as it is, or in an OLE package."""
    embedded = [member for member in members if EMBEDDED in f"/{member.name.lower()}"]
    return any(_holds_program(content, member) for member in embedded[:MOST_EMBEDDED])


def _holds_program(content: Content, member: Member) -> bool:
    data = zip_directory.unpack(content, member, most_bytes=MOST_EMBEDDED_BYTES) or b""
    return data.startswith((b"MZ", b"\x7fELF")) or b"This program cannot be run in DOS mode" in data
