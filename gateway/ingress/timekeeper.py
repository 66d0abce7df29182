"""What Sinch's signatures tell of this machine's clock: whether it may be that which is wrong, and no callback old.

Rule 1. A new callback that was signed in these minutes bears the clock out, for as long as it runs on without a jump.
Rule 2. While nothing bears it out, what looks old is no final refusal: Sinch shall come again. It is kept as rejected
        all the same, and never delivered by itself: nobody gets past the window by waiting for a doubt.
Rule 3. An alarm takes more: a signature from the future, or one that looks old and is newer than all that were
        accepted. Whoever plays an old one again raises none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from gateway import clock
from gateway.ingress import signature
from gateway.phrases import Finding, Reason
from gateway.store import retention
from gateway.store.engines import Database

FRESH_SECONDS = 600.0
JUMP_SECONDS = 60.0  # more than a clock that is merely put right little by little


def drift_seconds(database: Database, *, now: float, within_seconds: float = FRESH_SECONDS) -> float | None:
    """How far this machine's clock is ahead of Sinch's, by what was taken in lately; less than 0 where behind.

    None where nothing was. The way from there to here is in it, a second at most. Raises SpoolUnavailable.
    """
    [[ago]] = database.ask(lambda run: run("signed_ago", since=now - within_seconds, header=signature.TIMESTAMP))
    return None if ago is None else float(ago)


class Timekeeper:
    """Of one process. Safe to use from several threads."""

    def __init__(self, spool: Database, *, steady: Callable[[], float] = clock.steady) -> None:
        self._spool, self._steady = spool, steady
        self._guard = threading.Lock()
        self._offset: float | None = None  # of the clock to the steady one, when a signature bore it out
        self._alarmed: bool | None = None  # None: by a process before us, perhaps

    def bear_out(self, timestamp: int, *, now: float) -> None:
        """Learn from a new callback that was taken in. Raises SpoolUnavailable."""
        if now - timestamp > FRESH_SECONDS:
            return
        with self._guard:
            self._offset, over = now - self._steady(), self._alarmed is not False
            self._alarmed = False
        if over:
            self._spool.tell(lambda run: run("end_trouble", finding=Finding.CLOCK_SKEW, about=""))

    def is_doubted(self, *, now: float) -> bool:
        """Whether it may be the clock that is wrong."""
        with self._guard:
            return self._offset is None or abs(now - self._steady() - self._offset) > JUMP_SECONDS

    def is_news(self, timestamp: int) -> bool:
        """Whether nothing that was accepted was signed as late. Raises SpoolUnavailable."""
        newest = retention.newest_signed(self._spool)
        return newest is None or timestamp > newest

    def alarm(self, reason: Reason, timestamp: int, *, now: float) -> None:
        """Let the office know, with the difference of the clocks in seconds. Raises SpoolUnavailable."""
        with self._guard:
            new, self._alarmed = not self._alarmed, True
        if new:
            told = f"{reason}: {abs(now - timestamp):.0f} s"
            found = {"finding": Finding.CLOCK_SKEW, "about": "", "reason": told, "since": now}
            self._spool.tell(lambda run: run("keep_trouble", **found))
