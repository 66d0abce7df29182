"""When a call to Sinch may be made once more: never if it may have done something already.

Sinch knows no idempotency key: whoever repeats a message that was taken sends it twice. So a call that left is not
repeated, whatever became of it, but for an answer that says that nothing was done: 429 with the time to come again, and
for reads 503 too (RFC 9110, 9.2.2 and 15.6.4; RFC 6585, 4).
"""

from __future__ import annotations

import re

from gateway.outbound.allowed import Effect

MOST_TRIES = 3
PAUSES_SECONDS = (0.2, 0.6)  # after the first and the second try that did not come through
LONGEST_WAIT_SECONDS = 5.0  # for an agent who looks at a message that is being sent

_SECONDS = re.compile("[0-9]{1,4}")


def after_failure(effect: Effect, tries: int, *, sent: bool, timed_out: bool) -> float | None:
    """How long to wait after a try without an answer; None: it is not made again.

    A read may be made again though it left: it does nothing. But nobody waits twice for who says nothing.
    """
    again = not timed_out and (not sent or effect is Effect.READ)
    return PAUSES_SECONDS[tries - 1] if again and tries < MOST_TRIES else None


def after_answer(effect: Effect, tries: int, *, status: int, retry_after: str | None) -> float | None:
    """How long to wait before the call is made once more; None: the answer stands."""
    if tries >= MOST_TRIES:
        return None
    told = _seconds(retry_after)
    if status == 503 and effect is Effect.READ:
        wait = PAUSES_SECONDS[tries - 1] if told is None else told
    elif status == 429 and told is not None:
        wait = told
    else:
        return None
    return wait if wait <= LONGEST_WAIT_SECONDS else None


def _seconds(retry_after: str | None) -> float | None:
    """Of a date we know nothing: it would need the clocks to agree."""
    found = _SECONDS.fullmatch((retry_after or "").strip())
    return float(found[0]) if found else None
