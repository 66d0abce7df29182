"""What phones write behind a JPEG is theirs only if it adds up."""

from __future__ import annotations

import struct

import pytest

from gateway.inspection import content
from gateway.inspection.jpeg import end_of_additions, end_of_jpeg
from tests.picture_samples import JPEGS, jpeg, with_film, with_notes_of_the_camera
from tests.together import together

PLAIN = jpeg()
SET = JPEGS["jpeg of several pictures"].data()
NOTES = with_notes_of_the_camera()
FILM = with_film()
FIRST_OF_SET = SET[: SET.index(b"\xff\xd9\xff\xd8") + 2]


def directory(notes: int, back: int, length: int, *, told: int | None = None, name: bytes = b"SEFH") -> bytes:
    """Of notes that begin `back` bytes before it."""
    entries = struct.pack("<4sII", b"\0\0\1\x0a", back, length) * notes
    body = struct.pack("<4sII", name, 106, notes) + entries
    return body + struct.pack("<I4s", len(body) if told is None else told, b"SEFT")


ALL_THEIRS = {
    "nothing": PLAIN,
    "pictures": SET,
    "pictures at round addresses": PLAIN + bytes(4096 - len(PLAIN) % 4096) + PLAIN + bytes(100) + PLAIN,
    "a picture with a thumbnail": PLAIN + JPEGS["jpeg with EXIF and a thumbnail"].data(),
    "a film": FILM,
    "a film behind pictures": SET + FILM[len(PLAIN) :],
    "notes": NOTES,
    "notes behind pictures": SET + NOTES[len(PLAIN) :],
    "notes behind a film": FILM + NOTES[len(PLAIN) :],
    "a film among the notes": with_notes_of_the_camera(b"\0\0\x30\x0aMotionPhoto_Data" + FILM[len(PLAIN) :]),
    "128 notes": PLAIN + bytes(100) + directory(128, 100, 100),
}
FOREIGN = {
    "zeros": bytes(500),
    "a picture that does not end": PLAIN[:-2],
    "a picture too far behind": bytes(40_000) + PLAIN,
    "a film that is cut": FILM[len(PLAIN) : -1],
    "a film that is something else": struct.pack(">I4s", 300, b"moov") + bytes(292),
    "notes with something before them": b"x" + NOTES[len(PLAIN) :],
    "notes that begin too late": bytes(100) + directory(1, 99, 99),
    "notes that begin within the picture": bytes(100) + directory(1, 101, 101),
    "129 notes": bytes(100) + directory(129, 100, 100),
    "no notes": bytes(100) + directory(0, 0, 0),
    "a directory by another name": bytes(100) + directory(1, 100, 100, name=b"SEFX"),
    "a directory that tells its length wrongly": bytes(100) + directory(1, 100, 100, told=25),
    "a directory without bounds": directory(1, 0, 0, told=2**32 - 1),
    "only the end of a directory": b"\x10\0\0\0SEFT",
}


@pytest.mark.parametrize("data", ALL_THEIRS.values(), ids=ALL_THEIRS)
def test_more_pictures_a_film_and_notes_belong_to_the_picture(data: bytes) -> None:
    assert end_of_additions(content.of_bytes(data), first_end(data)) == len(data)


@together("more", FOREIGN.values(), ids=FOREIGN)
def test_what_does_not_add_up_is_foreign(more: bytes) -> None:
    assert end_of_additions(content.of_bytes(PLAIN + more), len(PLAIN)) == len(PLAIN)


def first_end(data: bytes) -> int:
    return len(FIRST_OF_SET) if data.startswith(FIRST_OF_SET) else len(PLAIN)


def test_no_more_than_sixteen_pictures_follow() -> None:
    data = PLAIN * 20
    assert end_of_additions(content.of_bytes(data), len(PLAIN)) == 17 * len(PLAIN)


@pytest.mark.parametrize("place", [0, 1, 2**18 - 2, 2**18 - 1, 2**18, 2**18 + 1, 3 * 2**18 - 1])
def test_an_end_is_found_wherever_it_stands(place: int) -> None:
    data = b"xyz" + bytes(place) + b"\xff\xd9" + bytes(10)
    assert end_of_jpeg(content.of_bytes(data), 3) == place + 5


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\x00\xd9", bytes(3 * 2**18), b"\xff" * 2**18])
def test_no_end_is_none(data: bytes) -> None:
    assert end_of_jpeg(content.of_bytes(data), 0) is None
