"""The ISO base media family: MP4, 3GP, M4A, QuickTime, HEIC and AVIF, by brand, boxes and tracks.

Rule 1. The brand chooses between families; within MP4 the tracks do: sound alone is audio, whatever the brand.
Rule 2. An unknown brand with a moov is an MP4: every maker of cameras has one of his own.

Source: ISO/IEC 14496-12, 4 and 8; 3GPP TS 26.244, 5; mp4ra.org for brands and codecs; 14496-1 for the descriptors.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.inspection.content import Box, Boxes, Content, TooCostly
from gateway.inspection.structure import Structure, Trait, traits_of_broken, traits_of_whole

MP4, SOUND_ALONE, THREE_GP, QUICKTIME = "video/mp4", "audio/mp4", "video/3gpp", "video/quicktime"
WITHOUT_BRAND = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})  # old QuickTime

_PICTURES = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "image/heic"),
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
    b"crx ": "image/x-canon-cr3",
}
_H264, _AAC = {"h264"}, {"aac"}

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


def read(content: Content) -> Structure | None:
    """Tell a film, a sound or a picture of this family by its boxes; None of anything else. Raises TooCostly."""
    first = content.at(4, 4)
    if first != b"ftyp" and first not in WITHOUT_BRAND:
        return None
    boxes = Boxes(content)
    top = list(boxes.within(0, content.size_bytes))
    moov = next((box for box in top if box.name == b"moov"), None)
    if first != b"ftyp" and (moov is None or moov.end > content.size_bytes):
        return None  # words like these stand in texts too
    brand = content.at(8, 4) if first == b"ftyp" else b"qt  "
    picture = _picture(content, top) if first == b"ftyp" else None
    if picture:
        return Structure(mime=picture, traits=_whole(content, top), details=_brand(brand))
    if moov is None or moov.end > content.size_bytes:
        traits = _whole(content, top) | ({Trait.NO_INDEX} if moov is None else set())
        return Structure(mime=_mime(brand, [], []), traits=traits, details=_brand(brand))
    found = _tracks(boxes, moov)
    sounds = [track for track in found if track.kind == SOUND]
    films = [track for track in found if track.kind == FILM]
    return Structure(
        mime=_mime(brand, sounds, films),
        traits=_whole(content, top) | _order(top) | _peculiarities(found, sounds, films),
        details=_brand(brand) | _details(sounds, films),
    )


def _picture(content: Content, top: list[Box]) -> str | None:
    """Tell the type of a still picture: by its first brand, and where that is general by the others."""
    major = content.at(8, 4)
    others = content.at(16, min(256, top[0].end - 16)) if top else b""
    if major in (b"mif1", b"msf1") and b"avif" in others:
        return "image/avif"
    return _PICTURES.get(major)


def _mime(brand: bytes, sounds: list[Track], films: list[Track]) -> str:
    if brand == b"qt  ":
        return QUICKTIME
    is_3gp = brand.startswith(b"3g")
    if sounds and not films:
        return "audio/3gpp" if is_3gp and _foreign(sounds, _AAC) else SOUND_ALONE
    return THREE_GP if is_3gp else MP4


def _whole(content: Content, top: list[Box]) -> frozenset[Trait]:
    if not top:
        return traits_of_broken(content, Trait.BROKEN)
    if top[-1].end > content.size_bytes:
        return traits_of_broken(content, Trait.TRUNCATED)
    return traits_of_whole(content, end=top[-1].end)


def _order(top: list[Box]) -> set[Trait]:
    """Of a file that has a moov."""
    names = [box.name for box in top]
    if b"mdat" not in names:
        return {Trait.TRUNCATED}
    return {Trait.LATE_INDEX} if names.index(b"mdat") < names.index(b"moov") else set()


def _peculiarities(found: list[Track], sounds: list[Track], films: list[Track]) -> set[Trait]:
    rules = {
        Trait.NO_TRACK: not sounds and not films,
        Trait.BROKEN: any(not track.kind for track in found) or any(not track.codecs for track in sounds + films),
        Trait.FOREIGN_VIDEO: _foreign(films, _H264),
        Trait.FOREIGN_AUDIO: _foreign(sounds, _AAC),
        Trait.SEVERAL_AUDIO: len(sounds) > 1,
        Trait.ENCRYPTED: any("encrypted" in track.codecs for track in found),
    }
    return {trait for trait, holds in rules.items() if holds}


def _foreign(found: list[Track], known: set[str]) -> bool:
    return any(not set(track.codecs) <= known for track in found)


def _brand(brand: bytes) -> dict[str, int | str]:
    return {"brand": "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in brand).strip()}


def _details(sounds: list[Track], films: list[Track]) -> dict[str, int | str]:
    said: dict[str, int | str] = {
        "video": "+".join(codec for track in films for codec in track.codecs),
        "audio": "+".join(codec for track in sounds for codec in track.codecs),
    }
    if films:
        said |= {"width": films[0].width, "height": films[0].height, "profile": films[0].profile}
    return {key: value for key, value in said.items() if value}


def _tracks(boxes: Boxes, moov: Box) -> list[Track]:
    """Read what each track is and how it is coded (8.3 to 8.5). Raises TooCostly."""
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
    """Find the first box of that name within, and so on; None if one is not there or not whole."""
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


def _profile(boxes: Boxes, entry: Box) -> str:
    configuration = _descend(boxes, _extensions(boxes.content, entry, FILM), b"avcC")
    number = boxes.content.at(configuration.start + 1, 1) if configuration else b""
    return _PROFILES.get(number[0], f"profile {number[0]}") if number else ""
