"""What phones write after the end of a JPEG, and what is theirs: more pictures, a film, notes of the camera.

Rule 1. Pictures of one set follow one another (CIPA DC-007): depth, gain for bright screens, previews.
Rule 2. A moving picture carries its film as an MP4 behind it (Android's Motion Photo format).
Rule 3. Samsung's cameras close with a directory of notes, which begin where the pictures end.
Rule 4. All else is foreign. Nothing is believed that does not add up to the byte.
"""

from __future__ import annotations

import struct

from gateway.inspection.boxes import Boxes
from gateway.inspection.content import Content, TooCostly

END = b"\xff\xd9"
STEP_BYTES = 2**18
MOST_SCANNED_BYTES = 12 * 2**20
MOST_PICTURES = 16
MOST_PADDING_BYTES = 2**15  # cameras let the next picture begin at a round address
MOST_NOTES = 128
_FIRST_OF_FILM = b"ftyp"


def end_of_jpeg(content: Content, offset: int) -> int | None:
    """Where the picture ends whose data begin at `offset`; None if it does not.

    Within the data an ff stands before 00 or the number of a restart (T.81 B.1.1.5), so the first ff d9 is the end.
    Raises TooCostly.
    """
    stop = offset + MOST_SCANNED_BYTES
    while offset < content.size_bytes:
        if offset >= stop:
            raise TooCostly
        found = content.at(offset, STEP_BYTES + 1).find(END)
        if found >= 0:
            return offset + found + len(END)
        offset += STEP_BYTES
    return None


def end_of_additions(content: Content, end: int) -> int:
    """The end of what belongs to a picture that ends at `end`. Raises TooCostly."""
    end = _end_of_pictures(content, end)
    end = _end_of_film(content, end)
    return _end_of_notes(content, end)


def _end_of_pictures(content: Content, end: int) -> int:
    for _ in range(MOST_PICTURES):
        padded = content.at(end, MOST_PADDING_BYTES)
        pictures = padded.lstrip(b"\0")
        if not pictures.startswith(b"\xff\xd8\xff"):
            break
        after = end_of_jpeg(content, _data_of_picture(content, end + len(padded) - len(pictures)))
        if after is None:
            break
        end = after
    return end


def _data_of_picture(content: Content, offset: int) -> int:
    """Behind the segments that begin a picture: its thumbnail stands in one of them, with an end of its own."""
    offset += 2
    for _ in range(64):
        segment = content.at(offset, 4)
        if len(segment) < 4 or segment[0] != 0xFF or segment[1] == 0xDA:
            break
        offset += 2 + max(2, int.from_bytes(segment[2:], "big"))
    return offset


def _end_of_film(content: Content, end: int) -> int:
    if content.at(end + 4, 4) != _FIRST_OF_FILM:
        return end
    ends = [box.end for box in Boxes(content).within(end, content.size_bytes)]
    return ends[-1] if ends and ends[-1] <= content.size_bytes else end


def _end_of_notes(content: Content, end: int) -> int:
    """SEFH, a version, the number of notes and for each its kind, its way back from SEFH and its length; SEFT."""
    tail = content.tail(8)
    if tail[4:] != b"SEFT":
        return end
    directory = content.size_bytes - 8 - int.from_bytes(tail[:4], "little")
    head = content.at(directory, 12)
    if head[:4] != b"SEFH" or len(head) < 12:
        return end
    (notes,) = struct.unpack_from("<I", head, 8)
    if not 0 < notes <= MOST_NOTES or directory + 12 * (notes + 1) + 8 != content.size_bytes:
        return end
    entries = content.at(directory + 12, 12 * notes)
    back = max((way for _, way, _ in struct.iter_unpack("<4sII", entries)), default=0)
    return content.size_bytes if directory - back == end else end
