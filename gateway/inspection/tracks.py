"""The tracks of an ISO base media file: what each one is, how it is coded, and in which order its pictures are shown.

Source: ISO/IEC 14496-12, 8; mp4ra.org for codecs; 14496-1 for the descriptors; 14496-10 and 14496-15 for H.264.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.inspection.content import Box, Boxes, Content, TooCostly

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
# Of H.264, by number (14496-10, annex A): 8 bits and 4:2:0, which telephones play, and those with more of either.
_PLAYED = {66: "baseline", 77: "main", 88: "extended", 100: "high"}
_PROFILES = _PLAYED | {44: "cavlc 4:4:4", 110: "high 10", 122: "high 4:2:2", 244: "high 4:4:4"}
_MOST_SAMPLES = 4096  # whose order is looked at
_MOST_FRAGMENTS = 8


@dataclass(frozen=True)
class Track:
    kind: bytes  # its handler; b"" if it names none
    codecs: tuple[str, ...] = ()
    width: int = 0
    height: int = 0
    profile: str = ""
    reordered: bool = False  # it has B-frames


def read(boxes: Boxes, moov: Box, top: list[Box]) -> list[Track]:
    """Read what each track is and how it is coded (8.3 to 8.5). Raises TooCostly."""
    found = [box for box in boxes.within(moov.start, moov.end) if box.name == b"trak"]
    if len(found) > MOST_TRACKS:
        raise TooCostly
    fragments = [box for box in top if box.name == b"moof"][:_MOST_FRAGMENTS]
    return [_track(boxes, trak, fragments) for trak in found]


def _track(boxes: Boxes, trak: Box, fragments: list[Box]) -> Track:
    mdia = _descend(boxes, trak, b"mdia")
    hdlr = mdia and _descend(boxes, mdia, b"hdlr")
    stbl = mdia and _descend(boxes, mdia, b"minf", b"stbl")
    stsd = stbl and _descend(boxes, stbl, b"stsd")
    kind = boxes.content.at(hdlr.start + 8, 4) if hdlr else b""
    if stbl is None or stsd is None or kind not in (SOUND, FILM):
        return Track(kind)
    entries = list(boxes.within(stsd.start + 8, stsd.end))
    if len(entries) > MOST_CODECS:
        raise TooCostly
    codecs = tuple(_codec(boxes, entry, kind) for entry in entries)
    if kind == SOUND or not entries:
        return Track(kind, codecs)
    size = boxes.content.at(entries[0].start + 24, 4)
    width, height = int.from_bytes(size[:2], "big"), int.from_bytes(size[2:], "big")
    profile = next((_PROFILES.get(number, f"profile {number}") for number in _profiles(boxes, entries[0])), "")
    reordered = _reordered(boxes, stbl) or any(_reordered_there(boxes, fragment) for fragment in fragments)
    return Track(kind, codecs, width, height, profile, reordered)


def _reordered(boxes: Boxes, stbl: Box) -> bool:
    """Tell whether samples are shown in another order than they are stored in: by how much, differs (8.6.1.3)."""
    ctts = _descend(boxes, stbl, b"ctts")
    entries = boxes.content.at(ctts.start + 8, min(8 * _MOST_SAMPLES, ctts.end - ctts.start - 8)) if ctts else b""
    return len({entries[at + 4 : at + 8] for at in range(0, len(entries) - 7, 8)}) > 1


def _reordered_there(boxes: Boxes, moof: Box) -> bool:
    """Tell the same of the first track of a fragment (8.8.8)."""
    trun = _descend(boxes, moof, b"traf", b"trun")
    data = boxes.content.at(trun.start, min(16 * _MOST_SAMPLES, trun.end - trun.start)) if trun else b""
    flags = int.from_bytes(data[1:4], "big")
    if not flags & 0x800:
        return False
    each = 4 * (flags >> 8 & 0xF).bit_count()  # the offset is the last field of a sample
    first = 8 + 4 * (flags & 1) + 4 * bool(flags & 4)
    return len({data[end - 4 : end] for end in range(first + each, len(data) + 1, each)}) > 1


def _descend(boxes: Boxes, box: Box, *names: bytes) -> Box | None:
    """Find the first box of that name within, and so on; None if one is not there or not whole."""
    for name in names:
        inner = next((inner for inner in boxes.within(box.start, box.end) if inner.name == name), None)
        if inner is None or inner.end > box.end:
            return None
        box = inner
    return box


def _codec(boxes: Boxes, entry: Box, kind: bytes) -> str:
    if entry.name not in (b"mp4a", b"mp4v"):
        name = _NAMES.get(entry.name, entry.name.decode("ascii", "replace").replace("\0", "?").strip())
        unplayed = [number for number in _profiles(boxes, entry) if number not in _PLAYED] if name == "h264" else []
        return f"{name} {_PROFILES.get(unplayed[0], unplayed[0])}" if unplayed else name
    esds = _descend(boxes, _extensions(boxes.content, entry, kind), b"esds")
    wave = None if esds else _descend(boxes, _extensions(boxes.content, entry, kind), b"wave", b"esds")
    found = esds or wave
    return _object(boxes.content.at(found.start + 4, min(64, found.end - found.start))) if found else "unknown"


def _extensions(content: Content, entry: Box, kind: bytes) -> Box:
    """Find what stands behind the fixed fields of an entry. Those of sound grew twice in QuickTime."""
    if kind == FILM:
        return Box(entry.name, entry.start + 78, entry.end)
    version = content.at(entry.start + 8, 2)
    return Box(entry.name, entry.start + 28 + {b"\0\1": 16, b"\0\2": 36}.get(version, 0), entry.end)


def _object(descriptors: bytes) -> str:
    """Read the codec that an elementary stream descriptor tells (14496-1, 7.2.6.5 and 7.2.6.6)."""
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
    """Read the tag of a descriptor, and what follows its length, which takes up to four bytes."""
    for at in range(1, min(5, len(data))):
        if data[at] < 0x80:
            return data[0], data[at + 1 :]
    return 0, b""


def _profiles(boxes: Boxes, entry: Box) -> list[int]:
    """Read the profile that the configuration of H.264 tells, and that of its first sequence (14496-15, 5.3.3.1)."""
    box = _descend(boxes, _extensions(boxes.content, entry, FILM), b"avcC")
    told = boxes.content.at(box.start, min(10, box.end - box.start)) if box else b""
    has_sequence = len(told) == 10 and told[5] & 0x1F and told[8] & 0x1F == 7
    return [told[at] for at in ((1, 9) if has_sequence else (1,)) if at < len(told)]
