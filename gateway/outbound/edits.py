"""Changes single places of a JSON text, and of JSON texts inside its strings; every other character stays."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple

# Of an escape the decoder makes one character; of those of a surrogate pair one as well.
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\u[0-9a-fA-F]{4}"
    r"|\\."
)
_LEGIBLE, _ASCII = json.JSONEncoder(ensure_ascii=False), json.JSONEncoder()


class Edit(NamedTuple):
    """`text` in place of what stands from `start` to `end`."""

    start: int
    end: int
    text: str


class Inside:
    """A string of a JSON text whose own text gets edited: the characters around an edit keep their escapes.

    `start`: where its first character stands; `raw`: what stands between its quotes.
    """

    def __init__(self, start: int, raw: str) -> None:
        self._start = start
        self._after, self._wider = [0], [0]  # from this decoded position on, raw positions are so much greater
        for escape in _ESCAPE.finditer(raw):
            wider = self._wider[-1] + len(escape[0]) - 1
            self._after.append(escape.end() - wider)
            self._wider.append(wider)

    def lifted(self, edit: Edit) -> Edit:
        """The edit of the outer text that does `edit` to the string's own."""
        return Edit(self._raw(edit.start), self._raw(edit.end), encoded(edit.text)[1:-1])

    def _raw(self, position: int) -> int:
        return self._start + position + self._wider[bisect_right(self._after, position) - 1]


def replaced(text: str, edits: Iterable[Edit]) -> str:
    """The text with all the edits done. Raises ValueError if two of them overlap."""
    parts, at = [], 0
    for edit in sorted(edits):
        if edit.start < at:
            raise ValueError("two edits overlap")
        parts += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join([*parts, text[at:]])


def encoded(text: str) -> str:
    """A JSON string, with its quotes; characters are escaped only where they must be."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate
        return _ASCII.encode(text)
    return _LEGIBLE.encode(text)
