"""Reads and writes the quantities of the settings: durations, sizes and rates."""

from __future__ import annotations

import re
from collections.abc import Callable

import limits

from gateway.config.fields import malformed

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


def duration(low: int = 1, high: int = LONGEST_SECONDS) -> Callable[[object], int]:
    """A reader of durations from `low` to `high` seconds; hands back seconds."""

    def read(value: object) -> int:
        return _quantity(value, _DURATION, SECONDS, within=(low, high), what="a duration", remedy=_DURATION_REMEDY)

    return read


def duration_or_forever(value: object) -> int | None:
    """Seconds, or None for `forever`."""
    return None if value == "forever" else duration()(value)


def size(low: int = 1) -> Callable[[object], int]:
    """A reader of sizes of at least `low` bytes; hands back bytes."""

    def read(value: object) -> int:
        return _quantity(value, _SIZE, BYTES, within=(low, LARGEST_BYTES), what="a size", remedy=_SIZE_REMEDY)

    return read


def rate(value: object) -> limits.RateLimitItem | None:
    """A rate as `limits` counts it, or None for `off`."""
    if value == "off":
        return None
    if not isinstance(value, str) or not _RATE.fullmatch(value):
        raise malformed("must be a rate", _RATE_REMEDY)
    return limits.parse(value)


def write_duration(seconds: int | None) -> str:
    """The shortest spelling of a duration in the largest unit that holds it exactly."""
    return "forever" if seconds is None else _spelled(seconds, SECONDS)


def write_size(number_of_bytes: int) -> str:
    """The spelling of a size in the largest unit that holds it exactly."""
    return _spelled(number_of_bytes, BYTES)


def write_rate(item: limits.RateLimitItem | None) -> str:
    return "off" if item is None else f"{item.amount}/{item.GRANULARITY.name}"


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
    """`amount` in the first unit that divides it; one that no unit divides stays a bare number."""
    if amount == 0:
        return f"0{min(units, key=units.__getitem__)}"
    return next((f"{amount // factor}{unit}" for unit, factor in units.items() if amount % factor == 0), str(amount))
