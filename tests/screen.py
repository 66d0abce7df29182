"""A command as an operator sees it: on a terminal that is so many columns wide."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path


def seen(file: Path, *arguments: str, columns: int = 80, status: int = 0, typed: str = "", after: str = "") -> str:
    """What the command prints there; `file` are the settings. `typed` is typed once `after` has been printed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    # The terminal is that of the command, so that Ctrl-C reaches it.
    command = ["setsid", "--ctty", "--wait", sys.executable, "-m", "gateway", "--config", str(file), *arguments]
    wide = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=wide) as running:
        os.close(theirs)
        told = b"".join(_read(ours, typed=typed.encode(), after=after.encode()))
    os.close(ours)
    assert running.returncode == status, told
    return told.decode().replace("\r\n", "\n")


def _read(terminal: int, *, typed: bytes, after: bytes) -> Iterator[bytes]:
    """What is written to a terminal, until nobody has it any more; who is asked and does not hear is told again."""
    told = b""
    with contextlib.suppress(OSError):  # how a terminal says that nobody has it
        while True:
            if select.select([terminal], [], [], 0.5)[0]:
                told += (chunk := os.read(terminal, 65536))
                yield chunk
                asked = after in chunk
            else:
                asked = after in told
            if typed and asked:
                os.write(terminal, typed)
