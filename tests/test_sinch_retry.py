"""When a call is made again: never one that may have done something."""

from __future__ import annotations

import pytest

from gateway.sinch import Effect, retry
from gateway.upstream import Answer
from tests.together import together


def answered(status: int, retry_after: str | None = None) -> Answer:
    return Answer(status, {} if retry_after is None else {"Retry-After": retry_after}, b"")


TABLE = {
    # kind, status, Retry-After: the wait after the first try, or None
    "a message, 200": (Effect.SEND, 200, None, None),
    "a message, 503": (Effect.SEND, 503, "1", None),
    "a message, 500": (Effect.SEND, 500, "1", None),
    "a message, 429 without a time": (Effect.SEND, 429, None, None),
    "a message, 429 with a time": (Effect.SEND, 429, "1", 1.0),
    "a message, 429 with no time at all to wait": (Effect.SEND, 429, "0", 0.0),
    "a message, 429 with the longest time": (Effect.SEND, 429, "5", 5.0),
    "a message, 429 with one beyond it": (Effect.SEND, 429, "6", None),
    "a message, 429 with blanks around": (Effect.SEND, 429, " 2 ", 2.0),
    "a message, 429 with a date": (Effect.SEND, 429, "Sun, 22 Nov 2026 16:00:00 GMT", None),
    "a message, 429 with a fraction": (Effect.SEND, 429, "1.5", None),
    "a message, 429 with minus one": (Effect.SEND, 429, "-1", None),
    "a message, 429 with 400 digits": (Effect.SEND, 429, "9" * 400, None),
    "a message, 401": (Effect.SEND, 401, "1", None),
    "a change, 503": (Effect.CHANGE, 503, None, None),
    "a change, 429 with a time": (Effect.CHANGE, 429, "1", 1.0),
    "a read, 503": (Effect.READ, 503, None, 0.2),
    "a read, 503 with a time": (Effect.READ, 503, "3", 3.0),
    "a read, 503 with a long time": (Effect.READ, 503, "30", None),
    "a read, 500": (Effect.READ, 500, None, None),
    "a read, 429 without a time": (Effect.READ, 429, None, None),
}


@together(("kind", "status", "told", "wait"), TABLE.values(), ids=TABLE)
def test_an_answer_is_final_unless_it_says_that_nothing_was_done(
    kind: Effect, status: int, told: str | None, wait: float | None
) -> None:
    assert retry.after_answer(kind, 1, answered(status, told)) == wait


@pytest.mark.parametrize(
    ("kind", "sent", "timed_out", "again"),
    [
        (Effect.SEND, False, False, True),
        (Effect.SEND, False, True, False),
        (Effect.SEND, True, False, False),
        (Effect.SEND, True, True, False),
        (Effect.CHANGE, True, False, False),
        (Effect.READ, True, False, True),
        (Effect.READ, True, True, False),
        (Effect.READ, False, True, False),
    ],
)
def test_what_left_is_not_sent_again(kind: Effect, sent: bool, timed_out: bool, again: bool) -> None:  # noqa: FBT001
    wait = retry.after_failure(kind, 1, sent=sent, timed_out=timed_out)
    assert (wait is not None) == again


def test_three_tries_are_enough() -> None:
    tries = (1, 2, 3)
    unsent = [retry.after_failure(Effect.SEND, number, sent=False, timed_out=False) for number in tries]
    assert unsent == [0.2, 0.6, None]
    busy = [retry.after_answer(Effect.READ, number, answered(503)) for number in tries]
    assert busy == [0.2, 0.6, None]
