"""WebP: its three forms, whether it moves, and whether it has the size of a sticker."""

from __future__ import annotations

import struct

import pytest

from gateway.inspection import content, pictures
from gateway.inspection.structure import Trait
from tests.picture_samples import WEBPS
from tests.together import together

STICKER = WEBPS["webp sticker"].data()
BROKEN, TRUNCATED, TRAILING, NOT_512 = Trait.BROKEN, Trait.TRUNCATED, Trait.TRAILING, Trait.NOT_512


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack("<4sI", name, len(data)) + data + bytes(len(data) % 2)


def made(*chunks: bytes, kind: bytes = b"WEBP") -> bytes:
    body = kind + b"".join(chunks)
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def extended(width: int = 512, height: int = 512, flags: int = 0) -> bytes:
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return chunk(b"VP8X", bytes([flags, 0, 0, 0]) + sizes)


def lossy(width: int = 512, height: int = 512, start: bytes = b"\x9d\x01\x2a") -> bytes:
    return chunk(b"VP8 ", b"\x30\x01\0" + start + struct.pack("<HH", width, height) + bytes(21))


def lossless(width: int = 512, height: int = 512, start: int = 0x2F) -> bytes:
    return chunk(b"VP8L", struct.pack("<BI", start, width - 1 | height - 1 << 14) + bytes(20))


FRAME = chunk(b"ANMF", bytes(24))
CASES: dict[str, tuple[bytes, set[Trait]]] = {
    "lossy": (made(lossy()), set()),
    "lossy and scaled": (made(lossy(512 | 1 << 14, 512 | 1 << 14)), set()),
    "lossy of another width": (made(lossy(width=511)), {NOT_512}),
    "lossy of another height": (made(lossy(height=513)), {NOT_512}),
    "lossless": (made(lossless()), set()),
    "lossless of another width": (made(lossless(width=513)), {NOT_512}),
    "lossless of another height": (made(lossless(height=511)), {NOT_512}),
    "extended": (made(extended(), chunk(b"ALPH", b"xyz"), lossy()), set()),
    "extended of another width": (made(extended(width=513), lossy()), {NOT_512}),
    "extended of another height": (made(extended(height=511), lossy()), {NOT_512}),
    "flagged as moving": (made(extended(flags=2), lossy()), {Trait.ANIMATED}),
    "flagged as everything else": (made(extended(flags=0xFD), lossy()), set()),
    "moving without a flag": (made(extended(), FRAME), {Trait.ANIMATED}),
    "extended without a picture": (made(extended(), chunk(b"EXIF", b"xy")), {BROKEN}),
    "nothing within": (made(), {BROKEN}),
    "another chunk first": (made(chunk(b"EXIF", b"xy"), lossy()), {BROKEN}),
    "lossy without its start code": (made(lossy(start=b"\0\0\0")), {BROKEN}),
    "lossless without its signature": (made(lossless(start=0)), {BROKEN}),
    "a short head": (made(chunk(b"VP8X", bytes(9)), lossy()), {BROKEN}),
    "a page within": (made(b"<html><body>" * 9), {BROKEN, Trait.MARKUP_WITHIN}),
    "a chunk that passes the end": (made(lossy(), b"EXIF\x01\0\0\0"), {BROKEN}),
    "64 bytes after its end": (STICKER + bytes(64), set()),
    "65 bytes after its end": (STICKER + bytes(65), {TRAILING}),
    "an archive after its end": (STICKER + b"PK\5\6" + bytes(18), {Trait.ARCHIVE_WITHIN}),
    "without its last byte": (STICKER[:-1], {TRUNCATED}),
    "cut within its head": (STICKER[:12], {TRUNCATED}),
}


@together(("data", "expected"), CASES.values(), ids=CASES)
def test_a_webp_has_the_traits_that_its_bytes_show(data: bytes, expected: set[Trait]) -> None:
    structure = pictures.read_webp(content.of_bytes(data))
    assert structure is not None
    assert (structure.mime, structure.traits) == ("image/webp", expected)


@pytest.mark.parametrize("data", [b"", b"RIFF", STICKER[:11], made(lossy(), kind=b"WAVE"), STICKER[1:]])
def test_what_does_not_begin_like_a_webp_is_none(data: bytes) -> None:
    assert pictures.read_webp(content.of_bytes(data)) is None


@pytest.mark.parametrize(("name", "form"), [("webp", "lossy"), ("webp moving", "extended")])
def test_its_details_tell_size_and_form(name: str, form: str) -> None:
    structure = pictures.read_webp(content.of_bytes(WEBPS[name].data()))
    assert structure is not None
    assert structure.details["form"] == form
    assert (structure.details["width"], structure.details["height"]) in [(96, 64), (64, 48)]
