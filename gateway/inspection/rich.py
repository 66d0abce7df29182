"""Rich text: the objects in it, which are files of any kind, written in hexadecimal digits (RTF 1.9.1, "Objects")."""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Iterator

from gateway.inspection import compound
from gateway.inspection.content import Content
from gateway.inspection.ole import MAGIC
from gateway.inspection.structure import Structure, Trait, traits_of_whole

MIME = "application/rtf"
START, START_WITHIN = b"{\\rt", 256
SEARCHED_BYTES = 4 * 2**20
MOST_OBJECTS = 64
OBJECT_BYTES = 256 * 1024  # of one, as it is written

_OBJECT = re.compile(rb"\\objdata(?![A-Za-z])")
# What readers pass over between the digits: words with their numbers, signs, groups, blanks.
_BETWEEN = re.compile(rb"\\(?:[A-Za-z]{1,32}(?:-?[0-9]{1,10})?[ ]?|'[0-9A-Fa-f]{2}|.)?|[^\\0-9A-Fa-f]+", re.DOTALL)
_RAW = re.compile(rb"\\bin([0-9]{1,9})[ ]?")
_LINKS = re.compile(rb"\\(?:objautlink|objlink|objocx)(?![A-Za-z])")  # to what is fetched elsewhere, or runs in it
_MONIKER = bytes.fromhex("e0c9ea79f9bace118c8200aa004ba90b")  # a link to the web


def read(content: Content) -> Structure | None:
    """Tell rich text by its start, and whether what is in it would run; None of anything else. Raises TooCostly."""
    if not content.head(START_WITHIN).lstrip(codecs.BOM_UTF8 + b" \t\r\n").startswith(START):
        return None
    data = content.head(SEARCHED_BYTES)
    runs = _LINKS.search(data) or any(_runs(written) for written in _objects(data))
    whole = traits_of_whole(content, end=content.size_bytes)
    return Structure(mime=MIME, traits=whole | ({Trait.PROGRAM_WITHIN} if runs else set()))


def _objects(data: bytes) -> Iterator[bytes]:
    """Read the objects, each as its digits say and as its raw bytes are."""
    for count, found in enumerate(_OBJECT.finditer(data)):
        if count == MOST_OBJECTS:
            return
        written = data[found.end() : found.end() + OBJECT_BYTES]
        if raw := _RAW.search(written):
            yield written[raw.end() : raw.end() + int(raw[1])]
        digits = _BETWEEN.sub(b"", written)
        yield binascii.unhexlify(digits[: len(digits) // 2 * 2])


def _runs(data: bytes) -> bool:
    """Tell of the bytes of an object; another document in it is looked into. Raises TooCostly."""
    at = data.find(MAGIC)
    return compound.runs(data) or _MONIKER in data or (at >= 0 and compound.packages_program(data[at:]))
