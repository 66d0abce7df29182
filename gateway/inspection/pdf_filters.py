"""Undoes the filters of a PDF's streams (ISO 32000-1, 7.4): what is packed, within bounds of memory and of steps.

Rule 1. Where the packed bytes end is what they say themselves, as readers take it: no word in them ends them.
Rule 2. What breaks off gives what came before. What nobody can undo, and what is more than asked for, is None.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress

MOST_LZW_BYTES = 256 * 1024  # unpacked letter by letter
_PIECE_BYTES = 4096

_FILTER = re.compile(rb"/(?:Filter|F)\s{0,16}(\[[^\]]{0,512}\]|/[A-Za-z0-9]{1,32})")
_NAME = re.compile(rb"/([A-Za-z0-9]{1,32})")
_NUMBER = {
    name: re.compile(rb"/" + name + rb"\s{0,16}([0-9]{1,4})\b") for name in (b"Predictor", b"Columns", b"Colors")
}
_INDIRECT = re.compile(
    rb"/(?:Filter|DecodeParms|Predictor|Columns|Colors)\s{0,16}\[?\s{0,16}[0-9]{1,10}\s{1,8}[0-9]{1,5}\s{1,8}R\b"
)
_CLEAR, _END, _FIRST = 256, 257, 258


def undone(dictionary: bytes, data: bytes, *, most_bytes: int) -> bytes | None:
    """Undo the filters that the dictionary of a stream names, on what follows on it."""
    if _INDIRECT.search(dictionary) or b"/EarlyChange" in dictionary:
        return None  # what undoes it stands elsewhere, or is of another kind than ours
    said = _FILTER.search(dictionary)
    names = _NAME.findall(said[1]) if said else []
    if not names:
        data = data.partition(b"endstream")[0]
    try:
        for name in names:
            data = _UNDO[name](data, most_bytes + 1)
            if len(data) > most_bytes:
                return None
        return _unpredicted(dictionary, data)
    except (KeyError, ValueError, zlib.error):
        return None


def _inflated(data: bytes, most: int) -> bytes:
    """Raises zlib.error where there is nothing to be had. A checksum that is wrong is none of a reader's concerns."""
    packed, found = zlib.decompressobj(-zlib.MAX_WBITS), bytearray()
    try:
        for at in range(2, len(data), _PIECE_BYTES):
            before = packed.copy()
            found += packed.decompress(data[at : at + _PIECE_BYTES], most - len(found))
            if packed.eof or len(found) >= most:
                break
    except zlib.error:
        with suppress(zlib.error):  # up to the byte that breaks it
            for byte in data[at : at + _PIECE_BYTES]:
                found += before.decompress(bytes([byte]), most - len(found))
        if not found:
            raise
    return bytes(found)


def _from_digits(data: bytes, most: int) -> bytes:
    digits = b"".join(data.partition(b">")[0][: 4 * most].split())
    return binascii.unhexlify(digits + b"0" * (len(digits) % 2))


def _from_letters(data: bytes, most: int) -> bytes:
    return base64.a85decode(b"".join(data.partition(b"~>")[0][: 4 * most].split()).removeprefix(b"<~"))


def _from_runs(data: bytes, most: int) -> bytes:
    found, at = bytearray(), 0
    while at < len(data) and data[at] != 128 and len(found) < most:
        length = data[at]
        if length < 128:
            found += data[at + 1 : at + 2 + length]
            at += 2 + length
        else:
            found += data[at + 1 : at + 2] * (257 - length)
            at += 2
    return bytes(found)


def _from_lzw(data: bytes, most: int) -> bytes:
    """Of the usual kind, whose codes grow one early. Raises ValueError."""
    table: list[bytes] = []
    found, before = bytearray(), b""
    bits, held, width = 0, 0, 9
    for byte in data:
        bits, held = bits << 8 | byte, held + 8
        if held < width:
            continue
        held -= width
        code, bits = bits >> held, bits & ((1 << held) - 1)
        if code == _END:
            break
        if code == _CLEAR:
            table, before, width = [], b"", 9
            continue
        entry = bytes([code]) if code < _CLEAR else b""
        if code >= _FIRST:
            if code - _FIRST > len(table) or not before:
                raise ValueError
            entry = table[code - _FIRST] if code - _FIRST < len(table) else before + before[:1]
        if before:
            table.append(before + entry[:1])
        found += entry
        if len(found) > min(most, MOST_LZW_BYTES) or len(table) > 4096:
            raise ValueError
        before = entry
        width = min(12, max(9, (len(table) + _FIRST + 1).bit_length()))
    return bytes(found)


_UNDO: Mapping[bytes, Callable[[bytes, int], bytes]] = {
    b"FlateDecode": _inflated,
    b"Fl": _inflated,
    b"LZWDecode": _from_lzw,
    b"LZW": _from_lzw,
    b"ASCIIHexDecode": _from_digits,
    b"AHx": _from_digits,
    b"ASCII85Decode": _from_letters,
    b"A85": _from_letters,
    b"RunLengthDecode": _from_runs,
    b"RL": _from_runs,
}


def _unpredicted(dictionary: bytes, data: bytes) -> bytes | None:
    """Undo what made the bytes more alike before they were packed (7.4.4.4): as PNG does, 8 bits a value."""
    predictor = _said(dictionary, b"Predictor", 1)
    if predictor == 1:
        return data
    each = _said(dictionary, b"Colors", 1)
    length = _said(dictionary, b"Columns", 1) * each
    if b"/BitsPerComponent" in dictionary or not each or not length or len(data) > MOST_LZW_BYTES:
        return None
    rows, kind = bytearray(), 2
    above = bytes(length)
    step = length + (predictor >= 10)
    for at in range(0, len(data), step):
        row = data[at : at + step]
        if predictor >= 10:
            kind, row = row[0], row[1:]
        elif predictor == 2:
            kind = 1
        above = _row(kind, row, above, each)
        rows += above
    return bytes(rows)


def _row(kind: int, row: bytes, above: bytes, each: int) -> bytes:
    made = bytearray()
    for at, value in enumerate(row):
        left, corner = (made[at - each], above[at - each]) if at >= each else (0, 0)
        guesses = (0, left, above[at], (left + above[at]) // 2, _paeth(left, above[at], corner))
        made.append((value + guesses[kind]) & 0xFF if kind < len(guesses) else value)
    return bytes(made).ljust(len(above), b"\0")


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))


def _said(dictionary: bytes, name: bytes, otherwise: int) -> int:
    found = _NUMBER[name].search(dictionary)
    return int(found[1]) if found else otherwise
