"""Tells what a file is: asks the readers one after another, and libmagic beside them.

Rule 1. Who reads the structure names the type; libmagic may only contradict, and then the file is DISPUTED.
Rule 2. What is dangerous to any of them is dangerous, whatever the others say.
Rule 3. A type that a reader knows how to read and does not recognise is DISPUTED: libmagic's word alone is no proof.
Rule 4. The name of the file is believed where it can do no harm (is this text a table?) and where it can do nothing
        but harm (is this text a script?).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from gateway.inspection import (
    adts,
    amr,
    archive,
    compound,
    filetypes,
    gif,
    jpeg,
    libmagic,
    mp4,
    mpeg,
    ogg,
    pdf,
    png,
    program,
    text,
    trailing,
    wave,
    webp,
)
from gateway.inspection.content import Content, TooCostly
from gateway.inspection.structure import Structure, Trait

Read = Callable[[Content], Structure | None]

# The first one that knows the file has it. Programs come first; sound without a header, and text, come last.
READERS: Mapping[str, Read] = {
    "program": program.read,
    "pdf": pdf.read,
    "archive": archive.read,
    "compound": compound.read,
    "jpeg": jpeg.read,
    "png": png.read,
    "gif": gif.read,
    "webp": webp.read,
    "wave": wave.read,
    "ogg": ogg.read,
    "amr": amr.read,
    "movie": mp4.read,
    "mpeg": mpeg.read,
    "adts": adts.read,
    "text": text.read,
}
LIBMAGIC, NAME, NOBODY = "libmagic", "name", ""

PLAIN_TO_READERS = ("application/json",)  # libmagic parses it


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a file is. `mime` in WhatsApp's spelling, `opinion` in libmagic's, `reader`: who named the type."""

    mime: str
    size_bytes: int
    traits: frozenset[Trait] = frozenset()
    details: Mapping[str, int | str] = field(default_factory=dict)
    opinion: str | None = None
    reader: str = NOBODY


@dataclass(frozen=True)
class _Finding:
    mime: str
    traits: frozenset[Trait]
    reader: str
    details: Mapping[str, int | str] = field(default_factory=dict)


def inspect(content: Content, *, name: str = "") -> Inspection:
    """Never raises anything but OSError, on any bytes and any name."""
    if content.size_bytes == 0:
        return Inspection(mime=filetypes.OCTETS, size_bytes=0, traits=frozenset({Trait.EMPTY}))
    opinion = libmagic.opinion(content)
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
            if structure:
                return _weigh(structure, opinion, reader)
        return _alone(content, opinion)
    except TooCostly:
        return _Finding(_spelt(opinion), frozenset({Trait.COSTLY}), reader)


def _weigh(structure: Structure, opinion: str | None, reader: str) -> _Finding:
    """What the reader has told, beside libmagic's opinion."""
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
    """No reader knows it. Raises TooCostly."""
    mime = _spelt(opinion)
    traits = trailing.of_whole(content, end=content.size_bytes)
    if filetypes.family(mime) and not filetypes.dangerous(mime):
        traits |= {Trait.DISPUTED}
    return _Finding(mime, traits, LIBMAGIC if opinion else NOBODY)


def _spelt(opinion: str | None) -> str:
    return filetypes.spelt(opinion) if opinion else filetypes.OCTETS


def _named(found: _Finding, name: str) -> _Finding:
    """What its name may change about a text."""
    called = filetypes.called(name)
    if called is None or filetypes.family(found.mime) != filetypes.TEXT:
        return found
    if called.runnable:  # only what a browser or a mail program opens is more than a script then
        mime = called.mime if called.family in (filetypes.MARKUP, filetypes.TEXT) else program.SCRIPT
        return replace(found, mime=mime, reader=NAME)
    if {called.mime, found.mime} == {text.PLAIN, text.TABLE}:
        return replace(found, mime=called.mime, reader=NAME)
    return found
