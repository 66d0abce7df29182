"""What is said of a file, by one reader and by all: its type in WhatsApp's spelling, and what is peculiar about it.

What any file may have is found here: that which is trailing it, where its own structure no longer speaks for it, after
its end or after it broke off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.inspection.content import Content

TOLERATED_BYTES = 64  # a line feed or a tag that some tool left there
SNIFFED_BYTES = 1445  # as far as browsers look: WHATWG MIME Sniffing 5.2, "resource header"
ARCHIVE_TAIL_BYTES = 22 + 65_535  # a ZIP ends with its end record, whose comment is no longer (APPNOTE 4.3.16)
ARCHIVE_END = b"PK\x05\x06"

_MARKUP = re.compile(
    rb"<(?:!doctype|!--|\?xml|\?php|%|"
    rb"(?:html|head|body|title|script|style|svg|iframe|img|object|form|meta|link|h1|div|font|table|a|b|br|p)[\s/>])",
    re.IGNORECASE,
)


# What no picture, sound or film has by accident, however far behind its end: what a page cannot be without.
_PAGE = re.compile(rb"<(?:!doctype\s{1,8}html|(?:html|body|script|iframe)[\s/>]|hta:application)", re.IGNORECASE)
_PADDING = b"\0\t\n\v\f\r \xff"
MOST_BEHIND_BYTES = 2 * 2**20  # of what follows on the end of a file


class Trait(StrEnum):
    """What rules may ask for. A row of `rules/whatsapp.toml` names these words."""

    # of the bytes
    EMPTY = "empty"
    BROKEN = "broken"  # begins like its type and does not go on like it
    TRUNCATED = "truncated"  # ends too early
    TRAILING = "trailing"  # goes on after its end, for more than 64 bytes
    ARCHIVE_WITHIN = "archive-within"  # is a ZIP archive too, by its end
    MARKUP_WITHIN = "markup-within"  # HTML or a script follows on the first bytes of another type
    DISPUTED = "disputed"  # libmagic contradicts the reader of its type, or no reader recognises it
    COSTLY = "costly"  # cannot be read to its end within our bounds
    # of pictures
    PALETTE = "palette"
    DEEP = "deep"  # 16 bits a channel
    GREY = "grey"
    CMYK = "cmyk"
    ANIMATED = "animated"
    NOT_512 = "not-512"  # a picture that is not 512 x 512
    # of sound and film
    NO_INDEX = "no-index"  # an MP4 without moov
    LATE_INDEX = "late-index"  # moov after mdat
    FOREIGN_VIDEO = "foreign-video"  # other than H.264 in 8 bits and 4:2:0
    HIGH_WITH_B_FRAMES = "high-with-b-frames"  # H.264, profile High
    FOREIGN_AUDIO = "foreign-audio"  # other than what the container may hold at WhatsApp
    SEVERAL_AUDIO = "several-audio"
    NO_TRACK = "no-track"  # neither sound nor film
    # of documents and archives
    MACROS = "macros"
    ENCRYPTED = "encrypted"
    PROGRAM_WITHIN = "program-within"  # or a script; in an archive that is no document a page too
    BOMB = "bomb"  # unpacks to far more than it is
    DRESSED_UP = "dressed-up"  # an archive that calls itself a document and is none
    ACTIVE = "active"  # a PDF that runs a script, starts a program or has files in it
    OPAQUE = "opaque"  # a PDF of which not all can be looked through
    FORMULA = "formula"  # a CSV cell that a spreadsheet would run
    # of programs
    LIBRARY = "library"  # a DLL
    TEST_VIRUS = "test-virus"  # EICAR
    # of what the virus scanner says
    VIRUS = "virus"
    UNSCANNED = "unscanned"  # larger than it takes, where what it has not seen is held


_TRAITS = {str(trait): trait for trait in Trait}


@dataclass(frozen=True, kw_only=True)
class Structure:
    """What one reader says.

    `mime` is without parameters, but for `audio/ogg; codecs=opus`: there the parameter is part of the type.
    """

    mime: str
    traits: frozenset[Trait] = frozenset()
    details: Mapping[str, int | str] = field(default_factory=dict)  # "width", "video", "audio", …: for people


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What all of them say. `opinion` is libmagic's, in its spelling; `reader`: who named the type, "" for nobody.

    `scanned_at`: when it was looked through for viruses, in epoch seconds; None: it never was.
    """

    mime: str
    size_bytes: int
    traits: frozenset[Trait] = frozenset()
    details: Mapping[str, int | str] = field(default_factory=dict)
    opinion: str | None = None
    reader: str = ""
    scanned_at: float | None = None


def traits_of_whole(content: Content, *, end: int) -> frozenset[Trait]:
    """Tell what is peculiar about a file whose structure holds, and ends at `end`. Raises TooCostly."""
    found = _archive(content)
    if content.size_bytes - end > TOLERATED_BYTES:
        found |= {Trait.TRAILING}
    behind = content.at(end, MOST_BEHIND_BYTES)
    marked = holds_page(behind) or holds_markup(behind.lstrip(_PADDING)[:SNIFFED_BYTES])
    return found | ({Trait.MARKUP_WITHIN} if marked else set())


def traits_of_broken(content: Content, *traits: Trait) -> frozenset[Trait]:
    """Tell the same of one whose structure does not hold: `traits` say how. Raises TooCostly."""
    return frozenset(traits) | _archive(content) | _markup(content, 0)


def _archive(content: Content) -> frozenset[Trait]:
    return frozenset({Trait.ARCHIVE_WITHIN} if ARCHIVE_END in content.tail(ARCHIVE_TAIL_BYTES) else ())


def _markup(content: Content, offset: int) -> frozenset[Trait]:
    return frozenset({Trait.MARKUP_WITHIN} if holds_markup(content.at(offset, SNIFFED_BYTES)) else ())


def holds_page(data: bytes) -> bool:
    """Tell whether there is a page in there, wherever it begins."""
    return bool(_PAGE.search(data.replace(b"\0", b"")))


def holds_markup(data: bytes) -> bool:
    """Tell whether a browser might take something in there for a page."""
    return bool(_MARKUP.search(data.replace(b"\0", b"")))  # without its zeros, UTF-16 reads like ASCII


def written(seen: Inspection) -> str:
    """Write what was seen, as the register keeps it."""
    told = {
        "mime": seen.mime,
        "traits": sorted(seen.traits),
        "details": dict(seen.details),
        "opinion": seen.opinion,
        "reader": seen.reader,
        "scanned_at": seen.scanned_at,
    }
    return json.dumps(told)


def read(text: str, *, size_bytes: int) -> Inspection:
    """Read what was written, by another release perhaps, which may know more."""
    told = json.loads(text)
    return Inspection(
        mime=told["mime"],
        size_bytes=size_bytes,
        traits=frozenset(_TRAITS[word] for word in told["traits"] if word in _TRAITS),
        details=told["details"],
        opinion=told["opinion"],
        reader=told["reader"],
        scanned_at=told.get("scanned_at"),
    )
