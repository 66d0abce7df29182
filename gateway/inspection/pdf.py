"""PDF: begins with its header and ends with the way to its table of contents (ISO 32000-1, 7.5).

Its readers look for the header in the first 1,024 bytes (ISO 32000-1, annex H, note 13): what a tool printed before it,
a mark of the encoding or blanks do it no harm. Where other things than blanks stand there, only a whole PDF is one.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import replace

from gateway.inspection.content import Content
from gateway.inspection.structure import Structure, Trait, holds_markup, traits_of_broken, traits_of_whole

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
_TABLE_BYTES = 8192  # of what startxref points at: a cross-reference stream keeps its dictionary there


def read(content: Content) -> Structure | None:
    """Tell a PDF by its start, and whether it is whole by its end; None of anything else. Raises TooCostly."""
    return _read(content, 0) if content.head(len(START)) == START else None


def read_further_in(content: Content) -> Structure | None:
    """Tell a PDF behind something else, for files that are of no other type. Raises TooCostly."""
    head = content.head(START_WITHIN)
    at = head.find(START)
    found = _read(content, at) if at > 0 else None
    if found is None:
        return None
    before = head[:at].removeprefix(codecs.BOM_UTF8).strip(_PADDING)
    if before and found.traits & {Trait.BROKEN, Trait.TRUNCATED}:
        return None  # a text that speaks of PDF
    marked = {Trait.MARKUP_WITHIN} if holds_markup(before) else set()
    return replace(found, traits=found.traits | marked)


def _read(content: Content, start: int) -> Structure:
    """Read the PDF whose header stands at `start`."""
    tail = content.tail(TAIL_BYTES)
    last = tail.rfind(END)
    if last < 0:
        return Structure(mime=MIME, traits=traits_of_broken(content, Trait.TRUNCATED))
    found = _STARTXREF.findall(tail, max(0, last - NEAR_BYTES), last)
    table = _table(content, start, int(found[-1]) if found else 0)
    traits = {
        Trait.BROKEN: not _HEADER.match(content.at(start, 8)) or table is None,
        Trait.TRUNCATED: not found,
        Trait.ENCRYPTED: _encrypted(content, tail, table or 0),
    }
    end = content.size_bytes - len(tail[last + len(END) :].strip(_PADDING))
    whole = traits_of_whole(content, end=end)
    return Structure(mime=MIME, traits=whole | {trait for trait, there in traits.items() if there})


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
