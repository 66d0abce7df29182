"""Who is told what doctor finds: once each, and once more when it is over; by a command, a URL and a ping."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli import group
from gateway.config import Settings
from gateway.diagnosis import notices
from gateway.diagnosis.complaint import Complaint, Level, Probe
from gateway.diagnosis.doctor import Looked
from tests import config_samples
from tests.peer_samples import Peer, answers

DOWN = Complaint("motion.unreachable", Level.FAULT, "Motion is away.", "Start it.")
PARKED = Complaint("spool.parked", Level.WARNING, "3 are parked.", "Replay them.", "7")
NOTE = Complaint("links.of_motion", Level.NOTE, "A note.", "Nothing.")
BLIND = Complaint("doctor.unfinished", Level.WARNING, "It took too long.", "Again.", "spool")
TOKEN = "a-token-of-a-hook"


def looked(**found: list[Complaint]) -> list[Looked]:
    """What the checks came to, by their names."""
    return [Looked(Probe(name, name, (), lambda _context: iter(())), tuple(each), 0.1) for name, each in found.items()]


@dataclass
class Somebody:
    """A program that keeps what it hears."""

    folder: Path
    settings: Settings

    def hears(self, **found: list[Complaint]) -> str:
        heard = self.folder / "heard"
        heard.unlink(missing_ok=True)
        notices.tell(self.settings, looked(**found))
        return heard.read_text("utf-8") if heard.exists() else ""


def program(folder: Path, line: str) -> Path:
    file = folder / "tell"
    file.write_text(f"#!/bin/sh\n{line}\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    def make(**notify: str) -> Settings:
        return config_samples.settings(server={"state_dir": str(tmp_path)}, notify=notify)

    return make


@pytest.fixture
def somebody(tmp_path: Path, settings: Callable[..., Settings]) -> Somebody:
    keep = program(tmp_path, 'cat >>"$1/heard"')
    return Somebody(tmp_path, settings(command=f"{keep} '{tmp_path}'"))


@pytest.fixture
def start() -> Iterator[Callable[..., Peer]]:
    with ExitStack() as stack:
        yield lambda status="200 OK": stack.enter_context(
            closing(Peer(answers(b"", status=status), host="127.0.0.1", tls=None))
        )


def test_each_is_told_once_and_once_more_when_it_is_over(somebody: Somebody) -> None:
    said = somebody.hears(motion=[DOWN], spool=[NOTE])
    assert said.startswith("Motion Gateway gateway.example.com: 1 complaint new; now fault\n")
    assert "fault: Motion is away.\ndo: Start it.\n(motion.unreachable)" in said
    assert "A note." not in said
    assert somebody.hears(motion=[DOWN], spool=[]) == ""
    said = somebody.hears(motion=[DOWN], spool=[PARKED])
    assert "3 are parked." in said
    assert "away" not in said
    said = somebody.hears(motion=[], spool=[PARKED])
    assert "over: Motion is away. (motion.unreachable)" in said
    assert "now warning" in said
    assert somebody.hears(motion=[], spool=[PARKED]) == ""
    assert "now fine" in somebody.hears(motion=[], spool=[])
    assert "Motion is away." in somebody.hears(motion=[DOWN], spool=[])


def test_a_check_that_could_not_look_ends_nothing(somebody: Somebody) -> None:
    somebody.hears(motion=[], spool=[PARKED])
    assert somebody.hears(motion=[], spool=[BLIND]) == ""
    assert somebody.hears(motion=[]).count("over: It took") == 0  # it was not asked at all
    assert "over: 3 are parked." in somebody.hears(motion=[], spool=[])


def test_what_another_complaint_explains_is_not_over(somebody: Somebody) -> None:
    waits = Complaint("spool.waiting", Level.WARNING, "It waits.", "Look.")
    somebody.hears(motion=[], spool=[waits])
    assert "over" not in somebody.hears(motion=[DOWN], spool=[waits])


def test_what_is_worse_than_it_was_is_told_again(somebody: Somebody) -> None:
    worse = Complaint(PARKED.id, Level.FAULT, PARKED.sentence, PARKED.remedy, PARKED.about)
    somebody.hears(spool=[PARKED])
    assert "fault: 3 are parked." in somebody.hears(spool=[worse])


def test_who_could_not_be_told_is_told_by_the_next_run(
    tmp_path: Path, settings: Callable[..., Settings], start: Callable[..., Peer]
) -> None:
    peer = start("500 Internal Server Error")
    both = settings(
        command=f"{program(tmp_path, 'cat >/dev/null; exit 3')}", url=f"http://127.0.0.1:{peer.port}/x?t={TOKEN}"
    )
    for _ in range(2):
        telling = notices.tell(both, looked(motion=[DOWN]))
        assert telling.failures == {"notify.command": "it ended with status 3", "notify.url": "it answers 500"}
    program(tmp_path, "cat >/dev/null")
    assert list(notices.tell(both, looked(motion=[DOWN])).notices) == ["notify.command"]
    assert list(notices.tell(both, looked(motion=[DOWN])).notices) == []
    assert len(peer.requests) == 4


def test_a_url_gets_it_for_chats_and_for_programs_and_no_secret_is_kept(
    tmp_path: Path, settings: Callable[..., Settings], start: Callable[..., Peer]
) -> None:
    peer = start()
    named = settings(url=f"http://127.0.0.1:{peer.port}/x?t={TOKEN}")
    assert notices.tell(named, looked(motion=[DOWN])).failures == {}
    head, _, body = peer.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(f"POST /x?t={TOKEN} HTTP/1.1".encode())
    said = json.loads(body)
    assert "Motion is away." in said["text"]
    assert (said["level"], said["began"][0]["id"], said["ended"]) == ("fault", DOWN.id, [])
    kept = tmp_path / "notices.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert TOKEN not in kept.read_text() + repr(named)
    kept.write_text('{"notify.url": 7')  # half of it, after a crash
    assert list(notices.tell(named, looked(motion=[DOWN])).notices) == ["notify.url"]


PINGS: dict[str, tuple[list[Complaint], bool, str]] = {
    "all is well": ([NOTE], False, "/p"),
    "a warning": ([PARKED], False, "/p"),
    "a fault": ([DOWN], False, "/p/fail"),
    "somebody was not told": ([], True, "/p/fail"),
}


@pytest.mark.parametrize(("found", "failed", "path"), PINGS.values(), ids=PINGS)
def test_who_waits_for_the_ping_hears_of_each_run_and_of_a_fault(
    settings: Callable[..., Settings], start: Callable[..., Peer], found: list[Complaint], *, failed: bool, path: str
) -> None:
    peer = start()
    named = settings(ping_url=f"http://127.0.0.1:{peer.port}/p")
    assert notices.ping(named, looked(one=found), failed=failed) == ""
    assert peer.requests[0].startswith(f"POST {path} HTTP/1.1".encode())
    assert all(each.id.encode() in peer.requests[0] for each in found)


def test_the_command_hears_nothing_of_the_gateways_by_its_environment(
    tmp_path: Path, settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTION_GATEWAY_MOTION__API_KEY", TOKEN)
    tell = program(tmp_path, f"env >{tmp_path}/env; cat >/dev/null")
    notices.tell(settings(command=str(tell)), looked(motion=[DOWN]))
    told = (tmp_path / "env").read_text()
    assert TOKEN not in told
    assert "NOTICE_SUBJECT=Motion Gateway gateway.example.com: 1 complaint new; now fault\n" in told
    assert "NOTICE_LEVEL=fault\n" in told


def test_a_run_that_is_to_tell_nobody_does_not_look(settings_file: Callable[..., Path]) -> None:
    done = CliRunner().invoke(group, ["--config", str(settings_file()), "doctor", "--notify"])
    assert (done.exit_code, done.stdout, done.stderr.startswith("Nobody is told")) == (0, "", True)


@pytest.mark.parametrize("broken", ["[server", '[notify]\ncommand = "mail"\n'], ids=["no TOML", "a wrong setting"])
def test_the_unit_fails_where_the_settings_let_nobody_be_told(tmp_path: Path, broken: str) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(broken)
    done = CliRunner().invoke(group, ["--config", str(file), "doctor", "--notify"])
    assert done.exit_code == 3, "systemd takes 1 and 2 for a run that went well"


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a command without its path": ({"command": "mail -s x root"}, "the whole path"),
    "a quote without its end": ({"command": "/bin/x 'y"}, "without its end"),
    "no URL": ({"url": "hooks.example.com/x"}, "http or https URL"),
    "a URL with a user": ({"ping_url": "https://user:password@hooks.example.com/"}, "without user"),
}


@pytest.mark.parametrize(("table", "said"), WRONG.values(), ids=WRONG)
def test_what_is_no_command_and_no_url_is_refused_and_not_shown(table: dict[str, Any], said: str) -> None:
    refusal = config_samples.refusal(notify=table)
    assert said in refusal
    assert "password" not in refusal


@pytest.mark.parametrize(("url", "warned"), [("http://hooks.example.com/x", 1), ("http://127.0.0.1/x", 0)])
def test_a_url_that_is_told_in_clear_is_a_warning(settings: Callable[..., Settings], url: str, warned: int) -> None:
    assert len(settings(url=url).warnings) == warned


def test_everybody_is_told_where_that_cannot_be_kept(
    tmp_path: Path, settings: Callable[..., Settings], start: Callable[..., Peer]
) -> None:
    url = f"http://127.0.0.1:{start().port}/"
    told = settings(command=f"{program(tmp_path, 'cat >/dev/null')}", url=url)
    gone = told.model_copy(update={"server": told.server.model_copy(update={"state_dir": tmp_path / "gone"})})
    for _ in range(2):
        telling = notices.tell(gone, looked(motion=[DOWN]))
        assert [*telling.notices] == ["notify.command", "notify.url"]
        assert telling.failures == {"notices.json": "No such file or directory"}
