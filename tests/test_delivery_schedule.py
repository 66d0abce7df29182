"""When an event is tried again, when it is given up, and when it is Motion's fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery import schedule
from gateway.delivery.schedule import Again, FailureRecord, Park, Try, Witness
from gateway.phrases import Reason
from tests.together import together

NOW = 1_000_000.0
DAY = 86_400.0
NO_ANSWER = Try(None, "connection refused")
HUNG = Try(None, "no answer in time")


def answered(status: int | None, *, retry_after: float = 0.0) -> Try:
    return Try(status, str(status) if status else Reason.CONNECTION_REFUSED, retry_after)


def after(attempt: Try, record: FailureRecord, **changes: Any) -> Again | Park:
    """What follows a failure while Motion is up and takes other events, unless `changes` says otherwise."""
    usual: dict[str, Any] = {
        "away": False,
        "witness": Witness(own_kind=True, nothing=False),
        "wordless": False,
        "one_try": False,
        "now": NOW,
        "retry_for_seconds": 3 * DAY,
        "chance": 0.5,
    }
    return schedule.after_failure(attempt, record, **(usual | changes))


def wait_seconds(attempt: Try, failures: int, *, chance: float) -> float:
    """The wait after so many failures, this one included."""
    step = after(attempt, FailureRecord(failures - 1, NOW), witness=Witness(), chance=chance)
    assert isinstance(step, Again)
    return step.wait_seconds


DELIVERED, REFUSED, PASSING, AWAY = "delivered", "refused", "passing", "away"
STATUSES: dict[int | None, str] = {
    None: AWAY,
    100: REFUSED,
    199: REFUSED,
    200: DELIVERED,
    204: DELIVERED,
    299: DELIVERED,
    300: REFUSED,
    304: REFUSED,
    399: REFUSED,
    400: REFUSED,
    401: REFUSED,
    404: REFUSED,
    407: REFUSED,
    408: PASSING,
    409: REFUSED,
    424: REFUSED,
    425: PASSING,
    426: REFUSED,
    428: REFUSED,
    429: PASSING,
    430: REFUSED,
    499: REFUSED,
    500: PASSING,
    501: PASSING,
    502: AWAY,
    503: AWAY,
    504: AWAY,
    505: PASSING,
    599: PASSING,
}


@together(("status", "meaning"), STATUSES.items(), ids=map(str, STATUSES))
def test_a_status_means_one_thing(status: int | None, meaning: str) -> None:
    attempt = answered(status)
    found = {DELIVERED: attempt.delivered, REFUSED: attempt.refused, AWAY: attempt.away}
    assert [name for name, true in found.items() if true] == ([] if meaning == PASSING else [meaning])


@pytest.mark.parametrize(
    ("reason", "away"),
    [
        (Reason.NO_HOST, True),
        (Reason.CONNECTION_REFUSED, True),
        (Reason.TLS_REFUSED, True),
        (Reason.PROXY_DOWN, True),
        (Reason.PROXY_LATE, True),
        (Reason.CONNECTION_BROKEN, False),
        (Reason.NO_ANSWER, False),
        (Reason.ANSWER_SHORT, False),
        (Reason.ANSWER_MALFORMED, False),
    ],
)
def test_without_an_answer_motion_is_away_only_where_it_was_not_reached(reason: Reason, *, away: bool) -> None:
    attempt = Try(None, reason)
    assert (attempt.away, attempt.silent) == (away, not away)


@together(
    ("failures", "longest"),
    [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 64), (8, 128), (9, 256), (10, 300), (11, 300), (10**6, 300)],
)
def test_the_wait_doubles_up_to_five_minutes_and_is_spread_over_all_of_it(failures: int, longest: float) -> None:
    assert wait_seconds(answered(500), failures, chance=0.0) == 0.0
    assert wait_seconds(answered(500), failures, chance=0.5) == longest / 2
    assert longest * 0.999 < wait_seconds(answered(500), failures, chance=0.9999999) < longest


@pytest.mark.parametrize(
    ("asked", "chance", "waited"),
    [(0.0, 1.0, 4.0), (3.9, 1.0, 4.0), (4.1, 1.0, 4.1), (299.0, 0.0, 299.0), (300.0, 0.0, 300.0), (301.0, 0.0, 300.0)],
)
def test_what_motion_asks_for_is_waited_but_never_over_five_minutes(asked: float, chance: float, waited: float) -> None:
    assert wait_seconds(answered(429, retry_after=asked), 3, chance=chance) == waited


@dataclass(frozen=True)
class Case:
    attempt: Try
    failures: int  # before this one
    parked: bool
    others_delivered: bool = True
    motion_was_up: bool = True
    failing_for: float = 60.0


GIVEN_UP = {
    "1st refusal": Case(answered(404), 0, parked=False),
    "4th refusal": Case(answered(404), 3, parked=False),
    "5th refusal": Case(answered(404), 4, parked=True),
    "6th refusal": Case(answered(404), 5, parked=True),
    "5th refusal, nothing else delivered": Case(answered(404), 4, parked=False, others_delivered=False),
    "500th refusal, nothing else delivered": Case(answered(404), 499, parked=False, others_delivered=False),
    "5th failure that may pass": Case(answered(500), 4, parked=False),
    "7th failure that may pass": Case(answered(500), 6, parked=False),
    "8th failure that may pass": Case(answered(500), 7, parked=True),
    "9th failure that may pass": Case(answered(429), 8, parked=True),
    "8th failure that may pass, nothing else delivered": Case(answered(500), 7, parked=False, others_delivered=False),
    "7th failure without an answer": Case(NO_ANSWER, 6, parked=False),
    "8th failure without an answer": Case(NO_ANSWER, 7, parked=True),
    "8th failure without an answer, nothing else delivered": Case(NO_ANSWER, 7, parked=False, others_delivered=False),
    "8th failure with 503": Case(answered(503), 7, parked=True),
    "500th failure while Motion is down": Case(answered(500), 499, parked=False, motion_was_up=False),
    "500th refusal while Motion is down": Case(answered(404), 499, parked=False, motion_was_up=False),
    "failing for retry_for, nothing else delivered": Case(
        answered(500), 7, parked=False, failing_for=3 * DAY, others_delivered=False
    ),
    "failing just over retry_for, nothing else delivered": Case(
        answered(500), 7, parked=True, failing_for=3 * DAY + 1, others_delivered=False
    ),
    "refused over retry_for, nothing else delivered": Case(
        answered(404), 7, parked=True, failing_for=3 * DAY + 1, others_delivered=False
    ),
    "7th failure, over retry_for since Motion was down": Case(
        answered(500), 6, parked=False, failing_for=3 * DAY + 1, others_delivered=False
    ),
    "without an answer over retry_for": Case(
        NO_ANSWER, 7, parked=False, failing_for=3 * DAY + 1, others_delivered=False
    ),
    "answered 502 over retry_for": Case(
        answered(502), 7, parked=False, failing_for=3 * DAY + 1, others_delivered=False
    ),
    "over retry_for while Motion is down": Case(
        answered(500), 1, parked=False, failing_for=300 * DAY, motion_was_up=False
    ),
}


@together("case", GIVEN_UP.values(), ids=GIVEN_UP)
def test_an_event_is_given_up_only_when_the_failures_are_its_own(case: Case) -> None:
    step = after(
        case.attempt,
        FailureRecord(case.failures, NOW - case.failing_for),
        witness=Witness(own_kind=case.others_delivered, nothing=not case.others_delivered),
        away=not case.motion_was_up,
    )
    assert isinstance(step, Park) is case.parked


def test_the_first_failure_is_when_it_began_and_later_ones_do_not_move_it() -> None:
    first = after(answered(500), FailureRecord())
    assert isinstance(first, Again)
    assert first.record == FailureRecord(failures=1, failing_since=NOW)
    second = after(answered(500), first.record, now=NOW + 60)
    assert isinstance(second, Again)
    assert second.record == FailureRecord(failures=2, failing_since=NOW)


@pytest.mark.parametrize("record", [FailureRecord(), FailureRecord(3, NOW - 60)], ids=["fresh", "failed before"])
def test_a_failure_while_motion_is_down_costs_the_event_nothing(record: FailureRecord) -> None:
    for attempt in (NO_ANSWER, answered(503, retry_after=100), answered(404)):
        assert after(attempt, record, away=True) == Again(0.0, record)


@given(
    status=st.none() | st.integers(100, 999).filter(lambda status: not 200 <= status < 300),
    failures=st.integers(0, 10**6),
    asked=st.floats(0, 1e12),
    chance=st.floats(0, 1, exclude_max=True),
    others=st.booleans(),
    since=st.none() | st.floats(0, 1e10),
)
def test_any_failure_is_tried_again_within_five_minutes_or_given_up(
    status: int | None, failures: int, asked: float, chance: float, *, others: bool, since: float | None
) -> None:
    attempt = answered(status, retry_after=asked)
    step = after(attempt, FailureRecord(failures, since), witness=Witness(own_kind=others), chance=chance)
    assert isinstance(step, Park) or 0 <= step.wait_seconds <= schedule.LONGEST_WAIT_SECONDS
    assert after(attempt, FailureRecord(failures, since), witness=Witness(own_kind=others), away=True) == Again(
        0.0, FailureRecord(failures, since)
    )


@together(
    ("probes", "asked", "waited"),
    [
        (0, 0, 1),
        (1, 0, 2),
        (2, 0, 4),
        (3, 0, 8),
        (4, 0, 15),
        (5, 0, 15),
        (10**6, 0, 15),
        (0, 0.5, 1),
        (0, 2, 2),
        (5, 14, 15),
        (5, 16, 16),
        (5, 299, 299),
        (5, 300, 300),
        (5, 301, 300),
        (5, 1e12, 300),
    ],
)
def test_probes_come_ever_more_slowly_and_every_15_seconds_at_least(probes: int, asked: float, waited: float) -> None:
    assert schedule.next_probe_seconds(probes, asked) == waited


OTHERS = Witness(other_kinds=True, nothing=False)
KINDS = {
    "4th, wordless": (answered(400), 3, True, False, OTHERS, False),
    "5th, wordless": (answered(400), 4, True, False, OTHERS, True),
    "6th, wordless": (answered(400), 5, True, False, OTHERS, True),
    "5th that may pass, wordless": (answered(500), 4, True, False, OTHERS, True),
    "1st, wordless, known": (answered(400), 0, True, True, OTHERS, True),
    "1st, wordless, not known": (answered(400), 0, True, False, OTHERS, False),
    "1st, known, nothing else taken": (answered(400), 0, True, True, Witness(), False),
    "500th, nothing else taken": (answered(400), 499, True, True, Witness(), False),
    "500th, with words": (answered(400), 499, False, True, OTHERS, False),
}


@pytest.mark.parametrize("case", KINDS.values(), ids=KINDS)
def test_a_refused_kind_is_parked_after_its_tries_unless_it_carries_words(case: Any) -> None:
    attempt, failures, wordless, one_try, witness, parked = case
    step = after(attempt, FailureRecord(failures, NOW), wordless=wordless, one_try=one_try, witness=witness)
    assert isinstance(step, Park) is parked


BEHIND = {
    "4th refusal": (answered(400), 3, {}, False),
    "5th refusal": (answered(400), 4, {}, True),
    "4th that may pass": (answered(500), 3, {}, False),
    "5th that may pass": (answered(500), 4, {}, True),
    "7th time that it was too much": (answered(429), 6, {}, False),
    "8th time that it was too much": (answered(429), 7, {}, True),
    "1st, wordless, known": (answered(400), 0, {"wordless": True, "one_try": True}, True),
    "1st, wordless": (answered(400), 0, {"wordless": True}, False),
    "2nd, wordless, others taken": (answered(400), 1, {"wordless": True, "witness": OTHERS}, True),
    "2nd, others taken": (answered(400), 1, {"witness": OTHERS}, False),
    "7th that may pass, one of its kind taken": (answered(500), 6, {"witness": Witness(own_kind=True)}, False),
}


@pytest.mark.parametrize("case", BEHIND.values(), ids=BEHIND)
def test_those_behind_are_tried_where_they_can_tell_something(case: Any) -> None:
    attempt, failures, changes, behind = case
    step = after(attempt, FailureRecord(failures, NOW), **({"witness": Witness()} | changes))
    assert isinstance(step, Again)
    assert step.look_behind is behind
