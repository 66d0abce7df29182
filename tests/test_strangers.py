"""Lines about strangers: which are written, and what is told of the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway import strangers, telemetry
from gateway.phrases import Reason
from gateway.strangers import A_MINUTE_SECONDS, FIRST, MOST_ADDRESSES, MOST_KINDS, Crowd
from tests.service_samples import HandClock

WRONG, UNKNOWN = Reason.SIGNATURE_WRONG, Reason.UNKNOWN_CONNECTOR


class Minutes:
    """A crowd, its clock, and what it wants to do later."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.later: list[Callable[[], None]] = []
        self.crowd = Crowd(self.clock, later=lambda _seconds, work: self.later.append(work))

    def written(self, reason: str = WRONG, *, times: int, address: str = "192.0.2.1") -> int:
        return sum(self.crowd.lets_write("ingress", reason, address=address) for _ in range(times))


@pytest.fixture
def minutes() -> Iterator[Minutes]:
    made = Minutes()
    yield made
    made.crowd.tell()


@pytest.fixture
def told(capfd: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    telemetry.configure("ingress")

    def read() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
        return [{name: line[name] for name in ("reason", "count", "addresses")} for line in lines]

    return read


def test_the_first_of_each_kind_are_written_each(minutes: Minutes) -> None:
    assert minutes.written(times=FIRST + 50) == FIRST
    assert minutes.written(UNKNOWN, times=FIRST) == FIRST


def test_the_others_are_told_a_minute_later_with_their_number_and_addresses(minutes: Minutes, told: Any) -> None:
    minutes.written(times=FIRST)
    for number in range(30):
        minutes.written(times=2, address=f"192.0.2.{number}")
    minutes.written(UNKNOWN, times=FIRST)
    assert told() == []
    [tell] = minutes.later
    tell()
    assert told() == [{"reason": WRONG, "count": 60, "addresses": 30}]


def test_every_minute_begins_anew(minutes: Minutes, told: Any) -> None:
    for _ in range(3):
        assert minutes.written(times=FIRST + 1) == FIRST
        minutes.clock.advance(A_MINUTE_SECONDS)
    minutes.written(times=1)
    assert told() == [{"reason": WRONG, "count": 1, "addresses": 1}] * 3


def test_few_strangers_are_told_of_by_their_own_lines_alone(minutes: Minutes, told: Any) -> None:
    for _ in range(3):
        assert minutes.written(times=FIRST) == FIRST
        minutes.clock.advance(A_MINUTE_SECONDS)
    assert (minutes.later, told()) == ([], [])


def test_addresses_and_kinds_are_bounded(minutes: Minutes, told: Any) -> None:
    minutes.written(times=FIRST)
    for number in range(MOST_ADDRESSES + 100):
        minutes.written(times=1, address=f"2001:db8::{number:x}")
    for number in range(MOST_KINDS + FIRST + 7):
        minutes.written(f"kind {number}", times=1)
    minutes.crowd.tell()
    assert told() == [
        {"reason": WRONG, "count": MOST_ADDRESSES + 100, "addresses": MOST_ADDRESSES},
        {"reason": "other", "count": 8, "addresses": 1},
    ]


def test_what_was_proved_is_none_of_strangers() -> None:
    proved = {Reason.SIGNATURE_TOO_OLD, Reason.SIGNATURE_TOO_EARLY, Reason.NONCE_REUSED, Reason.WEBHOOKS}
    ours = {reason for reason in Reason if reason.startswith(("spool", "unexpected", "Motion"))}
    assert not strangers.BROUGHT_ABOUT & (proved | ours)
