"""How often something may happen: counted in memory, which the workers of a door share, or in Redis.

Rule 1. When Redis is away, or what workers share, each goes on counting in its own memory and a finding says so. It
        never stops.
Rule 2. An answer to Sinch waits for no count: Redis, its Sentinels or its cluster have a quarter of a second.
Rule 3. A limit is asked once it is known whose it is, by what was proved: a right signature is never refused because
        others from its address were wrong. So no limit hangs on a route, where it would be asked before the view.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any, Never, ParamSpec, TypeVar, cast

import flask_limiter
from flask import Flask
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import SlidingWindowCounterSupport, Storage, StorageTypes, storage_from_string

from gateway import telemetry
from gateway.clock import Clock
from gateway.config import storages
from gateway.counters import SharedWindows, Windows
from gateway.errors import TooManyRequests
from gateway.phrases import Finding, Reason

_REDIS_SECONDS = 0.25  # an answer to Sinch must not wait longer for a count
_LEAST_SECONDS = 0.1  # of several places that are asked one after the other, each
_PAUSE_SECONDS = 5.0  # after a failure, before Redis is asked again
_SCHEME = "gateway"

P = ParamSpec("P")
R = TypeVar("R")


class Limiter:
    """Counts against limits as the settings spell them, such as "30/minute"; None is no limit."""

    def __init__(self, storage: str, *, clock: Clock, windows: SharedWindows | None = None) -> None:
        """`storage`: `memory://`, or a Redis or Valkey URL; `windows`: those of several workers, where it is memory."""
        # On an application of its own: on that of a door it would look at each request for limits of its route.
        self._flask = flask_limiter.Limiter(
            key_func=lambda: "",
            app=Flask(__name__, static_folder=None),
            strategy="sliding-window-counter",
            storage_uri=f"{_SCHEME}://",
            storage_options={"address": storage, "clock": clock, "windows": windows},  # type: ignore[dict-item] # of ours
        )

    def require(self, limit: str | None, what: Reason, whose: str) -> None:
        """Count one `what` of `whose`. Raises TooManyRequests when that is one too many."""
        if limit is not None and not self._flask.limiter.hit(rate(limit), what, whose):
            raise TooManyRequests(what)

    def require_left(self, limit: str | None, what: Reason, whose: str) -> None:
        """Count nothing. Raises TooManyRequests when the next `what` of `whose` would be one too many."""
        if limit is not None and not self._flask.limiter.test(rate(limit), what, whose):
            raise TooManyRequests(what)


class Counters(Storage, SlidingWindowCounterSupport):
    """What Flask-Limiter counts in: what others share, and our own memory where we are alone, or while that is away."""

    STORAGE_SCHEME = [_SCHEME]  # noqa: RUF012 - so it is registered
    base_exceptions = cast("Any", StorageError)

    def __init__(self, _uri: str, *, address: str, clock: Clock, windows: SharedWindows | None) -> None:
        super().__init__()
        self._address, self._clock = address, clock
        self._here = Windows(clock)
        self._shared: StorageTypes | SharedWindows | None = windows if address == storages.MEMORY else None
        self._alone = address == storages.MEMORY and windows is None
        self._away_until = 0.0

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        return self._ask(self._here.acquire_sliding_window_entry, key, limit, expiry, amount)

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        return self._ask(self._here.get_sliding_window, key, expiry)

    def _ask(self, here: Callable[..., R], *question: object) -> R:
        """Ask what others share, or by `here`, which is the same question, the memory."""
        if self._alone or self._clock.now() < self._away_until:
            return here(*question)
        try:
            with _translated():
                return cast("R", getattr(self._shared or self._opened(), here.__name__)(*question))
        except StorageError:
            if self._clock.now() >= self._away_until:  # else another has told it, who asked at the same moment
                self._away_until = self._clock.now() + _PAUSE_SECONDS
                telemetry.find(Finding.LIMITS_STORAGE_AWAY)
            return here(*question)

    def _opened(self) -> StorageTypes:
        """Open it once it is asked: a cluster is asked for its map, and the memory counts for the others meanwhile."""
        self._away_until = self._clock.now() + _PAUSE_SECONDS
        try:
            self._shared = _open(self._address)
        finally:
            self._away_until = 0.0
        return self._shared

    def _never_asked(self, *_question: object) -> Never:
        raise NotImplementedError  # it belongs to other strategies than ours

    incr = get = get_expiry = clear = clear_sliding_window = check = reset = cast("Any", _never_asked)


def is_there(storage: str) -> bool:
    """Tell whether the Redis or Valkey at that URL gives an answer."""
    try:
        with _translated():
            return bool(_open(storage).check())
    except StorageError:
        return False


@cache
def rate(limit: str) -> RateLimitItem:
    """Understand a limit as the settings spell it."""
    return parse(limit)


@lru_cache(maxsize=1024)
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


@contextmanager
def _translated() -> Iterator[None]:
    """Raises StorageError for what the system says, and whatever the client of Redis raises.

    Of a cluster without a map that is no RedisError.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(error) from error
    except Exception as error:
        from redis.exceptions import RedisClusterException, RedisError  # who counts in memory does not load it

        if isinstance(error, (RedisError, RedisClusterException)):
            raise StorageError(error) from error
        raise


def _open(storage: str) -> StorageTypes:
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    address, options = storages.heard(storage)
    seconds = max(_LEAST_SECONDS, _REDIS_SECONDS / (1 + address.count(",")))
    patience = {"socket_timeout": seconds, "socket_connect_timeout": seconds, "retry": Retry(NoBackoff(), 0)}
    if "sentinel_kwargs" in options:
        options["sentinel_kwargs"] = cast("dict[str, object]", options["sentinel_kwargs"]) | patience
    return storage_from_string(address, **cast("dict[str, Any]", patience | options))
