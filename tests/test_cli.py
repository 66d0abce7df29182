"""The list of commands: it costs little, says what they say themselves, and leads to each of them."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import venv
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import gateway
from gateway import cli, clock
from gateway.cli import Later, group
from gateway.cli.manual import commands
from tests.examples import some
from tests.screen import started
from tests.together import together

ROOT = Path(__file__).parent.parent
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
    assert found == {"gateway", "gateway.cli", "gateway.cli.invocation", "gateway.errors", "gateway.phrases"}


@pytest.mark.parametrize("process", some(["serve", "web", "courier", "nginx"], 2))
def test_the_help_of_a_process_loads_no_process(process: str) -> None:
    assert {
        name for name in loaded(process, "--help") if name.startswith(("gateway.serving", "gateway.store"))
    } == set()


@together("name", group.commands)
def test_the_list_says_of_a_command_what_it_says_of_itself(name: str) -> None:
    listed, real = later(name), later(name).loaded()
    assert real.name == name
    for width in (20, 40, 60, 80, 120):
        assert listed.get_short_help_str(width) == real.get_short_help_str(width)


@together("module", MODULES)
def test_every_command_that_is_written_is_listed(module: str) -> None:
    found = vars(importlib.import_module(f"gateway.cli.{module}")).values()
    commands = [thing for thing in found if isinstance(thing, click.Command)]
    below = [inner for command in commands if isinstance(command, click.Group) for inner in command.commands.values()]
    mine = {name for name in group.commands if later(name).module == module}
    assert {command.name for command in commands if command not in below} == mine


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["srve"], "No such command 'srve'. Did you mean 'serve'?"),
        (["events", "lst"], "No such command 'lst'. Did you mean 'list'?"),
        (["--hlp"], "No such option '--hlp'. Did you mean '--help'?"),
        (["nginx", "render", "--too", "x"], "No such option '--too'. Did you mean '--to'?"),
    ],
)
def test_a_mistake_is_answered_with_what_may_have_been_meant(typed: list[str], said: str) -> None:
    result = CliRunner().invoke(group, typed)
    assert result.exit_code == 2
    assert said in result.stderr


@together("name", group.commands)
def test_a_command_has_its_own_help(name: str) -> None:
    result = CliRunner().invoke(group, [name, "--help"], prog_name="motion-gateway")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: motion-gateway {name} [OPTIONS]")


# For programs and on terminals


def test_every_command_that_lists_or_shows_tells_programs_too() -> None:
    found = {
        f"{words} ".partition(" ")[2]: {name for one in each.params for name in one.opts} for words, each in commands()
    }
    telling = {words for words in found if any(f"{one} ".startswith(words) for one in (*READING, "reasons"))}
    assert len(telling) == len(READING) + 1
    assert {words for words in telling if "--json" not in found[words]} == set()


def test_what_programs_read_is_written_in_one_place() -> None:
    """So that it has one form everywhere: ASCII, indented, and nothing beside it."""
    writers = {module for module in MODULES if "json.dump" in (Path(cli.__file__).parent / f"{module}.py").read_text()}
    assert writers == set()


# Ctrl-C


CHANGING = {
    "migrate": "The spool has its old schema or the new one",
    "spool backup --to copy": "There is no copy, or a whole one",
    "spool move --to sqlite": "What was served from before still counts",
    "spool reopen --yes": "It may be served from again, or it may not",
    "events park 1": "It is parked, or still pending",
    "events replay 1": "All of them are delivered again, or none",
    "events erase --contact c1": "Part of it may be erased",
    "attachments evict --all": "Some of the files may be deleted already",
    "attachments orphans": "Some of the objects may be deleted already",
    "inbound release 17/1 --yes": "It is released, or still held back",
    "inbound save 17/1 --to copy": "The file is not there, or a part of it",
    "token mint {file} --attachment 1": "No link was printed",
    "token revoke 1": "Run this again",
    "nginx render --to folder": "The file may be there by half",
    "certs acme": "The pair before is in place, or the new one",
    "certs self-signed": "One of the two files may be there",
    "drain": "Run it again",
    "nodes forget gone": "It is forgotten or it is not",
    "webhook sync": "Some of it may be done",
    "webhook rotate --connector 7": "Some of it may be done",
}
READING = (
    *("config check", "config show", "certs check", "exposure", "token open x", "turned-away list", "doctor", "ready"),
    *(
        "events list",
        "events show 1",
        "sends list",
        "sends show 1",
        "attachments list",
        "attachments show 1",
        "inbound list",
        "inbound show 17/1",
        "attachment inspect {file}",
    ),
    "audit list",
    "nodes list",
    "trace x",
    "webhook show",
)
PROCESSES = ("serve", "courier", "fetcher", "web ops")  # once they run, Ctrl-C stops them in good order
NOT_TRIED = (
    "certs private-ca",
    "reasons",
    "users hash",
    "nginx hold",
    "nginx run",
)  # four read no settings; the last waits for signals before it does


def test_every_command_is_tried_with_ctrl_c() -> None:
    tried = (*CHANGING, *READING, *PROCESSES, *NOT_TRIED)
    words = {typed.removeprefix("motion-gateway ") for typed, _ in commands()}
    assert {words for words in words if not any(f"{one} ".startswith(f"{words} ") for one in tried)} == set()


@pytest.mark.parametrize("typed", [*CHANGING, *READING, *PROCESSES])
def test_ctrl_c_is_status_130_and_says_what_is_left_to_do(tmp_path: Path, typed: str) -> None:
    settings, file, output, errors = (tmp_path / name for name in ("gateway.toml", "file", "output", "errors"))
    os.mkfifo(settings)
    file.touch()
    command = ("--config", str(settings), *typed.format(file=file).split())
    running, ends_at = started(*command, output=str(output), errors=str(errors)), clock.steady() + 120
    with settings.open("w"):  # which succeeds once the command reads it
        while running.exitcode is None and clock.steady() < ends_at:
            os.kill(running.pid or 0, signal.SIGINT)  # again where it is not heard: Python may drop it in a callback
            running.join(5)
    assert (running.exitcode, output.read_text()) == (130, "")
    said = errors.read_text()
    assert said.lstrip().startswith("Broken off. ")
    assert CHANGING.get(typed, "Nothing was changed.") in said
    assert "Traceback" not in said


# The version


def test_the_version_names_the_build(capsys: pytest.CaptureFixture[str]) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "gateway", "--version"], capture_output=True, text=True, cwd=ROOT
    ).stdout
    assert re.fullmatch(
        rf"motion-gateway, version {re.escape(gateway.__version__)} \(build [0-9a-f]{{12}}(-changed)?\)\n", said
    )


def copied(folder: Path) -> Path:
    """The program without its history, as a wheel brings it."""
    shutil.copytree(ROOT / "gateway", folder / "gateway", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def version(folder: Path, *, python: str = sys.executable) -> str:
    command = [python, "-m", "gateway", "--version"]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=True).stdout


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_a_wheel_tells_its_build_by_its_files(tmp_path: Path) -> None:
    one, same, other = (copied(tmp_path / name) for name in ("one", "same", "other"))
    with (other / "gateway" / "errors.py").open("a") as file:
        file.write("# a release later\n")
    assert version(one) == version(same) != version(other)


def test_a_checkout_tells_its_commit_and_whether_it_was_changed(tmp_path: Path) -> None:
    folder = copied(tmp_path / "checkout")
    (folder / ".gitignore").write_text("__pycache__\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "one")
    git(folder, "tag", "v9")  # a tag is no commit
    commit = git(folder, "rev-parse", "--short=12", "HEAD")
    assert f"(build {commit})" in version(folder)
    with (folder / "gateway" / "errors.py").open("a") as file:
        file.write("# not committed\n")
    assert f"(build {commit}-changed)" in version(folder)


@pytest.mark.parametrize("changed", ["", "-changed"])
def test_an_archive_tells_the_commit_that_it_is_made_of(tmp_path: Path, changed: str) -> None:
    (copied(tmp_path) / "gateway" / "commit").write_text(f"{'0123456789abcdef' * 2}01234567{changed}\n")
    assert f"(build 0123456789ab{changed})" in version(tmp_path)


def test_git_writes_the_commit_into_an_archive() -> None:
    said = subprocess.run(
        ["git", "check-attr", "export-subst", "gateway/commit"], cwd=ROOT, capture_output=True, text=True
    )
    assert said.stdout == "gateway/commit: export-subst: set\n"


def test_an_installed_release_tells_what_the_name_of_its_folder_tells(tmp_path: Path) -> None:
    release = tmp_path / "releases" / f"{gateway.__version__}-0123456789ab"
    venv.create(release, symlinks=True)
    (tmp_path / "current").symlink_to(release)
    site = next((release / "lib").glob("python*/site-packages"))
    (site / "others.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    copied(site)
    for way in (release, tmp_path / "current"):
        assert "(build 0123456789ab)" in version(tmp_path, python=str(way / "bin" / "python"))
