"""The courier's process: a signal stops it, whatever it is doing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from gateway.serving import courier


@pytest.fixture
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_courier_though_it_comes_while_a_lock_that_stopping_needs_is_held(
    number: signal.Signals,
) -> None:
    needed, stopped = threading.Lock(), threading.Event()

    def stop() -> None:
        if needed.acquire(timeout=5):
            stopped.set()

    courier.stop_on_signals(stop)
    with needed:
        signal.raise_signal(number)
    assert stopped.wait(5)
