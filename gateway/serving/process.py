"""What our processes do alike: hear signals, take up new settings, start programs that end when we do, and end them.

And the courier's, which does nothing else.
"""

from __future__ import annotations

import fcntl
import os
import queue
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, cast

from gateway import clock, draining, errors, lock, paths, telemetry
from gateway.clock import Clock, SteadyClock
from gateway.config import Settings
from gateway.errors import CommandError, GatewayError, SpoolUnavailable
from gateway.phrases import Line
from gateway.serving import descriptors, opening

TICK_SECONDS = 0.1
PIPE_BYTES = 2**20  # as much as Linux lets everybody have: some 3,500 lines of nginx's
KEPT = "kept"  # for a start on a full disk, in run/
KEPT_BYTES = 2**18  # 32 KiB of the index of the spool's log, a configuration of some 40 KiB, an id
KEPT_FILES = 24  # sockets, the spool's log and its index, a configuration, what each process counts
STOPPING = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """Those that came and that nobody has taken up yet, in their order.

    A handler interrupts whatever the main thread does, and that may hold the very lock which the answer to the signal
    needs. So all it does is to put the signal here.
    """

    def __init__(self, numbers: Sequence[signal.Signals]) -> None:
        """Hear these from now on. For the main thread."""
        self._came: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in numbers:
            signal.signal(number, lambda got, _frame: self._came.put(got))

    def __bool__(self) -> bool:
        """Tell whether one waits."""
        return not self._came.empty()

    def next(self, look: Callable[[], None]) -> int:
        """Wait for the next one; `look` is called again and again meanwhile, and may raise."""
        while True:
            try:
                return self._came.get(timeout=TICK_SECONDS)
            except queue.Empty:
                look()

    def within(self, seconds: float, look: Callable[[], None]) -> None:
        """Wait so long, or until the next one; `look` is called again and again meanwhile, and may raise."""
        deadline = clock.steady() + seconds
        while not self and clock.steady() < deadline:
            clock.pause(TICK_SECONDS)
            look()

    def on_first(self, call: Callable[[], None]) -> None:
        """Call `call` in a thread of its own once one has come."""

        def wait() -> None:
            self._came.get()
            call()

        threading.Thread(target=wait, daemon=True).start()


def taken_up_at(settings: Settings, door: str) -> float | None:
    """Say when a door on this machine read its settings, in epoch seconds; None where it does not listen.

    That is when the oldest of its workers began: a reload replaces them all (proc(5), unix(7)).
    """
    with closing(socket.socket(socket.AF_UNIX)) as asked:
        try:
            asked.connect(str(paths.socket(settings, door)))
            whose = asked.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            leader = struct.unpack("3i", whose)[0]
            workers = Path(f"/proc/{leader}/task/{leader}/children").read_text("ascii").split()
            return min((_begun_at(worker) for worker in workers), default=None)
        except OSError:
            return None


def _begun_at(pid: str) -> float:
    """Say when a process began, in epoch seconds, at a hundredth of a second."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19])
    return clock.booted() + ticks / os.sysconf("SC_CLK_TCK")


def reread(before: Settings, read: Callable[[], Settings], *, prepare: Callable[[Settings], None]) -> Settings | None:
    """Read the settings as they are now, and have `prepare` take them; None, which is told, where anything is wrong.

    `prepare` raises GatewayError, or what the disk says, and leaves everything as it was.
    """
    try:
        settings = read()
        paths.require_same_state(before, settings)
        paths.require_state(settings)
        prepare(settings)
    except (GatewayError, OSError) as error:
        telemetry.note(Line.RELOAD_REFUSED, problems=errors.told(error))
        return None
    return settings


def drain(settings: Settings, signals: Signals, look: Callable[[], None]) -> None:
    """Tell balancers that we are about to stop, and serve for as long as they need to hear it; a signal ends that."""
    if seconds := settings.server.drain:
        with suppress(CommandError):  # nothing can be written on a full disk; who is sent here is served all the same
            draining.begin(settings)
        telemetry.note(Line.DRAINING, seconds=seconds)
        signals.within(seconds, look)


def make_room(settings: Settings) -> None:
    """Give a start on a full disk the room that was kept for it: for the spool's index, and for nginx's files."""
    run = paths.run(settings)
    with paths.in_our_words(run):
        if paths.lacks_room(run, KEPT_BYTES, KEPT_FILES):
            shutil.rmtree(run / KEPT, ignore_errors=True)


def keep_room(settings: Settings) -> None:
    """Keep it for the next start, where there is as much."""
    kept = paths.run(settings) / KEPT
    try:
        kept.mkdir(exist_ok=True)
        for number in range(KEPT_FILES):
            (kept / f"{number}").touch()
        with (kept / "0").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, KEPT_BYTES)
    except OSError:
        shutil.rmtree(kept, ignore_errors=True)


def start(command: Sequence[str], *, heard: bool = False, given: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """Start a program, with these descriptors; `heard`: what it writes comes to us alone. Raises CommandError."""
    # If we are killed, what we started shall not go on alone and keep the ports. It leads a process
    # group, so that what it started in turn does not outlive it either.
    told = (paths.program("setpriv"), "--pdeathsig", "TERM", "--", *command)
    try:
        return _heard(told, given) if heard else subprocess.Popen(told, process_group=0, pass_fds=given)
    except OSError as error:
        raise CommandError(f"{command[0]} cannot be started: {error.strerror}") from error


def _heard(told: Sequence[str], given: Sequence[int]) -> subprocess.Popen[bytes]:
    """Start a program and hear it: its errors by a pipe that it does not wait for, all else by a large one."""
    ours, its = os.pipe()
    os.set_blocking(its, False)
    try:
        running = subprocess.Popen(told, stdout=subprocess.PIPE, stderr=its, process_group=0, pass_fds=given)
    except OSError:
        os.close(ours)
        raise
    finally:
        os.close(its)
    running.stderr = os.fdopen(ours, "rb")
    with suppress(OSError):  # an account may have so many pages
        fcntl.fcntl(cast("IO[bytes]", running.stdout), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return running


def lines(stream: IO[bytes]) -> Generator[bytes]:
    """Give the lines of a pipe until its end.

    Who writes there does not wait for us, though we be stopped, but for a program that does nothing else.
    """
    status = -1
    while status < 0:  # somebody has killed it
        try:
            command = (sys.executable, "-m", "gateway.outlet")
            with subprocess.Popen(command, stdin=stream, stdout=subprocess.PIPE, process_group=0) as between:
                yield from cast("IO[bytes]", between.stdout)
            status = between.returncode
        except OSError:  # there is no process to be had
            break
    with stream:
        yield from stream  # what is left: nothing, where all went well


def children(pid: int) -> set[int]:
    """Tell the process ids of what `pid` has started and what has not ended."""
    try:
        return {int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()}
    except OSError:
        return set()


def stop(process: subprocess.Popen[bytes], number: signal.Signals, *, name: str, patience_seconds: float) -> None:
    """Ask it to end, wait for that, and in the end kill it."""
    if process.poll() is not None:
        return
    process.send_signal(number)
    try:
        process.wait(patience_seconds)
    except subprocess.TimeoutExpired:
        telemetry.note(Line.KILLED, part=name)
        kill(process)
        process.wait()


def kill(process: subprocess.Popen[bytes]) -> None:
    """End it and what it started, at once. It may have ended before: nginx's workers outlive their master."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def carry(settings: Settings, *, clock: Clock | None = None) -> None:
    """Run the courier: deliver until a signal comes, and finish what is in flight; by a clock that does not jump.

    Raises SpoolUnavailable if the spool was not migrated, CommandError if there is a courier already.
    """
    # What it works with is loaded by no other process.
    from gateway import bell, metrics, services
    from gateway.delivery import caretaker, courier
    from gateway.metrics import meter
    from gateway.motion.notify import Notifier
    from gateway.serving.heart import Heart

    telemetry.configure("courier", never_waits=True)
    descriptors.allow()
    shared = services.build(settings)
    with opening.unless_it_passes():
        shared.spool.require_latest()
    with suppress(SpoolUnavailable):  # it may be there later
        shared.spool.hold()
    motion = Notifier(settings)
    with lock.only_one(paths.lock(settings, "courier"), "courier"):
        metrics.keep(meter.opened(paths.counts(settings), "courier"))
        clock = clock or (shared.clock if shared.spool.is_shared else SteadyClock())
        carrier = courier.Courier(settings, shared.spool, motion, clock=clock, name=shared.node)
        care = caretaker.Caretaker(settings, shared.spool, clock=clock, name=shared.node)
        Signals(STOPPING).on_first(carrier.stop)
        with Heart(shared).beating(), care.at_work(), bell.heard(paths.socket(settings, "courier"), carrier.wake):
            carrier.run()
    motion.close()
    shared.spool.close()
