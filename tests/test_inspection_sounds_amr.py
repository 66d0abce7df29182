"""AMR: four first lines, and frames as long as their types say."""

from __future__ import annotations

import pytest

from gateway.inspection import content, sounds
from gateway.inspection.structure import Trait
from tests.recording_samples import AMRS, speech
from tests.together import together

ONE = speech(7, frames=1)
BROKEN, TRUNCATED = Trait.BROKEN, Trait.TRUNCATED

CASES: dict[str, tuple[bytes, set[Trait]]] = {
    "one frame": (ONE, set()),
    "one wide frame": (speech(8, wide=True, frames=1), set()),
    "one frame without data": (b"#!AMR\n\x7c", set()),
    "a frame of another network's noise": (b"#!AMR\n\x4c" + bytes(6), set()),
    "a frame that was lost": (b"#!AMR-WB\n\x74", set()),
    "nothing but how it begins": (b"#!AMR\n", {TRUNCATED}),
    "channels and no frame": (b"#!AMR_MC1.0\n\0\0\0\2", {TRUNCATED, Trait.FOREIGN_AUDIO}),
    "cut within its channels": (b"#!AMR_MC1.0\n\0\0", {TRUNCATED, Trait.FOREIGN_AUDIO}),
    "without its last byte": (ONE[:-1], {TRUNCATED}),
    "a frame of a type for later": (b"#!AMR\n\x64" + bytes(31), {BROKEN}),
    "a wide frame of a type for later": (b"#!AMR-WB\n\x54" + bytes(60), {BROKEN}),
    "a frame with a bit that is never set": (b"#!AMR\n\x3d" + bytes(31), {BROKEN}),
    "a frame with its first bit set": (b"#!AMR\n\xbc" + bytes(31), {BROKEN}),
    "a page": (b"#!AMR\n<html></html>" * 9, {BROKEN, Trait.MARKUP_WITHIN}),
    "something else after a frame": (ONE + b"\xff" * 100, {BROKEN}),
    "an archive in the last frames": (AMRS["amr of an hour"].data() + b"PK\5\6" + bytes(18), {Trait.ARCHIVE_WITHIN}),
}


@together(("data", "expected"), CASES.values(), ids=CASES)
def test_speech_has_the_traits_that_its_bytes_show(data: bytes, expected: set[Trait]) -> None:
    structure = sounds.read_amr(content.of_bytes(data))
    assert structure is not None
    assert (structure.mime, structure.traits) == ("audio/amr", expected)


@pytest.mark.parametrize("data", [b"", b"#!AMR", b"#!AMR ", b"#!amr\n", b" " + ONE])
def test_what_does_not_begin_like_speech_is_none(data: bytes) -> None:
    assert sounds.read_amr(content.of_bytes(data)) is None


DETAILS = {
    "amr 12.2": {"audio": "amr", "channels": 1},
    "amr wide": {"audio": "amr-wb", "channels": 1},
    "amr of two channels": {"audio": "amr", "channels": 2},
}


@pytest.mark.parametrize(("name", "details"), DETAILS.items(), ids=DETAILS)
def test_its_details_tell_codec_and_channels(name: str, details: dict[str, int | str]) -> None:
    structure = sounds.read_amr(content.of_bytes(AMRS[name].data()))
    assert structure is not None
    assert structure.details == details
