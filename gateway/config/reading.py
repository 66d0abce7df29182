"""Reads single settings: texts, whole numbers, switches, choices and lists.

Every reader takes any value TOML can hold, hands back what it proved, and otherwise raises the
one error of `malformed`, which holds our words alone and never the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from pydantic_core import PydanticCustomError

T = TypeVar("T")

_DIGITS = re.compile(r"[0-9]{1,12}")
_SWITCHES = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class Text(str):
    """A string out of the environment, where numbers and switches are written as text too."""

    __slots__ = ()


def malformed(complaint: str, remedy: str) -> PydanticCustomError:
    """The error of a value that cannot be understood; `complaint` and `remedy` hold no value."""
    return PydanticCustomError("malformed", "malformed", {"complaint": complaint, "remedy": remedy})


def text(value: object, *, remedy: str) -> str:
    """A string of printable characters, possibly empty."""
    if not isinstance(value, str):
        raise malformed("must be a text in quotes", remedy)
    if not value.isprintable():
        raise malformed("must hold printable characters alone", remedy)
    return str(value)


def matching(pattern: str, complaint: str, remedy: str) -> Callable[[object], str]:
    """A reader of strings that fit `pattern` as a whole."""
    shape = re.compile(pattern)

    def read(value: object) -> str:
        found = text(value, remedy=remedy)
        if not shape.fullmatch(found):
            raise malformed(complaint, remedy)
        return found

    return read


def optional(read: Callable[[object], T]) -> Callable[[object], T | None]:
    """A reader for which the empty string means that the key is not set."""

    def read_or_none(value: object) -> T | None:
        return None if value == "" or value is None else read(value)

    return read_or_none


def whole(low: int, high: int, remedy: str) -> Callable[[object], int]:
    """A reader of whole numbers from `low` to `high`, both allowed."""

    def read(value: object) -> int:
        number = int(value) if isinstance(value, Text) and _DIGITS.fullmatch(value) else value
        if isinstance(number, bool) or not isinstance(number, int):
            raise malformed("must be a whole number", f"{remedy}, without quotes")
        if not low <= number <= high:
            raise malformed(f"must be between {low} and {high}", remedy)
        return number

    return read


def switch(value: object) -> bool:
    """`true` or `false`; in the environment also yes, no, on, off, 1 and 0."""
    found = _SWITCHES.get(value.lower()) if isinstance(value, Text) else value
    if not isinstance(found, bool):
        raise malformed("must be true or false", "write true or false without quotes")
    return found


def choice(*words: str, later: str = "") -> Callable[[object], str]:
    """A reader of one out of `words`; `later` adds to the remedy what is planned."""
    listed = " or ".join(f'"{word}"' for word in words)
    remedy = (f"write {listed}" if len(words) == 1 else "write one of them in quotes") + later

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise malformed(f"must be {listed}", remedy)
        return str(value)

    return read


def sequence(value: object) -> tuple[object, ...]:
    """The items of a TOML list, unread."""
    if isinstance(value, Text):
        raise malformed("is a list, and lists come from the file alone", "write it in the settings file")
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise malformed("must be a list", 'write it in brackets, such as ["first", "second"]')
    return tuple(value)


def filled(value: object) -> tuple[object, ...]:
    """The items of a TOML list that may not be empty, unread."""
    items = sequence(value)
    if not items:
        raise malformed("must not be empty", "write at least one item, or leave the key out")
    return items
