"""Reads single settings, and writes them again: texts, numbers, switches, choices, lists; durations, sizes and rates.

Every reader takes any value TOML can hold, hands back what it proved, and otherwise raises the
one error of `malformed`, which holds our words alone and never the value.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Sequence
from typing import TypeVar

from pydantic_core import PydanticCustomError

T = TypeVar("T")

SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
BYTES = {"GiB": 2**30, "GB": 10**9, "MiB": 2**20, "MB": 10**6, "KiB": 2**10, "kB": 10**3}
LONGEST_SECONDS = 36500 * SECONDS["d"]
LARGEST_BYTES = 10**15

_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_SIZE = re.compile(r"([0-9]{1,9})(kB|MB|GB|KiB|MiB|GiB)")
_RATE = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day)")

_DURATION_REMEDY = 'write a number and one of s, m, h, d in quotes, such as "30s" or "7d"'
_SIZE_REMEDY = 'write a number and one of kB, MB, GB, KiB, MiB, GiB in quotes, such as "25MB"'
_RATE_REMEDY = 'write a number per second, minute, hour or day such as "30/minute", or "off"'

_COMMAND_REMEDY = 'write one such as "/usr/local/bin/tell-somebody night"'

_NODE = re.compile(r"[0-9a-z]([0-9a-z._-]{0,62}[0-9a-z])?")
_NODE_REMEDY = 'write letters, digits and . _ - alone, such as "gateway-1", or leave the key out for the host\'s name'

_DIGITS = re.compile(r"[0-9]{1,12}")
_SWITCHES = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class EnvironmentText(str):
    """A string out of the environment, where numbers and switches are written as text too."""

    __slots__ = ()


def malformed(complaint: str, remedy: str) -> PydanticCustomError:
    """Make the error of a value that cannot be understood; `complaint` and `remedy` hold no value."""
    return PydanticCustomError("malformed", "malformed", {"complaint": complaint, "remedy": remedy})


def text(value: object, *, remedy: str) -> str:
    """Read a string of printable characters, possibly empty."""
    if not isinstance(value, str):
        raise malformed("must be a text in quotes", remedy)
    if not value.isprintable():
        raise malformed("must hold printable characters alone", remedy)
    return str(value)


def command(value: object) -> tuple[str, ...]:
    """Read a command line into its words, as a shell would: a program by its whole path, and what it is given."""
    try:
        words = tuple(shlex.split(text(value, remedy=_COMMAND_REMEDY)))
    except ValueError as error:
        raise malformed("has a quote without its end", _COMMAND_REMEDY) from error
    if words and not words[0].startswith("/"):
        raise malformed("must begin with the whole path of a program", _COMMAND_REMEDY)
    return words


def matching(pattern: str, complaint: str, remedy: str) -> Callable[[object], str]:
    """Make a reader of strings that fit `pattern` as a whole."""
    shape = re.compile(pattern)

    def read(value: object) -> str:
        found = text(value, remedy=remedy)
        if not shape.fullmatch(found):
            raise malformed(complaint, remedy)
        return found

    return read


def node(value: object) -> str:
    """Read the name of a node into lower case; the empty text stands for the host's own name, so far as it is one."""
    written = text(value, remedy=_NODE_REMEDY).lower() or host_named(os.uname().nodename)
    if not _NODE.fullmatch(written):
        raise malformed("must be a name of 1 to 64 letters, digits and . _ -", _NODE_REMEDY)
    return written


def host_named(host: str) -> str:
    """Make a node's name of what the kernel calls the host, which may hold any bytes; `node` where nothing is left."""
    return re.sub(r"[^0-9a-z._-]", "", host.lower()).strip("._-")[:64].rstrip("._-") or "node"


def optional(read: Callable[[object], T]) -> Callable[[object], T | None]:
    """Make a reader for which the empty string means that the key is not set."""

    def read_or_none(value: object) -> T | None:
        return None if value == "" or value is None else read(value)

    return read_or_none


def whole(low: int, high: int, remedy: str) -> Callable[[object], int]:
    """Make a reader of whole numbers from `low` to `high`, both allowed."""

    def read(value: object) -> int:
        number = int(value) if isinstance(value, EnvironmentText) and _DIGITS.fullmatch(value) else value
        if isinstance(number, bool) or not isinstance(number, int):
            raise malformed("must be a whole number", f"{remedy}, without quotes")
        if not low <= number <= high:
            raise malformed(f"must be between {low} and {high}", remedy)
        return number

    return read


def switch(value: object) -> bool:
    """Read `true` or `false`; in the environment also yes, no, on, off, 1 and 0."""
    found = _SWITCHES.get(value.lower()) if isinstance(value, EnvironmentText) else value
    if not isinstance(found, bool):
        raise malformed("must be true or false", "write true or false without quotes")
    return found


def on_or_off(value: object) -> bool:
    """Read `"on"` or `"off"`; what a switch is means the same."""
    if isinstance(value, bool | EnvironmentText):
        return switch(value)
    if value not in ("on", "off"):
        raise malformed('must be "on" or "off"', "write one of them in quotes")
    return value == "on"


def choice(*words: str) -> Callable[[object], str]:
    """Make a reader of one out of `words`."""
    listed = " or ".join(f'"{word}"' for word in words)
    remedy = f"write {listed}" if len(words) == 1 else "write one of them in quotes"

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise malformed(f"must be {listed}", remedy)
        return str(value)

    return read


def sequence(value: object) -> tuple[object, ...]:
    """Take the items of a TOML list, unread."""
    if isinstance(value, EnvironmentText):
        raise malformed("is a list, and lists come from the file alone", "write it in the settings file")
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise malformed("must be a list", 'write it in brackets, such as ["first", "second"]')
    return tuple(value)


def filled(value: object) -> tuple[object, ...]:
    """Take the items of a TOML list that may not be empty, unread."""
    items = sequence(value)
    if not items:
        raise malformed("must not be empty", "write at least one item, or leave the key out")
    return items


def duration(low: int = 1, high: int = LONGEST_SECONDS) -> Callable[[object], int]:
    """Make a reader of durations from `low` to `high` seconds; hands back seconds."""

    def read(value: object) -> int:
        return _quantity(value, _DURATION, SECONDS, within=(low, high), what="a duration", remedy=_DURATION_REMEDY)

    return read


def duration_or_forever(value: object) -> int | None:
    """Read a duration in seconds; None for `forever`."""
    return None if value == "forever" else duration()(value)


def size(low: int = 1) -> Callable[[object], int]:
    """Make a reader of sizes of at least `low` bytes; hands back bytes."""

    def read(value: object) -> int:
        return _quantity(value, _SIZE, BYTES, within=(low, LARGEST_BYTES), what="a size", remedy=_SIZE_REMEDY)

    return read


def rate(value: object) -> str | None:
    """Read a rate, in the spelling that `gateway.limits` takes; None for `off`."""
    if value == "off":
        return None
    if not isinstance(value, str) or not _RATE.fullmatch(value):
        raise malformed("must be a rate", _RATE_REMEDY)
    return str(value)


def write_duration(seconds: int | None) -> str:
    """Write the shortest spelling of a duration in the largest unit that holds it exactly."""
    return "forever" if seconds is None else _spelled(seconds, SECONDS)


def write_size(number_of_bytes: int) -> str:
    """Write the spelling of a size in the largest unit that holds it exactly."""
    return _spelled(number_of_bytes, BYTES)


def write_rate(rate: str | None) -> str:
    return "off" if rate is None else rate


def _quantity(
    value: object,
    shape: re.Pattern[str],
    units: dict[str, int],
    *,
    within: tuple[int, int],
    what: str,
    remedy: str,
) -> int:
    found = shape.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise malformed(f"must be {what} with its unit", remedy)
    amount = int(found[1]) * units[found[2]]
    if not within[0] <= amount <= within[1]:
        low, high = (_spelled(edge, units) for edge in within)
        raise malformed(f"must be between {low} and {high}", remedy)
    return amount


def _spelled(amount: int, units: dict[str, int]) -> str:
    """Write `amount` in the first unit that divides it; one that no unit divides stays a bare number."""
    if amount == 0:
        return f"0{min(units, key=units.__getitem__)}"
    return next((f"{amount // factor}{unit}" for unit, factor in units.items() if amount % factor == 0), str(amount))
