"""How many deliveries may be begun, of which kind."""

from __future__ import annotations

import threading
from collections import Counter

from gateway.config import Settings
from gateway.delivery.health import Scope

HANDS = 2  # for each delivery: while what became of one is written down the next is under way
OVERLOADED = (429, 503)
QUICK_SECONDS = 0.05  # who answers within that is never asked for less
SLOWER = 2.0  # times what it takes at its best: then those that are under way wait for each other
ROUNDS = 20  # with fewer than may be, after which its best is measured anew: it may have become slower for good
LEAST_SEEN = 8  # tries by which it is judged
LEAST_AT_ONCE = 2


class Bearing:
    """How many deliveries at once Motion can bear, told by how long it takes. Safe to use from several threads.

    One that takes longer the more are under way does them one after another: more at once would be late by each other,
    and in the end time out. The median says so, which one event that hangs does not change. While it gets fewer than it
    may, what it takes at its best is measured anew at times, with as few as can be.
    """

    def __init__(self, most: int) -> None:
        self.most, self._highest, self._lowest = most, most, min(LEAST_AT_ONCE, most)
        self._best = float("inf")  # seconds
        self._took: list[float] = []
        self._skipped = self._rounds = self._resume = 0  # tries begun before `most` was this; rounds with fewer
        self._overloaded = False
        self._guard = threading.Lock()

    def learn(self, status: int | None, seconds: float) -> bool:
        """Learn from the answer to a try, if there was one, and from how long it took.

        Returns whether Motion bears all now, or not all any more.
        """
        with self._guard:
            self._overloaded |= status in OVERLOADED
            if self._skipped:
                self._skipped -= 1
                return False
            self._took.append(seconds)
            if len(self._took) < max(LEAST_SEEN, self.most):
                return False
            before, self.most = self.most, self._judged(sorted(self._took)[len(self._took) // 2])
            self._took, self._overloaded = [], False
            self._skipped = before if before != self.most else 0
            return self._highest in (before, self.most) and before != self.most

    def _judged(self, took: float) -> int:
        """Say how many there may be after a round of tries that took so long."""
        if self._resume:  # it had as few as can be
            before, self._resume, self._best = self._resume, 0, took
            return before
        self._best = min(self._best, took)
        self._rounds = self._rounds + 1 if self.most < self._highest else 0
        if self._rounds > ROUNDS:
            self._rounds, self._resume = 0, self.most
            return self._lowest
        if self._overloaded or took > max(QUICK_SECONDS, SLOWER * self._best):
            return max(self._lowest, self.most * 3 // 4)
        return min(self._highest, self.most + 1)


class Room:
    """The deliveries that may be begun now, so that Motion hanging on a kind, or on an account, leaves some for others.

    A kind gets a quarter of those, and more once Motion has answered its last try: half for all without
    words of a customer together, else what there is but for a quarter, which is for other accounts.
    """

    def __init__(
        self,
        settings: Settings,
        in_hand: Counter[Scope],
        arrived: Counter[Scope],
        answering: frozenset[Scope],
        *,
        at_once: int,
    ) -> None:
        """`arrived`: with Motion, of what is in hand; that takes no room while there are HANDS for the next."""
        self._all, self._answering = at_once, answering
        self._quarter = max(1, self._all // 4)
        self._most = self._all - self._all // 4 if len(settings.accounts) > 1 else self._all
        self._flying = in_hand - arrived
        self.left = min(at_once - self._flying.total(), HANDS * settings.spool.deliveries - in_hand.total())
        self.crowded: set[Scope] = set()

    def take(self, about: Scope) -> bool:
        """Take one for a kind, if it may have another; else it is crowded."""
        wordless = sum(count for other, count in self._flying.items() if other.wordless) if about.wordless else 0
        most = self._most if about in self._answering else self._quarter
        if self._flying[about] >= most or wordless >= max(1, self._all // 2):
            self.crowded.add(about)
            return False
        self._flying[about] += 1
        self.left -= 1
        return True
