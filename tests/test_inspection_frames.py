"""MPEG audio and AAC in ADTS: chains of frames, alone or behind tags, each known to one reader only."""

from __future__ import annotations

import pytest

from gateway.inspection import content, frames
from gateway.inspection.structure import Trait
from tests.recording_samples import AACS, MP3S, id3
from tests.together import together

MP3 = b"\xff\xfb\x90\xc4" + bytes(413)  # 128 kbit/s, 44,100 Hz: 417 bytes
PADDED = b"\xff\xfb\x92\xc4" + bytes(414)
MP2 = b"\xff\xfd\x80\xc4" + bytes(413)
MP1 = b"\xff\xff\x40\xc4" + bytes(132)
AAC = b"\xff\xf1\x50\x80\x02\x1f\xfc" + bytes(9)  # 16 bytes
CHECKED = b"\xff\xf0\x50\x80\x02\x1f\xfc" + bytes(9)
BROKEN, TRUNCATED, FOREIGN = Trait.BROKEN, Trait.TRUNCATED, Trait.FOREIGN_AUDIO
HTML = b"<html><script>alert(1)</script></html>"
SOUND, SPEECH = "audio/mpeg", "audio/aac"

CASES: dict[str, tuple[bytes, str, set[Trait]]] = {
    "three frames": (MP3 * 3, SOUND, set()),
    "frames of several lengths": (MP3 + PADDED + MP3, SOUND, set()),
    "two frames and no more": (MP3 * 2, SOUND, set()),
    "a frame and no more": (MP3, SOUND, set()),
    "a frame and a tag": (MP3 + b"TAG" + bytes(125), SOUND, set()),
    "a frame and a tag of APE": (MP3 + b"APETAGEX" + bytes(24), SOUND, set()),
    "three frames and something else": (MP3 * 3 + bytes(10_000), SOUND, set()),
    "zeros and frames": (bytes(5000) + MP3 * 3, SOUND, set()),
    "a tag and frames": (id3(10) + MP3 * 3, SOUND, set()),
    "a tag with a footer": (id3(10, version=4, flags=0x10) + MP3 * 3, SOUND, set()),
    "eight tags": (id3(10) * 8 + MP3 * 3, SOUND, set()),
    "a tag and zeros": (id3(10) + bytes(60_000) + MP3 * 3, SOUND, set()),
    "a tag and 8,000 other bytes": (id3(10) + b"x" * 8000 + MP3 * 3, SOUND, set()),
    "a tag and 8,193 other bytes": (id3(10) + b"x" * 8193 + MP3 * 3, SOUND, {BROKEN}),
    "a tag and starts of other frames": (id3(10) + b"\xff\xfb\x50\xc4" * 99 + MP3 * 3, SOUND, set()),
    "layer II": (MP2 * 3, SOUND, {FOREIGN}),
    "layer I": (MP1 * 3, SOUND, {FOREIGN}),
    "an archive behind": (MP3 * 3 + b"PK\5\6" + bytes(18), SOUND, {Trait.ARCHIVE_WITHIN}),
    "a tag alone": (id3(10), SOUND, {TRUNCATED}),
    "a tag that passes the end": (id3(1000)[:500], SOUND, {TRUNCATED}),
    "a tag and noise": (id3(10) + b"\x55" * 5000, SOUND, {BROKEN}),
    "a tag and a page": (id3(10) + HTML, SOUND, {BROKEN, Trait.MARKUP_WITHIN}),
    "a tag and a frame that is cut": (id3(10) + MP3[:-1], SOUND, {BROKEN}),
    "three frames of AAC": (AAC * 3, SPEECH, set()),
    "a frame of AAC and no more": (AAC, SPEECH, set()),
    "a frame of AAC with its checksum": (CHECKED * 3, SPEECH, set()),
    "a tag and AAC": (id3(300) + AAC * 3, SPEECH, set()),
    "AAC and a tag": (AAC * 3 + b"TAG" + bytes(125), SPEECH, set()),
    "a tag, other bytes and AAC": (id3(300) + b"x" * 99 + AAC * 3, SPEECH, set()),
    "AAC and an archive": (AAC * 3 + b"PK\5\6" + bytes(18), SPEECH, {Trait.ARCHIVE_WITHIN}),
}


@together(("data", "mime", "traits"), CASES.values(), ids=CASES)
def test_a_chain_of_frames_is_known_to_one_reader(data: bytes, mime: str, traits: set[Trait]) -> None:
    said = [read(content.of_bytes(data)) for read in (frames.read_mpeg, frames.read_adts)]
    [structure] = [structure for structure in said if structure]
    assert (structure.mime, structure.traits) == (mime, traits)


NONE = {
    "nothing": b"",
    "zeros": bytes(100_000),
    "a frame that is cut": MP3[:-1],
    "a frame and noise": MP3 + b"\x55" * 1000,
    "two frames and noise": MP3 * 2 + b"\x55" * 1000,
    "two frames and one of another pitch": MP3 * 2 + b"\xff\xfb\x94\xc4" + bytes(380),
    "two frames and one of another version": MP3 * 2 + b"\xff\xf3\x90\xc4" + bytes(413),
    "three frames of which the last is cut": (MP3 * 3)[:-1],
    "other bytes and frames": b"x" + MP3 * 3,
    "one frame of layer I": MP1,
    "one frame of layer II": MP2,
    "free length": b"\xff\xfb\x00\xc4" * 1000,
    "a rate that is none": b"\xff\xfb\xf0\xc4" * 1000,
    "a pitch that is none": b"\xff\xfb\x9c\xc4" * 1000,
    "a version that is none": b"\xff\xeb\x90\xc4" + bytes(413) + b"\xff\xeb\x90\xc4" + bytes(413),
    "a page behind two bytes": b"\xff\xfb" + HTML * 20,
    "AAC of no length": b"\xff\xf1\x50\x80\x00\x1f\xfc" * 100,
    "AAC shorter than its checked head": b"\xff\xf0\x50\x80\x01\x1f\xfc\0" * 3,
    "AAC of a pitch that is none": b"\xff\xf1\x74\x80\x02\x1f\xfc" + bytes(9),
    "two frames of AAC and one of another pitch": AAC * 2 + b"\xff\xf1\x54\x80\x02\x1f\xfc" + bytes(9),
    "AAC with the number of a layer": (AAC[:1] + b"\xf3" + AAC[2:]) * 3,
    "two frames of AAC and noise": AAC * 2 + b"\x55" * 100,
    "a tag and FLAC": id3(10) + b"fLaC" + bytes(100),
    "a tag and Ogg": id3(10) + b"OggS" + bytes(100),
}


@together("data", NONE.values(), ids=NONE)
def test_what_is_no_chain_and_bears_no_tag_is_none(data: bytes) -> None:
    assert [frames.read_mpeg(content.of_bytes(data)), frames.read_adts(content.of_bytes(data))] == [None, None]


TAGS = {
    "none": (b"", 0),
    "one": (id3(10), 30),
    "with a footer": (id3(10, version=4, flags=0x10), 40),
    "two": (id3(10) + id3(300), 350),
    "eight": (id3(10) * 8, 240),
    "nine": (id3(10) * 9, 240),
    "of a length that passes the end": (b"ID3\3\0\0\x7f\x7f\x7f\x7f", 10 + 2**28 - 1),
    "of a length with a high bit": (b"ID3\3\0\0\0\0\x80\0", 0),
    "of a version that is none": (b"ID3\xff\0\0\0\0\0\0", 0),
    "cut": (b"ID3\3\0\0\0\0\0", 0),
}


@pytest.mark.parametrize(("data", "end"), TAGS.values(), ids=TAGS)
def test_tags_end_where_their_lengths_say(data: bytes, end: int) -> None:
    assert frames.end_of_tags(content.of_bytes(data)) == end


# Lengths by the formula of the standard, for rates that players meet.
LENGTHS = {
    "MPEG-1 layer III, 128k": (b"\xff\xfb\x90\0", 417),
    "MPEG-1 layer III, 128k, padded": (b"\xff\xfb\x92\0", 418),
    "MPEG-1 layer III, 320k, 48 kHz": (b"\xff\xfb\xe4\0", 960),
    "MPEG-1 layer III, 32k": (b"\xff\xfb\x10\0", 104),
    "MPEG-2 layer III, 64k, 22.05 kHz": (b"\xff\xf3\x80\0", 208),
    "MPEG-2.5 layer III, 16k, 8 kHz": (b"\xff\xe3\x28\0", 144),
    "MPEG-1 layer II, 192k": (b"\xff\xfd\xa0\0", 626),
    "MPEG-2 layer II, 64k, 22.05 kHz": (b"\xff\xf5\x80\0", 417),
    "MPEG-1 layer I, 128k": (b"\xff\xff\x40\0", 136),
    "MPEG-1 layer I, 128k, padded": (b"\xff\xff\x42\0", 140),
}


@pytest.mark.parametrize(("head", "length"), LENGTHS.values(), ids=LENGTHS)
def test_a_frame_is_as_long_as_the_standard_says(head: bytes, length: int) -> None:
    frame = frames.parse_mpeg(head)
    assert frame is not None
    assert frame.length == length


DETAILS = {
    "mp3 of MPEG-2.5": {"audio": "mp3", "version": "2.5", "hertz": 8000},
    "mp2": {"audio": "mp2", "version": "1", "hertz": 44_100},
    "aac stereo": {"audio": "aac", "profile": "lc", "hertz": 44_100, "channels": 2},
    "aac 8 kHz": {"audio": "aac", "profile": "lc", "hertz": 8000, "channels": 1},
}


@pytest.mark.parametrize(("name", "details"), DETAILS.items(), ids=DETAILS)
def test_details_tell_codec_and_pitch(name: str, details: dict[str, int | str]) -> None:
    data = (MP3S | AACS)[name].data()
    structure = frames.read_mpeg(content.of_bytes(data)) or frames.read_adts(content.of_bytes(data))
    assert structure is not None
    assert structure.details == details


def packets(length: int, before: int, count: int = 8) -> bytes:
    """So many packets of MPEG-TS, none of which tells what is in the film."""
    return (bytes(before) + b"\x47\x01\x00\x10" + b"\xff" * (length - before - 4)) * count


TRANSPORTS = {
    "plain": (packets(188, 0), True),
    "of Blu-ray": (packets(192, 4), True),
    "of DVB": (packets(204, 0), True),
    "cut in a packet": (packets(188, 0, 9)[:-1], True),
    "seven packets": (packets(188, 0, 7), False),
    "another distance": (packets(190, 0), False),
    "a text of one letter": (b"G" * 2000, False),
    "a text": (b"Good morning, here is the price list.\n" * 50, False),
}


@pytest.mark.parametrize(("data", "told"), TRANSPORTS.values(), ids=TRANSPORTS)
def test_mpeg_ts_is_told_by_its_packets(data: bytes, told: bool) -> None:  # noqa: FBT001
    found = frames.read_transport(content.of_bytes(data))
    assert (found.mime if found else None) == ("video/mp2t" if told else None)
