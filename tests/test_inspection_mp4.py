"""The MP4 family: brands, boxes and tracks, and which of them make a film, a sound or a picture."""

from __future__ import annotations

import struct

import pytest

from gateway.inspection import content, mp4
from gateway.inspection.content import TooCostly
from gateway.inspection.structure import Structure, Trait
from tests.recording_samples import M4AS, MP4S
from tests.together import together

VIDEO, AUDIO, THREE_GP, QT = "video/mp4", "audio/mp4", "video/3gpp", "video/quicktime"
BROKEN, TRUNCATED, TRAILING = Trait.BROKEN, Trait.TRUNCATED, Trait.TRAILING
FOREIGN_VIDEO, FOREIGN_AUDIO = Trait.FOREIGN_VIDEO, Trait.FOREIGN_AUDIO
PLAIN = MP4S["mp4 baseline"].data()
HTML = b"<html><script>alert(1)</script></html>"


def box(name: bytes, *inner: bytes) -> bytes:
    body = b"".join(inner)
    return struct.pack(">I4s", 8 + len(body), name) + body


def large(name: bytes, inner: bytes) -> bytes:
    """With a length of 64 bits."""
    return struct.pack(">I4sQ", 1, name, 16 + len(inner)) + inner


def ftyp(brand: bytes = b"isom", *others: bytes) -> bytes:
    return box(b"ftyp", brand, bytes(4), *others)


def track(kind: bytes, *entries: bytes) -> bytes:
    hdlr = box(b"hdlr", bytes(8), kind, bytes(12))
    stsd = box(b"stsd", bytes(4), struct.pack(">I", len(entries)), *entries)
    return box(b"trak", box(b"tkhd", bytes(84)), box(b"mdia", hdlr, box(b"minf", box(b"stbl", stsd))))


def descriptor(tag: int, *inner: bytes, wide: bool = False) -> bytes:
    body = b"".join(inner)
    return bytes([tag, *(b"\x80\x80\x80" if wide else b""), len(body)]) + body


def esds(kind: int, specific: bytes = b"", *, flags: int = 0, more: bytes = b"", wide: bool = False) -> bytes:
    tail = descriptor(5, specific, wide=wide) if specific else b""
    decoder = descriptor(4, bytes([kind]), bytes(12), tail, wide=wide)
    return box(b"esds", bytes(4), descriptor(3, bytes(2), bytes([flags]), more, decoder, wide=wide))


def sound(name: bytes, *inner: bytes, version: int = 0) -> bytes:
    more = bytes({0: 0, 1: 16, 2: 36}[version])
    return box(name, bytes(8), struct.pack(">H", version), bytes(18), more, *inner)


def film(name: bytes, *inner: bytes) -> bytes:
    return box(name, bytes(24), struct.pack(">HH", 640, 360), bytes(50), *inner)


AVC = film(b"avc1", box(b"avcC", b"\x01\x42\xc0\x1e"))
AAC = sound(b"mp4a", esds(0x40, b"\x12\x10"))
SEEN, HEARD = track(b"vide", AVC), track(b"soun", AAC)
MDAT = box(b"mdat", bytes(100))


def made(*tracks: bytes, brand: bytes = b"isom") -> bytes:
    return ftyp(brand) + box(b"moov", box(b"mvhd", bytes(100)), *tracks) + MDAT


def read(data: bytes) -> Structure:
    structure = mp4.read(content.of_bytes(data))
    assert structure is not None
    return structure


BOTH = made(SEEN, HEARD)
MOOV = BOTH[BOTH.index(b"moov") - 4 : BOTH.index(b"mdat") - 4]

CASES: dict[str, tuple[bytes, str, set[Trait]]] = {
    "film and sound": (BOTH, VIDEO, set()),
    "film alone": (made(SEEN), VIDEO, set()),
    "sound alone": (made(HEARD), AUDIO, set()),
    "sound alone, of brand M4A": (made(HEARD, brand=b"M4A "), AUDIO, set()),
    "film, of brand M4A": (made(SEEN, HEARD, brand=b"M4A "), VIDEO, set()),
    "film, of a brand of nobody": (made(SEEN, brand=b"\0\xff\0\xff"), VIDEO, set()),
    "3gp": (made(SEEN, HEARD, brand=b"3gp6"), THREE_GP, set()),
    "3gp of sound alone": (made(HEARD, brand=b"3gp4"), AUDIO, set()),
    "3gp of speech alone": (made(track(b"soun", sound(b"samr")), brand=b"3gp4"), "audio/3gpp", {FOREIGN_AUDIO}),
    "QuickTime": (made(SEEN, HEARD, brand=b"qt  "), QT, set()),
    "QuickTime without a brand": (box(b"wide") + MDAT + MOOV, QT, {Trait.LATE_INDEX}),
    "QuickTime that begins with its index": (MOOV + MDAT, QT, set()),
    "index behind": (ftyp() + MDAT + MOOV, VIDEO, {Trait.LATE_INDEX}),
    "index behind, small data before and after": (ftyp() + MDAT + MOOV + MDAT, VIDEO, {Trait.LATE_INDEX}),
    "data of 64 bits": (ftyp() + MOOV + large(b"mdat", bytes(100)), VIDEO, set()),
    "data to the end": (ftyp() + MOOV + struct.pack(">I4s", 0, b"mdat") + bytes(500), VIDEO, set()),
    "other boxes between": (ftyp() + box(b"free", HTML) + box(b"uuid", bytes(99)) + MOOV + MDAT, VIDEO, set()),
    "fragments": (ftyp() + MOOV + (box(b"moof", bytes(50)) + MDAT) * 50 + box(b"mfra"), VIDEO, set()),
    "no index": (ftyp() + MDAT, VIDEO, {Trait.NO_INDEX}),
    "no data": (ftyp() + MOOV, VIDEO, {TRUNCATED}),
    "data that pass the end": (BOTH[:-1], VIDEO, {TRUNCATED}),
    "data of 64 bits that pass the end": (ftyp() + MOOV + large(b"mdat", bytes(99))[:-1], VIDEO, {TRUNCATED}),
    "cut within the index": (BOTH[:200], VIDEO, {TRUNCATED}),
    "cut within the brand": (BOTH[:10], VIDEO, {TRUNCATED, Trait.NO_INDEX}),
    "a page behind a brand": (ftyp() + HTML, VIDEO, {TRUNCATED, Trait.NO_INDEX, Trait.MARKUP_WITHIN}),
    "a page for a brand": (b"\0\0\0\4ftyp" + HTML, VIDEO, {BROKEN, Trait.NO_INDEX, Trait.MARKUP_WITHIN}),
    "64 bytes after its end": (BOTH + bytes(64), VIDEO, set()),
    "65 bytes after its end": (BOTH + bytes(65), VIDEO, {TRAILING}),
    "a page after its end": (BOTH + b"\n" * 8 + HTML * 9, VIDEO, {TRAILING, Trait.MARKUP_WITHIN}),
    "an archive in a box": (BOTH + box(b"free", b"PK\5\6" + bytes(18)), VIDEO, {Trait.ARCHIVE_WITHIN}),
    "a codec without a name": (made(track(b"soun", sound(b"\xe9x\0 "))), AUDIO, {BROKEN}),
    "no track": (made(), VIDEO, {Trait.NO_TRACK}),
    "subtitles alone": (made(track(b"sbtl", box(b"tx3g"))), VIDEO, {Trait.NO_TRACK}),
    "subtitles too": (made(SEEN, HEARD, track(b"sbtl", box(b"tx3g"))), VIDEO, set()),
    "two sounds": (made(SEEN, HEARD, HEARD), VIDEO, {Trait.SEVERAL_AUDIO}),
    "two films": (made(SEEN, SEEN), VIDEO, set()),
    "a film in another codec too": (made(SEEN, track(b"vide", film(b"hvc1"))), VIDEO, {FOREIGN_VIDEO}),
    "a track in two codecs": (made(track(b"vide", AVC, film(b"hvc1"))), VIDEO, {FOREIGN_VIDEO}),
    "a track without a codec": (made(SEEN, track(b"soun")), VIDEO, {BROKEN}),
    "a track of nothing": (made(SEEN, box(b"trak")), VIDEO, {BROKEN}),
    "a track without a table": (made(box(b"trak", box(b"mdia", box(b"hdlr", bytes(8), b"vide")))), VIDEO, {BROKEN}),
    "encrypted film": (made(track(b"vide", film(b"encv")), HEARD), VIDEO, {FOREIGN_VIDEO, Trait.ENCRYPTED}),
    "encrypted sound": (made(track(b"soun", sound(b"drms"))), AUDIO, {FOREIGN_AUDIO, Trait.ENCRYPTED}),
    "HEIC": (ftyp(b"heic", b"mif1heic") + box(b"meta", bytes(40)) + MDAT, "image/heic", set()),
    "HEIC of a general brand": (ftyp(b"mif1", b"mif1heic") + MDAT, "image/heic", set()),
    "HEIC that is cut": ((ftyp(b"heic") + MDAT)[:-1], "image/heic", {TRUNCATED}),
    "AVIF": (ftyp(b"avif", b"avifmif1") + MDAT, "image/avif", set()),
    "AVIF of a general brand": (ftyp(b"mif1", b"mif1avif") + MDAT, "image/avif", set()),
}


@together(("data", "mime", "traits"), CASES.values(), ids=CASES)
def test_type_and_traits_are_those_of_brand_boxes_and_tracks(data: bytes, mime: str, traits: set[Trait]) -> None:
    structure = read(data)
    assert (structure.mime, structure.traits) == (mime, traits)


NONE = {
    "nothing": b"",
    "a name and no index": box(b"free", b"x" * 100),
    "a text with the name of a box": b"The moov of it\n" * 10,
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + ftyp(b"jp2 "),
    "another name": box(b"styp", b"msdh"),
}


@pytest.mark.parametrize("data", NONE.values(), ids=NONE)
def test_what_is_not_of_the_family_is_none(data: bytes) -> None:
    assert mp4.read(content.of_bytes(data)) is None


SOUNDS = {
    "AAC": (AAC, "aac"),
    "AAC of one channel, HE": (sound(b"mp4a", esds(0x40, b"\x2b\x92\x08\0")), "aac"),
    "AAC, HE of version 2": (sound(b"mp4a", esds(0x40, b"\xeb\x09\x88\0")), "aac"),
    "AAC, extended HE": (sound(b"mp4a", esds(0x40, b"\xf9\x48\0")), "aac"),
    "AAC without its configuration": (sound(b"mp4a", esds(0x40)), "aac"),
    "AAC of MPEG-2": (sound(b"mp4a", esds(0x67, b"\x12\x10")), "aac"),
    "AAC with long lengths": (sound(b"mp4a", esds(0x40, b"\x12\x10", wide=True)), "aac"),
    "AAC that depends on another": (sound(b"mp4a", esds(0x40, b"\x12\x10", flags=0x80, more=bytes(2))), "aac"),
    "AAC with an address": (sound(b"mp4a", esds(0x40, b"\x12\x10", flags=0x40, more=b"\3a:b")), "aac"),
    "AAC with a clock": (sound(b"mp4a", esds(0x40, b"\x12\x10", flags=0x20, more=bytes(2))), "aac"),
    "AAC in QuickTime": (sound(b"mp4a", box(b"wave", box(b"frma", b"mp4a"), esds(0x40)), version=1), "aac"),
    "AAC in newer QuickTime": (sound(b"mp4a", esds(0x40), version=2), "aac"),
    "MP3": (sound(b"mp4a", esds(0x6B)), "mp3"),
    "MP3 of MPEG-2": (sound(b"mp4a", esds(0x69)), "mp3"),
    "MP3 as MPEG-4": (sound(b"mp4a", esds(0x40, b"\xf8\x40")), "mpeg-4 audio 34"),
    "lossless MPEG-4": (sound(b"mp4a", esds(0x40, b"\xf8\x80")), "mpeg-4 audio 36"),
    "CELP": (sound(b"mp4a", esds(0x40, b"\x40\0")), "mpeg-4 audio 8"),
    "Vorbis": (sound(b"mp4a", esds(0xDD)), "vorbis"),
    "an object of nobody": (sound(b"mp4a", esds(0xFE)), "object 0xfe"),
    "mp4a without a descriptor": (sound(b"mp4a"), "unknown"),
    "mp4a with a descriptor that is none": (sound(b"mp4a", box(b"esds", bytes(30))), "unknown"),
    "mp4a with a descriptor of a descriptor": (sound(b"mp4a", box(b"esds", bytes(4), b"\3\3\0\0\0")), "unknown"),
    "Opus": (sound(b"Opus"), "opus"),
    "AC-3": (sound(b"ac-3"), "ac3"),
    "AMR": (sound(b"samr"), "amr"),
    "AMR wide": (sound(b"sawb"), "amr-wb"),
    "PCM": (sound(b"sowt"), "sowt"),
    "MP3 of Windows": (sound(b"ms\0\x55"), "mp3"),
    "ADPCM of Windows": (sound(b"ms\0\x02"), "ms?\x02"),
}


@together(("entry", "codec"), SOUNDS.values(), ids=SOUNDS)
def test_sound_is_aac_only_if_its_descriptor_says_so(entry: bytes, codec: str) -> None:
    structure = read(made(track(b"soun", entry)))
    assert (structure.mime, structure.details["audio"]) == ("audio/mp4", codec)
    assert structure.traits == (set() if codec == "aac" else {FOREIGN_AUDIO})


FILMS = {
    "avc1": (AVC, "h264", "baseline"),
    "avc3, high": (film(b"avc3", box(b"avcC", b"\x01\x64\0\x1e")), "h264", "high"),
    "avc1, main": (film(b"avc1", box(b"pasp", bytes(8)), box(b"avcC", b"\x01\x4d\0\x1e")), "h264", "main"),
    "avc1 of 10 bits": (film(b"avc1", box(b"avcC", b"\x01\x6e\0\x1e")), "h264 high 10", "high 10"),
    "avc1 in 4:2:2": (film(b"avc1", box(b"avcC", b"\x01\x7a\0\x1e")), "h264 high 4:2:2", "high 4:2:2"),
    "avc3 in 4:4:4": (film(b"avc3", box(b"avcC", b"\x01\xf4\0\x1e")), "h264 high 4:4:4", "high 4:4:4"),
    "avc1 in intra 4:4:4": (film(b"avc1", box(b"avcC", b"\x01\x2c\0\x1e")), "h264 cavlc 4:4:4", "cavlc 4:4:4"),
    "avc1 of two views": (film(b"avc1", box(b"avcC", b"\x01\x76\0\x1e")), "h264 118", "profile 118"),
    "avc1 whose sequence says more": (
        film(b"avc1", box(b"avcC", b"\x01\x64\0\x1e\xff\xe1\0\x04\x67\x7a\0\x1e")),
        "h264 high 4:2:2",
        "high",
    ),
    "avc1 whose sequence says the same": (
        film(b"avc1", box(b"avcC", b"\x01\x64\0\x1e\xff\xe1\0\x04\x67\x64\0\x1e")),
        "h264",
        "high",
    ),
    "avc1 without a configuration": (film(b"avc1"), "h264", None),
    "hvc1": (film(b"hvc1"), "h265", None),
    "hev1": (film(b"hev1"), "h265", None),
    "mp4v": (film(b"mp4v", esds(0x20)), "mpeg4", None),
    "mp4v of MPEG-2": (film(b"mp4v", esds(0x61)), "mpeg2", None),
    "s263": (film(b"s263"), "h263", None),
    "av01": (film(b"av01"), "av1", None),
    "vp09": (film(b"vp09"), "vp9", None),
    "apcn": (film(b"apcn"), "apcn", None),
}


@together(("entry", "codec", "profile"), FILMS.values(), ids=FILMS)
def test_film_is_h264_only_if_its_entry_says_so(entry: bytes, codec: str, profile: str | None) -> None:
    structure = read(made(track(b"vide", entry)))
    assert (structure.details["video"], structure.details.get("profile")) == (codec, profile)
    assert (structure.details["width"], structure.details["height"]) == (640, 360)
    assert structure.traits == (set() if codec == "h264" else {FOREIGN_VIDEO})


def test_real_files_tell_brand_codecs_and_size() -> None:
    both = {"brand": "isom", "video": "h264", "audio": "aac", "width": 176, "height": 144, "profile": "baseline"}
    assert read(PLAIN).details == both
    assert read(M4AS["m4a"].data()).details == {"brand": "M4A", "audio": "aac"}


@pytest.mark.parametrize("part", ["tail", "index", "data"])
def test_a_real_file_without_its_end_is_truncated(part: str) -> None:
    length = {"tail": len(PLAIN) - 1, "index": PLAIN.index(b"stsd"), "data": PLAIN.index(b"mdat") + 4}[part]
    assert TRUNCATED in read(PLAIN[:length]).traits


def test_sixty_five_tracks_or_nine_codecs_of_one_are_too_costly() -> None:
    assert read(made(*[SEEN] * 64)).traits == set()
    assert read(made(track(b"vide", *[AVC] * 8))).traits == set()
    for data in (made(*[SEEN] * 65), made(track(b"vide", *[AVC] * 9))):
        with pytest.raises(TooCostly):
            read(data)


def test_ten_thousand_boxes_are_too_costly_wherever_they_stand() -> None:
    many = box(b"free") * 10_000
    for data in (ftyp() + many, made(many), made(track(b"soun", many)), made(box(b"trak", many))):
        with pytest.raises(TooCostly):
            read(data)
    assert read(ftyp() + box(b"free") * 9000 + MOOV + MDAT).traits == set()


HIGH = film(b"avc1", box(b"avcC", b"\x01\x64\0\x1e"))


def moved(*offsets: int) -> bytes:
    """By how much each of a film's pictures is shown later than it is stored."""
    return box(
        b"ctts", bytes(4), struct.pack(">I", len(offsets)), *(struct.pack(">II", 1, offset) for offset in offsets)
    )


def ordered(entry: bytes, table: bytes) -> bytes:
    hdlr = box(b"hdlr", bytes(8), b"vide", bytes(12))
    stsd = box(b"stsd", bytes(4), struct.pack(">I", 1), entry)
    return box(b"trak", box(b"mdia", hdlr, box(b"minf", box(b"stbl", stsd, table))))


def fragment(*offsets: int, flags: int = 0x800) -> bytes:
    """A fragment whose samples tell their size too, if the flags say so."""
    each = [bytes(4 * (flags >> 8 & 0x7).bit_count()) + struct.pack(">I", offset) for offset in offsets]
    more = bytes(4) if flags & 1 else b""
    trun = box(b"trun", struct.pack(">I", flags), struct.pack(">I", len(offsets)), more, *each)
    return box(b"moof", box(b"mfhd", bytes(8)), box(b"traf", box(b"tfhd", bytes(8)), trun)) + MDAT


B_FRAMES = {
    "High with B-frames": (made(ordered(HIGH, moved(2, 5, 2, 0))), True),
    "High without": (made(ordered(HIGH, b"")), False),
    "High, all pictures later": (made(ordered(HIGH, moved(2, 2, 2))), False),
    "Main with B-frames": (made(ordered(film(b"avc1", box(b"avcC", b"\x01\x4d\0\x1e")), moved(2, 5, 2))), False),
    "High in fragments with B-frames": (made(ordered(HIGH, b"")) + fragment(2, 5, 2), True),
    "High in fragments that tell more": (made(ordered(HIGH, b"")) + fragment(2, 5, 2, flags=0xA01), True),
    "High in fragments without": (made(ordered(HIGH, b"")) + fragment(2, 2, 2), False),
    "High in fragments that do not say": (made(ordered(HIGH, b"")) + fragment(2, 5, flags=0x200), False),
    "a table that breaks off": (made(ordered(HIGH, box(b"ctts", bytes(3)))), False),
}


@pytest.mark.parametrize(("data", "told"), B_FRAMES.values(), ids=B_FRAMES)
def test_high_with_b_frames_is_told_by_the_order_in_which_pictures_are_shown(data: bytes, told: bool) -> None:  # noqa: FBT001
    structure = read(data)
    assert structure.mime == VIDEO
    assert (Trait.HIGH_WITH_B_FRAMES in structure.traits) is told
