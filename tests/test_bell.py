"""The courier's bell: from one process to another, and whether or not anybody hears."""

from __future__ import annotations

import stat
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from gateway import bell
from gateway.ingress.lifeboat import Ferry
from gateway.store.engines import Database
from sandbox.motion import Motion
from tests.service_samples import HandClock
from tests.spool_samples import callback
from tests.test_delivery_courier import carrying


def test_another_process_is_heard(tmp_path: Path) -> None:
    path, came = tmp_path / "courier.bell", threading.Event()
    with bell.heard(path, came.set):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        command = "import sys; from pathlib import Path; from gateway import bell; bell.ring(Path(sys.argv[1]))"
        subprocess.run([sys.executable, "-c", command, str(path)], check=True)
        assert came.wait(60)
    assert not path.exists()


def test_who_rings_waits_for_nobody(tmp_path: Path) -> None:
    path, deaf = tmp_path / "courier.bell", threading.Event()
    bell.ring(path)  # where none hangs
    with bell.heard(path, lambda: deaf.wait(60)):
        for _ in range(10_000):  # far more than a socket keeps
            bell.ring(path)
        deaf.set()


def test_a_bell_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    path, came = tmp_path / "courier.bell", threading.Event()
    path.touch()
    with bell.heard(path, came.set):
        bell.ring(path)
        assert came.wait(60)


def test_a_bell_that_cannot_be_hung_is_done_without(tmp_path: Path) -> None:
    with bell.heard(tmp_path / "nowhere" / "courier.bell", pytest.fail):
        bell.ring(tmp_path / "nowhere" / "courier.bell")


@pytest.mark.parametrize("messages", [["a1", "b1"]])
def test_what_is_taken_in_is_delivered_though_the_courier_looks_never(
    spool: Database, motion: Motion, tmp_path: Path, messages: list[str]
) -> None:
    path = tmp_path / "courier.bell"
    with carrying(spool, motion, poll_seconds=threading.TIMEOUT_MAX) as scene, bell.heard(path, scene.courier.wake):
        ferry = Ferry(spool, tmp_path / "lifeboat", wanted=False, steady=HandClock(), ring=partial(bell.ring, path))
        for message in messages:
            ferry.accept(callback(message, contact=message[0]), now=scene.clock.now())
            scene.wait_until_settled()
