"""How often something happened lately, counted in memory, by one process and by several."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys

import pytest

from gateway import limits
from gateway.counters import LOOKED_AT, SharedWindows, Windows
from gateway.phrases import Reason
from tests.test_limits import HandMade


def key(whose: str, what: str = Reason.FAILED_SIGNATURES) -> str:
    return limits.rate("30/minute").key_for(what, whose)


def hit(
    windows: Windows | SharedWindows, whose: str, *, times: int = 1, what: str = Reason.FAILED_SIGNATURES
) -> list[bool]:
    return [windows.acquire_sliding_window_entry(key(whose, what), 30, 60) for _ in range(times)]


def test_however_many_addresses_come_their_counters_are_bounded() -> None:
    windows = Windows(HandMade(), most=64)
    for number in range(1000):
        assert hit(windows, f"2001:db8:0:{number:x}::/64") == [True]
        assert len(windows) <= 64


@pytest.mark.parametrize("kind", [Windows, SharedWindows])
def test_who_is_over_a_limit_stays_known_while_others_come_and_go(kind: type[Windows | SharedWindows]) -> None:
    windows = kind(HandMade(), most=256)
    over = [f"192.0.2.{number}" for number in range(40)]
    for whose in over:
        assert hit(windows, whose, times=31)[-2:] == [True, False]
    for number in range(1000):
        hit(windows, f"stranger {number}")
    assert [hit(windows, whose) for whose in over] == [[False]] * 40


@pytest.mark.parametrize("kind", [Windows, SharedWindows])
def test_strangers_take_no_room_of_another_kind(kind: type[Windows | SharedWindows]) -> None:
    windows = kind(HandMade(), most=64)
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


@pytest.mark.parametrize("kind", [Windows, SharedWindows])
@pytest.mark.parametrize(
    ("seconds", "passing"), [(0, 0), (59, 0), (60, 0), (62, 1), (75, 8), (90, 15), (119, 30), (120, 30), (500, 30)]
)
def test_the_window_before_weighs_as_much_as_is_left_of_it(
    seconds: float, passing: int, kind: type[Windows | SharedWindows]
) -> None:
    clock = HandMade()
    clock.moment = 1_000_020.0  # a window of a minute begins
    windows = kind(clock, most=64)
    hit(windows, "a", times=30)
    assert windows.get_sliding_window(key("a"), 60) == (0, 60.0, 30, 120.0)
    clock.moment += seconds
    assert sum(hit(windows, "a", times=40)) == passing


@pytest.mark.parametrize("kind", [Windows, SharedWindows])
def test_a_clock_that_goes_back_forgets_nothing(kind: type[Windows | SharedWindows]) -> None:
    clock = HandMade()
    windows = kind(clock, most=64)
    hit(windows, "a", times=30)
    clock.moment -= 3600
    assert hit(windows, "a") == [False]


def test_where_windows_are_over_nobody_who_was_refused_is_forgotten_for_a_stranger() -> None:
    clock = HandMade()
    windows = SharedWindows(clock, most=16)  # all of them together
    for number in range(8):
        hit(windows, f"gone {number}", times=31)
    clock.moment += 121
    for number in range(8):
        hit(windows, f"over {number}", times=31)
    for number in range(500):
        hit(windows, f"stranger {number}")
    assert [hit(windows, f"over {number}") for number in range(8)] == [[False]] * 8


FORKED = """
import json, os, signal, sys
from gateway import limits, telemetry
from gateway.clock import SteadyClock
from gateway.counters import SharedWindows
from gateway.errors import TooManyRequests
from gateway.limits import Limiter
from gateway.phrases import Reason

class Ends(SteadyClock):
    ends_with = 0  # the signal with which a process ends in the midst of a turn

    def now(self):
        if self.ends_with:
            os.kill(os.getpid(), self.ends_with)
        return super().now()

windows = SharedWindows(Ends())

def passed(of, whose="a"):
    limiter, passed = Limiter("memory://", clock=SteadyClock(), windows=windows), 0
    for _ in range(of):
        try:
            limiter.require("300/day", Reason.WEBHOOKS, whose)
            passed += 1
        except TooManyRequests:
            pass
    return passed

def forked(count, work):
    heard, tell = os.pipe()
    children = []
    for _ in range(count):
        children.append(os.fork())
        if not children[-1]:
            try:
                os.write(tell, f"{work()} ".encode())
            finally:
                os._exit(0)
    statuses = [os.waitpid(child, os.WUNTRACED)[1] for child in children]
    os.write(tell, b" ")  # where nobody has told anything
    return [int(word) for word in os.read(heard, 1000).split()], children, statuses

def ends(by):
    Ends.ends_with = by
    return passed(1)

telemetry.configure("test")
together, _, _ = forked(2, lambda: passed(of=250))
_, _, [killed] = forked(1, lambda: ends(signal.SIGKILL))
after_that = passed(of=1, whose="b")
_, [stopped], _ = forked(1, lambda: ends(signal.SIGSTOP))
beside_that = passed(of=301, whose="b")
os.kill(stopped, signal.SIGKILL)
os.waitpid(stopped, 0)
after_both, _, _ = forked(2, lambda: passed(of=160, whose="b"))
print(json.dumps([sum(together), os.WTERMSIG(killed), after_that, beside_that, sum(after_both)]))
"""


def test_processes_count_together_exactly_and_go_on_while_one_that_has_its_turn_dies_or_stands_still() -> None:
    ran = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True, timeout=60)
    together, killed, after_that, beside_that, after_both = json.loads(ran.stdout)
    assert (together, killed, after_that) == (300, 9, 1)
    assert beside_that == 300  # in memory of its own
    assert [json.loads(line)["finding"] for line in ran.stderr.splitlines()] == ["limits-storage-away"]
    assert after_both == 299
