"""How much of a message WhatsApp takes: rows of `rules/lengths.toml`, and what a message holds in their places.

Rule 1. What WhatsApp would refuse minutes later is refused at once, with the field, its length and the limit.
Rule 2. What Sinch itself makes fit, or refuses at once, is left to it: no row is stricter than what comes of it.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from gateway import rules
from gateway.outbound import message_fields
from gateway.outbound.document import Node
from gateway.outbound.message_fields import Holds, MessageField

FILE = "lengths.toml"
LONG = 1024  # characters from which on a text can go out in parts
ROWS = "sections[].rows[]"  # of a message that is a list

_PREFIXES = {
    "sinch": ("", message_fields.OMNI),
    "meta": (message_fields.META,),
    "specific": (message_fields.SPECIFIC,),
}


class Length(rules.StrictTable):
    """One row: a place, and how much it holds."""

    words: Literal["sinch", "meta", "specific"]
    path: Annotated[str, Field(min_length=1)]
    most: Annotated[int, Field(gt=0)]
    counts: Literal["text", "parts", "sum"] = "text"
    of: tuple[str, ...] = ()
    lists: int | None = None

    @property
    def code(self) -> str:
        """Of its refusal."""
        if self.counts == "parts":
            return "TOO_MANY_PARTS"
        return "MESSAGE_SPLIT_REQUIRED" if self.most >= LONG else "TEXT_TOO_LONG"


class Lengths(rules.StrictTable):
    """The file."""

    length: tuple[Length, ...]


class Measured(NamedTuple):
    """What stands in such a place: its length, the most that WhatsApp takes there, and the code if it is over that."""

    field: str
    channel: str  # "" where it is for any
    length: int
    most: int
    code: str


@functools.cache
def rows() -> dict[str, Length]:
    """Every row, by its whole path: once for each place where such words can stand."""
    read = rules.prove(rules.read(FILE), Lengths, file=FILE).length
    return {prefix + row.path: row for row in read for prefix in _PREFIXES[row.words]}


@functools.cache
def _tree() -> message_fields.Branch:
    holds = {"text": Holds.TEXT, "parts": Holds.PARTS, "sum": Holds.PARTS}
    return message_fields.tree(MessageField(path=path, holds=holds[row.counts]) for path, row in rows().items())


@functools.cache
def _summed(paths: tuple[str, ...]) -> message_fields.Branch:
    return message_fields.tree(MessageField(path=path, holds=Holds.TEXT) for path in paths)


def measure(message: Node) -> Iterator[Measured]:
    """Measure what a message holds in these places, single texts before their sums.

    Raises Refused where a field goes by two spellings at once.
    """
    found = sorted(message_fields.find(message, _tree()), key=lambda one: rows()[one.row.path].counts == "sum")
    lists = {one.channel for one in found if one.row.path.endswith(ROWS)}
    totals = Counter((one.row.path, one.channel) for one in found)
    seen: Counter[tuple[str, str]] = Counter()
    for one in found:
        row = rows()[one.row.path]
        most = row.lists if row.lists and one.channel in lists else row.most
        if row.counts == "text":
            length = len(one.text)
        elif row.counts == "sum":
            length = sum(len(text.text) for text in message_fields.find(one.node, _summed(row.of)))
        elif one.node.is_array:
            length = len(list(one.node.items()))
        else:
            place = one.row.path, one.channel
            seen[place] += 1
            length = totals[place] if seen[place] > most else seen[place]  # the first that is too many is told
        yield Measured(one.field, one.channel, length, most, row.code)
