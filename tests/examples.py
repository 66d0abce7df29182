"""On how many examples something is tried: on a part before each commit, on all of them in CI (conftest.py)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from hypothesis import settings

T = TypeVar("T")

ALL = 100  # hypothesis' own default


def examples(number: int) -> int:
    """`number` of examples in CI, and as large a share of them as the profile asks for; never fewer than five."""
    return max(5, number * settings.default.max_examples // ALL)


def costs_less(seconds: float, work: Callable[[], object], *, tries: int = 3) -> bool:
    """Whether it costs this thread less time of the processor, in one of some tries: others cost it cache and turns."""
    for _ in range(tries):
        began = time.thread_time()
        work()
        if time.thread_time() - began < seconds:
            return True
    return False


def some(rows: Iterable[T], number: int) -> list[T]:
    """Of rows that take long: `number` of them before each commit, from its beginning to its end, and all in CI."""
    every = list(rows)
    if settings.default.max_examples >= ALL or number >= len(every):
        return every
    return [every[index * len(every) // number] for index in range(number)]
