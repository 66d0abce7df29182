"""`turned-away list`, as it is typed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import group
from gateway.store.engines import Database
from gateway.store.turned_away import Ring
from tests.screen import seen
from tests.service_samples import HandClock
from tests.spool_samples import of_settings

SECOND = 1.0


@pytest.fixture
def spool(file: Path) -> Iterator[Database]:
    """The spool of `file`, in which four were counted, one after another."""
    clock = HandClock()
    with of_settings(file) as opened:
        ring = Ring(opened, clock=clock, later=lambda _seconds, _work: None)
        for door, reason, about in (
            ("ingress", "unknown connector, rightly signed", "70"),
            ("edge", "wrong host", "old.example.com"),
            ("ingress", "signature wrong", "7"),
            ("outbound", "PROJECT_NOT_CONFIGURED", "project-9"),
        ):
            ring.note(door, reason, about=about, address="192.0.2.1")
            clock.advance(SECOND)
        ring.write()
        opened.tell(lambda run: run("put_turned_away", **OF_ANOTHER_RELEASE))
        yield opened


OF_ANOTHER_RELEASE = {
    "door": "ingress",
    "reason": "a reason that is new",
    "about": "",
    "address": "",
    "count": 1,
    "first_at": 1.0,
    "last_at": 1.0,
}


@pytest.fixture
def run(file: Path, spool: Database) -> Callable[..., Result]:
    return lambda *options: CliRunner().invoke(group, ["--config", str(file), "turned-away", "list", *options])


CHOSEN = {
    "all, the latest first": ([], ["project-9", "7", "old.example.com", "70", ""]),
    "a connector": (["--connector", "70"], ["70"]),
    "a connector that nobody asked for": (["--connector", "99"], []),
    "some": (["--most", "2"], ["project-9", "7"]),
    "since a day": (["--since", "2023-11-14"], ["project-9", "7", "old.example.com", "70"]),
    "of the last hour": (["--since", "1h"], []),
}


@pytest.mark.parametrize(("options", "found"), CHOSEN.values(), ids=CHOSEN)
def test_it_lists(run: Callable[..., Result], options: list[str], found: list[str]) -> None:
    assert [row["about"] for row in json.loads(run("--json", *options).stdout)] == found


def test_a_row_says_who_acts(run: Callable[..., Result]) -> None:
    told = {row["reason"]: row["who"] for row in json.loads(run("--json").stdout)}
    assert (told["signature wrong"], told["PROJECT_NOT_CONFIGURED"]) == ("operator", "operator")
    assert told["a reason that is new"] == ""


def test_every_row_has_its_remedy_and_a_call_to_sinch_that_of_its_answer(run: Callable[..., Result]) -> None:
    remedies = {row["reason"]: row["remedy"] for row in json.loads(run("--json").stdout)}
    assert remedies.pop("a reason that is new") == ""
    assert all(remedies.values())
    assert remedies["PROJECT_NOT_CONFIGURED"].startswith("Compare the SINCH Project ID")


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_on_a_narrow_screen_nothing_is_cut(file: Path, spool: Database, columns: int) -> None:
    told = " ".join(seen(file, "turned-away", "list", columns=columns).split())
    for word in ("70", "old.example.com", "unknown connector, rightly signed", "PROJECT_NOT_CONFIGURED", "192.0.2.1"):
        assert word in told
