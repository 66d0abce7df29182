"""Keeps what nginx listens on while it is exchanged: systemd holds it, and who connects waits for the next one.

Rule 1. Only for as long as that takes: once the next nginx has them nobody else does. Else a port that the settings do
        not name any more would take connections that nobody serves.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from gateway import config
from gateway.serving import process

NAME = "listening"  # of all of them in systemd's store: sd_pid_notify_with_fds(3)
PATIENCE_SECONDS = 5.0  # with systemd, until it has taken them
_PIDFD_GETFD = 438  # pidfd_getfd(2), on every kind of machine; Python has no name for it
_INTERNET = (socket.AF_INET, socket.AF_INET6)


def hold(leader: int) -> int:
    """Have systemd keep what the nginx that process `leader` runs listens on; returns how many sockets that are.

    For root, in an ExecStop of leader's unit (FileDescriptorStoreMax=). Raises OSError where the kernel or systemd does
    not let us.
    """
    with ExitStack() as stack:
        found = [stack.enter_context(held) for child in process.children(leader) for held in listening(child)]
        if found:
            _tell(f"FDSTORE=1\nFDNAME={NAME}", [held.fileno() for held in found])
            _wait_until_taken()
        return len(found)


def listening(pid: int) -> list[socket.socket]:
    """Copy those of another process's sockets on which it listens to the network. Raises OSError."""
    found = []
    opened = os.pidfd_open(pid)
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            if str(entry.readlink()).startswith("socket:"):
                copy = socket.socket(fileno=_copied(opened, int(entry.name)))
                listens = copy.family in _INTERNET and copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                found.append(copy) if listens else copy.close()
    finally:
        os.close(opened)
    return found


@contextmanager
def kept() -> Iterator[Sequence[int]]:
    """Give what systemd has kept since the nginx before, as descriptors; then they are the next one's alone.

    Where that does not start they stay with systemd, for another try.
    """
    from gunicorn import systemd  # not above: who stops an nginx does not load it

    first = systemd.SD_LISTEN_FDS_START
    numbers = range(first, first + systemd.listen_fds())
    yield numbers
    for number in numbers:
        os.close(number)
    if numbers:
        with suppress(OSError):
            _tell(f"FDSTOREREMOVE=1\nFDNAME={NAME}")


def inherited(numbers: Sequence[int]) -> tuple[str, ...]:
    """Give what stands before nginx's command, so that it takes these up as it does from an nginx that it replaces.

    What its configuration does not name it closes.
    """
    told = "".join(f"{number};" for number in numbers)
    return ("/usr/bin/env", f"NGINX={told}") if numbers else ()


def _copied(opened: int, number: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    copy = int(libc.syscall(_PIDFD_GETFD, opened, number, 0))
    if copy < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return copy


def _tell(text: str, numbers: Sequence[int] = ()) -> None:
    """Send systemd a message with descriptors: sd_notify(3). Raises OSError."""
    place = config.environment().get("NOTIFY_SOCKET", "")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as systemds:
        systemds.connect(place.replace("@", "\0", 1) if place.startswith("@") else place)
        socket.send_fds(systemds, [text.encode()], numbers)


def _wait_until_taken() -> None:
    """It closes what comes with this once it has read all that came before: sd_notify_barrier(3)."""
    ours, its = os.pipe()
    try:
        _tell("BARRIER=1", [its])
    finally:
        os.close(its)
    select.select([ours], [], [], PATIENCE_SECONDS)
    os.close(ours)
