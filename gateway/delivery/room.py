"""How many deliveries may be begun, of which kind."""

from __future__ import annotations

from collections import Counter

from gateway.config import Settings
from gateway.delivery.health import Scope


class Room:
    """The deliveries that may be begun now, so that Motion hanging on a kind, or on an account, leaves some for others.

    A kind gets a quarter of `spool.deliveries`, and more once Motion has answered its last try: half for all without
    words of a customer together, else what there is but for a quarter, which is for other accounts.
    """

    def __init__(
        self, settings: Settings, in_hand: Counter[Scope], arrived: Counter[Scope], answering: frozenset[Scope]
    ) -> None:
        """`arrived`: with Motion, of what is in hand; it takes no room, unless there are as many as deliveries."""
        self._all, self._answering = settings.spool.deliveries, answering
        self._quarter = max(1, self._all // 4)
        self._most = self._all - self._all // 4 if len(settings.accounts) > 1 else self._all
        self._flying = in_hand - arrived
        self.left = self._all - max(self._flying.total(), in_hand.total() - self._all)
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
