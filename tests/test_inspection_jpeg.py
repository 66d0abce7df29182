"""JPEG: what holds, what broke off where, and what follows its end."""

from __future__ import annotations

import io
import zipfile

import pytest

from gateway.inspection import content, jpeg
from gateway.inspection.content import TooCostly
from gateway.inspection.structure import Trait
from tests.picture_samples import JPEGS, segment, with_segment
from tests.together import together

PLAIN = JPEGS["jpeg baseline"].data()
CAMERA = JPEGS["jpeg with EXIF and a thumbnail"].data()
SET = JPEGS["jpeg of several pictures"].data()
HTML = b"<html><script>alert(1)</script></html>"
SCAN = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + b"data"
BROKEN, TRUNCATED, TRAILING = Trait.BROKEN, Trait.TRUNCATED, Trait.TRAILING
MARKUP, ARCHIVE = Trait.MARKUP_WITHIN, Trait.ARCHIVE_WITHIN


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("run.me", "x" * 100)
    return file.getvalue()


def small(*, number: int = 0xC0, precision: int = 8, width: int = 1, components: int = 3) -> bytes:
    """A picture of a given frame header."""
    frame = bytes([precision, 0, 1, width >> 8, width & 0xFF, components]) + bytes(3 * components)
    return b"\xff\xd8" + segment(number, frame) + SCAN + b"\xff\xd9"


def traits(data: bytes) -> frozenset[Trait]:
    structure = jpeg.read(content.of_bytes(data))
    assert structure is not None
    assert structure.mime == "image/jpeg"
    return structure.traits


CASES: dict[str, tuple[bytes, set[Trait]]] = {
    "whole": (PLAIN, set()),
    "64 bytes after its end": (PLAIN + bytes(64), set()),
    "65 bytes after its end": (PLAIN + bytes(65), {TRAILING}),
    "another end after its end": (PLAIN + bytes(65) + b"\xff\xd9", {TRAILING}),
    "a little markup after its end": (PLAIN + b"<script>x</script>", {MARKUP}),
    "a page after its end": (PLAIN + HTML * 9, {TRAILING, MARKUP}),
    "an archive after its end": (PLAIN + archive(), {TRAILING, ARCHIVE}),
    "an archive in a comment": (with_segment(PLAIN, 0xFE, archive()), {ARCHIVE}),
    "an archive after a set": (SET + archive(), {TRAILING, ARCHIVE}),
    "markup in a comment": (with_segment(PLAIN, 0xFE, HTML), set()),
    "without its last byte": (PLAIN[:-1], {TRUNCATED}),
    "half of it": (PLAIN[: len(PLAIN) // 2], {TRUNCATED}),
    "three bytes of it": (PLAIN[:3], {TRUNCATED}),
    "cut within a segment": (PLAIN[:10], {TRUNCATED}),
    "cut within a thumbnail": (CAMERA[:300], {TRUNCATED}),
    "cut after a thumbnail": (CAMERA[: CAMERA.index(b"\xff\xd9") + 2], {TRUNCATED}),
    "a set without the end of its last picture": (SET[:-2], {TRAILING}),
    "cut within the frame header": (small()[:8], {TRUNCATED}),
    "a page behind three bytes": (b"\xff\xd8\xff" + HTML, {BROKEN, MARKUP}),
    "a page behind a marker": (b"\xff\xd8\xff\xe0" + HTML, {TRUNCATED, MARKUP}),
    "a page in UTF-16": (b"\xff\xd8\xff" + HTML.decode().encode("utf-16-le"), {BROKEN, MARKUP}),
    "an archive behind three bytes": (b"\xff\xd8\xff" + archive(), {BROKEN, ARCHIVE}),
    "ff before its markers": (PLAIN.replace(b"\xff\xdb", b"\xff\xff\xff\xdb", 1), set()),
    "nothing before a marker": (PLAIN.replace(b"\xff\xdb", b"\x00\xff\xdb", 1), {BROKEN}),
    "two beginnings": (b"\xff\xd8" + PLAIN, {BROKEN}),
    "an end and no picture": (b"\xff\xd8" + segment(0xDB, bytes(65)) + b"\xff\xd9", {BROKEN}),
    "a picture without a frame header": (b"\xff\xd8" + SCAN + b"\xff\xd9", {BROKEN}),
    "a segment of no length": (b"\xff\xd8\xff\xe0\0\1" + PLAIN[2:], {BROKEN}),
    "a scan of no length": (small().replace(b"\xff\xda\0\x08", b"\xff\xda\0\1"), {BROKEN}),
    "of one component": (small(components=1), {Trait.GREY}),
    "of two components": (small(components=2), {BROKEN}),
    "of four components": (small(components=4), {Trait.CMYK}),
    "of five components": (small(components=5), {BROKEN}),
    "of no width": (small(width=0), {BROKEN}),
    "of 12 bits": (small(number=0xC1, precision=12), {Trait.DEEP}),
    "arithmetic": (small(number=0xC9), set()),
    "a table where the frame header would be": (small(number=0xC4), {BROKEN}),
}


@together(("data", "expected"), CASES.values(), ids=CASES)
def test_a_jpeg_has_the_traits_that_its_bytes_show(data: bytes, expected: set[Trait]) -> None:
    assert traits(data) == expected


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xfe", b" " + PLAIN, PLAIN[1:]])
def test_what_does_not_begin_like_a_jpeg_is_none(data: bytes) -> None:
    assert jpeg.read(content.of_bytes(data)) is None


DETAILS = {
    "jpeg baseline": {"width": 96, "height": 64, "process": "baseline", "components": 3},
    "jpeg progressive": {"width": 96, "height": 64, "process": "progressive", "components": 3},
    "jpeg with EXIF and a thumbnail": {"width": 96, "height": 64, "process": "baseline", "components": 3},
    "jpeg CMYK": {"width": 96, "height": 64, "process": "baseline", "components": 4},
}


@pytest.mark.parametrize(("name", "details"), DETAILS.items(), ids=DETAILS)
def test_its_details_are_those_of_the_picture_and_not_of_a_thumbnail(name: str, details: dict[str, int | str]) -> None:
    structure = jpeg.read(content.of_bytes(JPEGS[name].data()))
    assert structure is not None
    assert structure.details == details


def test_a_picture_that_does_not_end_within_twelve_megabytes_is_too_costly() -> None:
    data = small()[:-2] + bytes(12 * 2**20 + 1)
    assert traits(data[: 11 * 2**20]) == {TRUNCATED}
    with pytest.raises(TooCostly):
        jpeg.read(content.of_bytes(data))
