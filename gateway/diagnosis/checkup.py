"""What doctor found the last time it looked, for the operations page; and that it looks now, where that is wanted.

Rule 1. Each run that comes to its end leaves what it found in `state_dir`, whole or not at all; what it says holds no
        secret, body or phone number.
Rule 2. Who wants it to look starts the command, which reads the settings and their secrets itself.
Rule 3. Of those that are started so there is one at a time: it holds a lock for as long as it lives, whoever dies.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway import lock, paths
from gateway.config import Settings
from gateway.diagnosis.complaint import BLINDING, Complaint, Level

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


def begin(settings: Settings, command: Sequence[str] | None = None) -> bool:
    """Have doctor look, in a process of its own; False where one does already, or where no file of settings is known.

    Raises OSError where it cannot be started.
    """
    if not settings.file:
        return False
    said = command or (sys.executable, "-m", "gateway", "--config", settings.file, "doctor", "--json")
    silent = subprocess.DEVNULL
    try:
        with lock.held(paths.lock(settings, "checkup"), patience_seconds=PATIENCE_SECONDS) as held:
            started = subprocess.Popen(said, stdin=silent, stdout=silent, stderr=silent, pass_fds=[held.fileno()])
    except BlockingIOError:
        return False
    threading.Thread(target=_see_off, args=[started], daemon=True).start()
    return True


def is_under_way(settings: Settings) -> bool:
    """Tell whether one looks that was started so."""
    return lock.is_held(paths.lock(settings, "checkup"))


def _complaint(*, level: str, **words: str) -> Complaint:
    return Complaint(level=Level(level), **words)


def _see_off(started: subprocess.Popen[bytes]) -> None:
    try:
        started.wait(LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        started.kill()
        started.wait()
