"""What a reader says of a file: its type in WhatsApp's spelling, and what is peculiar about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


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
    FOREIGN_VIDEO = "foreign-video"  # other than H.264
    FOREIGN_AUDIO = "foreign-audio"  # other than what the container may hold at WhatsApp
    SEVERAL_AUDIO = "several-audio"
    NO_TRACK = "no-track"  # neither sound nor film
    # of documents and archives
    MACROS = "macros"
    ENCRYPTED = "encrypted"
    PROGRAM_WITHIN = "program-within"  # or a script; in an archive that is no document a page too
    BOMB = "bomb"  # unpacks to far more than it is
    DRESSED_UP = "dressed-up"  # an archive that calls itself a document and is none
    FORMULA = "formula"  # a CSV cell that a spreadsheet would run
    # of programs
    LIBRARY = "library"  # a DLL
    TEST_VIRUS = "test-virus"  # EICAR


@dataclass(frozen=True, kw_only=True)
class Structure:
    """`mime` without parameters, but for `audio/ogg; codecs=opus`: there the parameter is part of the type."""

    mime: str
    traits: frozenset[Trait] = frozenset()
    details: Mapping[str, int | str] = field(default_factory=dict)  # "width", "video", "audio", …: for people
