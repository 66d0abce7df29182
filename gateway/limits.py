"""How often something may happen: counted in memory, or in Redis where a door has several workers.

When Redis is away the counting goes on in memory and a finding says so. It never stops.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from limits import RateLimitItem
from limits.errors import StorageError
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter

from gateway import telemetry
from gateway.clock import Clock
from gateway.errors import TooManyRequests

_REDIS_SECONDS = 0.25  # an answer to Sinch must not wait longer for a count
_PAUSE_SECONDS = 5.0  # after a failure, before Redis is asked again


class Limiter:
    def __init__(self, storage: str, *, clock: Clock) -> None:
        """`storage`: `memory://`, or a Redis or Valkey URL."""
        self._here = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared = None if storage == "memory://" else SlidingWindowCounterRateLimiter(_open(storage))
        self._clock = clock
        self._away_until = 0.0

    def require(self, limit: RateLimitItem | None, what: str, whose: str) -> None:
        """Count one `what` of `whose`. Raises TooManyRequests when that is one too many."""
        if limit is not None and not self._ask(lambda counters: counters.hit(limit, what, whose)):
            raise TooManyRequests(f"limit of {what}")

    def require_left(self, limit: RateLimitItem | None, what: str, whose: str) -> None:
        """Count nothing. Raises TooManyRequests when the next `what` of `whose` would be one too many."""
        if limit is not None and not self._ask(lambda counters: counters.test(limit, what, whose)):
            raise TooManyRequests(f"limit of {what}")

    def _ask(self, question: Callable[[SlidingWindowCounterRateLimiter], bool]) -> bool:
        if self._shared is None or self._clock.now() < self._away_until:
            return question(self._here)
        try:
            return question(self._shared)
        except StorageError:
            self._away_until = self._clock.now() + _PAUSE_SECONDS
            telemetry.note("finding", finding="limits-storage-away")
            return question(self._here)


def counted_as(address: str) -> str:
    """The name under which a client is counted: its address, or the /64 that an IPv6 host owns."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _open(storage: str):  # type: ignore[no-untyped-def] # noqa: ANN202 - limits' own union of storages
    # A Valkey speaks the protocol of Redis; its own client would be one more to install.
    address = re.sub("^valkey:", "redis:", storage)
    return storage_from_string(
        address, wrap_exceptions=True, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS
    )
