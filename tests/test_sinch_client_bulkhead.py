"""Room for so many calls to one region at the same time: the bulkhead of gateway.sinch.client."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway import clock
from gateway.sinch import SinchError, Trouble
from gateway.sinch.client import Bulkhead


def test_so_many_are_let_in_and_one_more_is_told() -> None:
    bulkhead = Bulkhead(2, patience_seconds=0)
    with bulkhead.place(), bulkhead.place(), pytest.raises(SinchError, match=Trouble.BUSY), bulkhead.place():
        pass
    with bulkhead.place(), bulkhead.place():
        pass


def test_a_place_is_given_back_whatever_happens_there() -> None:
    bulkhead = Bulkhead(1, patience_seconds=0)
    for _ in range(3):
        with pytest.raises(KeyError), bulkhead.place():
            raise KeyError


def test_a_burst_is_let_in_as_others_leave() -> None:
    bulkhead, together, most, guard = Bulkhead(4, patience_seconds=60), 0, 0, threading.Lock()
    meeting = threading.Barrier(4)

    def call(_: int) -> None:
        nonlocal together, most
        with bulkhead.place():
            with guard:
                together += 1
                most = max(most, together)
            meeting.wait(60)  # nobody leaves before all four are in
            with guard:
                together -= 1

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(call, range(64)))
    assert most == 4


def test_who_waits_in_vain_is_told_after_a_while_and_who_comes_then_at_once() -> None:
    bulkhead = Bulkhead(1, patience_seconds=0.3)
    with bulkhead.place():
        began = clock.steady()
        for least, most in ((0.29, 60), (0, 0.2)):
            asked = clock.steady()
            with pytest.raises(SinchError, match=Trouble.BUSY), bulkhead.place():
                pass
            assert least <= clock.steady() - asked < most
        assert clock.steady() - began < 60
    with bulkhead.place():
        pass
