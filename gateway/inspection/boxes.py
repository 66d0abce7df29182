"""The boxes of an ISO base media file (ISO/IEC 14496-12, 4.2): a length, a name, and what is within."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.inspection.content import Content, TooCostly

MOST_BOXES = 10_000  # in a file; each second of a fragmented film has two
_WINDOWS = b"ms\0"  # with a number that Windows gives to codecs: the only names in QuickTime that are no words


@dataclass(frozen=True)
class Box:
    name: bytes
    start: int  # of what is within
    end: int  # as it says: perhaps beyond the end of what it stands in


class Boxes:
    """The boxes of one file, which are counted wherever they stand."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self._left = MOST_BOXES

    def within(self, start: int, end: int) -> Iterator[Box]:
        """Box after box, up to one that passes `end` or to bytes that are none. Raises TooCostly."""
        while start + 8 <= end:
            self._left -= 1
            if self._left < 0:
                raise TooCostly
            box = _box(self.content.at(start, 16), start, end)
            if box is None:
                return
            yield box
            start = box.end


def _box(head: bytes, start: int, end: int) -> Box | None:
    name = head[4:8]
    if len(name) < 4 or not (name.startswith(_WINDOWS) or all(0x20 <= byte < 0x7F or byte == 0xA9 for byte in name)):
        return None
    length, within = int.from_bytes(head[:4], "big"), 8
    if length == 0:  # to the end
        return Box(name, start + within, end)
    if length == 1:
        length, within = int.from_bytes(head[8:16], "big"), 16
    return Box(name, start + within, start + length) if length >= within else None
