"""The first view of the operations page at a running gateway: what happened, what doctor found, and the last day."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

import pytest

from gateway import config, paths
from gateway.diagnosis import checkup, history
from gateway.store import schema
from sandbox import callbacks
from sandbox.connection import Answer, Request, exchange
from tests.live.house import PATIENCE_SECONDS, House, opened
from tests.page_samples import ANNA, BOB, PASSWORD
from tests.spool_samples import rows

TOKEN = re.compile(r'name="form" value="([0-9a-f]+)"')
SET = re.compile(r"(__Host-[^=]+=[^;]*)")


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with opened(user=[ANNA, BOB]) as house:
        yield house


class Browser:
    """Somebody who looks at the page, with the one cookie that it gives."""

    def __init__(self, house: House, name: str) -> None:
        self._house, self._cookie = house, ""
        self.page = self.get("/sign-in")
        self.page = self.post("/sign-in", name=name, password=PASSWORD)

    def get(self, path: str) -> str:
        answer = self._ask(path, "GET", "")
        assert (answer.status, answer.header("content-type")) == (200, "text/html; charset=utf-8")
        return answer.body.decode()

    def post(self, path: str, *, status: int = 303, **fields: str) -> str:
        """Post a form of the page at hand, and go where that leads."""
        [token, *_] = TOKEN.findall(self.page)
        answer = self._ask(path, "POST", urlencode({"form": token} | fields))
        assert answer.status == status
        return self.get(answer.header("location") or "/")

    def _ask(self, path: str, method: str, body: str) -> Answer:
        told = (
            ("accept", "text/html"),
            ("cookie", self._cookie),
            ("content-type", "application/x-www-form-urlencoded"),
        )
        answer = exchange(self._house.ops_route(path), Request(method=method, headers=told, body=body.encode()))
        if given := SET.match(answer.header("set-cookie") or ""):
            self._cookie = given[1]
        return answer


@pytest.fixture(scope="module")
def anna(house: House) -> Browser:
    return Browser(house, "anna")


def kept(house: House) -> Sequence[Any]:
    """What is kept of the last day."""
    with contextlib.closing(house.spool()) as spool:
        return rows(spool, schema.history)


def test_the_page_tells_of_a_callback_and_an_operator_has_doctor_look(house: House, anna: Browser) -> None:
    assert "Doctor has not looked yet" in anna.page
    assert "none lately" in anna.page
    assert house.sinch().send(callbacks.text("hello")).status == 200
    house.settle()
    assert "none lately" not in anna.get("/")
    anna.post("/doctor")
    house.wait_for(lambda: "Doctor looked" in anna.get("/"), seconds=2 * PATIENCE_SECONDS)
    assert "sinch.no_key" in anna.get("/")
    left = house.folder / "state" / paths.CHECKUP
    assert left.stat().st_mode & 0o777 == 0o600


def test_support_sees_it_and_starts_nothing(house: House) -> None:
    bob = Browser(house, "bob")
    assert "Look now" not in bob.page
    bob.post("/doctor", status=403)


def test_for_a_word_that_is_left_the_doctor_of_the_timer_looks_though_nobody_is_named(house: House) -> None:
    settings = config.load(house.config, {})
    assert checkup.want(settings, confined=True)
    assert checkup.wanted_at(settings)
    subprocess.run(house.typed("doctor", "--notify"), stdout=subprocess.DEVNULL, check=False)
    assert checkup.wanted_at(settings) is None


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
