"""How many deliveries at once Motion can bear, as told by Motions of several makes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.delivery.room import Bearing

ANSWERED = 200
HIGHEST = 16


def after(bearing: Bearing, took: Callable[[int], float], *, tries: int = 2000, status: int = ANSWERED) -> list[int]:
    """How many at once there may be after each of so many tries of a Motion that takes so long with so many."""
    found = []
    for _ in range(tries):
        bearing.learn(status, took(bearing.most))
        found.append(bearing.most)
    return found


def known_at_rest(rest_seconds: float, highest: int = HIGHEST) -> Bearing:
    """What was learned of one in quiet hours, with a delivery now and then."""
    bearing = Bearing(highest)
    after(bearing, lambda _: rest_seconds, tries=100)
    return bearing


MOTIONS: dict[str, tuple[Callable[[int], float], int, int]] = {
    "takes its time, however many there are": (lambda _: 1.0, HIGHEST, HIGHEST),
    "does one after another": (lambda at_once: 0.1 * at_once, 2, 5),
    "does four at a time": (lambda at_once: 0.1 * max(1.0, at_once / 4), 2, 9),
    "is quick, though each waits for all others": (lambda at_once: 0.003 * at_once, HIGHEST, HIGHEST),
}


@pytest.mark.parametrize(("took", "least", "most"), MOTIONS.values(), ids=MOTIONS)
def test_as_many_are_under_way_as_motion_can_bear(took: Callable[[int], float], least: int, most: int) -> None:
    settled = after(known_at_rest(took(1)), took)[200:700]
    assert least <= min(settled) <= max(settled) <= most


def test_one_that_became_slower_for_good_has_all_again() -> None:
    bearing = known_at_rest(0.1)
    assert min(after(bearing, lambda _: 1.0)) < HIGHEST
    assert bearing.most == HIGHEST


def test_one_event_that_hangs_says_nothing_of_the_others() -> None:
    bearing = known_at_rest(0.1)
    for number in range(500):
        bearing.learn(*((None, 30.0) if number % 4 == 0 else (ANSWERED, 0.1)))
        assert bearing.most == HIGHEST


@pytest.mark.parametrize("status", [429, 503])
def test_one_that_says_that_it_is_too_much_gets_less_at_once(status: int) -> None:
    bearing = known_at_rest(0.01)
    assert after(bearing, lambda _: 0.01, status=status)[-1] == 2
    assert after(bearing, lambda _: 0.01)[-1] == HIGHEST


def test_it_is_told_once_when_all_are_too_many_and_once_when_they_are_not_any_more() -> None:
    bearing = known_at_rest(0.1)
    told = [bearing.most for _ in range(300) if bearing.learn(ANSWERED, 0.1 * bearing.most)]
    assert told == [12]
    assert [bearing.most for _ in range(300) if bearing.learn(ANSWERED, 0.1)] == [HIGHEST]


@pytest.mark.parametrize("highest", [1, 2])
def test_there_is_always_one(highest: int) -> None:
    bearing = known_at_rest(0.1, highest)
    assert after(bearing, lambda _: 30.0, tries=50)[-1] == highest
