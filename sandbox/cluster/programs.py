"""The programs of a cluster: started, killed as a machine dies, or stopped in good order."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from sandbox.child import Child, ChildError
from sandbox.connection import Request, Route, exchange

START_SECONDS = 120.0  # as the gateway itself has: what is green costs nothing of it
STOP_SECONDS = 90.0
_BETWEEN_LOOKS_SECONDS = 0.05


class Program:
    """One program of the cluster. It dies with whoever started it, and needs the thread that did to live on.

    `ready` says whether it serves; `account` is who runs it where we are root, which some programs refuse to be.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log_file: Path,
        *,
        ready: Callable[[], bool],
        account: str = "",
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name, self.log_file = name, log_file
        self._command, self._ready, self._stop_signal = [*as_account(account), *command], ready, stop_signal
        self._child: Child | None = None

    @property
    def child(self) -> Child:
        """The process. Raises ChildError where there is none."""
        if self._child is None:
            raise ChildError(f"{self.name} does not run")
        return self._child

    @property
    def runs(self) -> bool:
        return self._child is not None and self._child.exit_status is None

    @property
    def log(self) -> str:
        """All that it has said."""
        return self.log_file.read_text("utf-8", "replace") if self.log_file.exists() else ""

    def start(self) -> None:
        """Come back once it serves. Raises ChildError where it ends, or takes too long."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start it, and do not wait."""
        self._child = Child(self._command, self.log_file)

    def wait(self) -> None:
        """Until it serves, as `start`."""
        wait_for(lambda: self._alive() and self._ready(), f"{self.name} did not come up\n{self.child.tail()}")

    def _alive(self) -> bool:
        if self.child.exit_status is not None:
            raise ChildError(f"{self.name} ended with status {self.child.exit_status}\n{self.child.tail()}")
        return True

    def kill(self) -> None:
        """Have it and all that work for it die at once, without a last word."""
        if self._child is not None:
            end(family(self._child.pid))
            wait_for(lambda: not self.runs, f"{self.name} does not die")
            self._child = None

    def stop(self) -> None:
        """Let it end in good order. Raises ChildError where it does not."""
        if self._child is not None:
            child, self._child = self._child, None
            child.stop(deadline_seconds=STOP_SECONDS, by=self._stop_signal)


def as_account(account: str) -> list[str]:
    """What runs a command as this account where we are root; everybody else is who he is."""
    if not account or os.geteuid() != 0:
        return []
    return ["/usr/bin/setpriv", f"--reuid={account}", f"--regid={account}", "--init-groups", "--pdeathsig=QUIT", "--"]


def own(folder: Path, account: str) -> Path:
    """Make a folder that belongs to this account, where we are root."""
    folder.mkdir(mode=0o711)
    if account and os.geteuid() == 0:
        shutil.chown(folder, account, account)
    return folder


def family(pid: int, *, but: Callable[[str], bool] = lambda _: False) -> dict[int, str]:
    """The living processes below this one and itself, with their command lines (Linux: /proc)."""
    found, waiting = {}, [pid]
    while waiting:
        each = waiting.pop()
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{each}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
            waiting += map(int, Path(f"/proc/{each}/task/{each}/children").read_text().split())
            if line and not but(line):  # of one that is only waited for there is no line
                found[each] = line
    return found


def end(pids: Iterable[int]) -> None:
    """kill -9 each."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def wait_for(condition: Callable[[], object], otherwise: str, *, seconds: float = START_SECONDS) -> None:
    """Until it holds. Raises ChildError with these words."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ChildError(otherwise)
        threading.Event().wait(_BETWEEN_LOOKS_SECONDS)


def answers(route: Route, *, whatever: bool = False) -> bool:
    """Whether somebody answers 200 there; or whatever it be."""
    status = exchange(route, Request(method="GET")).status
    return status is not None if whatever else status == 200


def found(name: str, *folders: str) -> str:
    """Where a program is: in one of these folders, beside our Python, or where a shell looks. Raises ChildError."""
    here = str(Path(sys.executable).parent)
    path = os.pathsep.join((*folders, here, os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    place = shutil.which(name, path=path)
    if place is None:
        raise ChildError(f"{name} is not installed: `make cluster` installs it")
    return place


@contextlib.contextmanager
def running(program: Program) -> Iterator[Program]:
    """Started, and stopped at the end, if it has not died before."""
    program.start()
    try:
        yield program
    finally:
        program.stop()


def environment(**told: str) -> Mapping[str, str]:
    return os.environ | told
