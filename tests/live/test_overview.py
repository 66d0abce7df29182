"""The first view of the operations page at a running gateway: what happened, what doctor found, and the last day."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest

from gateway import paths
from gateway.diagnosis import history
from gateway.store import schema
from sandbox import callbacks
from sandbox.connection import Request, exchange
from tests.live.house import House, opened
from tests.spool_samples import rows


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with opened() as house:
        yield house


def page(house: House) -> str:
    """What a browser on this machine gets."""
    answer = exchange(house.ops_route("/"), Request(method="GET", headers=(("accept", "text/html"),)))
    assert (answer.status, answer.header("content-type")) == (200, "text/html; charset=utf-8")
    return answer.body.decode()


def kept(house: House) -> Sequence[Any]:
    """What is kept of the last day."""
    with contextlib.closing(house.spool()) as spool:
        return rows(spool, schema.history)


def test_the_page_tells_of_a_callback_and_of_what_doctor_found(house: House) -> None:
    assert "Doctor has not looked yet" in page(house)
    assert "none lately" in page(house)
    assert house.sinch().send(callbacks.text("hello")).status == 200
    house.settle()
    assert "none lately" not in page(house)
    subprocess.run(house.typed("doctor", "--json"), stdout=subprocess.DEVNULL, check=False)
    told = page(house)
    assert "Doctor looked" in told
    assert "sinch.no_key" in told
    left = house.folder / "state" / paths.CHECKUP
    assert left.stat().st_mode & 0o777 == 0o600


def test_the_last_day_goes_on_when_who_keeps_it_is_killed(house: House) -> None:
    """A look is kept at once after a start, and none beside it, however often the ops door is started anew."""
    first, *_ = house.wait_for(lambda: kept(house))
    for _ in range(2):
        before = house.worker("ops")
        os.kill(before, signal.SIGKILL)
        house.wait_for(lambda before=before: house.worker("ops") != before, seconds=60)
        house.wait_until_ready()
    assert kept(house)[0] == first
    assert all(later.at - before.at >= history.APART_SECONDS for before, later in pairwise(kept(house)))
