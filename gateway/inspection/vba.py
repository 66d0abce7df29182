"""VBA projects ([MS-OVBA]) in compound files: whether there is code in them.

Rule 1. A project is without code if each of its modules, as its directory lists them, says nothing but attributes,
        options and comments. What cannot be read to its end may have code.
Rule 2. What a module was compiled to runs too, whatever its text says: where that is longer than it is of an empty
        module, there is code.
"""

from __future__ import annotations

import re

from gateway.inspection.content import of_bytes
from gateway.inspection.ole import MAGIC, STORAGE, STREAM, Entry, Sectors

MODULES, DIRECTORY = "vba", "dir"  # of a VBA project
MOST_MODULES = 32
MOST_BYTES = 16 * 1024  # of a module, packed and unpacked
MOST_COMPILED_BYTES = 2048  # of a module without code

_VERSION, _STREAM_NAME, _OFFSET = 0x09, 0x32, 0x31  # records of the directory (2.3.4.2)
_NO_CODE = re.compile(r"\s*(?:Attribute\s.*|Option\s.*|'.*|Rem\b.*)?", re.IGNORECASE)
_CHUNK_BYTES = 4096


def has_code(file: Sectors) -> bool:
    """Tell whether a compound file has a VBA project with code. Raises TooCostly."""
    storages = [entry for entry in file.entries if entry.kind == STORAGE and entry.name.lower() == MODULES]
    return any(_has_code(file, storage) for storage in storages)


def is_without_code(project: bytes) -> bool:
    """Tell of a project in a file of its own that there is no code in it. Raises TooCostly."""
    if not project.strip(b"\0"):
        return True
    file = Sectors(of_bytes(project)) if project.startswith(MAGIC) else None
    return file is not None and bool(file.entries) and not has_code(file)


def _has_code(file: Sectors, storage: Entry) -> bool:
    streams = {entry.name.lower(): entry for entry in file.below(storage) if entry.kind == STREAM}
    if not any(entry.size_bytes for entry in streams.values()):
        return False
    listed = _modules(file, streams.get(DIRECTORY))
    if listed is None or len(listed) > MOST_MODULES:
        return True
    return any(_speaks(file, streams.get(name.lower()), offset) for name, offset in listed)


def _modules(file: Sectors, directory: Entry | None) -> list[tuple[str, int]] | None:
    """List the streams of modules, and where in each its text begins; None if that cannot be read."""
    data = unpacked(file.beginning(directory, most_bytes=MOST_BYTES)) if directory else None
    if not data:
        return None
    found: list[tuple[str, int]] = []
    name, at = "", 0
    while at + 6 <= len(data):
        kind, length = int.from_bytes(data[at : at + 2], "little"), int.from_bytes(data[at + 2 : at + 6], "little")
        value = data[at + 6 : at + 6 + length]
        if kind == _STREAM_NAME:
            name = value.decode("utf-16-le", "replace")
        elif kind == _OFFSET:
            found.append((name, int.from_bytes(value, "little")))
        at += 6 + (6 if kind == _VERSION else length)  # which tells another length than it has
    return found


def _speaks(file: Sectors, module: Entry | None, offset: int) -> bool:
    """Tell whether a module has code, or may have."""
    if module is None or offset > MOST_COMPILED_BYTES or module.size_bytes > MOST_BYTES:
        return True
    text = unpacked(file.beginning(module, most_bytes=MOST_BYTES)[offset:])
    return text is None or not all(_NO_CODE.fullmatch(line) for line in text.decode("latin-1").splitlines())


def unpacked(data: bytes) -> bytes | None:
    """Unpack what VBA has packed (2.4.1); None of what cannot be unpacked."""
    if data[:1] != b"\1":
        return None
    text, at = bytearray(), 1
    while at + 2 <= len(data) and len(text) <= MOST_BYTES:
        header = int.from_bytes(data[at : at + 2], "little")
        if header >> 12 & 7 != 3:
            return bytes(text) if not data[at:].strip(b"\0") else None  # streams are filled up
        end = at + 3 + (header & 0xFFF)
        chunk = data[at + 2 : end]
        if not header >> 15:
            text += chunk
        elif not _unpack_chunk(chunk, text):
            return None
        at = end
    return bytes(text) if len(text) <= MOST_BYTES else None


def _unpack_chunk(chunk: bytes, text: bytearray) -> bool:
    """Append what a chunk holds; tell whether it could be read."""
    start, at = len(text), 0
    while at < len(chunk):
        flags, at = chunk[at], at + 1
        for bit in range(8):
            if at >= len(chunk):
                break
            if not flags >> bit & 1:
                text.append(chunk[at])
                at += 1
                continue
            token, at = int.from_bytes(chunk[at : at + 2], "little"), at + 2
            bits = max(4, (len(text) - start - 1).bit_length())
            length, back = (token & (0xFFFF >> bits)) + 3, (token >> (16 - bits)) + 1
            if back > len(text) - start or len(text) - start + length > _CHUNK_BYTES:
                return False
            for _ in range(length):
                text.append(text[-back])
    return True
