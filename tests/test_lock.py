"""Locks on files: one holder, and patience with the one before."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway import clock, lock
from gateway.errors import CommandError
from tests.spool_samples import times_opened, until


def test_a_second_courier_on_the_same_spool_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "courier.lock"
    with lock.only_one(path, "courier"), pytest.raises(CommandError, match="another courier is running"):
        lock.only_one(path, "courier", patience_seconds=0.2).__enter__()


def test_a_courier_waits_for_the_one_before_it_to_finish(tmp_path: Path) -> None:
    path = tmp_path / "courier.lock"
    entered = threading.Event()

    def follow() -> None:
        with lock.only_one(path, "courier", patience_seconds=10):
            entered.set()

    with lock.only_one(path, "courier"):
        thread = threading.Thread(target=follow)
        thread.start()
        assert not entered.wait(0.2)
    assert entered.wait(60)
    thread.join()


def test_who_shows_that_he_goes_on_stands_still_once_he_has_not_for_a_while(tmp_path: Path) -> None:
    path = tmp_path / "fetcher.lock"
    long_ago = clock.WallClock().now() - lock.STILL_SECONDS
    with lock.only_one(path, "fetcher"):
        os.utime(path, (0, 0))  # as the one before has left it
        with lock.beating(path):
            assert not lock.stands_still(path)
        os.utime(path, (0, long_ago + 20))
        assert not lock.stands_still(path)
        os.utime(path, (0, long_ago - 1))
        assert lock.stands_still(path)


def test_a_lock_can_be_opened_by_its_owner_alone_even_one_of_an_older_release(tmp_path: Path) -> None:
    path = tmp_path / "courier.lock"
    path.touch(mode=0o644)
    with lock.only_one(path, "courier"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_is_held_by_one_and_another_is_told_at_once_or_after_its_patience(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with lock.held(path, patience_seconds=0, mode=0o640) as file:
        file.write(b"mine")
        assert path.stat().st_mode & 0o777 == 0o640
        for patience_seconds in (0, 0.1):
            with pytest.raises(BlockingIOError), lock.held(path, patience_seconds=patience_seconds):
                pass
    with lock.held(path, patience_seconds=0) as file:
        assert file.read() == b"mine"


@pytest.mark.parametrize("end", [Path.unlink, lambda path: path.rename(path.with_name("kept"))], ids=["gone", "moved"])
def test_who_waited_for_a_file_that_went_away_holds_the_one_that_is_there(
    tmp_path: Path, end: Callable[[Path], object]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"the first one's")

    def follow() -> bytes:
        with lock.held(path, patience_seconds=10) as file:
            assert lock.is_at(file, path)
            return file.read()

    with ThreadPoolExecutor(1) as pool, lock.held(path, patience_seconds=0):
        waiting = pool.submit(follow)
        until(lambda: times_opened(path) == 2, "the other has opened it")
        end(path)
    assert waiting.result() == b""


def test_a_lock_that_cannot_be_opened_says_what_to_look_at(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "courier.lock"
    with pytest.raises(CommandError, match=r"courier\.lock cannot be opened: No such file or directory$"):
        lock.only_one(path, "courier").__enter__()


def test_a_socket_is_listening_only_while_somebody_does(tmp_path: Path) -> None:
    path = tmp_path / "door.sock"
    assert not lock.is_listening(path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        assert not lock.is_listening(path)
        server.listen()
        assert lock.is_listening(path)
    assert not lock.is_listening(path)
