"""WebP: which of its three forms, its size, and whether it moves (RFC 9649)."""

from __future__ import annotations

from gateway.inspection import riff, trailing
from gateway.inspection.content import Content
from gateway.inspection.riff import Chunk
from gateway.inspection.structure import Structure, Trait

MIME = "image/webp"
STICKER_SIZE = (512, 512)
_PICTURES = (b"VP8 ", b"VP8L", b"ANMF")
_FORMS = {b"VP8 ": "lossy", b"VP8L": "lossless", b"VP8X": "extended"}
_ANIMATION_FLAG = 0x02


def read(content: Content) -> Structure | None:
    """Raises TooCostly."""
    head = content.head(riff.HEAD_BYTES)
    if head[:4] != b"RIFF" or head[8:] != b"WEBP":
        return None
    end = 8 + int.from_bytes(head[4:8], "little")
    chunks = list(riff.chunks(content, end=min(end, content.size_bytes)))
    size = _size(content, chunks[0]) if chunks else None
    if end > content.size_bytes:
        traits = trailing.of_broken(content, Trait.TRUNCATED)
    elif size is None or not _holds(chunks, end):
        traits = trailing.of_broken(content, Trait.BROKEN)
    else:
        traits = trailing.of_whole(content, end=end + end % 2) | _peculiarities(content, chunks, size)
    if size is None:
        return Structure(mime=MIME, traits=traits)
    details: dict[str, int | str] = {"width": size[0], "height": size[1], "form": _FORMS[chunks[0].name]}
    return Structure(mime=MIME, traits=traits, details=details)


def _holds(chunks: list[Chunk], end: int) -> bool:
    return any(chunk.name in _PICTURES for chunk in chunks) and chunks[-1].start + chunks[-1].length <= end


def _peculiarities(content: Content, chunks: list[Chunk], size: tuple[int, int]) -> set[Trait]:
    found = set() if size == STICKER_SIZE else {Trait.NOT_512}
    flagged = chunks[0].name == b"VP8X" and content.at(chunks[0].start, 1)[0] & _ANIMATION_FLAG
    if flagged or any(chunk.name in (b"ANIM", b"ANMF") for chunk in chunks):
        found.add(Trait.ANIMATED)
    return found


def _size(content: Content, first: Chunk) -> tuple[int, int] | None:
    data = content.at(first.start, min(10, first.length))
    if first.name == b"VP8X" and len(data) == 10:
        return int.from_bytes(data[4:7], "little") + 1, int.from_bytes(data[7:], "little") + 1
    if first.name == b"VP8L" and len(data) >= 5 and data[0] == 0x2F:
        bits = int.from_bytes(data[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if first.name == b"VP8 " and len(data) == 10 and data[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:], "little") & 0x3FFF
    return None
