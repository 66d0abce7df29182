"""PNG: the header that libpng would take, and chunks to the last one."""

from __future__ import annotations

import pytest

from gateway.inspection import content, pictures
from gateway.inspection.content import TooCostly
from gateway.inspection.structure import Trait
from tests.picture_samples import PNGS, chunk
from tests.picture_samples import png as made
from tests.together import together

PLAIN = PNGS["png RGB"].data()
HTML = b"<svg onload=alert(1)>"
BROKEN, TRUNCATED, TRAILING = Trait.BROKEN, Trait.TRUNCATED, Trait.TRAILING


def traits(data: bytes) -> frozenset[Trait]:
    structure = pictures.read_png(content.of_bytes(data))
    assert structure is not None
    assert structure.mime == "image/png"
    return structure.traits


def without(name: bytes) -> bytes:
    at = PLAIN.index(name) - 4
    return PLAIN[:at] + PLAIN[at + 12 + int.from_bytes(PLAIN[at : at + 4], "big") :]


def header(*, depth: int = 8, colour: int = 2, width: int = 8, height: int = 8) -> bytes:
    return made((width, height, depth, colour, 0), b"x")


CASES: dict[str, tuple[bytes, set[Trait]]] = {
    "whole": (PLAIN, set()),
    "64 bytes after its end": (PLAIN + bytes(64), set()),
    "65 bytes after its end": (PLAIN + bytes(65), {TRAILING}),
    "markup after its end": (PLAIN + HTML, {Trait.MARKUP_WITHIN}),
    "an archive after its end": (PLAIN + b"PK\5\6" + bytes(18), {Trait.ARCHIVE_WITHIN}),
    "markup in a chunk": (made((8, 8, 8, 2, 0), b"x", chunk(b"tEXt", b"c\0" + HTML)), set()),
    "nothing but how it begins": (PLAIN[:8], {TRUNCATED}),
    "cut within the header": (PLAIN[:32], {TRUNCATED}),
    "cut after the header": (PLAIN[:33], {TRUNCATED}),
    "cut within the data": (PLAIN[:200], {TRUNCATED}),
    "without its last byte": (PLAIN[:-1], {TRUNCATED}),
    "without its last chunk": (PLAIN[:-12], {TRUNCATED}),
    "without data": (without(b"IDAT"), {BROKEN}),
    "without a header": (without(b"IHDR"), {BROKEN}),
    "a page behind how it begins": (PLAIN[:8] + HTML * 9, {BROKEN, Trait.MARKUP_WITHIN}),
    "a page behind its header": (PLAIN[:33] + HTML * 9, {BROKEN, Trait.MARKUP_WITHIN}),
    "a header of another checksum": (PLAIN.replace(b"\x08\x02\0\0\0", b"\x08\x06\0\0\0", 1), {BROKEN}),
    "a chunk without a name": (PLAIN.replace(b"IDAT", b"ID\0T"), {BROKEN}),
    "no width": (header(width=0), {BROKEN}),
    "no height": (header(height=0), {BROKEN}),
    "a colour type that is none": (header(colour=5), {BROKEN}),
    "colours of 4 bits": (header(depth=4), {BROKEN}),
    "a palette of 16 bits": (header(depth=16, colour=3), {BROKEN}),
    "a palette of 8 bits": (header(colour=3), {Trait.PALETTE}),
    "colours of 16 bits": (header(depth=16, colour=6), {Trait.DEEP}),
    "grey of 16 bits with alpha": (header(depth=16, colour=4), {Trait.DEEP, Trait.GREY}),
    "grey of 3 bits": (header(depth=3, colour=0), {BROKEN}),
}


@together(("data", "expected"), CASES.values(), ids=CASES)
def test_a_png_has_the_traits_that_its_bytes_show(data: bytes, expected: set[Trait]) -> None:
    assert traits(data) == expected


@pytest.mark.parametrize("data", [b"", PLAIN[:7], PLAIN[1:], PLAIN.replace(b"\r\n", b"\n", 1)])
def test_what_does_not_begin_like_a_png_is_none(data: bytes) -> None:
    assert pictures.read_png(content.of_bytes(data)) is None


def test_its_details_tell_size_depth_and_colour() -> None:
    structure = pictures.read_png(content.of_bytes(PNGS["png interlaced"].data()))
    assert structure is not None
    assert structure.details == {"width": 8, "height": 8, "depth": 8, "colour": "rgb", "interlaced": "yes"}


def test_twenty_thousand_chunks_are_too_costly() -> None:
    assert traits(made((8, 8, 8, 2, 0), b"x", chunk(b"teXt", b"") * 19_998)) == set()
    with pytest.raises(TooCostly):
        pictures.read_png(content.of_bytes(made((8, 8, 8, 2, 0), b"x", chunk(b"teXt", b"") * 19_999)))
