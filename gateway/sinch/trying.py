"""One call, made again where `calls.retries` allows it, within one time for all of its tries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway import clock as clocks
from gateway.clock import Clock
from gateway.errors import UpstreamError, UpstreamTimeout
from gateway.outbound.allowed import Effect
from gateway.sinch import retry
from gateway.upstream import Answer

LEAST_SECONDS = 0.5  # for a try: with less left none is begun

Ask = Callable[[float], Answer]


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a try may take, and where time and pauses come from."""

    clock: Clock
    each_seconds: float
    pause: Callable[[float], None] = clocks.pause

    def answered(self, ask: Ask, effect: Effect, *, ends_at: float) -> tuple[Answer, int]:
        """The answer, and after how many tries; `ask` is told its seconds. Raises UpstreamError, with the tries."""
        tries = 0
        while True:
            tries += 1
            try:
                answer = ask(min(self.each_seconds, max(ends_at - self.clock.now(), LEAST_SECONDS)))
                told = answer.headers.get("Retry-After")
                wait = retry.after_answer(effect, tries, status=answer.status, retry_after=told)
                if wait is None or not self._has(wait, ends_at):
                    return answer, tries
            except UpstreamError as error:
                timed_out = isinstance(error, UpstreamTimeout)
                wait = retry.after_failure(effect, tries, sent=error.sent, timed_out=timed_out)
                if wait is None or not self._has(wait, ends_at):
                    error.tries = tries
                    raise
            self.pause(wait)

    def _has(self, wait: float, ends_at: float) -> bool:
        """Whether there is time for a try after that pause."""
        return self.clock.now() + wait + LEAST_SECONDS <= ends_at
