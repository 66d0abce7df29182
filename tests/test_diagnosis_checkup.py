"""What doctor leaves for the operations page, and that one at a time is started from there."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from gateway import paths
from gateway.config import Settings
from gateway.diagnosis import checkup
from gateway.diagnosis.checkup import Checkup
from gateway.diagnosis.complaint import Complaint, complain
from gateway.errors import CommandError
from tests import config_samples
from tests.service_samples import NOW
from tests.spool_samples import until

LOUD = complain("motion.down", about="", reason="503")
NOTE = complain("secrets.many_token_keys", count=3)
BLIND = complain("doctor.other_account", caller="ana", owner="motion-gateway")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made: Settings = config_samples.settings(server={"state_dir": str(tmp_path)})
    paths.run(made).mkdir()
    return made.model_copy(update={"file": str(tmp_path / "gateway.toml")})


def keep(settings: Settings, *said: Complaint) -> None:
    found = {"motion": [each for each in said if each is LOUD], "secrets": [each for each in said if each is not LOUD]}
    checkup.keep(settings, found, said, at=NOW, seconds=1.5)


def test_the_page_reads_what_was_said_with_the_check_that_found_it(settings: Settings) -> None:
    assert checkup.last(settings) is None
    keep(settings, LOUD, NOTE)
    found = (("motion", LOUD), ("secrets", NOTE))
    assert checkup.last(settings) == Checkup(NOW, 1.5, ("motion", "secrets"), found)
    assert {path.name: path.stat().st_mode & 0o777 for path in settings.server.state_dir.glob("*.*")} == {
        paths.CHECKUP: 0o600
    }
    keep(settings)
    assert checkup.last(settings) == Checkup(NOW, 1.5, ("motion", "secrets"), ())


def test_a_run_that_could_see_nothing_and_a_disk_that_takes_nothing_leave_the_one_before(settings: Settings) -> None:
    keep(settings, LOUD)
    keep(settings, BLIND)
    settings.server.state_dir.joinpath("state").mkdir()
    gone = config_samples.settings(server={"state_dir": str(settings.server.state_dir / "gone")})
    keep(gone, NOTE)
    found = checkup.last(settings)
    assert found
    assert found.found == (("motion", LOUD),)


SPOILT = {
    "nothing": b"",
    "half of it": b'{"at": 1.0, "seconds": 1.5, "checks": ["mot',
    "a list": b"[]",
    "of another release": b'{"at": 1.0, "when": 2}',
    "with an unknown level": json.dumps(
        {"at": 1, "seconds": 1, "checks": [], "found": [vars(LOUD) | {"check": "motion", "level": "panic"}]}
    ).encode(),
    "with a word more": json.dumps(
        {"at": 1, "seconds": 1, "checks": [], "found": [vars(LOUD) | {"check": "motion", "mood": "grim"}]}
    ).encode(),
    "no text": b"\xff\xfe",
}


@pytest.mark.parametrize("content", SPOILT.values(), ids=SPOILT)
def test_what_is_not_understood_is_as_if_doctor_had_never_looked(settings: Settings, content: bytes) -> None:
    settings.server.state_dir.joinpath(paths.CHECKUP).write_bytes(content)
    assert checkup.last(settings) is None


def test_one_is_started_at_a_time_and_its_lock_lives_as_long_as_it_does(settings: Settings, tmp_path: Path) -> None:
    asked, go = tmp_path / "asked", tmp_path / "go"
    os.mkfifo(go)
    waits = [sys.executable, "-c", f"open({str(asked)!r}, 'a').write('x'); open({str(go)!r}).read()"]
    assert (checkup.is_under_way(settings), checkup.wanted_at(settings)) == (False, None)
    assert checkup.want(settings, waits, confined=False)
    assert checkup.is_under_way(settings)
    os.utime(paths.run(settings) / checkup.WANTED, (NOW, NOW))
    assert checkup.want(settings, waits, confined=False)
    assert checkup.wanted_at(settings) == NOW  # it looks since then
    go.write_text("go")
    until(lambda: not checkup.is_under_way(settings), "its end")
    assert asked.read_text() == "x"


def test_who_has_no_network_or_no_file_leaves_word_and_starts_nothing(settings: Settings, tmp_path: Path) -> None:
    touches = ["touch", str(tmp_path / "started")]
    assert checkup.want(settings, touches, confined=True)
    assert not checkup.want(settings.model_copy(update={"file": ""}), touches, confined=False)
    assert not checkup.is_under_way(settings)
    asked = checkup.wanted_at(settings)
    assert asked
    checkup.keep(settings, {}, [], at=asked - 1, seconds=0.5)
    assert checkup.wanted_at(settings) == asked  # that one had ended before
    with checkup.under_way(settings):
        assert checkup.is_under_way(settings)
        with checkup.under_way(settings):  # two that somebody types are nobody's business
            pass
    checkup.keep(settings, {}, [], at=asked - 1, seconds=1.5)
    assert checkup.wanted_at(settings) is None
    assert not (tmp_path / "started").exists()


def test_where_it_cannot_be_started_that_is_said(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="doctor cannot be started: No such file"):
        checkup.want(settings, [str(tmp_path / "nothing")], confined=False)
    assert not checkup.is_under_way(settings)
    paths.run(settings).joinpath(checkup.WANTED).unlink()
    paths.run(settings).rmdir()
    with pytest.raises(CommandError, match=r"checkup\.wanted cannot be written"):
        checkup.want(settings, ["false"], confined=True)
