"""Tells the courier of this machine that there is something for it, from one process to another.

Who rings waits for nothing, and need not know whether anybody hears: the courier looks by itself, too, a little later.
"""

from __future__ import annotations

import atexit
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from gateway import clock

GATHER_SECONDS = 0.002  # after it rang: what comes meanwhile is heard as one


def ring(path: Path) -> None:
    """Ring the bell at that path, if there is one. Safe to call from several threads."""
    with suppress(OSError):  # nobody hears; or somebody has yet to hear what rang before
        _sender().sendto(b"!", str(path))


@cache
def _sender() -> socket.socket:
    """One for all that this process rings."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.settimeout(0)
    atexit.register(made.close)
    return made


@contextmanager
def heard(path: Path, call: Callable[[], object], *, gather_seconds: float = GATHER_SECONDS) -> Iterator[None]:
    """Hang a bell there until the end of the block; a thread calls `call` when it rings."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        try:
            path.unlink(missing_ok=True)  # one that a process left which was killed
            bell.bind(str(path))
            path.chmod(0o600)
        except OSError:  # no room, or no such folder: then it is late by what it waits between two looks
            yield
            return
        listener = threading.Thread(target=_listen, args=[bell, call, gather_seconds], name="bell", daemon=True)
        listener.start()
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()
            bell.shutdown(socket.SHUT_RD)
            listener.join()


def _listen(bell: socket.socket, call: Callable[[], object], gather_seconds: float) -> None:
    while bell.recv(1):
        call()
        clock.pause(gather_seconds)
        with suppress(BlockingIOError):
            while bell.recv(1, socket.MSG_DONTWAIT):
                pass
