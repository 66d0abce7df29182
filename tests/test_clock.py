"""The clocks: all tell epoch seconds, one of them never jumps, and one is set by another."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from gateway import clock
from gateway.clock import Clock, SetClock, SteadyClock, WallClock


@pytest.mark.parametrize("made", [WallClock(), SteadyClock()], ids=lambda made: type(made).__name__)
def test_a_clock_tells_seconds_since_the_epoch(made: Clock) -> None:
    before = time.time()
    told = made.now()
    assert before - 1 <= told <= time.time() + 1


@pytest.mark.parametrize("moment", [0.0, 10_000.0, -5.0])
def test_the_steady_clock_counts_from_where_it_was_set(moment: float) -> None:
    before = time.monotonic()
    told = SteadyClock(moment).now()
    assert moment + before <= told <= moment + time.monotonic()


def test_two_steady_clocks_agree_on_what_passes() -> None:
    early, late = SteadyClock(0.0), SteadyClock(1000.0)
    first, second = early.now(), late.now()
    assert 1000.0 <= second - first < 1001.0


class Machine:
    """What a machine counts, and a database with a clock of its own that is asked from there."""

    def __init__(self, *, there: float | None) -> None:
        self.counted, self.there, self.way, self.asked = 1000.0, there, 0.0, 0

    def ask(self) -> float | None:
        self.asked += 1
        self.counted += self.way
        return self.there


@pytest.mark.parametrize("there", [5_000_000.0, 5e9], ids=["a clock that is behind", "a clock that is ahead"])
def test_a_clock_that_is_set_tells_what_the_other_says_and_counts_on_by_itself(there: float) -> None:
    machine = Machine(there=there)
    told = SetClock(machine.ask, counted=lambda: machine.counted)
    assert told.now() == there
    machine.counted += 4.9  # perhaps the process stood still
    assert (told.now(), machine.asked) == (there + 4.9, 1)
    machine.counted, machine.there = machine.counted + 0.1, there + 7.0
    assert (told.now(), machine.asked) == (there + 7.0, 2)


def test_half_of_the_way_has_passed_since_the_other_looked_and_too_long_a_way_is_not_believed() -> None:
    machine = Machine(there=5e6)
    told = SetClock(machine.ask, counted=lambda: machine.counted)
    machine.way = 0.5
    assert told.now() == 5e6 + 0.25
    machine.counted, machine.way, machine.there = machine.counted + 5, 1.5, 9e9
    assert told.now() == 5e6 + 0.25 + 6.5


def test_while_nobody_can_be_asked_the_clock_goes_on_and_asks_again_a_second_later() -> None:
    machine = Machine(there=5e6)
    told = SetClock(machine.ask, counted=lambda: machine.counted)
    told.now()
    machine.counted, machine.there = machine.counted + 5, None
    assert told.now() == 5e6 + 5
    machine.counted += 0.9
    assert (told.now(), machine.asked) == (5e6 + 5.9, 2)
    machine.counted, machine.there = machine.counted + 0.1, 6e6
    assert (told.now(), machine.asked) == (6e6, 3)


def test_a_clock_that_nobody_has_set_yet_is_the_machines() -> None:
    before = time.time()
    assert before - 1 <= SetClock(lambda: None).now() <= time.time() + 1


def test_steady_seconds_never_go_back() -> None:
    told = [clock.steady() for _ in range(1000)]
    assert told == sorted(told)


def test_a_pause_takes_as_long_as_it_says() -> None:
    began = time.monotonic()
    clock.pause(0.01)
    assert time.monotonic() - began >= 0.01


GREENLETS_TAKE_TURNS = """
from gevent import monkey
monkey.patch_all()
import gevent
from gateway import clock
done = []
def work(name):
    done.append(name)
    clock.give_way()
    done.append(name)
gevent.joinall([gevent.spawn(work, name) for name in "ab"])
print(*done)
"""


def test_a_greenlet_gives_way_to_the_others() -> None:
    ran = subprocess.run([sys.executable, "-c", GREENLETS_TAKE_TURNS], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["a", "b", "a", "b"]
