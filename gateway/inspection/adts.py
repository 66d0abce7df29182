"""AAC in ADTS: frames of one kind in a row, behind ID3 tags or not (ISO/IEC 13818-7, 6.2)."""

from __future__ import annotations

from gateway.inspection import frames, trailing
from gateway.inspection.content import Content
from gateway.inspection.frames import Frame
from gateway.inspection.structure import Structure

MIME = "audio/aac"
_PROFILES = ("main", "lc", "ssr", "ltp")
_HERTZ = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)


def read(content: Content) -> Structure | None:
    """Raises TooCostly."""
    frame = frames.first(content, parse)
    if frame is None:
        return None
    return Structure(mime=MIME, traits=trailing.of_whole(content, end=content.size_bytes), details=frame.kind)


def parse(head: bytes) -> Frame | None:
    """A frame by its first 7 bytes."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return None
    pitch = head[2] >> 2 & 0xF
    channels = (head[2] & 1) << 2 | head[3] >> 6
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    if pitch >= len(_HERTZ) or length < (7 if head[1] & 1 else 9):
        return None
    kind: dict[str, int | str] = {"audio": "aac", "hertz": _HERTZ[pitch], "channels": channels}
    return Frame(length=length, kind=kind | {"profile": _PROFILES[head[2] >> 6]}, enough=1)
