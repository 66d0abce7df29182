"""JPEG: the markers up to the picture's data, where that data ends, and the extras that phones write behind it.

Rule 1. Pictures of one set follow one another (CIPA DC-007): depth, gain for bright screens, previews.
Rule 2. A moving picture carries its film as an MP4 behind it (Android's Motion Photo format).
Rule 3. Samsung's cameras close with a directory of notes, which begin where the pictures end.
Rule 4. All else behind the end is foreign. Nothing is believed that does not add up to the byte.

Source: ITU-T T.81, annex B.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from gateway.inspection.content import Boxes, Content, TooCostly, Window
from gateway.inspection.structure import Structure, Trait, traits_of_broken, traits_of_whole

MIME = "image/jpeg"
START = b"\xff\xd8\xff"
MOST_READS = 10_000  # of markers; a picture of a camera has some twenty

_NO_FRAME = frozenset({0xC4, 0xC8, 0xCC})  # tables that stand among the numbers of the frame headers
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a segment
_SCAN = 0xDA
_AMISS = frozenset({0xD8, 0xD9})  # a beginning or an end before there is a picture
_PROCESSES = {0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive"}

END = b"\xff\xd9"
STEP_BYTES = 2**18
MOST_SCANNED_BYTES = 12 * 2**20
MOST_PICTURES = 16
MOST_PADDING_BYTES = 2**15  # cameras let the next picture begin at a round address
MOST_NOTES = 128
_FIRST_OF_FILM = b"ftyp"


@dataclass(frozen=True)
class _FrameHeader:
    process: str
    precision: int
    height: int  # 0: told after the first scan
    width: int
    components: int

    @property
    def sound(self) -> bool:
        return bool(self.width) and self.components in (1, 3, 4)

    def traits(self) -> frozenset[Trait]:
        traits = {1: {Trait.GREY}, 4: {Trait.CMYK}}.get(self.components, set())
        return frozenset(traits | ({Trait.DEEP} if self.precision > 8 else set()))

    def details(self) -> dict[str, int | str]:
        return {"width": self.width, "height": self.height, "process": self.process, "components": self.components}


class _Broken(Exception):
    """`args[0]` says how."""


def read(content: Content) -> Structure | None:
    """Tell a JPEG by its start, its colours by its frame; None of anything else. Raises TooCostly."""
    if content.head(3) != START:
        return None
    try:
        frame, scan = _header(Window(content, most_reads=MOST_READS))
    except _Broken as broken:
        return Structure(mime=MIME, traits=traits_of_broken(content, broken.args[0]))
    end = end_of_jpeg(content, scan)
    if end is None:
        traits = traits_of_broken(content, Trait.TRUNCATED)
    else:
        traits = traits_of_whole(content, end=end_of_additions(content, end))
    return Structure(mime=MIME, traits=traits | frame.traits(), details=frame.details())


def _header(window: Window) -> tuple[_FrameHeader, int]:
    """Read what the picture is, and where the data of its first scan begin. Raises _Broken and TooCostly."""
    offset = 2
    frame: _FrameHeader | None = None
    while True:
        marker, offset = _marker(window, offset)
        if marker in _AMISS:
            raise _Broken(Trait.BROKEN)
        if marker in _ALONE:
            continue
        segment = window.at(offset, 10)
        length = int.from_bytes(segment[:2], "big")
        if len(segment) < 2:
            raise _Broken(Trait.TRUNCATED)
        if length < 2:
            raise _Broken(Trait.BROKEN)
        offset += length
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            frame = _frame(marker, segment)
        if marker == _SCAN:
            break
    if frame is None or not frame.sound:
        raise _Broken(Trait.BROKEN)
    return frame, offset


def _marker(window: Window, offset: int) -> tuple[int, int]:
    """Read the marker there, and where what follows it begins. Any number of ff may stand before it (B.1.1.2)."""
    if window.at(offset, 1) not in (b"\xff", b""):
        raise _Broken(Trait.BROKEN)
    while (code := window.at(offset, 1)) == b"\xff":
        offset += 1
    if not code:
        raise _Broken(Trait.TRUNCATED)
    if code[0] < 0xC0 and code[0] not in _ALONE:
        raise _Broken(Trait.BROKEN)
    return code[0], offset + 1


def _frame(marker: int, segment: bytes) -> _FrameHeader:
    if len(segment) < 8:
        raise _Broken(Trait.TRUNCATED)
    return _FrameHeader(
        process=_PROCESSES.get(marker, f"SOF{marker - 0xC0}"),
        precision=segment[2],
        height=int.from_bytes(segment[3:5], "big"),
        width=int.from_bytes(segment[5:7], "big"),
        components=segment[7],
    )


def end_of_jpeg(content: Content, offset: int) -> int | None:
    """Find where the picture ends whose data begin at `offset`; None if it does not.

    Within the data an ff stands before 00 or the number of a restart (T.81 B.1.1.5), so the first ff d9 is the end.
    Raises TooCostly.
    """
    stop = offset + MOST_SCANNED_BYTES
    while offset < content.size_bytes:
        if offset >= stop:
            raise TooCostly
        found = content.at(offset, STEP_BYTES + 1).find(END)
        if found >= 0:
            return offset + found + len(END)
        offset += STEP_BYTES
    return None


def end_of_additions(content: Content, end: int) -> int:
    """Find the end of what phones have added to a picture that ends at `end`. Raises TooCostly."""
    end = _end_of_pictures(content, end)
    end = _end_of_film(content, end)
    return _end_of_notes(content, end)


def _end_of_pictures(content: Content, end: int) -> int:
    for _ in range(MOST_PICTURES):
        padded = content.at(end, MOST_PADDING_BYTES)
        pictures = padded.lstrip(b"\0")
        if not pictures.startswith(b"\xff\xd8\xff"):
            break
        after = end_of_jpeg(content, _data_of_picture(content, end + len(padded) - len(pictures)))
        if after is None:
            break
        end = after
    return end


def _data_of_picture(content: Content, offset: int) -> int:
    """Pass the segments that begin a picture: its thumbnail stands in one of them, with an end of its own."""
    offset += 2
    for _ in range(64):
        segment = content.at(offset, 4)
        if len(segment) < 4 or segment[0] != 0xFF or segment[1] == 0xDA:
            break
        offset += 2 + max(2, int.from_bytes(segment[2:], "big"))
    return offset


def _end_of_film(content: Content, end: int) -> int:
    if content.at(end + 4, 4) != _FIRST_OF_FILM:
        return end
    ends = [box.end for box in Boxes(content).within(end, content.size_bytes)]
    return ends[-1] if ends and ends[-1] <= content.size_bytes else end


def _end_of_notes(content: Content, end: int) -> int:
    """Pass SEFH, a version, the number of notes, for each its kind, its way back from SEFH and its length; and SEFT."""
    tail = content.tail(8)
    if tail[4:] != b"SEFT":
        return end
    directory = content.size_bytes - 8 - int.from_bytes(tail[:4], "little")
    head = content.at(directory, 12)
    if head[:4] != b"SEFH" or len(head) < 12:
        return end
    (notes,) = struct.unpack_from("<I", head, 8)
    if not 0 < notes <= MOST_NOTES or directory + 12 * (notes + 1) + 8 != content.size_bytes:
        return end
    entries = content.at(directory + 12, 12 * notes)
    back = max((way for _, way, _ in struct.iter_unpack("<4sII", entries)), default=0)
    return content.size_bytes if directory - back == end else end
