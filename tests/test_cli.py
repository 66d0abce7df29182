"""The list of commands: it costs little, says what they say themselves, and leads to each of them."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gateway import cli
from gateway.cli import Later, group

MODULES = sorted(path.stem for path in Path(cli.__file__).parent.glob("[a-z]*.py"))
RUN = (
    "import sys, atexit; atexit.register(lambda: print('\\n'.join(sys.modules))); from gateway.cli import main; main()"
)


def loaded(*arguments: str) -> set[str]:
    """The modules that a run of `motion-gateway` with these arguments loads."""
    done = subprocess.run([sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines())


def later(name: str) -> Later:
    command = group.commands[name]
    assert isinstance(command, Later)
    return command


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_the_list_of_commands_loads_none_of_them(argument: str) -> None:
    found = {name for name in loaded(argument) if name.partition(".")[0] == "gateway"}
    assert found == {"gateway", "gateway.cli", "gateway.errors", "gateway.phrases"}


@pytest.mark.parametrize("process", ["serve", "web", "courier", "nginx"])
def test_the_help_of_a_process_loads_no_process(process: str) -> None:
    assert {
        name for name in loaded(process, "--help") if name.startswith(("gateway.serving", "gateway.store"))
    } == set()


@pytest.mark.parametrize("name", group.commands)
def test_the_list_says_of_a_command_what_it_says_of_itself(name: str) -> None:
    listed, real = later(name), later(name).loaded()
    assert real.name == name
    for width in (20, 40, 60, 80, 120):
        assert listed.get_short_help_str(width) == real.get_short_help_str(width)


@pytest.mark.parametrize("module", MODULES)
def test_every_command_that_is_written_is_listed(module: str) -> None:
    found = vars(importlib.import_module(f"gateway.cli.{module}")).values()
    commands = [thing for thing in found if isinstance(thing, click.Command)]
    below = [inner for command in commands if isinstance(command, click.Group) for inner in command.commands.values()]
    mine = {name for name in group.commands if later(name).module == module}
    assert {command.name for command in commands if command not in below} == mine


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["serv"], "No such command 'serv'. Did you mean 'serve'?"),
        (["events", "lst"], "No such command 'lst'. Did you mean 'list'?"),
        (["--hlp"], "No such option '--hlp'. Did you mean '--help'?"),
        (["nginx", "render", "--too", "x"], "No such option '--too'. Did you mean '--to'?"),
    ],
)
def test_a_mistake_is_answered_with_what_may_have_been_meant(typed: list[str], said: str) -> None:
    result = CliRunner().invoke(group, typed)
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize("name", group.commands)
def test_a_command_has_its_own_help(name: str) -> None:
    result = CliRunner().invoke(group, [name, "--help"], prog_name="motion-gateway")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: motion-gateway {name} [OPTIONS]")
