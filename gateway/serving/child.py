"""Starts programs that end when we do, and ends them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from gateway import telemetry


def start(command: Sequence[str], *, heard: bool = False) -> subprocess.Popen[bytes]:
    """Start a program; `heard`: what it writes comes to us and does not go where ours goes."""
    # If we are killed, what we started shall not go on alone and keep the ports. It leads a process
    # group, so that what it started in turn does not outlive it either.
    told = ("setpriv", "--pdeathsig", "TERM", "--", *command)
    stream = subprocess.PIPE if heard else None
    return subprocess.Popen(told, stdout=stream, stderr=stream, process_group=0)


def stop(process: subprocess.Popen[bytes], number: signal.Signals, *, name: str, patience_seconds: float) -> None:
    """Ask it to end, wait for that, and in the end kill it."""
    if process.poll() is not None:
        return
    process.send_signal(number)
    try:
        process.wait(patience_seconds)
    except subprocess.TimeoutExpired:
        telemetry.note("killed; it did not stop", part=name)
        kill(process)
        process.wait()


def kill(process: subprocess.Popen[bytes]) -> None:
    """End it and what it started, at once. It may have ended before: nginx's workers outlive their master."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
