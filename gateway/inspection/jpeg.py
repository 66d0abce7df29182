"""JPEG: the markers up to the picture's data, and where that data ends.

Source: ITU-T T.81, annex B; CIPA DC-007 for the pictures after the first.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.inspection import jpeg_extras, trailing
from gateway.inspection.buffered import Window
from gateway.inspection.content import Content
from gateway.inspection.structure import Structure, Trait

MIME = "image/jpeg"
START = b"\xff\xd8\xff"
MOST_READS = 10_000  # of markers; a picture of a camera has some twenty

_NO_FRAME = frozenset({0xC4, 0xC8, 0xCC})  # tables that stand among the numbers of the frame headers
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a segment
_SCAN = 0xDA
_AMISS = frozenset({0xD8, 0xD9})  # a beginning or an end before there is a picture
_PROCESSES = {0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive"}


@dataclass(frozen=True)
class _Frame:
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
    """Raises TooCostly."""
    if content.head(3) != START:
        return None
    try:
        frame, scan = _header(Window(content, most_reads=MOST_READS))
    except _Broken as broken:
        return Structure(mime=MIME, traits=trailing.of_broken(content, broken.args[0]))
    end = jpeg_extras.end_of_jpeg(content, scan)
    if end is None:
        traits = trailing.of_broken(content, Trait.TRUNCATED)
    else:
        traits = trailing.of_whole(content, end=jpeg_extras.end_of_additions(content, end))
    return Structure(mime=MIME, traits=traits | frame.traits(), details=frame.details())


def _header(window: Window) -> tuple[_Frame, int]:
    """What the picture is, and where the data of its first scan begin. Raises _Broken."""
    offset = 2
    frame: _Frame | None = None
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
    """The marker there and what follows it. Any number of ff may stand before it (B.1.1.2)."""
    if window.at(offset, 1) not in (b"\xff", b""):
        raise _Broken(Trait.BROKEN)
    while (code := window.at(offset, 1)) == b"\xff":
        offset += 1
    if not code:
        raise _Broken(Trait.TRUNCATED)
    if code[0] < 0xC0 and code[0] not in _ALONE:
        raise _Broken(Trait.BROKEN)
    return code[0], offset + 1


def _frame(marker: int, segment: bytes) -> _Frame:
    if len(segment) < 8:
        raise _Broken(Trait.TRUNCATED)
    return _Frame(
        process=_PROCESSES.get(marker, f"SOF{marker - 0xC0}"),
        precision=segment[2],
        height=int.from_bytes(segment[3:5], "big"),
        width=int.from_bytes(segment[5:7], "big"),
        components=segment[7],
    )
