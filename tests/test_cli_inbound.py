"""`inbound list | show | release | save`, as they are typed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import group
from gateway.inbound.arrivals import RELEASED
from gateway.store import audit
from gateway.store.engines import Database
from tests.command_samples import refusal
from tests.spool_samples import of_settings
from tests.test_inbound_held import DIGEST, HELD_BACK, put


@pytest.fixture
def spool(file: Path) -> Iterator[Database]:
    """Of `file`: a picture, a program that is held back, and a film that could not be had."""
    with of_settings(file) as opened:
        put(opened, 3)
        put(opened, 17, 1, **HELD_BACK)
        put(opened, 17, 2, state="failed", digest=None, size_bytes=0, reason="no answer in time", name="", mime="")
        yield opened


@pytest.fixture
def run(file: Path, spool: Database) -> Callable[..., Result]:
    def typed(*arguments: str) -> Result:
        return CliRunner(env={"SUDO_USER": "ana"}).invoke(group, ["--config", str(file), "inbound", *arguments])

    return typed


def test_list_shows_what_became_of_each(run: Callable[..., Result]) -> None:
    told = run("list").stdout
    assert [line.split()[0] for line in told.splitlines()[1:]] == ["17/1", "17/2", "3/1"]
    assert "no answer in time" in told
    assert [each["file"] for each in json.loads(run("list", "--state", "held", "--json").stdout)] == ["17/1"]
    assert run("list", "--connector", "9").stdout == "No such files.\n"


def test_show_tells_why_and_what_to_do(run: Callable[..., Result]) -> None:
    told = run("show", "17/1").stdout
    assert "It is a program, or unpacks into one" in told
    assert "`motion-gateway inbound release 17/1` lets agents open it" in told
    assert DIGEST.hex() in told
    assert "media.example.com" not in told  # Sinch's link opens the file to whoever has it
    failed = json.loads(run("show", "17/2", "--json").stdout)
    assert (failed["digest"], failed["state"]) == (None, "failed")


def test_release_says_what_it_is_and_asks(run: Callable[..., Result], spool: Database) -> None:
    asked = run("release", "17/1")
    assert str(asked.exception).startswith("nobody is there to be asked: say --yes to let agents open it")
    assert "is held back: It is a program" in asked.stdout
    assert audit.listed(spool, most=9) == []


def test_release_is_recorded_with_who_did_it(run: Callable[..., Result], spool: Database) -> None:
    done = run("release", "17/1", "--yes")
    assert "Motion's link to it serves it from now on." in done.stdout
    assert "motion-gateway events replay 17" in done.stdout
    [deed] = audit.listed(spool, most=9)
    assert (deed.action, deed.who, deed.about) == ("release", "ana", "file 17/1: program")
    assert json.loads(run("show", "17/1", "--json").stdout)["state"] == RELEASED
    assert json.loads(done.stderr.splitlines()[0])["command"] == "release"
    assert "it is released" in str(refusal(run("release", "17/1", "--yes")))


def test_what_names_no_file_is_told(run: Callable[..., Result]) -> None:
    assert "write the event and the number of the file in it, as in 17/1" in str(refusal(run("show", "17")))


def test_save_is_recorded_before_anything_is_there(run: Callable[..., Result], spool: Database, tmp_path: Path) -> None:
    to = tmp_path / "evidence"
    assert "is not in the vault" in str(refusal(run("save", "17/1", "--to", str(to))))
    assert [deed.about for deed in audit.listed(spool, most=9)] == ["file 17/1: saved"]
    assert not to.exists()
