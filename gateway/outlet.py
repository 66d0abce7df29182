"""Where the lines of the log go: whoever writes one never waits for who reads them.

As a program, `python -m gateway.outlet`, it stands between nginx, which would wait, and who reads its lines.

Rule 1. A line is written at once where that is possible. Else it waits in memory, in its order, and is tried again.
Rule 2. What does not fit there is counted by its kind, and told in its place once the reader is back.
Rule 3. What waits when the process ends is tried for `END_SECONDS` more.
Rule 4. Others who write to the same pipe or terminal go on as before: ours is opened anew, where that is allowed.
"""

from __future__ import annotations

import _thread
import atexit
import json
import os
import signal
import socket
import stat
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from functools import partial

from gateway import clock
from gateway.phrases import Line

ROOM_BYTES = 2**20  # some 4,000 lines: seconds of a busy door
AGAIN_SECONDS = 0.05
END_SECONDS = 1.0


class Outlet:
    """Writes lines; safe to use from several threads, from greenlets, and after a fork."""

    def __init__(
        self, write: Callable[[bytes], int], tell: Callable[[Mapping[str, int]], str], *, room_bytes: int = ROOM_BYTES
    ) -> None:
        """`write` takes as many bytes as it can at once, or raises OSError; `tell` makes the line of what was lost."""
        self._write, self._tell, self._room_bytes = write, tell, room_bytes
        self._forget()
        os.register_at_fork(after_in_child=self._forget)
        atexit.register(self.close)

    def put(self, line: str, kind: str) -> None:
        """Write it, now or later, or count that it is lost."""
        with self._guard:
            # Once some are lost, all are until half of the room is free: else each line would tell of a few others.
            if self._size < (self._room_bytes // 2 if self._lost else self._room_bytes):
                self._keep_lost()
                self._keep(line)
            else:
                self._lost[kind] += 1
            waits = not self._flush() and not self._waits
            self._waits |= waits
        if waits:  # not by `threading`, whose start waits for the thread: other greenlets would come between
            _thread.start_new_thread(self._wait, ())

    def close(self) -> None:
        """Write what waits, if the reader takes it in time."""
        deadline = clock.steady() + END_SECONDS
        while not self._flushed() and clock.steady() < deadline:
            clock.pause(AGAIN_SECONDS)

    def _forget(self) -> None:
        """Begin with nothing: what waits in a process that forks is told by that process."""
        self._guard = threading.Lock()
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._lost: Counter[str] = Counter()
        self._waits = False

    def _wait(self) -> None:
        while not self._flushed():
            clock.pause(AGAIN_SECONDS)

    def _flushed(self) -> bool:
        with self._guard:
            done = self._flush()
            self._waits &= not done
            return done

    def _flush(self) -> bool:
        """Write what waits, until the reader takes no more; tells whether that was all."""
        while self._waiting or self._lost:
            if not self._waiting:
                self._keep_lost()
            try:
                written = self._write(self._waiting[0])
            except OSError:  # the pipe or the disk is full, or nobody is there to read
                return False
            self._size -= written
            self._waiting[0] = self._waiting[0][written:]
            if self._waiting[0]:
                return False
            self._waiting.popleft()
        return True

    def _keep(self, line: str) -> None:
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        self._waiting.append(data)
        self._size += len(data)

    def _keep_lost(self) -> None:
        if self._lost:
            lost, self._lost = self._lost, Counter()
            self._keep(self._tell(lost))


def without_waiting(descriptor: int) -> Callable[[bytes], int]:
    """Find what writes to an open file as much as it takes at once; what raises OSError where it takes nothing."""
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return len  # it is closed; its number may become another file's, and that is no place for our lines
    if stat.S_ISSOCK(mode):  # systemd's journal
        stream = socket.socket(fileno=os.dup(descriptor))
        return lambda data: stream.send(data, socket.MSG_DONTWAIT)
    if stat.S_ISREG(mode):
        return partial(os.write, descriptor)
    try:
        own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:  # it is somebody else's
        own = descriptor
        os.set_blocking(own, not stat.S_ISFIFO(mode))
    return partial(os.write, own)


def pass_on() -> None:
    """Write the lines that come on standard input to standard output, until they end, whoever is told to stop."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)

    def told(lost: Mapping[str, int]) -> str:
        return json.dumps({"process": "nginx", "lines": lost, "event": Line.LOST, "at": clock.stamp()})

    outlet = Outlet(without_waiting(sys.stdout.fileno()), told)
    for line in sys.stdin.buffer:
        outlet.put(line.decode("utf-8", "replace").rstrip(), Line.EDGE)


if __name__ == "__main__":
    pass_on()
