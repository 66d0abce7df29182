"""Reads single settings: texts, whole numbers, switches, choices, lists and secrets.

Every reader takes any value TOML can hold, hands back what it proved, and otherwise raises the
one error of `malformed`, which holds our words alone and never the value.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import SecretStr
from pydantic_core import PydanticCustomError

SHORTEST_KEY = 16  # characters of a secret that is chosen for the gateway

T = TypeVar("T")

_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # Unicode categories that nobody sees on a screen
_TYPED_REMEDY = "copy it again, without blanks or line breaks around it"
_KEY_REMEDY = "write one made by: openssl rand -base64 33 | tr '+/' '-_'"
_DIGITS = re.compile(r"[0-9]{1,12}")
_SWITCHES = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class Text(str):
    """A string out of the environment, where numbers and switches are written as text too."""

    __slots__ = ()


@dataclass(frozen=True)
class Hidden:
    """Marks a setting whose value is never shown and may come as `<key>_file`; `many` in a list."""

    many: bool = False


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


def secret(shortest: int = 1) -> Callable[[object], SecretStr]:
    """A reader of secrets of at least `shortest` characters."""

    def read(value: object) -> SecretStr:
        if not isinstance(value, str):
            raise malformed("must be a text in quotes", "write it in quotes")
        if any(unicodedata.category(character) in _UNSEEN for character in value):
            raise malformed("must not hold control characters", _TYPED_REMEDY)
        if value != value.strip():
            raise malformed("must not begin or end with a blank", _TYPED_REMEDY)
        if not value:
            raise malformed("must not be empty", "write it, or leave the key out")
        if len(value) < shortest:
            raise malformed(f"must have at least {shortest} characters", _KEY_REMEDY)
        return SecretStr(str(value))

    return read


def stars(value: SecretStr | None) -> str:
    """Stars for a secret, and nothing for none."""
    return "***" if value else ""


def ending(number: str | None) -> str:
    """The end of a phone number: enough to know one's own by."""
    return f"…{number[-3:]}" if number else ""


def stars_for_each(values: tuple[SecretStr, ...]) -> list[str]:
    return [stars(value) for value in values]
