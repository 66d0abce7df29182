"""The central directory of a ZIP archive: what it says of its members, and the first bytes of one of them.

Rule 1. Members are told by the central directory alone, as every unpacker does that can seek (APPNOTE.TXT 4.3).
Rule 2. One member at a time is unpacked, to a bound that the caller names, whatever sizes the directory claims.
Rule 3. A directory that is larger than any honest document's is not walked: TooCostly.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from gateway.inspection.content import Content, TooCostly

MOST_BYTES = 2 * 2**20  # of a directory
MOST_MEMBERS = 16_384
STORED, DEFLATED = 0, 8
ENCRYPTED_FLAG = 1

_END = struct.Struct("<4s4H2LH")
_END64_PLACE = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_MEMBER = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_LONGEST_COMMENT = 0xFFFF
_FULL = 0xFFFFFFFF  # "see the zip64 field"


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """What the directory says of one file."""

    name: str
    flags: int
    method: int
    packed_bytes: int
    size_bytes: int
    offset: int  # of its local header, counted from the start of the file

    @property
    def encrypted(self) -> bool:
        return bool(self.flags & ENCRYPTED_FLAG)


@dataclass(frozen=True, kw_only=True)
class Directory:
    """What the directory says of all."""

    members: tuple[Member, ...]
    prefix_bytes: int  # what stands before the archive that the directory tells of
    trailing_bytes: int  # what stands behind its end

    @cached_property
    def first(self) -> Member:
        """The one that stands first in the file. Only for an archive that has members."""
        return min(self.members, key=lambda member: member.offset)

    @property
    def size_bytes(self) -> int:
        """Of all members together, unpacked, as declared."""
        return sum(member.size_bytes for member in self.members)

    @property
    def packed_bytes(self) -> int:
        return sum(member.packed_bytes for member in self.members)

    def named(self, name: str) -> Member | None:
        """The member of that name: in OPC, names that differ by case alone are the same."""
        return self._by_name.get(name.lower())

    @cached_property
    def _by_name(self) -> dict[str, Member]:
        return {member.name.lower(): member for member in reversed(self.members)}


@dataclass(frozen=True)
class _EndRecord:
    at: int  # where the record of the end begins, that of zip64 if there is one
    beyond: int
    count: int
    length: int
    offset: int


def walk(content: Content) -> Directory | None:
    """Read the directory of the archive that ends this file; None if there is none, or none that can be read.

    Raises TooCostly.
    """
    end = _find_end(content)
    if end is None or end.length > end.at:
        return None
    if end.length > MOST_BYTES or end.count > MOST_MEMBERS:
        raise TooCostly
    start = end.at - end.length
    prefix = start - end.offset
    if prefix < 0:
        return None
    raw = content.at(start, end.length)
    members = tuple(_members(raw, prefix))
    if len(members) != end.count:
        return None
    return Directory(members=members, prefix_bytes=prefix, trailing_bytes=content.size_bytes - end.beyond)


def unpack(content: Content, member: Member, *, most_bytes: int) -> bytes | None:
    """Unpack the first bytes of a member; None if they cannot be had, or its local header speaks of another member."""
    local = content.at(member.offset, _LOCAL.size)
    if len(local) < _LOCAL.size or member.encrypted:
        return None
    mark, _, flags, method, _, _, _, _, _, name_length, extra_length = _LOCAL.unpack(local)
    name = _name(content.at(member.offset + _LOCAL.size, name_length), flags)
    if mark != b"PK\3\4" or name != member.name or method != member.method or flags & ENCRYPTED_FLAG:
        return None
    start = member.offset + _LOCAL.size + name_length + extra_length
    packed = content.at(start, min(member.packed_bytes, most_bytes + 1024))
    if method == STORED:
        return packed[:most_bytes]
    return _inflate(packed, most_bytes) if method == DEFLATED else None


def _inflate(packed: bytes, most_bytes: int) -> bytes | None:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, most_bytes)
    except zlib.error:
        return None


def _find_end(content: Content) -> _EndRecord | None:
    tail = content.tail(_END.size + _LONGEST_COMMENT)
    base = content.size_bytes - len(tail)
    found = tail.rfind(b"PK\5\6", 0, max(0, len(tail) - _END.size + 4))
    if found < 0:
        return None
    _, disk, first_disk, _, count, length, offset, comment = _END.unpack_from(tail, found)
    at = base + found
    beyond = at + _END.size + comment
    if disk not in (0, 0xFFFF) or first_disk not in (0, 0xFFFF) or beyond > content.size_bytes:
        return None
    if count == 0xFFFF or _FULL in (length, offset):
        return _find_end64(content, at, beyond) or _EndRecord(at, beyond, count, length, offset)
    return _EndRecord(at, beyond, count, length, offset)


def _find_end64(content: Content, at: int, beyond: int) -> _EndRecord | None:
    place = content.at(at - _END64_PLACE.size, _END64_PLACE.size)
    if not place.startswith(b"PK\6\7") or len(place) < _END64_PLACE.size:
        return None
    told = _END64_PLACE.unpack(place)[2]
    # Behind a prefix the record is not where it is said to be; then it stands right before its locator.
    for where in (told, at - _END64_PLACE.size - _END64.size):
        record = content.at(where, _END64.size)
        if record.startswith(b"PK\6\6") and len(record) == _END64.size:
            _, _, _, _, _, _, _, count, length, offset = _END64.unpack(record)
            return _EndRecord(where, beyond, count, length, offset)
    return None


def _members(raw: bytes, prefix: int) -> Iterator[Member]:
    at = 0
    while at + _MEMBER.size <= len(raw) and raw.startswith(b"PK\1\2", at):
        fields = _MEMBER.unpack_from(raw, at)
        flags, method = fields[3], fields[4]
        packed, size, name_length, extra_length, comment_length = fields[8:13]
        offset = fields[16]
        at += _MEMBER.size
        name = _name(raw[at : at + name_length], flags)
        if _FULL in (packed, size, offset):
            size, packed, offset = _wide(raw[at + name_length : at + name_length + extra_length], size, packed, offset)
        at += name_length + extra_length + comment_length
        yield Member(
            name=name, flags=flags, method=method, packed_bytes=packed, size_bytes=size, offset=prefix + offset
        )


def _wide(extra: bytes, *values: int) -> tuple[int, ...]:
    """The sizes and the offset, those that are full taken from the zip64 field (APPNOTE.TXT 4.5.3)."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            wide = iter(struct.unpack_from(f"<{min(length, len(extra) - at - 4) // 8}Q", extra, at + 4))
            return tuple(next(wide, value) if value == _FULL else value for value in values)
        at += 4 + length
    return values


def _name(raw: bytes, flags: int) -> str:
    """As written, with the slashes of this world and no leading one."""
    name = raw.decode("utf-8" if flags & 0x800 else "cp437", "replace")
    return name.replace("\\", "/").lstrip("/")
