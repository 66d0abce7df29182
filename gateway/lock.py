"""Lets one process at a time do what only one may: a lock on a file, held for as long as the process lives."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway import clock
from gateway.errors import CommandError

PATIENCE_SECONDS = 10.0  # the one before us may still be finishing
POLL_SECONDS = 0.1


@contextmanager
def only_one(path: Path, who: str, *, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Hold the lock `path` as `who`. Raises CommandError if another keeps it for longer than our patience."""
    try:
        held = path.open("a")
    except OSError as error:
        raise CommandError(f"{path} cannot be opened: {error.strerror}; does {path.parent} belong to you?") from error
    with held:
        os.fchmod(held.fileno(), 0o600)  # whoever may open it may hold it
        if not _acquired(held.fileno(), patience_seconds):
            raise CommandError(f"another {who} is running on {path.parent}; there can be one")
        yield


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock `path`."""
    try:
        with path.open("rb") as looked_at:
            fcntl.flock(looked_at, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _acquired(descriptor: int, patience_seconds: float) -> bool:
    # Not blocking for good: who starts a second one by mistake shall be told.
    for _ in range(round(patience_seconds / POLL_SECONDS)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            clock.pause(POLL_SECONDS)
        else:
            return True
    return False
