"""`users hash`: what the settings hold of a password."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr

from gateway.cli import group
from gateway.config import secrets
from tests.command_samples import refusal
from tests.config_samples import settings

PASSWORD = "pässword of some length"


def run(typed: bytes) -> Result:
    return CliRunner().invoke(group, ["--config", "/nowhere.toml", "users", "hash"], input=typed)


@pytest.mark.parametrize("end", [b"\n", b"", b"\nmore"])
def test_a_line_of_standard_input_becomes_a_hash_that_the_settings_take(end: bytes) -> None:
    result = run(PASSWORD.encode() + end)
    hashed = result.stdout.removesuffix("\n")
    [user] = settings(user=[{"name": "anna", "password_hash": hashed}]).users
    assert (result.stderr, user.password_hash) == ("", SecretStr(hashed))
    assert secrets.is_password(PASSWORD, hashed=user.password_hash)
    assert not secrets.is_password(PASSWORD + " ", hashed=user.password_hash)


@pytest.mark.parametrize("typed", [b"", b"\n", b"x" * 11, b"x" * 1025, b"x" * 12 + b"\t", b"x" * 12 + b"\xff"])
def test_what_is_no_password_is_refused_without_a_word_of_it(typed: bytes) -> None:
    assert "12 to 1024 characters" in refusal(run(typed)).reason


def test_on_a_terminal_it_asks_twice_shows_nothing_of_it_and_says_what_to_do() -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "gateway", "users", "hash"]
    with subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, start_new_session=True
    ) as typed:
        os.close(theirs)
        shown = b""
        for answer in (b"twelve letters", b"another thing", b"twelve letters", b"twelve letters"):
            while not shown.endswith(b": "):
                shown += os.read(ours, 1024)
            os.write(ours, answer + b"\n")
            shown += b"|"
        assert typed.stdout
        hashed = typed.stdout.read().decode().strip()
    with suppress(OSError):  # nobody has the other end open any more, and all of it is read
        while True:
            shown += os.read(ours, 4096)
    os.close(ours)
    assert secrets.is_password("twelve letters", hashed=SecretStr(hashed))
    assert b"letters" not in shown
    assert b"[[user]]" in shown
