"""The only place that reads a clock or waits for one."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol


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


def steady() -> float:
    """Seconds that never jump, counted from anywhere: for durations."""
    return time.monotonic()


def pause(seconds: float) -> None:
    """Wait, where there is nothing better to wait for."""
    time.sleep(seconds)
