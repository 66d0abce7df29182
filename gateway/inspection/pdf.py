"""PDF: begins with its header and ends with the way to its table of contents (ISO 32000-1, 7.5).

Its readers look for the header in the first 1,024 bytes (ISO 32000-1, annex H, note 13): what a tool printed before it,
a mark of the encoding or blanks do it no harm. Where other things than blanks stand there, only a whole PDF is one.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from gateway.inspection import pdf_filters, structure
from gateway.inspection.content import Content, TooCostly

MIME = "application/pdf"
HEAD_BYTES = 16 * 1024
NEAR_BYTES = 1024  # of the end mark, where startxref has to be
TAIL_BYTES = 64 * 1024  # where the end mark is looked for: some writers pad
START, END = b"%PDF-", b"%%EOF"
START_WITHIN = 1024

_HEADER = re.compile(rb"%PDF-[0-9]\.[0-9]")
_STARTXREF = re.compile(rb"startxref\s+([0-9]{1,10})\s")
_TABLE = re.compile(rb"\s{0,16}(?:xref\b|[0-9]{1,10}\s{1,8}[0-9]{1,5}\s{1,8}obj\b)")
_OBJECT = re.compile(rb"\b[0-9]{1,10} [0-9]{1,5} obj\b")
_PADDING = b"\0\t\n\r "
_ENCRYPT = re.compile(rb"/Encrypt\b")
# What runs a script, starts a program or holds a file (ISO 32000-1, 7.11.4, 12.6.4, 12.7.8, 13.2): names in full, which
# stand in no compressed data by accident. Any letter of a name may be written as its number (7.3.5).
_ACTIVE = (
    rb"JavaScript Launch EmbeddedFile EmbeddedFiles FileAttachment RichMedia Rendition GoToE ImportData XFA".split()
)
_NAME_ENDS = rb"(?=[\s\0/<>\[\](){}%]|\Z)"
_HOLDS_FILE = rb"/EF\s{0,8}(?:<<|[0-9]{1,10}\s{1,8}[0-9]{1,5}\s{1,8}R)"  # too short a name to stand nowhere by accident
_NAMES = re.compile(rb"/(?:" + b"|".join(_ACTIVE) + rb")" + _NAME_ENDS + b"|" + _HOLDS_FILE)
_WITH_NUMBERS = re.compile(rb"/[^\s\0/<>\[\](){}%#]{0,60}+#[0-9A-Fa-f]{2}[^\s\0/<>\[\](){}%]{0,60}+")
_NUMBER = re.compile(rb"#([0-9A-Fa-f]{2})")
_STREAM = re.compile(rb"stream(?<!endstream)[ \t]{0,8}(?:\r?\n|\r)")  # letters first: a search for those is fast
# Strings and comments, in which anything may stand.
_SAID = re.compile(rb"\((?:[^()\\]++|\\.){0,64}\)|%[^\r\n]*+", re.DOTALL)
_OBJECT_WORD = re.compile(rb"(?<![A-Za-z])obj\b|end(?:obj|stream)\b")
_OF_OBJECTS = re.compile(rb"/First\s{0,8}[0-9].*/N\s{0,8}[0-9]|/N\s{0,8}[0-9].*/First\s{0,8}[0-9]", re.DOTALL)
_DICTIONARY_BYTES = 4 * 1024
SEARCHED_BYTES = 12 * 2**20
MOST_UNPACKED_BYTES = 4 * 2**20  # of all streams of objects
MOST_PACKED_BYTES = 2 * 2**20  # of one
MOST_OBJECT_STREAMS = 2000
SLOWER = 16  # so much longer does it take to unpack what is told letter by letter
_SLOW = re.compile(rb"/(?:LZW|Predictor)")
MOST_STREAMS = 40_000
MOST_NUMBERED = 20_000  # names with numbers in them

_TABLE_BYTES = 8192  # of what startxref points at: a cross-reference stream keeps its dictionary there


def read(content: Content) -> structure.Structure | None:
    """Tell a PDF by its start, and whether it is whole by its end; None of anything else. Raises TooCostly."""
    return _read(content, 0) if content.head(len(START)) == START else None


def read_further_in(content: Content) -> structure.Structure | None:
    """Tell a PDF behind something else, for files that are of no other type. Raises TooCostly."""
    head = content.head(START_WITHIN)
    at = head.find(START)
    found = _read(content, at) if at > 0 else None
    if found is None:
        return None
    before = head[:at].removeprefix(codecs.BOM_UTF8).strip(_PADDING)
    if before and found.traits & {structure.Trait.BROKEN, structure.Trait.TRUNCATED}:
        return None  # a text that speaks of PDF
    marked = {structure.Trait.MARKUP_WITHIN} if structure.holds_markup(before) else set()
    return replace(found, traits=found.traits | marked)


def _read(content: Content, start: int) -> structure.Structure:
    """Read the PDF whose header stands at `start`."""
    tail = content.tail(TAIL_BYTES)
    last = tail.rfind(END)
    if last < 0:
        page = (
            {structure.Trait.MARKUP_WITHIN}
            if structure.holds_page(content.tail(structure.MOST_BEHIND_BYTES))
            else set()
        )
        return structure.Structure(
            mime=MIME, traits=structure.traits_of_broken(content, structure.Trait.TRUNCATED) | page | _deeds(content)
        )
    found = _STARTXREF.findall(tail, max(0, last - NEAR_BYTES), last)
    table = _table(content, start, int(found[-1]) if found else 0)
    traits = {
        structure.Trait.BROKEN: not _HEADER.match(content.at(start, 8)) or table is None,
        structure.Trait.TRUNCATED: not found,
        structure.Trait.ENCRYPTED: _encrypted(content, tail, table or 0),
    }
    end = content.size_bytes - len(tail[last + len(END) :].strip(_PADDING))
    whole = structure.traits_of_whole(content, end=end)
    return structure.Structure(
        mime=MIME, traits=whole | {trait for trait, there in traits.items() if there} | _deeds(content)
    )


def _table(content: Content, start: int, said: int) -> int | None:
    """Find the table, whose place is counted from the header or from the start of the file.

    If it is nowhere, an object in the head will do: readers find their way from it. None: not even that is there.
    """
    for place in (start + said, said):
        if _TABLE.match(content.at(place, 64)):
            return place
    return said if _OBJECT.search(content.head(HEAD_BYTES)) else None


def _encrypted(content: Content, tail: bytes, table: int) -> bool:
    """Tell by the trailer, which stands at the end of the file or, in newer ones, where the table begins."""
    return bool(_ENCRYPT.search(tail[-_TABLE_BYTES:]) or _ENCRYPT.search(content.at(table, _TABLE_BYTES)))


def _deeds(content: Content) -> frozenset[structure.Trait]:
    """Tell whether it does more than be read, by the names in its objects, those in compressed streams too."""
    try:
        return frozenset({structure.Trait.ACTIVE} if _is_active(content) else ())
    except TooCostly:
        return frozenset({structure.Trait.OPAQUE})


def _is_active(content: Content) -> bool:
    """Raises TooCostly where that cannot be told."""
    if content.size_bytes > SEARCHED_BYTES:
        raise TooCostly
    data = content.head(SEARCHED_BYTES)
    if _names(data):
        return True
    if data.count(b"stream") > 2 * MOST_STREAMS:
        raise TooCostly
    left = MOST_UNPACKED_BYTES
    for count, (dictionary, packed) in enumerate(_object_streams(data)):
        objects = pdf_filters.undone(dictionary, packed, most_bytes=left)
        if objects is None or count == MOST_OBJECT_STREAMS:
            raise TooCostly
        if _names(objects):
            return True
        left -= len(objects) * (SLOWER if _SLOW.search(dictionary) else 1)
    return False


def _names(data: bytes) -> bool:
    """Tell whether one of the active names stands there, in letters or in their numbers. Raises TooCostly."""
    if _NAMES.search(data):
        return True
    numbered = [_spelled(found[0]) for found in islice(_WITH_NUMBERS.finditer(data), MOST_NUMBERED + 1)]
    if len(numbered) > MOST_NUMBERED:
        raise TooCostly
    return any(name == b"/EF" or _NAMES.search(name) for name in numbered)


def _spelled(name: bytes) -> bytes:
    return _NUMBER.sub(lambda found: bytes([int(found[1], 16)]), name)


def _object_streams(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Find the streams of objects (7.5.7): for each its dictionary, and what follows.

    Raises TooCostly where a dictionary is too long to be looked at.
    """
    for found in _STREAM.finditer(data):
        before = data[max(0, found.start() - _DICTIONARY_BYTES) : found.start()]
        if b"First" not in before and b"#" not in before:
            continue
        plain = _SAID.sub(b" ", _SAID.sub(b" ", before))  # strings in strings
        begins = [place.start() for place in _OBJECT_WORD.finditer(plain)]
        if not begins and found.start() > _DICTIONARY_BYTES:
            raise TooCostly
        dictionary = _spelled(plain[begins[-1] if begins else 0 :])
        if _OF_OBJECTS.search(dictionary):
            yield dictionary, data[found.end() : found.end() + MOST_PACKED_BYTES]
