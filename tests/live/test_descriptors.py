"""Where a process may open no more files: it says so in our words, and goes on once it may again."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway import config, paths
from sandbox import callbacks
from tests.live.house import House, opened

MOST = 48  # descriptors of a door: it has some thirty before anybody comes
CROWD = 60  # connections that say nothing


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """Doors that may open few files."""
    with opened(started=False) as house:
        command = ("prlimit", f"--nofile={MOST}:{MOST}", sys.executable, "-m", "gateway", "--config", str(house.config))
        narrow = {door: (*command, "web", door) for door in ("ingress", "ops")}
        house.start_parts(narrow)
        yield house


def crowd(house: House, door: str) -> ExitStack:
    """Connections to the door's own socket, more than it has descriptors for."""
    there = ExitStack()
    for _ in range(CROWD):
        one = there.enter_context(socket.socket(socket.AF_UNIX))
        one.connect(str(paths.socket(config.load(house.config, {}), door)))
    return there


@pytest.mark.parametrize("door", ["ingress", "ops"])
def test_a_door_without_descriptors_says_so_in_our_words_and_goes_on_afterwards(house: House, door: str) -> None:
    with crowd(house, door):
        house.wait_for(lambda: house.decisions(door, finding="descriptors-run-out"))
    house.wait_for(lambda: house.ops("/readyz").status == 200)
    assert house.sinch().send(callbacks.text("afterwards")).status == 200
    [line] = house.decisions(door, finding="descriptors-run-out")
    assert line["most"] == MOST
    assert not house.decisions(door, event="unexpected")
    assert "Traceback" not in house.log


def test_every_process_opens_as_many_as_the_system_lets_it() -> None:
    with opened(started=False) as wide:
        wide.around = ("prlimit", "--nofile=256:4096")
        wide.start()
        for part in ("courier", "ingress", "ops", "nginx"):
            [said] = re.findall("open files +([0-9]+)", Path(f"/proc/{wide.pid(part)}/limits").read_text())
            assert said == "4096", part
