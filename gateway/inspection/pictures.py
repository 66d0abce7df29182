"""PNG, GIF and WebP: header, chunks or blocks, and where the picture ends. JPEG has a module of its own.

Sources: W3C PNG, third edition; CompuServe GIF89a, appendix B; RFC 9649 for WebP.
"""

from __future__ import annotations

import re
import zlib

from gateway.inspection.content import RIFF_HEAD_BYTES, Chunk, Content, TooCostly, Window, riff_chunks
from gateway.inspection.structure import Structure, Trait, traits_of_broken, traits_of_whole

PNG, GIF, WEBP = "image/png", "image/gif", "image/webp"
STICKER_SIZE = (512, 512)

PNG_START = b"\x89PNG\r\n\x1a\n"
MOST_PNG_CHUNKS = 20_000  # encoders write some 8 KiB into each
_PNG_NAME = re.compile(rb"[A-Za-z]{4}")
# The colour types, the depths that each may have (11.2.1), and what that means to us.
_PNG_COLOURS: dict[int, tuple[str, tuple[int, ...], frozenset[Trait]]] = {
    0: ("grey", (1, 2, 4, 8, 16), frozenset({Trait.GREY})),
    2: ("rgb", (8, 16), frozenset()),
    3: ("palette", (1, 2, 4, 8), frozenset({Trait.PALETTE})),
    4: ("grey+alpha", (8, 16), frozenset({Trait.GREY})),
    6: ("rgba", (8, 16), frozenset()),
}

GIF_STARTS = (b"GIF87a", b"GIF89a")
MOST_GIF_READS = 100_000  # of blocks, which hold up to 255 bytes each
_GIF_EXTENSION, _GIF_IMAGE, _GIF_TRAILER = b"!", b",", b";"

_WEBP_PICTURES = (b"VP8 ", b"VP8L", b"ANMF")
_WEBP_FORMS = {b"VP8 ": "lossy", b"VP8L": "lossless", b"VP8X": "extended"}
_WEBP_ANIMATION_FLAG = 0x02


def read_png(content: Content) -> Structure | None:
    """Tell a PNG by its start, its colours by its header; None of anything else. Raises TooCostly."""
    if content.head(len(PNG_START)) != PNG_START:
        return None
    header = content.at(len(PNG_START), 25)
    if len(header) < 25:
        return Structure(mime=PNG, traits=traits_of_broken(content, Trait.TRUNCATED))
    depth, colour, interlaced = header[16], header[17], header[20]
    name, depths, traits = _PNG_COLOURS.get(colour, ("", (), frozenset()))
    width, height = int.from_bytes(header[8:12], "big"), int.from_bytes(header[12:16], "big")
    if not _is_png_header(header) or depth not in depths or not width or not height:
        return Structure(mime=PNG, traits=traits_of_broken(content, Trait.BROKEN))
    return Structure(
        mime=PNG,
        traits=traits | ({Trait.DEEP} if depth == 16 else set()) | _png_chunks(content),
        details={
            "width": width,
            "height": height,
            "depth": depth,
            "colour": name,
            "interlaced": "yes" if interlaced else "no",
        },
    )


def _is_png_header(chunk: bytes) -> bool:
    return chunk[:8] == b"\0\0\0\x0dIHDR" and zlib.crc32(chunk[4:21]) == int.from_bytes(chunk[21:], "big")


def _png_chunks(content: Content) -> frozenset[Trait]:
    """Walk the chunks after the header, to the last one. Raises TooCostly."""
    offset = len(PNG_START) + 25
    seen: set[bytes] = set()
    for _ in range(MOST_PNG_CHUNKS):
        head = content.at(offset, 8)
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        if len(head) == 8 and not _PNG_NAME.fullmatch(name):
            return traits_of_broken(content, Trait.BROKEN)
        offset += 12 + length
        if len(head) < 8 or offset > content.size_bytes:
            return traits_of_broken(content, Trait.TRUNCATED)
        seen.add(name)
        if name == b"IEND":
            return _whole_png(content, offset, seen)
    raise TooCostly


def _whole_png(content: Content, end: int, seen: set[bytes]) -> frozenset[Trait]:
    if b"IDAT" not in seen:
        return traits_of_broken(content, Trait.BROKEN)
    return traits_of_whole(content, end=end) | ({Trait.ANIMATED} if b"acTL" in seen else set())


def read_gif(content: Content) -> Structure | None:
    """Tell a GIF by its start, and count its pictures; None of anything else. Raises TooCostly."""
    head = content.head(13)
    if head[:6] not in GIF_STARTS:
        return None
    if len(head) < 13:
        return Structure(mime=GIF, traits=traits_of_broken(content, Trait.TRUNCATED))
    images, traits = _gif_blocks(content, 13 + _palette_bytes(head[10]))
    width, height = int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    return Structure(
        mime=GIF,
        traits=traits | ({Trait.ANIMATED} if images > 1 else set()),
        details={"width": width, "height": height, "pictures": images},
    )


def _palette_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_blocks(content: Content, offset: int) -> tuple[int, frozenset[Trait]]:
    """Walk the blocks to the trailer: how many pictures there are, and what is peculiar. Raises TooCostly."""
    window = Window(content, most_reads=MOST_GIF_READS)
    images = 0
    while True:
        kind = window.at(offset, 1)
        if kind == _GIF_TRAILER and images:
            return images, traits_of_whole(content, end=offset + 1)
        if kind == _GIF_EXTENSION:
            offset += 2
        elif kind == _GIF_IMAGE:
            images += 1
            offset += 11 + _palette_bytes((window.at(offset + 9, 1) or b"\0")[0])
        else:
            return images, traits_of_broken(content, Trait.BROKEN if kind else Trait.TRUNCATED)
        while length := (window.at(offset, 1) or b"\0")[0]:
            offset += 1 + length
        offset += 1


def read_webp(content: Content) -> Structure | None:
    """Tell a WebP, which of its forms it has, and whether it is a sticker; None of anything else. Raises TooCostly."""
    head = content.head(RIFF_HEAD_BYTES)
    if head[:4] != b"RIFF" or head[8:] != b"WEBP":
        return None
    end = 8 + int.from_bytes(head[4:8], "little")
    chunks = list(riff_chunks(content, end=min(end, content.size_bytes)))
    size = _webp_size(content, chunks[0]) if chunks else None
    if end > content.size_bytes:
        traits = traits_of_broken(content, Trait.TRUNCATED)
    elif size is None or not _holds_picture(chunks, end):
        traits = traits_of_broken(content, Trait.BROKEN)
    else:
        traits = traits_of_whole(content, end=end + end % 2) | _webp_peculiarities(content, chunks, size)
    if size is None:
        return Structure(mime=WEBP, traits=traits)
    details: dict[str, int | str] = {"width": size[0], "height": size[1], "form": _WEBP_FORMS[chunks[0].name]}
    return Structure(mime=WEBP, traits=traits, details=details)


def _holds_picture(chunks: list[Chunk], end: int) -> bool:
    return any(chunk.name in _WEBP_PICTURES for chunk in chunks) and chunks[-1].start + chunks[-1].length <= end


def _webp_peculiarities(content: Content, chunks: list[Chunk], size: tuple[int, int]) -> set[Trait]:
    found = set() if size == STICKER_SIZE else {Trait.NOT_512}
    flagged = chunks[0].name == b"VP8X" and content.at(chunks[0].start, 1)[0] & _WEBP_ANIMATION_FLAG
    if flagged or any(chunk.name in (b"ANIM", b"ANMF") for chunk in chunks):
        found.add(Trait.ANIMATED)
    return found


def _webp_size(content: Content, first: Chunk) -> tuple[int, int] | None:
    data = content.at(first.start, min(10, first.length))
    if first.name == b"VP8X" and len(data) == 10:
        return int.from_bytes(data[4:7], "little") + 1, int.from_bytes(data[7:], "little") + 1
    if first.name == b"VP8L" and len(data) >= 5 and data[0] == 0x2F:
        bits = int.from_bytes(data[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if first.name == b"VP8 " and len(data) == 10 and data[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:], "little") & 0x3FFF
    return None
