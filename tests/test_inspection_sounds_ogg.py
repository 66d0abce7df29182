"""Ogg: the codecs of its streams, and pages that follow one another."""

from __future__ import annotations

import struct

import pytest

from gateway.inspection import content, sounds
from gateway.inspection.structure import Trait
from tests.recording_samples import OPUSES, OTHER_OGGS
from tests.together import together

OPUS = "audio/ogg; codecs=opus"
PLAIN = OPUSES["opus mono"].data()
BROKEN, TRUNCATED, TRAILING = Trait.BROKEN, Trait.TRUNCATED, Trait.TRAILING
FOREIGN_AUDIO, FOREIGN_VIDEO = Trait.FOREIGN_AUDIO, Trait.FOREIGN_VIDEO


def page(data: bytes, *, flags: int = 0, version: int = 0) -> bytes:
    lengths = bytes([255] * (len(data) // 255) + [len(data) % 255])
    return struct.pack("<4sBB", b"OggS", version, flags) + bytes(20) + bytes([len(lengths)]) + lengths + data


def first(data: bytes) -> bytes:
    return page(data, flags=2)


OPUS_HEAD = first(b"OpusHead\1\2" + bytes(9))
VORBIS_HEAD = first(b"\x01vorbis" + bytes(4) + b"\2" + bytes(18))
THEORA_HEAD = first(b"\x80theora" + bytes(35))
SKELETON = first(b"fishead\0" + bytes(56))
REST = page(b"OpusTags" + bytes(300)) + page(bytes(200))

CASES: dict[str, tuple[bytes, str, set[Trait]]] = {
    "Opus": (OPUS_HEAD + REST, OPUS, set()),
    "Opus with a skeleton": (SKELETON + OPUS_HEAD + REST, OPUS, set()),
    "two Opus": (OPUS_HEAD * 2 + REST, OPUS, {Trait.SEVERAL_AUDIO}),
    "another stream later": (OPUS_HEAD + REST + VORBIS_HEAD + REST, OPUS, set()),
    "Opus and Vorbis": (OPUS_HEAD + VORBIS_HEAD + REST, "audio/ogg", {FOREIGN_AUDIO, Trait.SEVERAL_AUDIO}),
    "Vorbis": (VORBIS_HEAD + REST, "audio/ogg", {FOREIGN_AUDIO}),
    "FLAC": (first(b"\x7fFLAC\1\0") + REST, "audio/ogg", {FOREIGN_AUDIO}),
    "Speex": (first(b"Speex   1.2") + REST, "audio/ogg", {FOREIGN_AUDIO}),
    "Theora": (THEORA_HEAD + REST, "video/ogg", {FOREIGN_AUDIO, FOREIGN_VIDEO}),
    "Theora with Opus": (THEORA_HEAD + OPUS_HEAD + REST, "video/ogg", {FOREIGN_AUDIO, FOREIGN_VIDEO}),
    "a codec of nobody": (first(b"nobody's") + REST, "audio/ogg", {Trait.NO_TRACK}),
    "a skeleton alone": (SKELETON + REST, "audio/ogg", {Trait.NO_TRACK}),
    "a stream without its first page": (REST, "audio/ogg", {Trait.NO_TRACK}),
    "64 bytes after its end": (PLAIN + bytes(64), OPUS, set()),
    "65 bytes after its end": (PLAIN + bytes(65), OPUS, {TRAILING}),
    "a page of a browser after its end": (PLAIN + b"<html>" * 20, OPUS, {TRAILING, Trait.MARKUP_WITHIN}),
    "an archive after its end": (PLAIN + b"PK\5\6" + bytes(18), OPUS, {Trait.ARCHIVE_WITHIN}),
    "without its last byte": (PLAIN[:-1], OPUS, {TRUNCATED}),
    "cut within the head of a page": (PLAIN + page(b"x")[:20], OPUS, {TRUNCATED}),
    "cut within the lengths of a page": (PLAIN + page(bytes(20_000))[:40], OPUS, {TRUNCATED}),
    "cut within its first head": (OPUS_HEAD[:20], "audio/ogg", {TRUNCATED, Trait.NO_TRACK}),
    "of another version": (page(bytes(400), version=1), "audio/ogg", {BROKEN, Trait.NO_TRACK}),
    "a page of a browser behind four bytes": (
        b"OggS<html>" * 40,
        "audio/ogg",
        {BROKEN, Trait.NO_TRACK, Trait.MARKUP_WITHIN},
    ),
}


@together(("data", "mime", "traits"), CASES.values(), ids=CASES)
def test_type_and_traits_are_those_of_its_streams_and_pages(data: bytes, mime: str, traits: set[Trait]) -> None:
    structure = sounds.read_ogg(content.of_bytes(data))
    assert structure is not None
    assert (structure.mime, structure.traits) == (mime, traits)


@pytest.mark.parametrize("data", [b"", b"Ogg", PLAIN[1:], b"oggs" + PLAIN[4:]])
def test_what_does_not_begin_like_an_ogg_is_none(data: bytes) -> None:
    assert sounds.read_ogg(content.of_bytes(data)) is None


LONG = OPUS_HEAD + page(bytes(60)) * 30_000
SEEN = len(OPUS_HEAD) + 3999 * 88
ENDS: dict[str, tuple[bytes, set[Trait]]] = {
    "whole": (LONG, set()),
    "something foreign after 4,000 pages": (LONG[:SEEN] + bytes(99) + LONG[SEEN:], {TRAILING}),
    "something foreign after 4,001 pages": (LONG[: SEEN + 88] + bytes(99) + LONG[SEEN + 88 :], set()),
    "cut": (LONG[:-1], {TRUNCATED}),
    "64 bytes after its end": (LONG + bytes(64), set()),
    "65 bytes after its end": (LONG + bytes(65), {TRAILING}),
    "much after its end": (LONG + bytes(200_000), {TRAILING}),
}


@pytest.mark.parametrize(("data", "traits"), ENDS.values(), ids=ENDS)
def test_a_long_recording_is_judged_by_its_first_pages_and_its_last(data: bytes, traits: set[Trait]) -> None:
    structure = sounds.read_ogg(content.of_bytes(data))
    assert structure is not None
    assert (structure.mime, structure.traits) == (OPUS, traits)


DETAILS = {
    "opus mono": {"audio": "opus", "channels": 1},
    "opus stereo": {"audio": "opus", "channels": 2},
    "ogg of Vorbis": {"audio": "vorbis", "channels": 1},
    "ogg of FLAC": {"audio": "flac"},
}


@pytest.mark.parametrize(("name", "details"), DETAILS.items(), ids=DETAILS)
def test_its_details_tell_codecs_and_channels(name: str, details: dict[str, int | str]) -> None:
    structure = sounds.read_ogg(content.of_bytes((OPUSES | OTHER_OGGS)[name].data()))
    assert structure is not None
    assert structure.details == details
