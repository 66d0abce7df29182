"""WAVE: chunks of form and of sound, of known length or not."""

from __future__ import annotations

import struct

import pytest

from gateway.inspection import content, sounds
from gateway.inspection.structure import Trait
from tests.recording_samples import WAVS
from tests.together import together

PLAIN = WAVS["wav"].data()
FORM = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 8000, 32_000, 4, 16)
SOUND = b"data\x04\0\0\0\1\2\3\4"
BROKEN, TRUNCATED, TRAILING = Trait.BROKEN, Trait.TRUNCATED, Trait.TRAILING


def made(*chunks: bytes, start: bytes = b"RIFF", length: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return start + struct.pack("<I", len(body) if length is None else length) + body


CASES: dict[str, tuple[bytes, set[Trait]]] = {
    "whole": (made(FORM, SOUND), set()),
    "with notes": (made(b"JUNK\x03\0\0\0abc\0", FORM, b"LIST\x02\0\0\0ab", SOUND, b"id3 \0\0\0\0"), set()),
    "of length 0": (made(FORM, SOUND, length=0), set()),
    "of no length": (made(FORM, b"data\xff\xff\xff\xff1234", length=0xFFFFFFFF), set()),
    "sound of no length": (made(FORM, b"data\xff\xff\xff\xff1234"), set()),
    "RF64": (made(FORM, b"data\xff\xff\xff\xff1234", start=b"RF64", length=0xFFFFFFFF), set()),
    "BW64": (made(FORM, SOUND, start=b"BW64"), set()),
    "64 bytes after its end": (PLAIN + bytes(64), set()),
    "65 bytes after its end": (PLAIN + bytes(65), {TRAILING}),
    "an archive after its end": (PLAIN + b"PK\5\6" + bytes(18), {Trait.ARCHIVE_WITHIN}),
    "half of it": (PLAIN[: len(PLAIN) // 2], {TRUNCATED}),
    "sound that passes its end": (made(FORM, b"data\x05\0\0\x001234"), {TRUNCATED}),
    "cut after its head": (PLAIN[:12], {TRUNCATED}),
    "without a form": (made(SOUND), {BROKEN}),
    "of a short form": (made(b"fmt \x02\0\0\0\1\0", SOUND), {BROKEN}),
    "without sound": (made(FORM), {BROKEN}),
    "a page": (made(b"<html></html>"), {TRUNCATED, Trait.MARKUP_WITHIN}),
}


@together(("data", "expected"), CASES.values(), ids=CASES)
def test_a_wave_has_the_traits_that_its_bytes_show(data: bytes, expected: set[Trait]) -> None:
    structure = sounds.read_wave(content.of_bytes(data))
    assert structure is not None
    assert (structure.mime, structure.traits) == ("audio/wav", expected)


@pytest.mark.parametrize("data", [b"", b"RIFF", PLAIN[:11], b"RIFX" + PLAIN[4:], b"RIFF\4\0\0\0AVI "])
def test_what_does_not_begin_like_a_wave_is_none(data: bytes) -> None:
    assert sounds.read_wave(content.of_bytes(data)) is None


CODECS = {
    "wav": "pcm",
    "wav of 24 bits": "pcm",
    "wav of floats": "float",
    "wav ADPCM": "adpcm",
    "wav ADPCM of IMA": "adpcm",
    "wav A-law": "a-law",
    "wav RF64": "pcm",
}


@pytest.mark.parametrize(("name", "codec"), CODECS.items(), ids=CODECS)
def test_its_details_tell_how_it_is_coded(name: str, codec: str) -> None:
    structure = sounds.read_wave(content.of_bytes(WAVS[name].data()))
    assert structure is not None
    assert structure.details["audio"] == codec
