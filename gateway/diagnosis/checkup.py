"""What doctor found the last time it looked, for the operations page; and that it looks now, where that is wanted.

Rule 1. Each run that comes to its end leaves what it found in `state_dir`, whole or not at all; what it says holds no
        secret, body or phone number.
Rule 2. It is the command that looks, which reads the settings and their secrets itself. Who wants it to leaves word in
        `run/`, which systemd starts it for (motion-gateway-doctor.path); where he has a network, he starts it himself.
Rule 3. Of those that are wanted there is one at a time: it holds a lock for as long as it lives, whoever else dies.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gateway import lock, paths
from gateway.config import Settings
from gateway.diagnosis.complaint import BLINDING, Complaint, Level
from gateway.errors import CommandError

WANTED = "checkup.wanted"  # in run/
PATIENCE_SECONDS = 0.5  # with who only looks whether one holds the lock
LONGEST_SECONDS = 120.0  # a run that takes longer is ended: each of its checks has some seconds


@dataclass(frozen=True)
class Checkup:
    """One run: when it began, in epoch seconds, how long it took, which checks it made, and what each of them found."""

    at: float
    seconds: float
    checks: tuple[str, ...]
    found: tuple[tuple[str, Complaint], ...]  # with the check that found it, the worst first


def keep(
    settings: Settings,
    found: Mapping[str, Sequence[Complaint]],
    said: Sequence[Complaint],
    *,
    at: float,
    seconds: float,
) -> None:
    """Leave for the page what each check found, as far as it is `said`; where that cannot be, the one before stays.

    Nothing is left of a run that could see nothing.
    """
    if any(each.id in BLINDING for each in said):
        return
    checks = {complaint: check for check, complaints in found.items() for complaint in complaints}
    those = [vars(each) | {"check": checks[each]} for each in said]
    told = {"at": at, "seconds": seconds, "checks": [*found], "found": those}
    with suppress(OSError):
        put(settings.server.state_dir / paths.CHECKUP, told)


def put(path: Path, told: object) -> None:
    """Write it down in JSON, whole or not at all, for nobody but us. Raises OSError."""
    written = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(json.dumps(told).encode())
        written.replace(path)
    except OSError:
        written.unlink(missing_ok=True)
        raise


def last(settings: Settings) -> Checkup | None:
    """Read what the last run left; None where there is nothing, or nothing that this release understands."""
    try:
        told = json.loads((settings.server.state_dir / paths.CHECKUP).read_bytes())
        found = tuple((each.pop("check"), _complaint(**each)) for each in told["found"])
        return Checkup(float(told["at"]), float(told["seconds"]), tuple(map(str, told["checks"])), found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def want(settings: Settings, command: Sequence[str] | None = None, *, confined: bool | None = None) -> bool:
    """Have doctor look, unless one does already; tell whether it can be waited for.

    `confined`: who has no network starts nothing that needs one. Raises CommandError where it cannot be had.
    """
    if is_under_way(settings):
        return True
    with paths.in_our_words(_wanted(settings)):
        _wanted(settings).write_bytes(b"")
    if _has_no_network() if confined is None else confined:
        return True
    if settings.file:
        _start(settings, command or (sys.executable, "-m", "gateway", "--config", settings.file, "doctor", "--json"))
    return bool(settings.file)


def wanted_at(settings: Settings) -> float | None:
    """Say since when, in epoch seconds, it is wanted to look and has not come to its end; None where it is not."""
    try:
        asked = _wanted(settings).stat().st_mtime
    except OSError:
        return None
    found = last(settings)
    return asked if found is None or found.at + found.seconds < asked else None


@contextmanager
def under_way(settings: Settings) -> Iterator[None]:
    """Let others see that doctor looks, as far as they can be told."""
    with ExitStack() as stack:
        with suppress(OSError):
            stack.enter_context(lock.held(paths.lock(settings, "checkup"), patience_seconds=0.0))
        yield


def is_under_way(settings: Settings) -> bool:
    """Tell whether one looks."""
    return lock.is_held(paths.lock(settings, "checkup"))


def _wanted(settings: Settings) -> Path:
    return paths.run(settings) / WANTED


def _has_no_network() -> bool:
    try:
        socket.socket(socket.AF_INET).close()
    except OSError:
        return True
    return False


def _start(settings: Settings, command: Sequence[str]) -> None:
    silent = subprocess.DEVNULL
    with (
        suppress(BlockingIOError),
        lock.held(paths.lock(settings, "checkup"), patience_seconds=PATIENCE_SECONDS) as held,
    ):
        try:
            started = subprocess.Popen(command, stdin=silent, stdout=silent, stderr=silent, pass_fds=[held.fileno()])
        except OSError as error:
            raise CommandError(f"doctor cannot be started: {error.strerror}") from error
        threading.Thread(target=_see_off, args=[started], daemon=True).start()


def _complaint(*, level: str, **words: str) -> Complaint:
    return Complaint(level=Level(level), **words)


def _see_off(started: subprocess.Popen[bytes]) -> None:
    try:
        started.wait(LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        started.kill()
        started.wait()
