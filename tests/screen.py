"""A command as an operator sees it: on a terminal that is so many columns wide."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import pty
import select
import signal
import struct
import sys
import termios
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from gateway import cli

HEARS_SECONDS = 5.0  # who is silent for so long has not heard what was typed

# What commands load is loaded once, by a process that forks for each of them.
_FORKS = multiprocessing.get_context("forkserver")
_LOADED = (f"gateway.cli.{path.stem}" for path in Path(cli.__file__).parent.glob("[a-z]*.py"))
_FORKS.set_forkserver_preload(["tests.screen", "rich.console", *_LOADED])


def seen(file: Path, *arguments: str, columns: int = 80, status: int = 0, typed: str = "", after: str = "") -> str:
    """What the command prints there; `file` are the settings. `typed` is typed once `after` has been printed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    running = started("--config", str(file), *arguments, output=os.ttyname(theirs))
    told = b"".join([*_read(ours, running, typed=typed.encode(), after=after.encode()), *_left(ours, theirs)])
    os.close(ours)
    assert running.exitcode == status, told
    return told.decode().replace("\r\n", "\n")


def started(*arguments: str, output: str, errors: str = "") -> ForkServerProcess:
    """A process that runs the command on the terminal or file `output`; its errors go to `errors`, if that is named."""
    running = _FORKS.Process(target=_run, args=(arguments, output, errors or output))
    running.start()
    return running


def _run(arguments: tuple[str, ...], output: str, errors: str) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs the tests in the background ignores it
    os.setsid()  # a terminal that is opened from now on is the command's own: Ctrl-C reaches it
    for standard, path in enumerate((output, output, errors)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), standard)
    sys.stdin, sys.stdout, sys.stderr = (open(number, mode) for number, mode in enumerate(("r", "w", "w")))  # noqa: SIM115, PTH123 - as Python does it
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
    os.environ["TERM"] = "xterm"  # a dumb one would have 80 columns whatever it says
    sys.argv = ["motion-gateway", *arguments]
    cli.main()


def _read(terminal: int, running: ForkServerProcess, *, typed: bytes, after: bytes) -> Iterator[bytes]:
    """What is written to a terminal, until the command has ended; who is asked and does not hear is told again."""
    told, left = b"", typed
    while True:
        ready = select.select([terminal, running.sentinel], [], [], HEARS_SECONDS)[0]
        if terminal in ready:
            told += (chunk := os.read(terminal, 65536))
            yield chunk
        elif ready:
            running.join()
            return
        if after in told and (left or not ready):
            os.write(terminal, typed)
            left = b""


def _left(ours: int, theirs: int) -> Iterator[bytes]:
    """What was still on its way when the command ended: closed at its other end, a terminal says when that is all."""
    os.close(theirs)
    with suppress(OSError):  # that is how it says so
        while select.select([ours], [], [], HEARS_SECONDS)[0] and (chunk := os.read(ours, 65536)):
            yield chunk
