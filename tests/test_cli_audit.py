"""`audit list`, as it is typed, of what other commands have left."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway import paths
from gateway.cli import group
from gateway.store import audit
from tests import released_spool
from tests.screen import seen
from tests.spool_samples import DEED, REFUSE_DEEDS, accept, meddle, of_settings


@pytest.fixture
def file(settings_file: Callable[..., Path]) -> Iterator[Path]:
    """Settings whose spool holds event 1, which is pending."""
    path = settings_file()
    with of_settings(path) as spool:
        accept(spool)
        yield path


@pytest.fixture
def run(file: Path) -> Callable[..., Result]:
    def typed(*arguments: str, who: str = "ana") -> Result:
        return CliRunner(env={"SUDO_USER": who}).invoke(group, ["--config", str(file), *arguments])

    return typed


def told(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return list(json.loads(result.stdout))


def test_it_lists_who_did_what_the_newest_first(run: Callable[..., Result]) -> None:
    run("events", "park", "1")
    run("events", "replay", "--parked", who="ben")
    run("events", "show", "1", "--body")
    run("events", "erase", "--contact", "c1", "--pending", "--yes", who="eve")
    found = told(run("audit", "list", "--json"))
    assert [(one["who"], one["action"], one["about"]) for one in found] == [
        ("eve", "erase", "a contact: 1 event and no sends"),
        ("ana", "look", "event 1: its body"),
        ("ben", "replay", "event 1"),
        ("ana", "park", "event 1"),
    ]
    assert set(found[0]) == {"at", "who", "login", "account", "action", "about"}
    assert [one["who"] for one in told(run("audit", "list", "--json", "--who", "ben", "--action", "replay"))] == ["ben"]
    assert told(run("audit", "list", "--json", "--since", "2099-01-01")) == []


def test_who_looks_where_nothing_can_be_kept_sees_it_and_is_told(file: Path, run: Callable[..., Result]) -> None:
    with of_settings(file) as spool:
        meddle(spool, REFUSE_DEEDS)
    result = run("events", "show", "1", "--body")
    assert (result.exit_code, result.stdout[:1]) == (0, "{")
    line, sentence = result.stderr.splitlines()
    assert (json.loads(line)["who"], json.loads(line)["reason"]) == ("ana", "spool failed")
    assert sentence == "This look could not be kept in the spool: the line above tells of it, and why."


def test_whoever_copies_the_spool_has_looked_at_everything(
    file: Path, run: Callable[..., Result], tmp_path: Path
) -> None:
    assert run("spool", "backup", "--to", str(tmp_path / "copy")).exit_code == 0
    [found] = told(run("audit", "list", "--json"))
    assert (found["who"], found["action"], found["about"]) == ("ana", "look", "every event: a copy of the spool")


def test_a_spool_from_before_an_upgrade_can_be_copied(settings_file: Callable[..., Path], tmp_path: Path) -> None:
    file = settings_file()
    released_spool.lay(tmp_path / "state" / paths.SPOOL, now=1.0)
    arguments = ["--config", str(file), "spool", "backup", "--to", str(tmp_path / "copy")]
    result = CliRunner().invoke(group, arguments)
    assert (result.exit_code, (tmp_path / "copy").exists()) == (0, True)
    assert "not yet of this release" in json.loads(result.stderr.splitlines()[0])["reason"]


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_on_a_narrow_screen_nothing_is_cut(file: Path, columns: int) -> None:
    about = audit.of_events(range(1_000_000, 1_000_020))
    with of_settings(file) as spool:
        audit.keep(spool, audit.Deed(**(vars(DEED) | {"about": about, "login": "somebody-else"})))
    shown = " ".join(seen(file, "audit", "list", columns=columns).split())
    for word in (*about.split(), "motion-gateway", "replay", "ana (logged in as somebody-else)"):
        assert word in shown
