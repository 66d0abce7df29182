"""The ISO base media family: MP4, 3GP, M4A, QuickTime, HEIC and AVIF, by brand, boxes and tracks.

Rule 1. The brand chooses between families; within MP4 the tracks do: sound alone is audio, whatever the brand.
Rule 2. An unknown brand with a moov is an MP4: every maker of cameras has one of his own.

Source: ISO/IEC 14496-12, 4 and 8; 3GPP TS 26.244, 5; mp4ra.org for brands.
"""

from __future__ import annotations

from gateway.inspection import tracks
from gateway.inspection.content import Box, Boxes, Content
from gateway.inspection.structure import Structure, Trait, traits_of_broken, traits_of_whole

MP4, SOUND_ALONE, THREE_GP, QUICKTIME = "video/mp4", "audio/mp4", "video/3gpp", "video/quicktime"
WITHOUT_BRAND = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})  # old QuickTime

_PICTURES = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "image/heic"),
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
    b"crx ": "image/x-canon-cr3",
}
_H264, _AAC = {"h264"}, {"aac"}


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
    found = tracks.read(boxes, moov, top)
    sounds = [track for track in found if track.kind == tracks.SOUND]
    films = [track for track in found if track.kind == tracks.FILM]
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


def _mime(brand: bytes, sounds: list[tracks.Track], films: list[tracks.Track]) -> str:
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


def _peculiarities(found: list[tracks.Track], sounds: list[tracks.Track], films: list[tracks.Track]) -> set[Trait]:
    rules = {
        Trait.NO_TRACK: not sounds and not films,
        Trait.BROKEN: any(not track.kind for track in found) or any(not track.codecs for track in sounds + films),
        Trait.FOREIGN_VIDEO: _foreign(films, _H264),
        Trait.HIGH_WITH_B_FRAMES: any(track.profile == "high" and track.reordered for track in films),
        Trait.FOREIGN_AUDIO: _foreign(sounds, _AAC),
        Trait.SEVERAL_AUDIO: len(sounds) > 1,
        Trait.ENCRYPTED: any("encrypted" in track.codecs for track in found),
    }
    return {trait for trait, holds in rules.items() if holds}


def _foreign(found: list[tracks.Track], known: set[str]) -> bool:
    return any(not set(track.codecs) <= known for track in found)


def _brand(brand: bytes) -> dict[str, int | str]:
    return {"brand": "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in brand).strip()}


def _details(sounds: list[tracks.Track], films: list[tracks.Track]) -> dict[str, int | str]:
    said: dict[str, int | str] = {
        "video": "+".join(codec for track in films for codec in track.codecs),
        "audio": "+".join(codec for track in sounds for codec in track.codecs),
    }
    if films:
        said |= {"width": films[0].width, "height": films[0].height, "profile": films[0].profile}
    return {key: value for key, value in said.items() if value}
