"""A command as an operator sees it: on a terminal that is so many columns wide."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path


def seen(file: Path, *arguments: str, columns: int = 80, status: int = 0) -> str:
    """What the command prints there; `file` are the settings."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    command = [sys.executable, "-m", "gateway", "--config", str(file), *arguments]
    wide = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=wide) as running:
        os.close(theirs)
        told = b""
        with contextlib.suppress(OSError):  # how a terminal says that nobody writes to it any more
            while chunk := os.read(ours, 65536):
                told += chunk
    os.close(ours)
    assert running.returncode == status, told
    return told.decode().replace("\r\n", "\n")
