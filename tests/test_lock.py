"""The courier's lock: one holder, and patience with the one before."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from gateway import lock
from gateway.errors import CommandError


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
    assert entered.wait(5)
    thread.join()


def test_a_lock_can_be_opened_by_its_owner_alone_even_one_of_an_older_release(tmp_path: Path) -> None:
    path = tmp_path / "courier.lock"
    path.touch(mode=0o644)
    with lock.only_one(path, "courier"):
        assert path.stat().st_mode & 0o777 == 0o600
