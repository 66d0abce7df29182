"""PNG: the header, and the chunks to the last one (W3C PNG, third edition)."""

from __future__ import annotations

import re
import zlib

from gateway.inspection import trailing
from gateway.inspection.content import Content, TooCostly
from gateway.inspection.structure import Structure, Trait

MIME = "image/png"
START = b"\x89PNG\r\n\x1a\n"
MOST_CHUNKS = 20_000  # encoders write some 8 KiB into each
_NAME = re.compile(rb"[A-Za-z]{4}")

# The colour types, the depths that each may have (11.2.1), and what that means to us.
_COLOURS: dict[int, tuple[str, tuple[int, ...], frozenset[Trait]]] = {
    0: ("grey", (1, 2, 4, 8, 16), frozenset({Trait.GREY})),
    2: ("rgb", (8, 16), frozenset()),
    3: ("palette", (1, 2, 4, 8), frozenset({Trait.PALETTE})),
    4: ("grey+alpha", (8, 16), frozenset({Trait.GREY})),
    6: ("rgba", (8, 16), frozenset()),
}


def read(content: Content) -> Structure | None:
    """Raises TooCostly."""
    if content.head(len(START)) != START:
        return None
    header = content.at(len(START), 25)
    if len(header) < 25:
        return Structure(mime=MIME, traits=trailing.of_broken(content, Trait.TRUNCATED))
    depth, colour, interlaced = header[16], header[17], header[20]
    name, depths, traits = _COLOURS.get(colour, ("", (), frozenset()))
    width, height = int.from_bytes(header[8:12], "big"), int.from_bytes(header[12:16], "big")
    if not _is_header(header) or depth not in depths or not width or not height:
        return Structure(mime=MIME, traits=trailing.of_broken(content, Trait.BROKEN))
    return Structure(
        mime=MIME,
        traits=traits | ({Trait.DEEP} if depth == 16 else set()) | _body(content),
        details={
            "width": width,
            "height": height,
            "depth": depth,
            "colour": name,
            "interlaced": "yes" if interlaced else "no",
        },
    )


def _is_header(chunk: bytes) -> bool:
    return chunk[:8] == b"\0\0\0\x0dIHDR" and zlib.crc32(chunk[4:21]) == int.from_bytes(chunk[21:], "big")


def _body(content: Content) -> frozenset[Trait]:
    """The chunks after the header. Raises TooCostly."""
    offset = len(START) + 25
    seen: set[bytes] = set()
    for _ in range(MOST_CHUNKS):
        head = content.at(offset, 8)
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        if len(head) == 8 and not _NAME.fullmatch(name):
            return trailing.of_broken(content, Trait.BROKEN)
        offset += 12 + length
        if len(head) < 8 or offset > content.size_bytes:
            return trailing.of_broken(content, Trait.TRUNCATED)
        seen.add(name)
        if name == b"IEND":
            return _whole(content, offset, seen)
    raise TooCostly


def _whole(content: Content, end: int, seen: set[bytes]) -> frozenset[Trait]:
    if b"IDAT" not in seen:
        return trailing.of_broken(content, Trait.BROKEN)
    return trailing.of_whole(content, end=end) | ({Trait.ANIMATED} if b"acTL" in seen else set())
