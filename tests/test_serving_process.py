"""What the processes do alike: a signal is heard whatever they are doing, and wrong settings change nothing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from gateway.config import Settings
from gateway.errors import CommandError, SettingsError
from gateway.serving import process
from gateway.serving.process import STOPPING, Signals
from tests.config_samples import settings
from tests.door_samples import Log, logged

ALL = (*STOPPING, signal.SIGHUP)


@pytest.fixture
def signals() -> Iterator[Signals]:
    before = {number: signal.getsignal(number) for number in ALL}
    yield Signals(ALL)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def log(capfd: pytest.CaptureFixture[str]) -> Iterator[Log]:
    with logged(capfd, "serve") as read:
        yield read


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_stops_though_it_comes_while_a_lock_that_stopping_needs_is_held(
    signals: Signals, number: signal.Signals
) -> None:
    needed, stopped = threading.Lock(), threading.Event()

    def stop() -> None:
        if needed.acquire(timeout=5):
            stopped.set()

    signals.on_first(stop)
    with needed:
        signal.raise_signal(number)
    assert stopped.wait(5)


def test_signals_are_taken_up_one_by_one_in_their_order(signals: Signals) -> None:
    assert not signals
    signal.raise_signal(signal.SIGHUP)
    signal.raise_signal(signal.SIGTERM)
    assert signals
    assert [signals.next(lambda: None) for _ in range(2)] == [signal.SIGHUP, signal.SIGTERM]
    assert not signals


def test_while_none_comes_it_is_looked_after_what_runs_and_trouble_there_ends_the_waiting(signals: Signals) -> None:
    looked = 0

    def look() -> None:
        nonlocal looked
        looked += 1
        if looked == 3:
            raise CommandError("it has died")

    with pytest.raises(CommandError, match="it has died"):
        signals.next(look)


def refuse(_settings: Settings) -> None:
    raise CommandError("nginx says no")


def unreadable() -> Settings:
    raise SettingsError("a key too many")


def test_new_settings_are_taken_up_once_they_are_prepared(log: Log) -> None:
    before, after, prepared = settings(), settings(motion={"timeout": "9s"}), []
    assert process.reread(before, lambda: after, prepare=prepared.append) is after
    assert prepared == [after]
    assert log() == []


@pytest.mark.parametrize("why", ["a key too many", "server.state_dir is", "nginx says no"])
def test_settings_that_are_wrong_change_nothing_and_it_is_told_why(log: Log, why: str) -> None:
    reads = {
        "a key too many": unreadable,
        "server.state_dir is": lambda: settings(server={"state_dir": "/var/lib/elsewhere"}),
        "nginx says no": settings,
    }
    assert process.reread(settings(), reads[why], prepare=refuse) is None
    [line] = log()
    assert line["event"] == "reload refused; nothing was changed"
    assert line["problems"].startswith(why)
