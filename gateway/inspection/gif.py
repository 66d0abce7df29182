"""GIF: the blocks to the trailer (CompuServe GIF89a, appendix B)."""

from __future__ import annotations

from gateway.inspection import trailing
from gateway.inspection.buffered import Window
from gateway.inspection.content import Content
from gateway.inspection.structure import Structure, Trait

MIME = "image/gif"
STARTS = (b"GIF87a", b"GIF89a")
MOST_READS = 100_000  # of blocks, which hold up to 255 bytes each
_EXTENSION, _IMAGE, _TRAILER = b"!", b",", b";"


def read(content: Content) -> Structure | None:
    """Raises TooCostly."""
    head = content.head(13)
    if head[:6] not in STARTS:
        return None
    if len(head) < 13:
        return Structure(mime=MIME, traits=trailing.of_broken(content, Trait.TRUNCATED))
    images, traits = _blocks(content, 13 + _palette_bytes(head[10]))
    width, height = int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    return Structure(
        mime=MIME,
        traits=traits | ({Trait.ANIMATED} if images > 1 else set()),
        details={"width": width, "height": height, "pictures": images},
    )


def _palette_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _blocks(content: Content, offset: int) -> tuple[int, frozenset[Trait]]:
    """How many pictures follow, and what is peculiar about that. Raises TooCostly."""
    window = Window(content, most_reads=MOST_READS)
    images = 0
    while True:
        kind = window.at(offset, 1)
        if kind == _TRAILER and images:
            return images, trailing.of_whole(content, end=offset + 1)
        if kind == _EXTENSION:
            offset += 2
        elif kind == _IMAGE:
            images += 1
            offset += 11 + _palette_bytes((window.at(offset + 9, 1) or b"\0")[0])
        else:
            return images, trailing.of_broken(content, Trait.BROKEN if kind else Trait.TRUNCATED)
        while length := (window.at(offset, 1) or b"\0")[0]:
            offset += 1 + length
        offset += 1
