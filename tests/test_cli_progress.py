"""Long work shows itself: a bar on a terminal, lines where there is none, and nothing for programs."""

from __future__ import annotations

import io
import os
import pty
import re
from collections.abc import Callable
from contextlib import redirect_stderr
from threading import Event

import pytest

from gateway.cli import progress

COLOUR = re.compile(r"\x1b\[[0-9;]*(?:3[0-9]|4[0-9]|9[0-7])[;m]")


def seen_on_a_terminal(*, wanted: bool = True) -> str:
    """What stands on a terminal while something is done, up to its half."""
    ours, theirs = pty.openpty()
    with open(theirs, "w") as terminal, redirect_stderr(terminal):  # noqa: PTH123 - a descriptor
        with progress.shown("Copying", wanted=wanted) as tell:
            tell("Copying the spool", 50, 100)
            tell("Copying the spool", 100, 100)
            tell("Proving the copy")
        terminal.write("(end)")
        terminal.flush()
        said = ""
        while not said.endswith("(end)"):
            said += os.read(ours, 65536).decode()
    os.close(ours)
    return said.removesuffix("(end)")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    def look(*, wanted: bool = True, **environment: str) -> str:
        for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_INTERACTIVE", "TTY_COMPATIBLE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in ({"TERM": "xterm-256color", "COLUMNS": "80"} | environment).items():
            monkeypatch.setenv(name, value)
        return seen_on_a_terminal(wanted=wanted)

    return look


def test_on_a_terminal_a_bar_says_what_is_done_and_goes(terminal: Callable[..., str]) -> None:
    said = terminal()
    assert re.search(r"[\u2801-\u28ff]\x1b\[0m Proving the copy", said)  # it goes on turning
    assert COLOUR.search(said)
    assert said.endswith("\x1b[2K")  # the line is empty again


def test_no_colour_where_none_is_wanted_and_no_bar_where_nothing_can_move(terminal: Callable[..., str]) -> None:
    plain = terminal(NO_COLOR="1")
    assert ("Proving the copy" in plain, COLOUR.search(plain)) == (True, None)
    assert terminal(TERM="dumb") == ""
    assert terminal(wanted=False) == ""


class Waits(Event):
    """Work that is at its end after so many waits of who writes about it."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        super().__init__()
        self.steps, self.seconds = [*steps], list[float | None]()

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout)
        if self.steps:
            self.steps.pop(0)()
            return False
        return True


def test_where_there_is_no_terminal_lines_say_now_and_then_how_far_it_is() -> None:
    lines = progress.Lines("Copying the spool")
    half, proving = (lambda: lines.tell("Copying the spool", 1, 2)), (lambda: lines.tell("Proving the copy"))
    waits = Waits(lambda: None, half, proving)
    with redirect_stderr(io.StringIO()) as said:
        lines.write(waits)
    assert said.getvalue() == "Copying the spool …\nCopying the spool: 50 %\nProving the copy …\n"
    assert waits.seconds == [2.0, 10.0, 10.0, 10.0]


def test_what_is_quickly_done_has_no_lines() -> None:
    with redirect_stderr(io.StringIO()) as said:
        progress.Lines("Copying").write(Waits())
        with progress.shown("Copying") as tell:
            tell("Copying", 1, 2)
    assert said.getvalue() == ""
