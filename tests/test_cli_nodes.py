"""`nodes list` and `nodes forget`, as they are typed, of the one node of a file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway import __version__, lock
from gateway.cli import group
from gateway.config import fields
from gateway.store import named
from tests.command_samples import refusal
from tests.spool_samples import of_settings
from tests.test_store_nodes import NOW, beat

HERE = fields.host_named(os.uname().nodename)


@pytest.fixture
def file(settings_file: Callable[..., Path]) -> Path:
    path = settings_file()
    with of_settings(path):
        return path


@pytest.fixture
def run(file: Path) -> Callable[..., Result]:
    return lambda *arguments: CliRunner().invoke(group, ["--config", str(file), "nodes", *arguments])


def test_the_list_of_a_file_has_this_node_alone(file: Path, run: Callable[..., Result]) -> None:
    [node] = json.loads(run("list", "--json").stdout)
    assert (node["name"], node["here"], node["state"], node["findings"]) == (HERE, True, "stopped", [])
    assert (node["release"], node["revision"]) == (__version__, named.latest())
    with lock.only_one(file.parent / "state" / "courier.lock", "courier"):
        assert json.loads(run("list", "--json").stdout)[0]["state"] == "well"
        assert f"{HERE} *" in run("list").stdout


def test_a_node_that_nobody_knows_cannot_be_forgotten_and_one_that_is_gone_can(
    file: Path, run: Callable[..., Result]
) -> None:
    assert "there is no node gone" in str(refusal(run("forget", "gone")))
    with of_settings(file) as spool:
        beat(spool, "gone", seen_at=NOW)
    result = run("forget", "gone")
    assert (result.exit_code, result.stdout) == (0, "Forgot gone.\n")
    assert json.loads(result.stderr)["about"] == "node gone"
