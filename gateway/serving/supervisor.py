"""Starts nginx, the doors and the courier, restarts what dies, reloads and stops them.

Rule 1. The parts start in the order of `parts` and stop in the reverse one: nobody is let in before
        those who serve him are there, and the courier stays until the doors are shut.
Rule 2. A part that refuses to start before all are up stops everything: the operator is still looking. Whatever is
        killed, or dies later, is started again, the sooner the longer it had lived.
Rule 3. A reload with settings that are wrong, that nginx does not take up or that the disk does not take changes
        nothing.
"""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway import clock, draining, lock, paths, release, telemetry
from gateway.config import Settings
from gateway.doors import DOORS
from gateway.errors import CommandError
from gateway.phrases import Line
from gateway.serving import descriptors, nginx, opening, process

START_SECONDS = 60.0
NGINX_SECONDS = 5.0  # nginx tries for 2.5 s to get its ports before it gives up
SHORTEST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 15.0
RENEWAL_SECONDS = 6 * clock.HOUR_SECONDS  # as the timer of the units has it
STEADY_SECONDS = 60.0  # a part that lived so long starts afresh


@dataclass(frozen=True)
class Part:
    name: str
    command: tuple[str, ...]
    stop_signal: signal.Signals = signal.SIGTERM
    reload_signal: signal.Signals = signal.SIGHUP  # of all but nginx, which is watched while it changes over


@dataclass
class _Running:
    part: Part
    process: subprocess.Popen[bytes]
    started_at: float
    pause_seconds: float = SHORTEST_PAUSE_SECONDS
    again_at: float | None = None  # set while it is dead
    restarted: bool = False


def parts(settings: Settings, config: Path) -> list[Part]:
    """List what runs, in the order in which it is started."""
    ourselves = _ourselves(config)
    return [
        *(
            Part(name, (*ourselves, name), reload_signal=signal.SIGTERM)
            for name in ("courier", *(("fetcher",) if settings.fetches else ()))
        ),
        *(Part(door.name, (*ourselves, "web", door.name)) for door in DOORS.values() if door.is_wanted(settings)),
        Part(nginx.NAME, nginx.command(settings), stop_signal=nginx.STOP_SIGNAL),
    ]


def _ourselves(config: Path) -> tuple[str, ...]:
    return sys.executable, "-m", "gateway", "--config", str(config)


class Supervisor:
    def __init__(self, config: Path, read: Callable[[], Settings]) -> None:
        self._config = config
        self._read = read
        self._settings = read()
        self._running: list[_Running] = []
        self._relays: list[threading.Thread] = []
        self._renewal: subprocess.Popen[bytes] | None = None
        self._renewal_at = math.inf

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises CommandError if something does not start."""
        signals = process.Signals((*process.STOPPING, signal.SIGHUP))
        descriptors.allow()
        paths.prepare(self._settings)
        with lock.only_one(paths.lock(self._settings, "serve"), "gateway", patience_seconds=1.0):
            process.make_room(self._settings)
            with opening.unless_it_passes():
                opening.migrate(self._settings)
            nginx.prepare(self._settings)
            draining.end(self._settings)
            try:
                self._start_all(signals)
                self._renewal_at = clock.steady()
                process.keep_room(self._settings)
                while signals.next(self._look_after_all) == signal.SIGHUP:
                    self._reload()
                process.drain(self._settings, signals, self._look_after_all)
            finally:
                self._stop()

    def _start_all(self, signals: process.Signals) -> None:
        for part in parts(self._settings, self._config):
            if part.name == nginx.NAME:
                self._wait_for_doors(signals)
            self._running.append(self._start(part))

    def _start(self, part: Part) -> _Running:
        started = nginx.start(self._settings) if part.name == nginx.NAME else process.start(part.command)
        if part.name == nginx.NAME:
            self._relays += nginx.relay(started, lambda: self._settings)
        telemetry.note(Line.STARTED, part=part.name, pid=started.pid, **release())
        return _Running(part, started, clock.steady())

    def _wait_for_doors(self, signals: process.Signals) -> None:
        began = clock.steady()
        doors = [running.part.name for running in self._running if running.part.name in DOORS]
        sockets = [paths.socket(self._settings, door) for door in doors]
        while not signals and not all(lock.is_listening(path) for path in sockets):
            if clock.steady() - began > START_SECONDS:
                raise CommandError(f"the doors did not open within {START_SECONDS:g} s")
            self._look_after_all()
            clock.pause(process.TICK_SECONDS)

    def _look_after_all(self) -> None:
        for running in self._running:
            self._look_after(running)
        self._look_after_certificate()

    def _look_after_certificate(self) -> None:
        """Have it seen every few hours, and after each reload, whether an authority is to be asked for another one."""
        if clock.steady() < self._renewal_at or (self._renewal and self._renewal.poll() is None):
            return
        self._renewal_at = clock.steady() + RENEWAL_SECONDS
        if self._settings.acme.is_wanted:
            with suppress(CommandError):  # there is no process to be had, for now
                self._renewal = process.start((*_ourselves(self._config), "certs", "acme", "--scheduled"))

    def _look_after(self, running: _Running) -> None:
        status = running.process.poll()
        if status is None:
            return
        now = clock.steady()
        if running.again_at is None:
            telemetry.note(Line.DIED if status else Line.ENDED, part=running.part.name, exit_status=status)
            process.kill(running.process)  # nginx's workers outlive their master, and keep its ports
            if status > 0 and self._is_false_start(running, now):  # and neither killed nor told to end
                raise CommandError(f"{running.part.name} did not start; its last lines above say why")
            steady = now - running.started_at > STEADY_SECONDS
            pause = SHORTEST_PAUSE_SECONDS if steady else running.pause_seconds
            running.again_at = now + pause
            running.pause_seconds = min(LONGEST_PAUSE_SECONDS, pause * 2)
        elif now >= running.again_at:
            self._start_again(running)

    def _start_again(self, running: _Running) -> None:
        try:
            fresh = self._start(running.part)
        except CommandError as error:  # there are no descriptors or processes to be had, for now
            telemetry.note(Line.DIED, part=running.part.name, problems=error.reason)
            running.again_at = clock.steady() + LONGEST_PAUSE_SECONDS
            return
        running.process, running.started_at = fresh.process, fresh.started_at
        running.again_at, running.restarted = None, True

    def _is_false_start(self, running: _Running, now: float) -> bool:
        if running.part.name == nginx.NAME:
            return not running.restarted and now - running.started_at < NGINX_SECONDS
        return all(other.part.name != nginx.NAME for other in self._running)  # it comes last

    def _reload(self) -> None:
        *others, front = self._running
        settings = process.reread(self._settings, self._read, prepare=partial(nginx.reload, front.process))
        if settings is None:
            return
        self._settings = settings
        for running in others:
            if running.process.poll() is None:
                running.process.send_signal(running.part.reload_signal)
        self._start_new()
        self._renewal_at = clock.steady()
        telemetry.note(Line.RELOADED)

    def _start_new(self) -> None:
        """Start what the settings ask for now. What they no longer ask for goes on: nginx leads nobody there."""
        running = {running.part.name for running in self._running}
        for part in parts(self._settings, self._config):
            if part.name not in running:
                self._running.insert(-1, self._start(part))  # nginx stays the last

    def _stop(self) -> None:
        patience = self._settings.spool.deadline + 10.0
        for running in reversed(self._running):
            part = running.part
            process.stop(running.process, part.stop_signal, name=part.name, patience_seconds=patience)
        for relay in self._relays:
            relay.join(nginx.LAST_LINES_SECONDS)
        telemetry.note(Line.STOPPED)
