"""The tracks of an ISO base media file: what each one is, and how it is coded (ISO/IEC 14496-12, 8.3 to 8.5).

Source of the codec numbers: the MP4 Registration Authority (mp4ra.org); 14496-1 for the descriptors.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.inspection.boxes import Box, Boxes
from gateway.inspection.content import Content, TooCostly

SOUND, FILM = b"soun", b"vide"
MOST_TRACKS = 64
MOST_CODECS = 8  # of one track

_NAMES = {
    b"avc1": "h264", b"avc2": "h264", b"avc3": "h264", b"avc4": "h264",
    b"hvc1": "h265", b"hev1": "h265", b"dvh1": "h265", b"dvhe": "h265",
    b"s263": "h263", b"h263": "h263", b"H263": "h263",
    b"vp08": "vp8", b"vp09": "vp9", b"av01": "av1", b"jpeg": "jpeg", b"mjpa": "jpeg",
    b"samr": "amr", b"sawb": "amr-wb", b"sawp": "amr-wb+",
    b".mp3": "mp3", b"ms\0\x55": "mp3",
    b"ac-3": "ac3", b"ec-3": "eac3", b"Opus": "opus", b"fLaC": "flac", b"alac": "alac",
    b"encv": "encrypted", b"enca": "encrypted", b"drmi": "encrypted", b"drms": "encrypted",
}  # fmt: skip
_OBJECTS = {  # what mp4v and mp4a hold, by their descriptor
    0x20: "mpeg4", 0x21: "h264", 0x23: "h265", 0x6A: "mpeg1", 0x6C: "jpeg", **dict.fromkeys(range(0x60, 0x66), "mpeg2"),
    0x66: "aac", 0x67: "aac", 0x68: "aac", 0x69: "mp3", 0x6B: "mp3",
    0xA5: "ac3", 0xA6: "eac3", 0xA9: "dts", 0xAD: "opus", 0xDD: "vorbis", 0xE1: "qcelp",
}  # fmt: skip
_MPEG4_AUDIO = 0x40
_AAC_TYPES = frozenset({1, 2, 3, 4, 5, 6, 17, 19, 20, 23, 29, 39, 42})  # of 14496-3, table 1.17
_PROFILES = {66: "baseline", 77: "main", 88: "extended", 100: "high"}  # of H.264


@dataclass(frozen=True)
class Track:
    kind: bytes  # its handler; b"" if it names none
    codecs: tuple[str, ...] = ()
    width: int = 0
    height: int = 0
    profile: str = ""


def read(boxes: Boxes, moov: Box) -> list[Track]:
    """Raises TooCostly."""
    found = [box for box in boxes.within(moov.start, moov.end) if box.name == b"trak"]
    if len(found) > MOST_TRACKS:
        raise TooCostly
    return [_track(boxes, trak) for trak in found]


def _track(boxes: Boxes, trak: Box) -> Track:
    mdia = _descend(boxes, trak, b"mdia")
    hdlr = mdia and _descend(boxes, mdia, b"hdlr")
    stsd = mdia and _descend(boxes, mdia, b"minf", b"stbl", b"stsd")
    kind = boxes.content.at(hdlr.start + 8, 4) if hdlr else b""
    if stsd is None or kind not in (SOUND, FILM):
        return Track(kind)
    entries = list(boxes.within(stsd.start + 8, stsd.end))
    if len(entries) > MOST_CODECS:
        raise TooCostly
    codecs = tuple(_codec(boxes, entry, kind) for entry in entries)
    if kind == SOUND or not entries:
        return Track(kind, codecs)
    size = boxes.content.at(entries[0].start + 24, 4)
    width, height = int.from_bytes(size[:2], "big"), int.from_bytes(size[2:], "big")
    return Track(kind, codecs, width, height, _profile(boxes, entries[0]))


def _descend(boxes: Boxes, box: Box, *names: bytes) -> Box | None:
    """The first box of that name within, and so on; None if one is not there or not whole."""
    for name in names:
        inner = next((inner for inner in boxes.within(box.start, box.end) if inner.name == name), None)
        if inner is None or inner.end > box.end:
            return None
        box = inner
    return box


def _codec(boxes: Boxes, entry: Box, kind: bytes) -> str:
    if entry.name not in (b"mp4a", b"mp4v"):
        return _NAMES.get(entry.name, entry.name.decode("ascii", "replace").replace("\0", "?").strip())
    esds = _descend(boxes, _extensions(boxes.content, entry, kind), b"esds")
    wave = None if esds else _descend(boxes, _extensions(boxes.content, entry, kind), b"wave", b"esds")
    found = esds or wave
    return _object(boxes.content.at(found.start + 4, min(64, found.end - found.start))) if found else "unknown"


def _extensions(content: Content, entry: Box, kind: bytes) -> Box:
    """What stands behind the fixed fields of an entry. Those of sound grew twice in QuickTime."""
    if kind == FILM:
        return Box(entry.name, entry.start + 78, entry.end)
    version = content.at(entry.start + 8, 2)
    return Box(entry.name, entry.start + 28 + {b"\0\1": 16, b"\0\2": 36}.get(version, 0), entry.end)


def _object(descriptors: bytes) -> str:
    """The codec that an elementary stream descriptor tells (14496-1, 7.2.6.5 and 7.2.6.6)."""
    tag, stream = _open(descriptors)
    if tag != 3 or len(stream) < 3:
        return "unknown"
    flags = stream[2]
    skip = 3 + (2 if flags & 0x80 else 0)
    skip += 1 + (stream[skip] if len(stream) > skip else 0) if flags & 0x40 else 0
    tag, decoder = _open(stream[skip + (2 if flags & 0x20 else 0) :])
    if tag != 4 or not decoder:
        return "unknown"
    if decoder[0] != _MPEG4_AUDIO:
        return _OBJECTS.get(decoder[0], f"object {decoder[0]:#x}")
    tag, specific = _open(decoder[13:])
    return _mpeg4_audio(specific) if tag == 5 else "aac"


def _mpeg4_audio(specific: bytes) -> str:
    bits = int.from_bytes(specific[:2].ljust(2, b"\0"), "big")
    kind = bits >> 11
    if kind == 31:
        kind = 32 + (bits >> 5 & 0x3F)
    return "aac" if kind in _AAC_TYPES else f"mpeg-4 audio {kind}"


def _open(data: bytes) -> tuple[int, bytes]:
    """The tag of a descriptor, and what follows its length, which takes up to four bytes."""
    for at in range(1, min(5, len(data))):
        if data[at] < 0x80:
            return data[0], data[at + 1 :]
    return 0, b""


def _profile(boxes: Boxes, entry: Box) -> str:
    configuration = _descend(boxes, _extensions(boxes.content, entry, FILM), b"avcC")
    number = boxes.content.at(configuration.start + 1, 1) if configuration else b""
    return _PROFILES.get(number[0], f"profile {number[0]}") if number else ""
