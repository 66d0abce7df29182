"""How often something happened lately, counted in memory."""

from __future__ import annotations

import itertools

import pytest

from gateway import limits
from gateway.counters import LOOKED_AT, Windows
from gateway.phrases import Reason
from tests.test_limits import HandMade


def key(whose: str, what: str = Reason.FAILED_SIGNATURES) -> str:
    return limits.rate("30/minute").key_for(what, whose)


def hit(windows: Windows, whose: str, *, times: int = 1, what: str = Reason.FAILED_SIGNATURES) -> list[bool]:
    return [windows.acquire_sliding_window_entry(key(whose, what), 30, 60) for _ in range(times)]


def test_however_many_addresses_come_their_counters_are_bounded() -> None:
    windows = Windows(HandMade(), most=64)
    for number in range(1000):
        assert hit(windows, f"2001:db8:0:{number:x}::/64") == [True]
        assert len(windows) <= 64


def test_who_is_over_a_limit_stays_known_while_others_come_and_go() -> None:
    windows = Windows(HandMade(), most=64)
    over = [f"192.0.2.{number}" for number in range(40)]
    for whose in over:
        assert hit(windows, whose, times=31)[-2:] == [True, False]
    for number in range(1000):
        hit(windows, f"stranger {number}")
    assert [hit(windows, whose) for whose in over] == [[False]] * 40


def test_strangers_take_no_room_of_another_kind() -> None:
    windows = Windows(HandMade(), most=64)
    hit(windows, "7", times=30, what=Reason.WEBHOOKS)
    for number in range(1000):
        hit(windows, f"stranger {number}", times=31)
    assert hit(windows, "7", what=Reason.WEBHOOKS) == [False]


def test_what_is_over_is_forgotten_a_few_counters_at_a_time() -> None:
    clock = HandMade()
    windows = Windows(clock, most=10_000)
    for number in range(1000):
        hit(windows, f"before {number}")
    clock.moment += 121
    sizes = []
    for number in range(1200):
        hit(windows, f"after {number}")
        sizes.append(len(windows))
    assert sizes[-1] == 1200
    assert max(earlier - later for earlier, later in itertools.pairwise([1000, *sizes])) <= LOOKED_AT


def test_who_is_only_looked_at_takes_no_room() -> None:
    windows = Windows(HandMade(), most=64)
    assert windows.get_sliding_window(key("a"), 60)[::2] == (0, 0)
    assert len(windows) == 0


@pytest.mark.parametrize(
    ("seconds", "passing"), [(0, 0), (59, 0), (60, 0), (62, 1), (75, 8), (90, 15), (119, 30), (120, 30), (500, 30)]
)
def test_the_window_before_weighs_as_much_as_is_left_of_it(seconds: float, passing: int) -> None:
    clock = HandMade()
    clock.moment = 1_000_020.0  # a window of a minute begins
    windows = Windows(clock, most=64)
    hit(windows, "a", times=30)
    clock.moment += seconds
    assert sum(hit(windows, "a", times=40)) == passing


def test_a_clock_that_goes_back_forgets_nothing() -> None:
    clock = HandMade()
    windows = Windows(clock, most=64)
    hit(windows, "a", times=30)
    clock.moment -= 3600
    assert hit(windows, "a") == [False]
