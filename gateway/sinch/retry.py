"""When a call to Sinch may be made once more: never if it may have done something already.

Sinch knows no idempotency key: whoever repeats a message that was taken sends it twice. So a call that left is not
repeated, whatever became of it, but for an answer that says that nothing was done: 429 with the time to come again, and
for reads 503 too (RFC 9110, 9.2.2 and 15.6.4; RFC 6585, 4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway import clock as clocks
from gateway.clock import Clock
from gateway.errors import UpstreamError, UpstreamTimeout
from gateway.sinch import Effect
from gateway.upstream import Answer

MOST_TRIES = 3
PAUSES_SECONDS = (0.2, 0.6)  # after the first and the second try that did not come through
LONGEST_WAIT_SECONDS = 5.0  # for an agent who looks at a message that is being sent
LEAST_SECONDS = 0.5  # for a try: with less left none is begun


def after_failure(effect: Effect, tries: int, *, sent: bool, timed_out: bool) -> float | None:
    """Say how many seconds to wait after a try without an answer; None: it is not made again.

    A read may be made again though it left: it does nothing. But nobody waits twice for who says nothing.
    """
    again = not timed_out and (not sent or effect is Effect.READ)
    return PAUSES_SECONDS[tries - 1] if again and tries < MOST_TRIES else None


def after_answer(effect: Effect, tries: int, answer: Answer) -> float | None:
    """Say how many seconds to wait before the call is made once more; None: the answer stands."""
    if tries >= MOST_TRIES:
        return None
    told = answer.retry_after_seconds()  # of a date we know nothing: it would need the clocks to agree
    if answer.status == 503 and effect is Effect.READ:
        wait = PAUSES_SECONDS[tries - 1] if told is None else told
    elif answer.status == 429 and told is not None:
        wait = told
    else:
        return None
    return wait if wait <= LONGEST_WAIT_SECONDS else None


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Makes one call as often as it may be made, within one time for all of its tries."""

    clock: Clock
    each_seconds: float  # of one try
    pause: Callable[[float], None] = clocks.pause

    def answered(self, ask: Callable[[float], Answer], effect: Effect, *, ends_at: float) -> tuple[Answer, int]:
        """Hand back the answer, and after how many tries it came; `ask` is told the seconds that it may take.

        Raises UpstreamError, with the tries.
        """
        tries = 0
        while True:
            tries += 1
            try:
                answer = ask(min(self.each_seconds, max(ends_at - self.clock.now(), LEAST_SECONDS)))
                wait = after_answer(effect, tries, answer)
                if wait is None or not self._has(wait, ends_at):
                    return answer, tries
            except UpstreamError as error:
                timed_out = isinstance(error, UpstreamTimeout)
                wait = after_failure(effect, tries, sent=error.sent, timed_out=timed_out or error.final)
                if wait is None or not self._has(wait, ends_at):
                    error.tries = tries
                    raise
            self.pause(wait)

    def _has(self, wait: float, ends_at: float) -> bool:
        """Say whether there is time for a try after that pause."""
        return self.clock.now() + wait + LEAST_SECONDS <= ends_at
