"""The clocks: both tell epoch seconds, and one of them never jumps."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from gateway import clock
from gateway.clock import Clock, SteadyClock, WallClock


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
