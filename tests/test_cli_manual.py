"""The page of the manual and the completion: made of the commands, so that none is missing there."""

from __future__ import annotations

import re

import click
import pytest
from click.shell_completion import ShellComplete

from gateway.cli import group, manual

PAGE = manual.page()
MACROS = re.compile(r"\.(TH|SH|SS|TP|PP|B|nh|ad)\b|(?!['.])")


def told(section: str) -> str:
    return section.replace("\\-", "-").replace("\\e", "\\").replace("\\&", "").replace("\\:", "")


def test_every_command_and_every_option_stands_there_with_its_own_words() -> None:
    sections = dict(each.split("\n", 1) for each in PAGE.split("\n.SS ")[1:])
    words = {typed.removeprefix("motion-gateway ") for typed, _ in manual.commands()}
    assert len(sections) == len(words)
    for typed, command in manual.commands():
        title = typed.removeprefix("motion-gateway ").replace("-", "\\-")
        [body] = [told(body) for name, body in sections.items() if f"{name} ".startswith(f"{title} ")]
        assert " ".join((command.help or "").split()) in " ".join(body.replace("\n.PP\n", " ").split())
        for option in (one for one in command.params if isinstance(one, click.Option)):
            assert f".B {option.opts[0]}" in body
            assert str(option.help) in body


def test_no_word_of_theirs_is_taken_for_roff() -> None:
    assert [line for line in PAGE.splitlines() if not MACROS.match(line)] == []
    assert [line for line in PAGE.splitlines() if re.search(r"\\(?![-e&:])", line)] == []
    assert "\n\n" not in PAGE  # an empty line would be a paragraph
    assert max(map(len, re.split(r"\s|\\:", PAGE))) < 72  # or it does not fit into a line of a terminal
    assert manual._text(".so /etc/passwd \\n") == "\\&.so /etc/passwd \\en"


@pytest.mark.parametrize(
    ("typed", "begun", "found"),
    [
        ([], "ev", ["events"]),
        (["events"], "", ["erase", "list", "park", "replay", "show"]),
        (["events", "list"], "--s", ["--state", "--since"]),
        (["events", "list", "--state"], "p", ["pending", "parked"]),
        (["turned-away"], "l", ["list"]),
    ],
)
def test_a_shell_completes_commands_options_and_what_they_take(typed: list[str], begun: str, found: list[str]) -> None:
    complete = ShellComplete(group, {}, "motion-gateway", "_MOTION_GATEWAY_COMPLETE")
    assert [each.value for each in complete.get_completions(typed, begun)] == found
