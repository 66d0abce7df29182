"""RIFF: chunks of a name, a length and a filler to an even end, which WebP and WAVE share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.inspection.content import Content, TooCostly

HEAD_BYTES = 12  # "RIFF", the length, and what it is
OPEN_LENGTHS = (0, 0xFFFFFFFF)  # written by those who cannot go back to fill it in
MOST_CHUNKS = 10_000


@dataclass(frozen=True)
class Chunk:
    name: bytes
    start: int  # of what is within
    length: int

    @property
    def end(self) -> int:
        """With the filler."""
        return self.start + self.length + self.length % 2


def chunks(content: Content, *, end: int) -> Iterator[Chunk]:
    """Chunk after chunk, up to one that passes `end`. Raises TooCostly."""
    offset = HEAD_BYTES
    for _ in range(MOST_CHUNKS):
        head = content.at(offset, 8)
        if offset + 8 > end or len(head) < 8:
            return
        chunk = Chunk(head[:4], offset + 8, int.from_bytes(head[4:], "little"))
        yield chunk
        offset = chunk.end
    raise TooCostly
