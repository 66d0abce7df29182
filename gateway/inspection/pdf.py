"""PDF: begins with its header and ends with the way to its table of contents (ISO 32000-1, 7.5)."""

from __future__ import annotations

import re

from gateway.inspection.content import Content
from gateway.inspection.structure import Structure, Trait, traits_of_broken, traits_of_whole

MIME = "application/pdf"
HEAD_BYTES = 16 * 1024
NEAR_BYTES = 1024  # of the end mark, where startxref has to be
TAIL_BYTES = 64 * 1024  # where the end mark is looked for: some writers pad
END = b"%%EOF"

_HEADER = re.compile(rb"%PDF-[0-9]\.[0-9]")
_STARTXREF = re.compile(rb"startxref\s+([0-9]{1,10})\s")
_TABLE = re.compile(rb"\s{0,16}(?:xref\b|[0-9]{1,10}\s{1,8}[0-9]{1,5}\s{1,8}obj\b)")
_OBJECT = re.compile(rb"\b[0-9]{1,10} [0-9]{1,5} obj\b")
_PADDING = b"\0\t\n\r "
_ENCRYPT = re.compile(rb"/Encrypt\b")
_TABLE_BYTES = 8192  # of what startxref points at: a cross-reference stream keeps its dictionary there


def read(content: Content) -> Structure | None:
    """Tell a PDF by its start, and whether it is whole by its end; None of anything else. Raises TooCostly."""
    if content.head(5) != b"%PDF-":
        return None
    tail = content.tail(TAIL_BYTES)
    last = tail.rfind(END)
    if last < 0:
        return Structure(mime=MIME, traits=traits_of_broken(content, Trait.TRUNCATED))
    found = _STARTXREF.findall(tail, max(0, last - NEAR_BYTES), last)
    table = int(found[-1]) if found else 0
    traits = {
        Trait.BROKEN: not _HEADER.match(content.head(8)) or not _has_objects(content, table),
        Trait.TRUNCATED: not found,
        Trait.ENCRYPTED: _encrypted(content, tail, table),
    }
    end = content.size_bytes - len(tail[last + len(END) :].strip(_PADDING))
    whole = traits_of_whole(content, end=end)
    return Structure(mime=MIME, traits=whole | {trait for trait, there in traits.items() if there})


def _has_objects(content: Content, table: int) -> bool:
    """Tell whether the table is where it should be, or else an object in the head: readers find their way from it."""
    return bool(_TABLE.match(content.at(table, 64)) or _OBJECT.search(content.head(HEAD_BYTES)))


def _encrypted(content: Content, tail: bytes, table: int) -> bool:
    """Tell by the trailer, which stands at the end of the file or, in newer ones, where the table begins."""
    return bool(_ENCRYPT.search(tail[-_TABLE_BYTES:]) or _ENCRYPT.search(content.at(table, _TABLE_BYTES)))
