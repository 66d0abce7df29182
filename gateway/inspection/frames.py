"""Sound that is nothing but frames, one after another, behind tags or not: where they begin."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from gateway.inspection.content import Content

PROOF = 3  # so many in a row are no accident
MOST_TAGS = 8
MOST_PADDING_BYTES = 2**16  # zeros between a tag and the sound
SEARCHED_BYTES = 2**13  # behind a tag that tells its length wrongly
MOST_TRIED = 256
_SYNC = re.compile(rb"\xff[\xe0-\xff]")
_CLOSING = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3")  # what taggers write behind the sound


@dataclass(frozen=True)
class Frame:
    """`kind`, for people too: what does not change from one frame to the next."""

    length: int  # in bytes, with its head; above 0
    kind: dict[str, int | str]
    enough: int = PROOF  # of such frames, in a file that holds no more


Parse = Callable[[bytes], Frame | None]  # of the first 8 bytes or fewer


def after_tags(content: Content) -> int:
    """Where the ID3v2 tags at the beginning end (id3.org, ID3v2.4 3.1); 0 if there are none."""
    offset = 0
    for _ in range(MOST_TAGS):
        head = content.at(offset, 10)
        if len(head) < 10 or head[:3] != b"ID3" or 0xFF in head[3:5] or max(head[6:]) > 0x7F:
            break
        length = 0
        for byte in head[6:]:
            length = length << 7 | byte
        offset += 10 + length + (10 if head[5] & 0x10 else 0)
    return offset


def first(content: Content, parse: Parse) -> Frame | None:
    """The first frame of a chain that proves itself; None if there is none."""
    tags = after_tags(content)
    padded = content.at(tags, MOST_PADDING_BYTES)
    start = tags + len(padded) - len(padded.lstrip(b"\0"))
    frame = _chained(content, start, parse)
    if frame or not tags:
        return frame
    searched = content.at(start, SEARCHED_BYTES)
    tried = [start + found.start() for found in _SYNC.finditer(searched)][:MOST_TRIED]
    found = (_chained(content, offset, parse) for offset in tried)
    return next((frame for frame in found if frame), None)


def _chained(content: Content, offset: int, parse: Parse) -> Frame | None:
    """The frame there, if as many follow as it takes."""
    first = None
    for count in range(1, PROOF + 1):
        frame = parse(content.at(offset, 8))
        first = first or frame
        if frame is None or first is None or frame.kind != first.kind:
            return None
        offset += frame.length
        if count >= frame.enough and (offset == content.size_bytes or _closes(content, offset)):
            return first
    return first if offset <= content.size_bytes else None


def _closes(content: Content, offset: int) -> bool:
    return content.at(offset, 11).startswith(_CLOSING)
