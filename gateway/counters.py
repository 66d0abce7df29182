"""Counts in the memory of a process how often something happened lately.

What is counted is bounded, and cleaned a few counters at a time: no hit waits for what strangers have left behind,
whatever number of addresses they come from. Each kind has its own room.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field

from gateway.clock import Clock

MOST = 16_384  # counters of a kind, some 4 MB
LOOKED_AT = 2  # counters, whenever there is one more


@dataclass(slots=True)
class _Window:
    """What was counted in the window of this number, and in the one before."""

    number: int
    seconds: int
    count: int = 0
    before: int = 0

    def move_to(self, number: int) -> None:
        if number > self.number:
            self.before = self.count if number == self.number + 1 else 0
            self.number, self.count = number, 0


@dataclass(frozen=True, slots=True)
class _Counted:
    """The windows of one kind; who was refused stands apart."""

    passed: OrderedDict[str, _Window] = field(default_factory=OrderedDict)
    refused: OrderedDict[str, _Window] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self.passed) + len(self.refused)

    def find(self, key: str) -> _Window | None:
        return self.passed.get(key) or self.refused.get(key)

    def refuse(self, key: str) -> None:
        if window := self.passed.pop(key, None):
            self.refused[key] = window

    def make_room(self, most: int, now: float) -> None:
        """Forget, of a few that are looked at in turn, those whose windows are over; and one more if all is full."""
        for windows in (self.passed, self.refused):
            seen = [windows.popitem(last=False) for _ in range(min(LOOKED_AT, len(windows)))]
            windows.update((key, window) for key, window in seen if now < (window.number + 2) * window.seconds)
        if len(self) >= most:
            (self.passed or self.refused).popitem(last=False)


class Windows:
    """Counts in memory by sliding windows, as `limits` does: the window before weighs as much as of it is not over.

    Where all room of a kind is taken, somebody else is forgotten for each who is new: who was refused the last.
    """

    def __init__(self, clock: Clock, *, most: int = MOST) -> None:
        """`most`: counters of a kind."""
        self._clock, self._most = clock, most
        self._guard = threading.Lock()
        self._kinds: defaultdict[str, _Counted] = defaultdict(_Counted)

    def __len__(self) -> int:
        return sum(map(len, self._kinds.values()))

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        with self._guard:
            kind = self._kind(key)
            window = kind.find(key)
            if window is None:
                kind.make_room(self._most, self._clock.now())
                window = kind.passed[key] = _Window(0, expiry)
            left = self._left(window)
            fits = int(window.before * left + window.count) + amount <= limit
            if fits:
                window.count += amount
            else:
                kind.refuse(key)
            return fits

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        with self._guard:
            window = self._kind(key).find(key) or _Window(0, expiry)
            left = self._left(window)
            return window.before, left * expiry, window.count, (1 + left) * expiry

    def _kind(self, key: str) -> _Counted:
        return self._kinds[key.split("/", 2)[1]]  # after Flask-Limiter's name comes the phrase of what is counted

    def _left(self, window: _Window) -> float:
        """Move it to the moment; returns the part that is left of it."""
        number, gone = divmod(self._clock.now() / window.seconds, 1)
        window.move_to(int(number))
        return 1 - gone
