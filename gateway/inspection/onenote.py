"""OneNote: the files that were put into a section of a notebook, which run at a click ([MS-ONESTORE])."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.inspection import compound, filetypes, text
from gateway.inspection.content import Content, of_bytes
from gateway.inspection.structure import Structure, Trait

MIME = "application/onenote"
# 2.3.1, guidFileType: a section, and a table of contents.
STARTS = tuple(map(bytes.fromhex, ("e4525c7b8cd8a74daeb15378d02996d3", "a12fff43d9ef764c9ee210ea5722765f")))
# 2.6.13, FileDataStoreObject: its GUID, and 20 bytes of length and fillers before what the file holds.
FILE = bytes.fromhex("e716e3bd65261145a4c48d4d0b7a9eac")
FILE_HEAD_BYTES = len(FILE) + 20
FILE_BYTES = 64 * 1024  # as much as is looked at of one
MOST_FILES = 64
STEP_BYTES = 2**20

_NAME = re.compile(rb"(?:[ !#-)+-.0-9;=@-\[\]-{}~]\0){3,200}")  # in UTF-16, of what may stand in names


def read(content: Content) -> Structure | None:
    """Tell a section by its start, and whether a file in it would run; None of anything else. Raises TooCostly."""
    if content.head(16) not in STARTS:
        return None
    places, named = [], False
    for start, data in _steps(content):
        places += [start + found.start() for found in re.finditer(re.escape(FILE), data)]
        named = named or any(_would_run(name) for name in _NAME.findall(data))
    runs = (named and bool(places)) or any(_runs(content, at) for at in sorted(set(places))[:MOST_FILES])
    return Structure(mime=MIME, traits=frozenset({Trait.PROGRAM_WITHIN} if runs else ()))


def _steps(content: Content) -> Iterator[tuple[int, bytes]]:
    """Walk through all of it; what lies across two steps is seen in one of them."""
    for start in range(0, content.size_bytes, STEP_BYTES):
        yield start, content.at(start, STEP_BYTES + 512)


def _would_run(name: bytes) -> bool:
    called = filetypes.called(name.decode("utf-16-le").strip())
    return called is not None and called.runnable


def _runs(content: Content, at: int) -> bool:
    length = int.from_bytes(content.at(at + len(FILE), 8), "little")
    data = content.at(at + FILE_HEAD_BYTES, min(length, FILE_BYTES))
    written = text.read(of_bytes(data))
    return compound.carries(data) or (written is not None and filetypes.of(written.mime).runnable)
