"""GIF: blocks to the trailer, and how many of them are pictures."""

from __future__ import annotations

import pytest

from gateway.inspection import content, pictures
from gateway.inspection.content import TooCostly
from gateway.inspection.structure import Trait
from tests.picture_samples import GIFS
from tests.together import together

PLAIN = GIFS["gif"].data()
HEAD = b"GIF89a\1\0\1\0\0\0\0"
PICTURE = b",\0\0\0\0\1\0\1\0\0\2\2L\1\0"
WITH_COLOURS = b",\0\0\0\0\1\0\1\0\x80\0\0\0;;;\2\2L\1\0"
NOTE = b"!\xfe\3;;;\2;;\0"
BROKEN, TRUNCATED, TRAILING = Trait.BROKEN, Trait.TRUNCATED, Trait.TRAILING

CASES: dict[str, tuple[bytes, set[Trait]]] = {
    "whole": (HEAD + PICTURE + b";", set()),
    "of 1987": (b"GIF87a" + (HEAD + PICTURE + b";")[6:], set()),
    "with colours of the picture's own": (HEAD + WITH_COLOURS + b";", set()),
    "with notes": (HEAD + NOTE + PICTURE + NOTE + b";", set()),
    "two pictures": (HEAD + PICTURE + NOTE + WITH_COLOURS + b";", {Trait.ANIMATED}),
    "64 bytes after its end": (PLAIN + bytes(64), set()),
    "65 bytes after its end": (PLAIN + bytes(65), {TRAILING}),
    "an archive after its end": (PLAIN + bytes(43) + b"PK\5\6" + bytes(18), {TRAILING, Trait.ARCHIVE_WITHIN}),
    "without its trailer": (PLAIN[:-1], {TRUNCATED}),
    "cut within the data": (PLAIN[:900], {TRUNCATED}),
    "cut within the colours": (PLAIN[:100], {TRUNCATED}),
    "cut within the head": (PLAIN[:12], {TRUNCATED}),
    "no picture": (HEAD + NOTE + b";", {BROKEN}),
    "a block that is none": (HEAD + PICTURE + b"x", {BROKEN}),
    "a script": (b"GIF89a/*" + b"\0" * 9 + b"*/=1;<script src=x>", {BROKEN, Trait.MARKUP_WITHIN}),
}


@together(("data", "expected"), CASES.values(), ids=CASES)
def test_a_gif_has_the_traits_that_its_bytes_show(data: bytes, expected: set[Trait]) -> None:
    structure = pictures.read_gif(content.of_bytes(data))
    assert structure is not None
    assert (structure.mime, structure.traits) == ("image/gif", expected)


@pytest.mark.parametrize("data", [b"", b"GIF", b"GIF88a" + PLAIN[6:], PLAIN[1:]])
def test_what_does_not_begin_like_a_gif_is_none(data: bytes) -> None:
    assert pictures.read_gif(content.of_bytes(data)) is None


def test_its_details_tell_size_and_pictures() -> None:
    structure = pictures.read_gif(content.of_bytes(GIFS["gif moving"].data()))
    assert structure is not None
    assert structure.details == {"width": 64, "height": 48, "pictures": 3}


def test_a_hundred_thousand_blocks_are_too_costly() -> None:
    with pytest.raises(TooCostly):
        pictures.read_gif(content.of_bytes(HEAD + b"!\xfe" + b"\1x" * 100_000 + b"\0" + PICTURE + b";"))
