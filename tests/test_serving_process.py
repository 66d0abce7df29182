"""What the processes do alike: a signal is heard whatever they are doing, and wrong settings change nothing."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway import draining, paths
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
        if needed.acquire(timeout=60):
            stopped.set()

    signals.on_first(stop)
    with needed:
        signal.raise_signal(number)
    assert stopped.wait(60)


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


def test_what_is_told_to_stop_drains_until_its_time_is_over_or_a_second_signal_comes(
    signals: Signals, log: Log, tmp_path: Path
) -> None:
    looked: list[bool] = []

    def drain(seconds: str, look: Callable[[], None]) -> bool:
        told = settings(server={"state_dir": str(tmp_path), "drain": seconds})
        paths.run(told).mkdir(exist_ok=True)
        process.drain(told, signals, look)
        return draining.is_draining(told)

    assert not drain("0s", lambda: looked.append(True))
    assert drain("60s", lambda: signal.raise_signal(signal.SIGTERM))
    assert signals
    assert looked == []
    assert [(line["event"], line["seconds"]) for line in log()] == [("draining", 60)]


def refuse(_settings: Settings) -> None:
    raise CommandError("nginx says no")


def find_no_room(_settings: Settings) -> None:
    raise OSError(errno.EDQUOT, "Disk quota exceeded", "/srv/state/run/nginx.conf.new")


def unreadable() -> Settings:
    raise SettingsError("a key too many")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state folder of a running gateway, which a reload looks for."""
    (tmp_path / "serve.lock").touch()
    return tmp_path


def test_new_settings_are_taken_up_once_they_are_prepared(log: Log, state: Path) -> None:
    server = {"state_dir": str(state)}
    before, after = settings(server=server), settings(server=server, motion={"timeout": "9s"})
    prepared: list[Settings] = []
    assert process.reread(before, lambda: after, prepare=prepared.append) is after
    assert prepared == [after]
    assert log() == []


REFUSED: dict[str, tuple[Callable[[Settings], Settings], Callable[[Settings], None]]] = {
    "a key too many": (lambda _before: unreadable(), refuse),
    "server.state_dir is": (lambda _before: settings(server={"state_dir": "/var/lib/elsewhere"}), refuse),
    "nginx says no": (lambda before: before, refuse),
    "/srv/state/run/nginx.conf.new: Disk quota exceeded": (lambda before: before, find_no_room),
}


@pytest.mark.parametrize("why", REFUSED)
def test_settings_that_are_wrong_change_nothing_and_it_is_told_why(log: Log, state: Path, why: str) -> None:
    before = settings(server={"state_dir": str(state)})
    read, prepare = REFUSED[why]
    assert process.reread(before, lambda: read(before), prepare=prepare) is None
    [line] = log()
    assert line["event"] == "reload refused; nothing was changed"
    assert line["problems"].startswith(why)


def test_a_reload_makes_no_new_state_where_the_old_one_is_gone(log: Log, state: Path) -> None:
    before = settings(server={"state_dir": str(state)})
    (state / "serve.lock").unlink()
    assert process.reread(before, lambda: before, prepare=refuse) is None
    [line] = log()
    assert line["problems"] == f"what this gateway keeps in server.state_dir {state} is gone"


def test_lines_go_on_when_who_stands_between_is_killed() -> None:
    ours, its = os.pipe()
    others = process.children(os.getpid())  # of other tests
    lines = process.lines(os.fdopen(ours, "rb"))
    with os.fdopen(its, "wb", buffering=0) as writer:
        writer.write(b"one\n")
        assert next(lines) == b"one\n"
        [between] = process.children(os.getpid()) - others
        os.kill(between, signal.SIGTERM)  # as a service is stopped; it goes on
        os.kill(between, signal.SIGKILL)
        os.waitid(os.P_PID, between, os.WEXITED | os.WNOWAIT)
        writer.write(b"two\n")
        assert next(lines) == b"two\n"
        [another] = process.children(os.getpid()) - others
        assert another != between
    assert list(lines) == []
