"""The gateway as a child process: started, waited for until it is ready, stopped, and nothing of it left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from signal import SIGTERM, Signals

from sandbox.connection import Request, Route, exchange

_REPOSITORY = Path(__file__).resolve().parent.parent
_BETWEEN_LOOKS_SECONDS = 0.1
_DIES_WITH_US = ("/usr/bin/setpriv", "--pdeathsig", "TERM", "--")
_TAIL_LINES = 30
READY_DEADLINE_SECONDS = 120
STOP_DEADLINE_SECONDS = 90  # longer than a delivery may take, which is what a stopping courier waits for


class ChildError(Exception):
    """The gateway did not start or did not stay; the message holds the tail of its log."""


class Child:
    """One running command with its output in a log file, in a session of its own so that Ctrl-C reaches only us.

    It gets the descriptors `given`.
    """

    def __init__(self, command: Sequence[str], log_file: Path, *, given: Sequence[int] = ()) -> None:
        self.log_file = log_file
        with log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [*_DIES_WITH_US, *command],
                cwd=_REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=given,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def wait_until_ready(self, route: Route, *, deadline_seconds: float = READY_DEADLINE_SECONDS) -> None:
        """Until the route answers 200. Raises ChildError where the process ends or the deadline passes first."""
        deadline = time.monotonic() + deadline_seconds
        while exchange(route, Request(method="GET")).status != 200:
            if self.exit_status is not None:
                raise ChildError(f"the gateway ended with status {self.exit_status}\n{self.tail()}")
            if time.monotonic() > deadline:
                raise ChildError(f"the gateway was not ready within {deadline_seconds:g} s\n{self.tail()}")
            threading.Event().wait(_BETWEEN_LOOKS_SECONDS)

    def tail(self) -> str:
        """The end of its log."""
        lines = self.log_file.read_text("utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_TAIL_LINES:])

    def signal(self, number: Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def stop(self, *, deadline_seconds: float = STOP_DEADLINE_SECONDS, by: Signals = SIGTERM) -> int:
        """Send it that signal, then wait; returns its exit status.

        Raises ChildError where it did not end in time or left processes behind; those are killed first.
        """
        self.signal(by)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(deadline_seconds)
        if rest := self._killed_rest():
            self._process.wait()
            raise ChildError(f"the gateway did not stop, or left processes behind; killed: {rest}\n{self.tail()}")
        return self._process.wait()

    def kill(self) -> None:
        """End it and all that it has started at one moment, as a machine without power does."""
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in _session(self._process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        self._process.wait()

    def _killed_rest(self) -> list[str]:
        """Kill what is left of its session; returns their commands."""
        rest = []
        for pid in _session(self._process.pid):
            with contextlib.suppress(OSError):
                rest.append(Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace").replace("\0", " "))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return rest


def _session(leader: int) -> list[int]:
    """The living processes of a session; those that are only waited for do not count (Linux: /proc)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _parent, _group, session = stat.read_text().rpartition(")")[2].split()[:4]
            if int(session) == leader and state != "Z":
                found.append(int(stat.parent.name))
    return found


def serve_command(config_file: Path) -> list[str]:
    """What starts the real gateway."""
    return [sys.executable, "-m", "gateway", "--config", str(config_file), "serve"]


@contextlib.contextmanager
def running(command: Sequence[str], log_file: Path) -> Iterator[Child]:
    """The command as a child, stopped at the end."""
    child = Child(command, log_file)
    try:
        yield child
    finally:
        child.stop()
