"""How often something may happen: counted in memory, or in Redis where a door has several workers.

Rule 1. When Redis is away the counting goes on in memory and a finding says so. It never stops.
Rule 2. What is counted in memory is bounded, and cleaned a few counters at a time: no hit waits for what strangers have
        left behind, whatever number of addresses they come from. Each kind has its own room.
Rule 3. A limit is asked once it is known whose it is, by what was proved: a right signature is never refused because
        others from its address were wrong. So no limit hangs on a route, where it would be asked before the view.
"""

from __future__ import annotations

import ipaddress
import re
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Never, ParamSpec, TypeVar, cast

import flask_limiter
from flask import Flask
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import SlidingWindowCounterSupport, Storage, StorageTypes, storage_from_string

from gateway import telemetry
from gateway.clock import Clock
from gateway.errors import TooManyRequests
from gateway.phrases import Finding, Reason

_REDIS_SECONDS = 0.25  # an answer to Sinch must not wait longer for a count
_PAUSE_SECONDS = 5.0  # after a failure, before Redis is asked again
_SCHEME = "gateway"
MOST = 16_384  # counters of a kind, some 4 MB
LOOKED_AT = 2  # counters, whenever there is one more

P = ParamSpec("P")
R = TypeVar("R")


class Limiter:
    """Counts against limits as the settings spell them, such as "30/minute"; None is no limit."""

    def __init__(self, storage: str, *, clock: Clock) -> None:
        """`storage`: `memory://`, or a Redis or Valkey URL."""
        # On an application of its own: on that of a door it would look at each request for limits of its route.
        self._flask = flask_limiter.Limiter(
            key_func=lambda: "",
            app=Flask(__name__, static_folder=None),
            strategy="sliding-window-counter",
            storage_uri=f"{_SCHEME}://",
            storage_options={"address": storage, "clock": clock},  # type: ignore[dict-item] # ours takes a clock
        )

    def require(self, limit: str | None, what: Reason, whose: str) -> None:
        """Count one `what` of `whose`. Raises TooManyRequests when that is one too many."""
        if limit is not None and not self._flask.limiter.hit(rate(limit), what, whose):
            raise TooManyRequests(what)

    def require_left(self, limit: str | None, what: Reason, whose: str) -> None:
        """Count nothing. Raises TooManyRequests when the next `what` of `whose` would be one too many."""
        if limit is not None and not self._flask.limiter.test(rate(limit), what, whose):
            raise TooManyRequests(what)

    def limited(
        self, limit: str | None, what: Reason, *, whose: Callable[[], str]
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorate a step of a view: each call counts one `what` of `whose()`, and raises TooManyRequests as `require`.

        It costs 30 µs more than that.
        """
        if limit is None:
            return lambda step: step

        def refuse(_breached: object) -> Never:
            raise TooManyRequests(what)

        return self._flask.shared_limit(limit, scope=lambda _endpoint: whose(), key_func=lambda: what, on_breach=refuse)


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


class Counters(Storage, SlidingWindowCounterSupport):
    """What Flask-Limiter counts in: Redis, and this process's memory where there is none or while it is away."""

    STORAGE_SCHEME = [_SCHEME]  # noqa: RUF012 - so it is registered
    base_exceptions = cast("Any", StorageError)

    def __init__(self, _uri: str, *, address: str, clock: Clock) -> None:
        super().__init__()
        self._shared = None if address == "memory://" else _open(address)
        self._here = Windows(clock)
        self._clock = clock
        self._away_until = 0.0

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        return self._ask(self._here.acquire_sliding_window_entry, key, limit, expiry, amount)

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        return self._ask(self._here.get_sliding_window, key, expiry)

    def _ask(self, here: Callable[..., R], *question: object) -> R:
        """Ask Redis, or by `here`, which is the same question, the memory."""
        if self._shared is None or self._clock.now() < self._away_until:
            return here(*question)
        try:
            return cast("R", getattr(self._shared, here.__name__)(*question))
        except StorageError:
            self._away_until = self._clock.now() + _PAUSE_SECONDS
            telemetry.find(Finding.LIMITS_STORAGE_AWAY)
            return here(*question)

    def _never_asked(self, *_question: object) -> Never:
        raise NotImplementedError  # it belongs to other strategies than ours

    incr = get = get_expiry = clear = clear_sliding_window = check = reset = cast("Any", _never_asked)


def is_there(storage: str) -> bool:
    """Tell whether the Redis or Valkey at that URL gives an answer."""
    try:
        return bool(_open(storage).check())
    except StorageError:
        return False


@cache
def rate(limit: str) -> RateLimitItem:
    """Understand a limit as the settings spell it."""
    return parse(limit)


def counted_as(address: str) -> str:
    """Give the name under which a client is counted: its address, or the /64 that an IPv6 host owns."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _open(storage: str) -> StorageTypes:
    # A Valkey speaks the protocol of Redis; its own client would be one more to install.
    address = re.sub("^valkey:", "redis:", storage)
    patience = {"socket_timeout": _REDIS_SECONDS, "socket_connect_timeout": _REDIS_SECONDS}
    return storage_from_string(address, wrap_exceptions=True, **patience)
