"""Containers, byte by byte: ZIP archives and OLE compound files as a library would not write them, and programs."""

from __future__ import annotations

import functools
import io
import itertools
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Members = Sequence[tuple[str, bytes]]


# Archives


@dataclass(frozen=True, kw_only=True)
class Packing:
    """How an archive is written, where zipfile leaves no choice."""

    stored: bool = False
    zip64: bool = False
    streamed: bool = False  # sizes behind the data, as one writes who cannot seek
    flags: int = 0
    declared: int | None = None  # the size that every member claims to have
    comment: bytes = b""


def pack(members: Members, how: Packing = Packing()) -> bytes:
    """A ZIP archive, byte by byte (APPNOTE.TXT)."""
    body, listed = bytearray(), bytearray()
    for name, data in members:
        local, central = _member(name, data, how, offset=len(body))
        body += local
        listed += central
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(members), len(members), len(listed), len(body), len(how.comment))
    if how.zip64:
        counts = (len(members), len(members), len(listed), len(body))
        record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, *counts)
        place = struct.pack("<4sLQL", b"PK\6\7", 0, len(body) + len(listed), 1)
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *[0xFFFF] * 2, *[0xFFFFFFFF] * 2, len(how.comment))
        end = record + place + end
    return bytes(body + listed) + end + how.comment


def _member(name: str, data: bytes, how: Packing, *, offset: int) -> tuple[bytes, bytes]:
    raw = name.encode()
    stored = how.stored or name == "mimetype"
    packed, method = (data, 0) if stored else (_deflated(data), 8)
    flags = how.flags | (8 if how.streamed else 0)
    size, check = how.declared if how.declared is not None else len(data), zlib.crc32(data)
    sizes = (check, len(packed), size)
    extra = struct.pack("<2H3Q", 1, 24, size, len(packed), offset) if how.zip64 else b""
    full = 0xFFFFFFFF
    said = (check, full, full) if how.zip64 else sizes
    before = (0, 0, 0) if how.streamed else said
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 45, flags, method, 0, 0x21, *before, len(raw), len(extra))
    descriptor = struct.pack("<4s3L", b"PK\7\x08", *sizes) if how.streamed else b""
    where = full if how.zip64 else offset
    central = struct.pack(
        "<4s6H3L5H2L",
        *(b"PK\1\2", 45, 45, flags, method, 0, 0x21, *said, len(raw), len(extra), 0, 0, 0, 0, where),
    )
    return local + raw + extra + packed + descriptor, central + raw + extra


@functools.lru_cache(64)  # samples differ in a member or two
def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def members(archive: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return [(name, file.read(name)) for name in file.namelist()]


def turned(archive: bytes) -> bytes:
    """The same members, the last one first."""
    return pack(members(archive)[::-1])


def replaced(archive: bytes, name: str, old: bytes, new: bytes) -> bytes:
    changed = [(each, data.replace(old, new) if each == name else data) for each, data in members(archive)]
    assert changed != members(archive), f"{name} does not hold {old!r}"
    return pack(changed)


def with_member(archive: bytes, name: str, data: bytes, *, first: bool = False) -> bytes:
    there = members(archive)
    return pack([(name, data), *there] if first else [*there, (name, data)])


# Compound files


@dataclass(frozen=True)
class Node:
    """A stream, or with children a storage."""

    name: str
    data: bytes = b""
    children: tuple[Node, ...] = ()
    storage: bool = False


def compound(
    nodes: Sequence[Node], *, shift: int = 9, directory_first: bool = False, class_id: bytes = bytes(16)
) -> bytes:
    """An OLE compound file, byte by byte ([MS-CFB]); streams below 4,096 bytes are padded."""
    size = 1 << shift
    flat: list[tuple[Node, int]] = []
    root = Node("Root Entry", children=tuple(nodes), storage=True)
    links = _flatten(root, flat)
    streams = [node.data.ljust(4096, b"\0") if not node.storage else b"" for node, _ in flat]
    lengths = [-(-len(data) // size) for data in streams]
    directory_sectors = -(-128 * len(flat) // size)
    used = sum(lengths) + directory_sectors
    table_sectors = 1
    while table_sectors * (size // 4) < used + table_sectors + 1:
        table_sectors += 1
    assert table_sectors <= 109 + 127, "a second list would be needed"
    table: list[int] = [0xFFFFFFFD] * table_sectors
    blocks: list[bytes] = []
    starts: dict[int, int] = {}

    def put(index: int, data: bytes, sectors: int) -> None:
        starts[index] = len(table)
        table.extend([*range(len(table) + 1, len(table) + sectors), 0xFFFFFFFE] if sectors else [])
        blocks.append(data.ljust(sectors * size, b"\0"))

    if directory_first:
        put(-1, b"", directory_sectors)
    for index, (data, sectors) in enumerate(zip(streams, lengths, strict=True)):
        put(index, data, sectors)
    if not directory_first:
        put(-1, b"", directory_sectors)
    entries = b"".join(
        _entry(node, parent, links, index, starts=starts, size=len(streams[index]), class_id=class_id)
        for index, (node, parent) in enumerate(flat)
    )
    blocks[0 if directory_first else -1] = entries.ljust(directory_sectors * size, b"\0")
    listed = list(range(109, table_sectors))
    place = len(table) if listed else 0xFFFFFFFE
    rest = struct.pack("<127L", *listed, *[0xFFFFFFFF] * (127 - len(listed))) + b"\xfe\xff\xff\xff" if listed else b""
    table += [0xFFFFFFFC] if listed else []
    table += [0xFFFFFFFF] * (table_sectors * (size // 4) - len(table))
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16)
    header += struct.pack("<5H6x", 0x3E, 3 if shift == 9 else 4, 0xFFFE, shift, 6)
    header += struct.pack("<3L", 0 if shift == 9 else directory_sectors, table_sectors, starts[-1])
    header += struct.pack("<2L2L2L", 0, 4096, 0xFFFFFFFE, 0, place, len(listed[:1]))
    header += struct.pack("<109L", *[n if n < table_sectors else 0xFFFFFFFF for n in range(109)])
    return header.ljust(size, b"\0") + struct.pack(f"<{len(table)}L", *table) + b"".join(blocks) + rest


def short(nodes: Sequence[Node]) -> bytes:
    """A compound file whose streams are all short: they lie in the mini stream, in sectors of 64 bytes."""
    padded = compound(nodes)
    flat: list[tuple[Node, int]] = []
    _flatten(Node("Root Entry", children=tuple(nodes), storage=True), flat)
    directory = 512 * (int.from_bytes(padded[48:52], "little") + 1)
    file, body, table = bytearray(padded), b"", []
    for number, (node, _) in enumerate(flat):
        if not node.storage:
            sectors = max(1, -(-len(node.data) // 64))
            struct.pack_into("<LQ", file, directory + 128 * number + 116, len(table), len(node.data))
            table += [*range(len(table) + 1, len(table) + sectors), 0xFFFFFFFE]
            body += node.data.ljust(64 * sectors, b"\0")
    first = len(file) // 512 - 1
    listed = struct.pack(f"<{len(table)}L", *table).ljust(512, b"\xff")
    blocks = -(-len(body) // 512)
    assert len(listed) == 512
    assert first + 1 + blocks <= 128, "the table of the file has one sector"
    file += listed + body.ljust(512 * blocks, b"\0")
    struct.pack_into("<2L", file, 60, first, 1)
    struct.pack_into("<LQ", file, directory + 116, first + 1, len(body))
    chain = [0xFFFFFFFE, *range(first + 2, first + 1 + blocks), 0xFFFFFFFE]
    struct.pack_into(f"<{len(chain)}L", file, 512 + 4 * first, *chain)
    return bytes(file)


def _flatten(root: Node, flat: list[tuple[Node, int]]) -> dict[int, tuple[int, int]]:
    """The nodes in the order of the directory; for each its first child and its next sibling."""
    links: dict[int, tuple[int, int]] = {}
    none = 0xFFFFFFFF

    def visit(node: Node) -> int:
        index = len(flat)
        flat.append((node, index))
        numbers = [visit(child) for child in node.children]
        links[index] = (numbers[0] if numbers else none, links.get(index, (none, none))[1])
        for this, following in itertools.pairwise(numbers):
            links[this] = (links[this][0], following)
        return index

    visit(root)
    return links


def _entry(
    node: Node,
    number: int,
    links: Mapping[int, tuple[int, int]],
    index: int,
    *,
    starts: Mapping[int, int],
    size: int,
    class_id: bytes,
) -> bytes:
    name = (node.name + "\0").encode("utf-16-le")
    child, sibling = links[number]
    kind = 5 if index == 0 else 1 if node.storage else 2
    start = starts[index] if not node.storage else (0xFFFFFFFE if index == 0 else 0)
    entry = struct.pack("<64sHBB3L", name, len(name), kind, 1, 0xFFFFFFFF, sibling, child)
    entry += (class_id if index == 0 else bytes(16)).ljust(36, b"\0")
    return entry + struct.pack("<LQ", start, size)


# Programs


def portable(*, library: bool = False, wide: bool = True) -> bytes:
    """A program for Windows, or a DLL, with one section that returns at once."""
    dos = b"MZ" + bytes(58) + struct.pack("<L", 0x80)
    dos = (dos + b"\x0e\x1f\xba\x0e\0\xb4\x09\xcd!\xb8\x01L\xcd!This program cannot be run in DOS mode.\r\r\n$").ljust(
        0x80, b"\0"
    )
    optional = struct.pack("<HBB5L", 0x20B if wide else 0x10B, 14, 0, 512, 0, 0, 0x1000, 0x1000)
    optional += struct.pack("<Q", 0x140000000) if wide else struct.pack("<2L", 0x2000, 0x400000)
    optional += struct.pack("<2L6H4LHH", 0x1000, 512, 6, 0, 0, 0, 6, 0, 0, 0x2000, 512, 0, 3, 0)
    optional += struct.pack("<4Q" if wide else "<4L", *[0x10000] * 4) + struct.pack("<2L", 0, 16) + bytes(128)
    traits = 0x22 | (0x2000 if library else 0)
    coff = struct.pack("<4s2H3L2H", b"PE\0\0", 0x8664 if wide else 0x14C, 1, 0, 0, 0, len(optional), traits)
    section = struct.pack("<8s6L2HL", b".text", 1, 0x1000, 512, 512, 0, 0, 0, 0, 0x60000020)
    return (dos + coff + optional + section).ljust(512, b"\0") + b"\xc3".ljust(512, b"\0")


def segmented() -> bytes:
    """For Windows 3: MZ, then NE."""
    return (b"MZ" + bytes(58) + struct.pack("<L", 0x80)).ljust(0x80, b"\0") + b"NE\5\n".ljust(512, b"\0")
