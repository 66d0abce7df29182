"""What a list says in which there is nothing; and what is typed to move a spool, and said of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import group
from gateway.clock import parse, written
from gateway.phrases import Reason
from tests.command_samples import refusal
from tests.screen import seen
from tests.spool_samples import accept, of_settings

DAY = "2026-11-22"
SINCE = written(parse(DAY))
EMPTY = {
    "events list": (f"No events since {SINCE}.", "events"),
    "events list --state parked": (f"No such events since {SINCE}.", "events"),
    "sends list": (f"No sends since {SINCE}.", ""),
    "attachments list": (f"No attachments since {SINCE}.", ""),
    "audit list": (f"No records since {SINCE}.", ""),
    "turned-away list": (f"Nothing was turned away since {SINCE}.", ""),
    "turned-away list --connector 7": (f"Nothing about connector 7 was turned away since {SINCE}.", ""),
}


@pytest.fixture
def file(settings_file: Callable[..., Path]) -> Path:
    """Settings whose spool is empty."""
    path = settings_file()
    with of_settings(path):
        return path


@pytest.mark.parametrize(("typed", "said"), EMPTY.items(), ids=EMPTY)
def test_a_list_with_nothing_in_it_says_so_and_is_empty_for_programs(
    file: Path, typed: str, said: tuple[str, str]
) -> None:
    sentence, key = said
    words = ["--config", str(file), *typed.split(), "--since", DAY]
    assert CliRunner().invoke(group, words).stdout.splitlines()[0] == sentence
    told = json.loads(CliRunner().invoke(group, [*words, "--json"]).stdout)
    assert (told[key] if key else told) == []


def test_on_a_terminal_it_says_the_same_without_titles(file: Path) -> None:
    assert seen(file, "turned-away", "list") == "Nothing was turned away.\n"


def test_a_spool_is_moved_and_moved_back_and_each_time_it_says_what_the_settings_need(
    settings_file: Callable[..., Path], tmp_path: Path, database_url: str
) -> None:
    def typed(*words: str, **tables: object) -> Result:
        return CliRunner().invoke(group, ["--config", str(settings_file(**tables)), *words])

    with of_settings(settings_file()) as spool:
        accept(spool)
    told = typed("spool", "move", "--to", database_url).output
    assert f"All of it is at {database_url.partition('?')[0]}: rows and digests are the same on both sides." in told
    assert f'[spool]\n    url = "{database_url}"\n' in told
    assert [line.split()[:2] for line in told.splitlines() if line.split()[:1] in (["event"], ["audit"])] == [
        ["audit", "1"],
        ["event", "1"],
    ]
    assert refusal(typed("events", "list")).reason == Reason.SPOOL_MOVED
    served = {"url": database_url}
    assert "MESSAGE_INBOUND" in typed("events", "list", spool=served).stdout
    assert "says so already" in refusal(typed("spool", "move", "--to", database_url, spool=served)).reason
    told = typed("spool", "move", "--to", "sqlite", spool=served).output
    assert "lies at" in told
    assert (tmp_path / "state" / "spool.sqlite3.moved").exists()
    assert "MESSAGE_INBOUND" in typed("events", "list").stdout
    assert typed("audit", "list", "--action", "move").stdout.count(" to ") == 2


def test_an_old_spool_is_reopened_by_who_says_so(settings_file: Callable[..., Path], database_url: str) -> None:
    words = ["--config", str(settings_file())]
    with of_settings(settings_file()):
        CliRunner().invoke(group, [*words, "spool", "move", "--to", database_url])
    assert "say --yes" in refusal(CliRunner().invoke(group, [*words, "spool", "reopen"])).reason
    assert (
        CliRunner()
        .invoke(group, [*words, "spool", "reopen", "--yes"])
        .stdout.endswith("spool.sqlite3 may be served from again: start the gateway.\n")
    )
    assert CliRunner().invoke(group, [*words, "events", "list"]).exit_code == 0


def test_a_password_that_is_typed_with_the_url_is_refused_and_not_repeated(file: Path) -> None:
    words = ["--config", str(file), "spool", "move", "--to", "postgresql://gateway:hush@db/gateway"]
    refused = CliRunner().invoke(group, words)
    assert "it must hold no password: write it into a file of its own" in refused.output
    assert "hush" not in refused.output
