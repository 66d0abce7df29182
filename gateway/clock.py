"""The only place that reads a clock or waits for one."""

from __future__ import annotations

import datetime
import math
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import BuiltinFunctionType
from typing import Protocol

HOUR_SECONDS, DAY_SECONDS = 3600.0, 86_400.0
LATER = "later"  # what a thread is called that `later` has begun
UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_AGO = re.compile(r"([0-9]{1,9})([smhd])")


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the Unix epoch."""


class WallClock:
    """The machine's clock, jumps included: for what is compared with the times of others."""

    def now(self) -> float:
        return time.time()


@dataclass(frozen=True)
class SteadyClock:
    """Epoch seconds that never jump within this process: for what is scheduled by ourselves."""

    _offset: float = field(default_factory=lambda: time.time() - time.monotonic())

    def now(self) -> float:
        return self._offset + time.monotonic()


def uptime() -> float:
    """Seconds since this machine was started, those in which it slept included: others went on meanwhile."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SetClock:
    """Epoch seconds as somebody else has them, whom all machines ask: by their own clocks they would never agree.

    Asked every `SET_SECONDS`, by whoever looks then; in between this machine counts on. What took long to be told is
    not believed. Until somebody has told it is the machine's clock. Safe to use from several threads.
    """

    SET_SECONDS, AGAIN_SECONDS, LONGEST_SECONDS = 5.0, 1.0, 1.0

    def __init__(self, ask: Callable[[], float | None], *, counted: Callable[[], float] = uptime) -> None:
        """`ask` says what time it is, or None where nobody can be asked; `counted`: seconds that never jump."""
        self._ask, self._counted = ask, counted
        self._offset = time.time() - counted()
        self._ask_at = -math.inf
        self._asking = threading.Lock()

    def now(self) -> float:
        """Tell the time; of those who look at once one asks, and the others go on."""
        if self._counted() >= self._ask_at and self._asking.acquire(blocking=False):
            try:
                self._set()
            finally:
                self._asking.release()
        return self._offset + self._counted()

    def _set(self) -> None:
        began = self._counted()
        told = self._ask()
        ended = self._counted()
        believed = told is not None and ended - began <= self.LONGEST_SECONDS
        if told is not None and believed:
            self._offset = told - (began + ended) / 2
        self._ask_at = ended + (self.SET_SECONDS if believed else self.AGAIN_SECONDS)


def steady() -> float:
    """Seconds that never jump, counted from anywhere: for durations."""
    return time.monotonic()


def stamp() -> str:
    """Now, by the machine's clock, as a line of the log has it."""
    return datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")


def booted() -> float:
    """Say when this machine was started, in epoch seconds."""
    return time.time() - uptime()


def written(moment: float) -> str:
    """Write `moment`, in epoch seconds, in the time of this machine: day, time and zone."""
    return datetime.datetime.fromtimestamp(moment).astimezone().isoformat(sep=" ", timespec="seconds")


def pause(seconds: float) -> None:
    """Wait, where there is nothing better to wait for."""
    time.sleep(seconds)


def give_way() -> None:
    """Let the greenlets run that can; threads do anyway, while this one waits for the disk."""
    if not isinstance(time.sleep, BuiltinFunctionType):  # greenlets have taken its place
        time.sleep(0)


def later(seconds: float, work: Callable[[], None]) -> None:
    """Do `work` in a thread of its own, which keeps no process alive."""
    timer = threading.Timer(seconds, work)
    timer.name, timer.daemon = LATER, True
    timer.start()


def parse(text: str) -> float:
    """Read a moment as people write it, "2h" for two hours ago or a date with or without a time, as epoch seconds.

    Where it names no time zone, that of this machine is meant. Raises ValueError.
    """
    if ago := _AGO.fullmatch(text):
        return time.time() - int(ago[1]) * UNIT_SECONDS[ago[2]]
    try:
        return datetime.datetime.fromisoformat(text).astimezone().timestamp()
    except (OverflowError, OSError) as error:  # of years that the machine's clock does not have
        raise ValueError(text) from error
