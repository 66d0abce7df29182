"""Counts in memory how often something happened lately: in that of a process, or in what several of them share.

What is counted is bounded, and cleaned a few counters at a time: no hit waits for what strangers have left behind,
whatever number of addresses they come from. Each kind has its own room.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway import clock
from gateway.clock import Clock
from gateway.phrases import Reason

MOST = 16_384  # counters of a kind, some 4 MB
LOOKED_AT = 2  # counters, whenever there is one more
PATIENCE_SECONDS, TURN_SECONDS = 0.25, 0.0005  # of a process whose turn another has, and until it looks again
TOGETHER = 16  # counters among which one is looked for, and one forgotten for another
_COUNTER = struct.Struct("<15s?4I")  # whose, whether he was refused, and his window
_ROOMS = {kind: number for number, kind in enumerate(Reason)}


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

    def left(self, now: float) -> float:
        """Move it to this moment; returns the part that is left of it."""
        number, gone = divmod(now / self.seconds, 1)
        self.move_to(int(number))
        return 1 - gone

    def take(self, amount: int, limit: int, now: float) -> bool:
        """Count so many more, unless that is too many."""
        left = self.left(now)
        fits = int(self.before * left + self.count) + amount <= limit
        if fits:
            self.count += amount
        return fits

    def looked_at(self, now: float) -> tuple[int, float, int, float]:
        """Say what `limits` asks of one."""
        left = self.left(now)
        return self.before, left * self.seconds, self.count, (1 + left) * self.seconds


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
            fits = window.take(amount, limit, self._clock.now())
            if not fits:
                kind.refuse(key)
            return fits

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        with self._guard:
            return (self._kind(key).find(key) or _Window(0, expiry)).looked_at(self._clock.now())

    def _kind(self, key: str) -> _Counted:
        return self._kinds[_kind_of(key)]


class SharedWindows:
    """Counts as `Windows` does, for the process that makes it and all that are forked from it, exactly.

    Rule 1. What it counts in has no name: nobody takes it away or fills its disk, and it goes with the last of them.
    Rule 2. One counts at a time. Who dies at it has let go of it, and what he has not written was not counted.
    Rule 3. Nobody waits for long: a turn that does not come is an error.
    """

    def __init__(self, steady: Clock, *, most: int = MOST) -> None:
        """`steady`: equal in all of them; `most`: counters of a kind."""
        self._clock, self._buckets = steady, most // TOGETHER
        self._secret = os.urandom(16)  # or somebody would choose addresses with which another is forgotten
        self._guard = threading.Lock()  # of the threads of one process; never waited for, as greenlets take it for free
        self._file = os.memfd_create("limits")
        os.ftruncate(self._file, len(_ROOMS) * self._bucket_bytes * self._buckets)

    _bucket_bytes = TOGETHER * _COUNTER.size

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count. Raises OSError."""
        whose = self._name(key)
        with self._turn():
            now = self._clock.now()
            place, refused, window = self._find(key, whose, expiry, now)
            fits = window.take(amount, limit, now)
            written = _COUNTER.pack(
                whose, refused or not fits, window.number, window.seconds, window.count, window.before
            )
            os.pwrite(self._file, written, place)
            return fits

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Tell what is counted. Raises OSError."""
        whose = self._name(key)
        with self._turn():
            now = self._clock.now()
            return self._find(key, whose, expiry, now)[2].looked_at(now)

    def _name(self, key: str) -> bytes:
        return hashlib.blake2b(key.encode(), digest_size=15, key=self._secret).digest()

    def _find(self, key: str, whose: bytes, expiry: int, now: float) -> tuple[int, bool, _Window]:
        """Find his place, whether he was refused, and his window; or the place of who is forgotten for him."""
        room = _ROOMS[Reason(_kind_of(key))] * self._buckets
        begin = (room + int.from_bytes(whose[:4]) % self._buckets) * self._bucket_bytes
        counters = [*_COUNTER.iter_unpack(os.pread(self._file, self._bucket_bytes, begin))]
        for number, (other, refused, *window) in enumerate(counters):
            if other == whose:
                return begin + number * _COUNTER.size, refused, _Window(*window)
        worth = [_worth(refused, number, seconds, now) for _, refused, number, seconds, *_ in counters]
        return begin + worth.index(min(worth)) * _COUNTER.size, False, _Window(0, expiry)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Have nobody else count meanwhile. Raises TimeoutError."""
        ends_at = clock.steady() + PATIENCE_SECONDS
        while not self._has_begun():
            if clock.steady() > ends_at:
                raise TimeoutError("another process has not ended its turn")
            clock.pause(TURN_SECONDS)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)
            self._guard.release()

    def _has_begun(self) -> bool:
        if not self._guard.acquire(blocking=False):
            return False
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._guard.release()
            return False
        return True


def _kind_of(key: str) -> str:
    return key.split("/", 2)[1]  # after Flask-Limiter's name comes the phrase of what is counted


def _worth(refused: bool, number: int, seconds: int, now: float) -> tuple[bool, int]:  # noqa: FBT001 - as it is unpacked
    """Tell who is forgotten last: who was refused, and of others whose window ends last."""
    ends_at = (number + 2) * seconds
    return refused and now < ends_at, ends_at
