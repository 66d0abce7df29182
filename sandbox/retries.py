"""When Sinch tries again, and when it gives up.

Conversation's own table is not published. The default is that of Sinch's SMS API, read as waits of 5 s doubling to
81,920 s; there 429 and 5xx are tried again and any other 4xx drops the callback for good. Whether a retry carries its
first signature (the default here) is reported by one integrator only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["accepted", "dropped", "again"]


@dataclass(frozen=True, kw_only=True)
class Retries:
    """Waits in simulated seconds; a clock that runs `speed` times faster makes them short. Retry-After is ignored."""

    first_wait_seconds: float = 5
    last_wait_seconds: float = 81_920
    speed: float = 1
    resigned: bool = False

    def waits(self) -> Iterator[float]:
        """The simulated wait before each further try."""
        wait = self.first_wait_seconds
        while wait <= self.last_wait_seconds:
            yield wait
            wait *= 2

    def real_seconds(self, simulated_seconds: float) -> float:
        """How long such a wait takes on this machine."""
        return simulated_seconds / self.speed


DEFAULT = Retries()
NONE = Retries(last_wait_seconds=0)


def judge(status: int | None) -> Verdict:
    """What Sinch makes of an answer; None stands for no answer at all. Redirects are failures, never followed."""
    if status is None or status == 429:
        return "again"
    if 200 <= status <= 299:
        return "accepted"
    return "dropped" if 400 <= status <= 499 else "again"
