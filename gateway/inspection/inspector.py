"""Tells what a file is: asks the readers one after another, and libmagic beside them.

Rule 1. Who reads the structure names the type; libmagic may only contradict, and then the file is DISPUTED.
Rule 2. What is dangerous to any of them is dangerous, whatever the others say.
Rule 3. A type that a reader knows how to read and does not recognise is DISPUTED: libmagic's word alone is no proof.
Rule 4. The name of the file is believed where it can do no harm (is this text a table?) and where it can do nothing
        but harm (is this text a script? are these bytes, that nobody knows, a program?).
Rule 5. There is one `Magic` for each thread, built under a lock: a shared one serialises, an unlocked one crashes. It
        sees a bounded head in which long runs of blanks are short: its text rules are slow on them, and markup behind
        them goes unseen. What it cannot tell is no opinion; it never stops an inspection.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import magic

from gateway.inspection import (
    archive,
    compound,
    filetypes,
    frames,
    jpeg,
    mp4,
    onenote,
    pdf,
    pictures,
    program,
    rich,
    sounds,
    text,
)
from gateway.inspection.content import Content, TooCostly
from gateway.inspection.structure import Inspection, Structure, Trait, traits_of_whole

Read = Callable[[Content], Structure | None]

# The first one that knows the file has it. Programs come first; sound without a header, and text, come last.
READERS: Mapping[str, Read] = {
    "program": program.read,
    "pdf": pdf.read,
    "archive": archive.read,
    "compound": compound.read,
    "onenote": onenote.read,
    "jpeg": jpeg.read,
    "png": pictures.read_png,
    "gif": pictures.read_gif,
    "webp": pictures.read_webp,
    "wave": sounds.read_wave,
    "ogg": sounds.read_ogg,
    "amr": sounds.read_amr,
    "movie": mp4.read,
    "mpeg": frames.read_mpeg,
    "adts": frames.read_adts,
    "transport": frames.read_transport,
    "rich text": rich.read,
    "pdf further in": pdf.read_further_in,
    "text": text.read,
}
LIBMAGIC, NAME, NOBODY = "libmagic", "name", ""
FURTHER_IN = "pdf further in"

PLAIN_TO_READERS = ("application/json",)  # libmagic parses it
# What libmagic says of many a text, by two letters of it; our readers of programs and of PDF have found none.
MISREAD = (program.DOS, pdf.MIME)
UNTOLD = (filetypes.OCTETS, compound.OLE)  # types that tell nothing

_PRINTED = frozenset({filetypes.TEXT, filetypes.MARKUP, filetypes.SCRIPT, "rich", "pdf"})  # families

HEAD_BYTES = 64 * 1024  # as much as libmagic sees
LONGEST_RUN = 16
_RUN = re.compile(rb"([\t\n\v\f\r ]{%d})[\t\n\v\f\r ]++" % LONGEST_RUN)
_FORM = re.compile(r"[a-z0-9]{1,32}/[A-Za-z0-9.+_-]{1,128}")
_BUILDING = threading.Lock()


@dataclass(frozen=True)
class _Finding:
    mime: str
    traits: frozenset[Trait]
    reader: str
    details: Mapping[str, int | str] = field(default_factory=dict)


class _Libmagic(threading.local):
    def __init__(self) -> None:
        with _BUILDING:
            self.magic = magic.Magic(mime=True)


_LIBMAGIC = _Libmagic()


def inspect(content: Content, *, name: str = "") -> Inspection:
    """Tell what the file is. Never raises anything but OSError, on any bytes and any name."""
    if content.size_bytes == 0:
        return Inspection(mime=filetypes.OCTETS, size_bytes=0, traits=frozenset({Trait.EMPTY}))
    opinion = ask_libmagic(content)
    infected = text.is_test_virus(content)
    found = _named(_find(content, opinion), name)
    return Inspection(
        mime=found.mime,
        size_bytes=content.size_bytes,
        traits=found.traits | ({Trait.TEST_VIRUS} if infected else set()),
        details=found.details,
        opinion=opinion,
        reader=found.reader,
    )


def _find(content: Content, opinion: str | None) -> _Finding:
    reader = NOBODY
    try:
        for reader, read in READERS.items():
            structure = read(content)
            if structure and (reader != FURTHER_IN or _nothing_else(opinion)):
                return _weigh(structure, _heard(content, structure, opinion), reader)
        return _alone(content, opinion)
    except TooCostly:
        return _Finding(_spelt(opinion), frozenset({Trait.COSTLY}), reader)


def _nothing_else(opinion: str | None) -> bool:
    """Tell whether libmagic knows of no format that may have another file in it, as archives have."""
    return opinion in (None, filetypes.OCTETS) or filetypes.family(opinion or "") in _PRINTED


def _heard(content: Content, structure: Structure, opinion: str | None) -> str | None:
    """Hear libmagic's opinion, unless it speaks of the beginning alone, and of that it knows less than the reader.

    Letters beyond ASCII, in the encodings that are older than Unicode, are how programs, sounds and pictures begin.
    """
    said = opinion or filetypes.OCTETS
    if structure.mime == pdf.MIME and content.head(1) != b"%":
        return None
    if filetypes.family(structure.mime) != filetypes.TEXT or filetypes.family(said) in _PRINTED - {"pdf"}:
        return opinion
    unknown = structure.details.get("encoding") in (text.SHIFTED, *text.WIDE)
    foreign = unknown or (content.head(1) >= b"\x80" and said != filetypes.OCTETS)
    return text.PLAIN if said in MISREAD or foreign else opinion


def _weigh(structure: Structure, opinion: str | None, reader: str) -> _Finding:
    """Weigh what the reader has told against libmagic's opinion."""
    said = opinion or filetypes.OCTETS
    found = _Finding(structure.mime, structure.traits, reader, structure.details)
    if filetypes.dangerous(found.mime):
        return found
    if filetypes.contradict(found.mime, said):
        found = replace(found, traits=found.traits | {Trait.DISPUTED})
    if filetypes.dangerous(said) or (found.mime == text.PLAIN and said in PLAIN_TO_READERS):
        found = replace(found, mime=filetypes.spelt(said), reader=LIBMAGIC)
    return found


def _alone(content: Content, opinion: str | None) -> _Finding:
    """Tell by libmagic alone what no reader knows. Raises TooCostly."""
    mime = _spelt(opinion)
    traits = traits_of_whole(content, end=content.size_bytes)
    if filetypes.family(mime) and not filetypes.dangerous(mime):
        traits |= {Trait.DISPUTED}
    return _Finding(mime, traits, LIBMAGIC if opinion else NOBODY)


def _spelt(opinion: str | None) -> str:
    return filetypes.spelt(opinion) if opinion else filetypes.OCTETS


def _named(found: _Finding, name: str) -> _Finding:
    """Change what its name may change about a text, and about what nobody can tell."""
    called = filetypes.called(name)
    if called is None:
        return found
    if found.mime in UNTOLD and called.runnable:
        library = {Trait.LIBRARY} if filetypes.ending(name) == filetypes.LIBRARY_EXTENSION else set()
        return replace(found, mime=called.mime, traits=found.traits | library, reader=NAME)
    if filetypes.family(found.mime) != filetypes.TEXT:
        return found
    if called.runnable:  # only what a browser or a mail program opens is more than a script then
        mime = called.mime if called.family in (filetypes.MARKUP, filetypes.TEXT) else program.SCRIPT
        return replace(found, mime=mime, reader=NAME)
    if called.by_name and filetypes.of(found.mime).by_name:
        return replace(found, mime=called.mime, reader=NAME)
    return found


def ask_libmagic(content: Content) -> str | None:
    """Ask libmagic for the MIME type, in its words and in small letters; None if it has no opinion. Raises TooCostly.

    Some of its releases write a type in capitals, which is the same one (RFC 2045, 5.1).
    """
    try:
        said = _LIBMAGIC.magic.from_buffer(_RUN.sub(rb"\1", content.head(HEAD_BYTES)))
    except magic.MagicException:
        return None
    return said.lower() if _FORM.fullmatch(said) else None
