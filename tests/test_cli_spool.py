"""What a list says in which there is nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import group
from gateway.clock import parse, written
from tests.screen import seen
from tests.spool_samples import of_settings

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
