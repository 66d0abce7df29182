"""When an event is tried again, when it is given up, and when it is Motion's fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery import schedule
from gateway.delivery.schedule import Again, FailureRecord, Health, Park, Try

NOW = 1_000_000.0
DAY = 86_400.0
NO_ANSWER = Try(None, "connection refused")
HUNG = Try(None, "no answer in time", hung=True)


def answered(status: int | None, *, retry_after: float = 0.0) -> Try:
    return Try(status, str(status), retry_after)


def after(attempt: Try, record: FailureRecord, **changes: Any) -> Again | Park:
    """What follows a failure while Motion is up and takes other events, unless `changes` says otherwise."""
    usual: dict[str, Any] = {
        "motion_was_up": True,
        "others_delivered": True,
        "now": NOW,
        "retry_for_seconds": 3 * DAY,
        "chance": 0.5,
    }
    return schedule.after_failure(attempt, record, **(usual | changes))


def wait_seconds(attempt: Try, failures: int, *, chance: float) -> float:
    """The wait after so many failures, this one included."""
    step = after(attempt, FailureRecord(failures - 1, NOW), others_delivered=False, chance=chance)
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


@pytest.mark.parametrize(("status", "meaning"), STATUSES.items(), ids=map(str, STATUSES))
def test_a_status_means_one_thing(status: int | None, meaning: str) -> None:
    attempt = answered(status)
    found = {DELIVERED: attempt.delivered, REFUSED: attempt.refused, AWAY: attempt.away}
    assert [name for name, true in found.items() if true] == ([] if meaning == PASSING else [meaning])


@pytest.mark.parametrize(
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


@pytest.mark.parametrize("case", GIVEN_UP.values(), ids=GIVEN_UP)
def test_an_event_is_given_up_only_when_the_failures_are_its_own(case: Case) -> None:
    step = after(
        case.attempt,
        FailureRecord(case.failures, NOW - case.failing_for),
        others_delivered=case.others_delivered,
        motion_was_up=case.motion_was_up,
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
        assert after(attempt, record, motion_was_up=False) == Again(0.0, record)


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
    step = after(attempt, FailureRecord(failures, since), others_delivered=others, chance=chance)
    assert isinstance(step, Park) or 0 <= step.wait_seconds <= schedule.LONGEST_WAIT_SECONDS
    assert after(attempt, FailureRecord(failures, since), others_delivered=others, motion_was_up=False) == Again(
        0.0, FailureRecord(failures, since)
    )


@pytest.mark.parametrize(
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


def health(*outcomes: tuple[str, Try]) -> Health:
    made = Health()
    for lane, attempt in outcomes:
        made.note(lane, attempt)
    return made


A, B, C = ("a", answered(500)), ("b", answered(404)), ("c", answered(429))
FINE = ("d", answered(200))
DOWN = {
    "nothing tried yet": ([], False),
    "a delivery": ([FINE], False),
    "no answer once": ([("a", NO_ANSWER)], True),
    "a wait in vain": ([("a", HUNG)], False),
    "one contact waits in vain again and again": ([("a", HUNG)] * 10, False),
    "two contacts wait in vain": ([("a", HUNG), ("b", HUNG)], True),
    "two contacts wait in vain, a delivery between": ([("a", HUNG), FINE, ("b", HUNG)], False),
    "a wait in vain, then a refusal": ([("a", HUNG), B], False),
    "a wait in vain, then two refusals": ([("a", HUNG), B, C], True),
    "502 once": ([("a", answered(502))], True),
    "503 once": ([("a", answered(503))], True),
    "504 once": ([("a", answered(504))], True),
    "501 once": ([("a", answered(501))], False),
    "505 once": ([("a", answered(505))], False),
    "one contact a hundred times": ([A] * 100, False),
    "two contacts in turn": ([A, B] * 10, False),
    "three contacts": ([A, B, C], True),
    "three contacts among repeats": ([A, A, B, A, B, C], True),
    "three contacts, a delivery between": ([A, B, FINE, C], False),
    "three contacts, a delivery of one of them between": ([A, B, ("a", answered(201)), C, A], False),
    "three contacts after a delivery": ([A, B, FINE, A, B, C], True),
    "more failures while down": ([A, B, C, A, ("e", NO_ANSWER)], True),
    "a delivery while down": ([A, B, C, FINE], False),
    "no answer, then a delivery": ([("a", NO_ANSWER), FINE], False),
    "no answer, a delivery, then two contacts": ([("a", NO_ANSWER), FINE, A, B], False),
    "no answer, then a refusal": ([("a", NO_ANSWER), B], True),
}


@pytest.mark.parametrize(("outcomes", "down"), DOWN.values(), ids=DOWN)
def test_motion_is_down_without_answers_or_when_three_contacts_in_a_row_fail(
    outcomes: list[tuple[str, Try]], *, down: bool
) -> None:
    assert health(*outcomes).down is down


def test_a_change_is_told_once() -> None:
    made = Health()
    told = [made.note(lane, attempt) for lane, attempt in (A, B, C, A, FINE, FINE, ("a", NO_ANSWER), C, FINE)]
    assert told == [False, False, True, False, True, False, True, False, True]
