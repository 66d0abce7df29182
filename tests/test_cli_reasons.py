"""`reasons`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import group
from gateway.diagnosis import reasons
from tests.screen import seen


def run(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["--config", "/nowhere.toml", "reasons", *arguments])


def test_a_code_is_told_with_who_acts_what_to_do_and_whether_to_try_again() -> None:
    result = run("media_not_reachable")
    assert result.exit_code == 0
    titles = [line.split("  ")[0] for line in result.stdout.splitlines()]
    assert titles == ["code", "meaning", "who acts", "what to do", "try again", "source"]
    assert "the operator of this gateway" in result.stdout


def test_the_codes_of_a_report_can_be_typed_as_a_list_shows_them() -> None:
    told = json.loads(run("CHANNEL_FAILURE", "UNSPECIFIED_SUB_CODE", "131026", "--json").stdout)
    assert [row["code"] for row in told] == ["CHANNEL_FAILURE", "UNSPECIFIED_SUB_CODE", "131026"]
    assert [row["known"] for row in told] == [True] * 3


def test_an_unknown_code_is_shown_as_it_is_with_what_may_have_been_meant() -> None:
    result = run("Chanel_Failure", "NO_PERMISSION")
    assert result.exit_code == 1
    assert "Chanel_Failure\nmeaning       not known here" in result.stdout
    assert "did you mean  CHANNEL_FAILURE" in result.stdout
    assert "NO_PERMISSION" in result.stdout
    assert json.loads(run("--json", "Neu").stdout)[0] | {"near": []} == {"code": "Neu", "known": False, "near": []}


def test_without_a_code_all_are_listed_by_who_acts() -> None:
    told = run().stdout
    assert [row.code for row in reasons.known().values() if f"\n  {row.code} " not in told] == []
    assert told.count("Who acts: ") == 6
    assert len(told.splitlines()) == len(reasons.known()) + 2 * 6 + 1
    assert len(json.loads(run("--json").stdout)) == len(reasons.known())


@pytest.mark.parametrize("columns", [40, 80])
def test_on_a_narrow_screen_nothing_is_cut(columns: int, tmp_path: Path) -> None:
    listed = seen(tmp_path / "none.toml", "reasons", columns=columns)
    assert [row.code for row in reasons.known().values() if row.code not in " ".join(listed.split())] == []
    assert max(map(len, listed.splitlines()[:-1])) <= max(columns, 60)
    told = seen(tmp_path / "none.toml", "reasons", "OUTSIDE_ALLOWED_SENDING_WINDOW", columns=columns)
    assert max(map(len, told.splitlines())) <= max(columns, 42)
    assert "OUTSIDE_ALLOWED_SENDING_WINDOW" in told
    assert "answers within 24 hours; or uses another channel such as email." in " ".join(told.split())
