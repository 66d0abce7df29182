"""AMR, narrow and wide: the frames of speech after one of four first lines (RFC 4867, section 5)."""

from __future__ import annotations

from gateway.inspection import trailing
from gateway.inspection.buffered import Window
from gateway.inspection.content import Content
from gateway.inspection.structure import Structure, Trait

MIME = "audio/amr"
MOST_FRAMES = 1000  # twenty seconds
_UNUSED_BITS = 0x83  # of the byte before a frame

# Bytes of a frame by its type: 3GPP TS 26.101 and 26.201. What is not there is for later, or for another network.
NARROW = {0: 12, 1: 13, 2: 15, 3: 17, 4: 19, 5: 20, 6: 26, 7: 31, 8: 5, 9: 6, 10: 5, 11: 5, 15: 0}
WIDE = {0: 17, 1: 23, 2: 32, 3: 36, 4: 40, 5: 46, 6: 50, 7: 58, 8: 60, 9: 5, 14: 0, 15: 0}

# What a file begins with: the sizes of its frames, its name, and how many bytes on its channels follow.
_STARTS: dict[bytes, tuple[dict[int, int], str, int]] = {
    b"#!AMR\n": (NARROW, "amr", 0),
    b"#!AMR-WB\n": (WIDE, "amr-wb", 0),
    b"#!AMR_MC1.0\n": (NARROW, "amr", 4),
    b"#!AMR-WB_MC1.0\n": (WIDE, "amr-wb", 4),
}


def read(content: Content) -> Structure | None:
    """Raises TooCostly."""
    start = next((start for start in _STARTS if content.head(len(start)) == start), None)
    if start is None:
        return None
    sizes, name, channel_bytes = _STARTS[start]
    offset = len(start) + channel_bytes
    channels = content.at(offset - 1, 1)[:1] if channel_bytes else b"\1"
    traits = _frames(content, offset, sizes)
    if channel_bytes:
        traits |= {Trait.FOREIGN_AUDIO}
    return Structure(
        mime=MIME, traits=traits, details={"audio": name, "channels": int.from_bytes(channels, "big") & 0xF}
    )


def _frames(content: Content, offset: int, sizes: dict[int, int]) -> frozenset[Trait]:
    window = Window(content, most_reads=MOST_FRAMES)
    first = offset
    for _ in range(MOST_FRAMES):
        head = window.at(offset, 1)
        if not head:
            break
        size = sizes.get(head[0] >> 3)
        if head[0] & _UNUSED_BITS or size is None:
            return trailing.of_broken(content, Trait.BROKEN)
        offset += 1 + size
    if offset > content.size_bytes or offset == first:
        return trailing.of_broken(content, Trait.TRUNCATED)
    return trailing.of_whole(content, end=content.size_bytes)
