"""What we know of the types of files and of the endings of names: `rules/files.toml`, read strictly, and once.

Rule 1. Types are spelled as WhatsApp spells them; only of `audio/ogg; codecs=opus` a parameter is a part.
Rule 2. What a browser or a system would run is served as application/octet-stream and saved as `.bin`: that is never
        rendered, whereas text/plain is a type that WhatsApp would deliver as a document.
Rule 3. Two opinions agree when their types are of one family: libmagic confuses the members of a family, the reader
        does not. Of two families they contradict each other. Not to know a type is no contradiction, except to text:
        everything looks like text that has nothing else.
Rule 4. A name stands in one place of the table; a dangerous ending belongs to one type and to no harmless one.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field

from gateway import printable, rules
from gateway.rules import StrictTable

FILE = "files.toml"
OCTETS = "application/octet-stream"  # what nobody knows
OGG_OPUS = "audio/ogg; codecs=opus"
TEXT, PROGRAM, MARKUP, SCRIPT = "text", "program", "markup", "script"
DANGEROUS = frozenset({PROGRAM, MARKUP, SCRIPT})
LIBRARY_EXTENSION = ".dll"  # a library does nothing by itself: it keeps its name

Category = Literal["image", "video", "audio", "document", "sticker"]
Switch = Annotated[bool, Field(strict=True)]

_LONGEST_ENDING = 64  # characters of a name that are looked at
_MIME = re.compile(r"[a-z]{1,20}/[A-Za-z0-9.+_-]{1,120}(?:; codecs=opus)?")
_ENDING = re.compile(r"\.[a-z0-9-]{1,32}")


class FileType(StrictTable):
    """A type, and what we do with its files: a row of `rules/files.toml`, which tells what each field says."""

    mime: str
    family: str = ""
    category: Category = "document"
    endings: tuple[str, ...] = ()
    spellings: tuple[str, ...] = ()
    served_as: Literal["application/octet-stream"] | None = None
    runs: Switch = False
    packs: Switch = False
    no_page: Switch = False
    keeps: tuple[str, ...] = ()
    opens_with: tuple[str, ...] = ()
    by_name: Switch = False
    wraps: Switch = False

    @property
    def runnable(self) -> bool:
        """Tell whether a machine would run such a file, or what unpacks out of it: then its endings are dangerous."""
        return self.runs or self.family in DANGEROUS

    @property
    def served(self) -> str:
        """Give the Content-Type."""
        return OCTETS if self.runnable else self.served_as or self.mime

    @property
    def extension(self) -> str:
        """Give the ending under which such a file is saved, with its dot."""
        return ".bin" if self.runnable or self.served_as else self.endings[0]

    @property
    def loses_its_ending(self) -> bool:
        """Tell whether its endings are taken off an old name: it is saved under one of ours, or may not keep them."""
        return self.runnable or not self.served_as


class _Family(StrictTable):
    also: tuple[str, ...] = ()
    beginnings: tuple[str, ...] = ()


class FileTypes(StrictTable):
    """The whole table, and what is looked up in it."""

    types: tuple[FileType, ...]
    family: dict[str, _Family]

    @cached_property
    def by_mime(self) -> Mapping[str, FileType]:
        """Map our name of each type to it."""
        return {row.mime: row for row in self.types}

    @cached_property
    def by_ending(self) -> Mapping[str, FileType]:
        """Map each ending to its type: of those that share one, to the one that stands first."""
        return {ending: row for row in reversed(self.types) for ending in row.endings}

    @cached_property
    def openings(self) -> Mapping[str, str]:
        """Map the first words of texts to their type."""
        return {words: row.mime for row in self.types for words in row.opens_with}

    @cached_property
    def harmless_endings(self) -> frozenset[str]:
        """List every ending under which nothing runs."""
        return frozenset(ending for row in self.types if not row.runnable for ending in (*row.endings, *row.keeps))

    @cached_property
    def families(self) -> Mapping[str, str]:
        """Map every name of a type to its family, if it has one."""
        rows = {name: row.family for row in self.types for name in (row.mime, *row.spellings) if row.family}
        return rows | {name: key for key, family in self.family.items() for name in family.also}

    @cached_property
    def beginnings(self) -> Mapping[str, str]:
        """Map how names begin to the family of all that do."""
        return {start: key for key, family in self.family.items() for start in family.beginnings}

    @cached_property
    def spellings(self) -> Mapping[str, str]:
        """Map libmagic's words to those of ours that mean the same."""
        return {spelling: row.mime for row in self.types for spelling in row.spellings}

    @cached_property
    def runnable(self) -> frozenset[str]:
        """List every name of a type that somebody's machine would run."""
        named = {name for name, family in self.families.items() if family in DANGEROUS}
        return frozenset(named | {row.mime for row in self.types if row.runs})

    def group(self, family: str) -> frozenset[str]:
        """List every name of a type of that family."""
        return frozenset(name for name, theirs in self.families.items() if theirs == family)


@functools.cache
def load() -> FileTypes:
    """Read the types that this release knows. Raises SettingsError."""
    return understand(rules.read(FILE))


def understand(document: Mapping[str, Any]) -> FileTypes:
    """Prove the types in a parsed document. Raises SettingsError, which lists every problem with its row."""
    found = rules.prove(document, FileTypes, file=FILE)
    if problems := [*_problems(found)]:
        raise rules.wrong(FILE, problems)
    return found


def of(mime: str) -> FileType:
    """Look up a type by our name for it; an unknown one is a document of octets."""
    known = load().by_mime
    return known.get(mime) or known[OCTETS]


def family(mime: str) -> str | None:
    """Look up the family of a type; None of one that no reader knows."""
    table = load()
    known = table.families.get(mime)
    return known or next((key for start, key in table.beginnings.items() if mime.startswith(start)), None)


def dangerous(mime: str) -> bool:
    """Tell whether the type is a program, a script or markup."""
    return family(mime) in DANGEROUS


def spelt(mime: str) -> str:
    """Spell a type as we do, by libmagic's word for it; all scripts in text are one."""
    return load().spellings.get(mime, mime)


def contradict(read: str, opinion: str) -> bool:
    """Tell whether libmagic's opinion speaks against the type that a reader has told."""
    if opinion == OCTETS:
        return family(read) == TEXT
    return family(read) != family(opinion)


def ending(name: str) -> str:
    """Read the ending of a name as Windows sees it, in small letters and with its dot; "" if it has none."""
    seen = printable.text(name[-_LONGEST_ENDING:].lower(), instead="").rstrip(" .")
    _, dot, last = seen.rpartition(".")
    return dot + last if dot else ""


def called(name: str) -> FileType | None:
    """Look up what a file of this name would be, by its ending; None if nobody knows that."""
    return load().by_ending.get(ending(name))


def kept(mime: str) -> frozenset[str]:
    """List the endings that the name of such a file keeps: those of its type that only the name can tell.

    Of what nobody knows the name says more than we do: it keeps every ending under which nothing runs.
    """
    return load().harmless_endings if mime == OCTETS else frozenset(of(mime).keeps)


def _problems(table: FileTypes) -> Iterator[str]:
    """List what contradicts itself in the table: the row, what is wrong, and what to do."""
    if OCTETS not in table.by_mime:
        yield f"there is no type '{OCTETS}', which stands for all that nobody knows: add it"
    yield from (f"there is no family '{name}': add it" for name in sorted({TEXT, *DANGEROUS} - table.family.keys()))
    names = [name for row in table.types for name in (row.mime, *row.spellings)]
    names += [name for family in table.family.values() for name in family.also]
    names += [f"{start}…" for family in table.family.values() for start in family.beginnings]
    yield from (
        f"'{name}' stands in two places: leave it in one" for name, times in Counter(names).items() if times > 1
    )
    endings = Counter(ending for row in table.types for ending in row.endings)
    runs = {ending for row in table.types if row.runnable for ending in row.endings}
    for row in table.types:
        yield from (f"type '{row.mime}': '{it}' runs: no name keeps it" for it in row.keeps if it in runs)
        yield from (f"type '{row.mime}': {what}" for what in _problems_of_row(row, table.family))
        yield from (f"type '{row.mime}': {what}" for what in _problems_of_endings(row, endings))


def _problems_of_row(row: FileType, families: Container[str]) -> Iterator[str]:
    if not _MIME.fullmatch(row.mime):
        yield "is no type: write it as in 'image/png', without parameters"
    if row.family and row.family not in families:
        yield f"there is no family '{row.family}': write one that is there, or add it"
    if row.runs and row.family in DANGEROUS:
        yield f"all types of the family {row.family} run: leave out `runs`"
    if row.runnable and (row.category != "document" or row.served_as or row.no_page):
        yield "what runs is served as octets and trusted in nothing: leave out `category`, `served_as` and `no_page`"
    if not (row.endings or row.runnable or row.served_as):
        yield "is saved under its first ending: give it one"


def _problems_of_endings(row: FileType, everywhere: Counter[str]) -> Iterator[str]:
    for ending in row.endings:
        if not _ENDING.fullmatch(ending):
            yield f"'{ending}' is no ending: write it in small letters and with its dot, such as '.pdf'"
        if everywhere[ending] > 1 and (row.runnable or row.endings.count(ending) > 1):
            yield f"'{ending}' stands in two places, as only harmless endings of two types may: leave it in one"
