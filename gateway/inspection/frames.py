"""Sound and film that is nothing but frames, one after another: MPEG audio and AAC in ADTS, behind ID3 tags or not, and
the packets of MPEG-TS.

Sources: ISO/IEC 11172-3, 2.4.1.3, and 13818-3 for MPEG; 13818-7, 6.2 for ADTS; 13818-1, 2.4.3 for MPEG-TS.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from gateway.inspection.content import Content
from gateway.inspection.structure import Structure, Trait, traits_of_broken, traits_of_whole

PROOF = 3  # so many in a row are no accident
MOST_TAGS = 8
MOST_PADDING_BYTES = 2**16  # zeros between a tag and the sound
SEARCHED_BYTES = 2**13  # behind a tag that tells its length wrongly
MOST_TRIED = 256
_SYNC = re.compile(rb"\xff[\xe0-\xff]")
_CLOSING = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3")  # what taggers write behind the sound

MPEG = "audio/mpeg"

_MPEG_VERSIONS = {3: "1", 2: "2", 0: "2.5"}
_MPEG_HERTZ = {"1": (44_100, 48_000, 32_000), "2": (22_050, 24_000, 16_000), "2.5": (11_025, 12_000, 8_000)}
_MPEG_LAYERS = {3: 1, 2: 2, 1: 3}
_MPEG_KILOBITS: dict[tuple[bool, int], tuple[int, ...]] = {  # by whether it is version 1, and the layer
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_OTHERS = (b"fLaC", b"OggS", b"MAC ", b"wvpk", b"TTA1", b"MPCK", b"MP+", b"RIFF", b"DSD ")  # that bear ID3 as well

TRANSPORT = "video/mp2t"
_PACKETS = (
    (188, 0),
    (192, 4),
    (204, 0),
)  # their length, and what stands before the sync byte: plain, of Blu-ray, of DVB
_PACKETS_PROVED = 8
_PACKET_SYNC = 0x47
_PACKET_HOLDS = 0x30  # of its fourth byte: a field of adaptation, a payload, or both

AAC = "audio/aac"
_ADTS_PROFILES = ("main", "lc", "ssr", "ltp")
_ADTS_HERTZ = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)


@dataclass(frozen=True)
class Frame:
    """`kind`, for people too: what does not change from one frame to the next."""

    length: int  # in bytes, with its head; above 0
    kind: dict[str, int | str]
    enough: int = PROOF  # of such frames, in a file that holds no more


Parse = Callable[[bytes], Frame | None]  # of the first 8 bytes or fewer


def end_of_tags(content: Content) -> int:
    """Find where the ID3v2 tags at the beginning end (id3.org, ID3v2.4 3.1); 0 if there are none. Raises TooCostly."""
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


def first_frame(content: Content, parse: Parse) -> Frame | None:
    """Find the first frame of a chain that proves itself; None if there is none. Raises TooCostly."""
    tags = end_of_tags(content)
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
    """Read the frame there, if as many follow as it takes."""
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


def read_mpeg(content: Content) -> Structure | None:
    """Tell MPEG audio by a chain of frames, or by tags alone; None of anything else. Raises TooCostly."""
    frame = first_frame(content, parse_mpeg)
    if frame is None:
        return _without_sound(content)
    traits = traits_of_whole(content, end=content.size_bytes)
    if frame.kind["audio"] != "mp3":
        traits |= {Trait.FOREIGN_AUDIO}
    return Structure(mime=MPEG, traits=traits, details=frame.kind)


def parse_mpeg(head: bytes) -> Frame | None:
    """Read a frame by its first 4 bytes. One of free length is none of ours."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = _MPEG_VERSIONS.get(head[1] >> 3 & 3), _MPEG_LAYERS.get(head[1] >> 1 & 3)
    rate, pitch = head[2] >> 4, head[2] >> 2 & 3
    if version is None or layer is None or rate in (0, 15) or pitch == 3:
        return None
    hertz = _MPEG_HERTZ[version][pitch]
    bits = 1000 * _MPEG_KILOBITS[version == "1", layer][rate - 1]
    padding = head[2] >> 1 & 1
    if layer == 1:
        length = 4 * (12 * bits // hertz + padding)
    else:
        length = (72 if layer == 3 and version != "1" else 144) * bits // hertz + padding
    # A text in UTF-16 begins like layer I: there a single frame proves nothing.
    kind: dict[str, int | str] = {"audio": f"mp{layer}", "version": version, "hertz": hertz}
    return Frame(length=length, kind=kind, enough=1 if layer == 3 else PROOF)


def _without_sound(content: Content) -> Structure | None:
    after = end_of_tags(content)
    if not after or content.at(after, 4).startswith(_OTHERS) or read_adts(content):
        return None
    trait = Trait.TRUNCATED if after >= content.size_bytes else Trait.BROKEN
    return Structure(mime=MPEG, traits=traits_of_broken(content, trait))


def read_adts(content: Content) -> Structure | None:
    """Tell AAC in ADTS by a chain of frames; None of anything else. Raises TooCostly."""
    frame = first_frame(content, parse_adts)
    if frame is None:
        return None
    return Structure(mime=AAC, traits=traits_of_whole(content, end=content.size_bytes), details=frame.kind)


def parse_adts(head: bytes) -> Frame | None:
    """Read a frame by its first 7 bytes."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return None
    pitch = head[2] >> 2 & 0xF
    channels = (head[2] & 1) << 2 | head[3] >> 6
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    if pitch >= len(_ADTS_HERTZ) or length < (7 if head[1] & 1 else 9):
        return None
    kind: dict[str, int | str] = {"audio": "aac", "hertz": _ADTS_HERTZ[pitch], "channels": channels}
    return Frame(length=length, kind=kind | {"profile": _ADTS_PROFILES[head[2] >> 6]}, enough=1)


def read_transport(content: Content) -> Structure | None:
    """Tell MPEG-TS by the sync byte of its first packets; None of anything else. Raises TooCostly."""
    for length, before in _PACKETS:
        head = content.head(length * _PACKETS_PROVED)
        marks, holds = head[before::length], head[before + 3 :: length]
        whole = len(head) == length * _PACKETS_PROVED
        if whole and set(marks) == {_PACKET_SYNC} and all(byte & _PACKET_HOLDS for byte in holds):
            return Structure(mime=TRANSPORT, traits=traits_of_whole(content, end=content.size_bytes))
    return None
