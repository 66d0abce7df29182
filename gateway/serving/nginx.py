"""Runs nginx: with a configuration that it has accepted, and with all that it says among our lines.

Rule 1. A configuration that nginx does not accept replaces none.
Rule 2. What nginx writes in our form is passed on as it is; its own words are scrubbed first.
"""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from gateway import lock, paths, telemetry
from gateway.config import Settings
from gateway.errors import CommandError
from gateway.phrases import Line
from gateway.serving import nginx_conf, process
from gateway.serving.process import STOPPING, Signals

NAME = "nginx"
STOP_SIGNAL = signal.SIGQUIT  # it finishes the requests that it has; at SIGTERM it would not
LAST_LINES_SECONDS = 1.0


def command(settings: Settings) -> tuple[str, ...]:
    """Give what runs nginx in the foreground."""
    return _command(paths.nginx_conf(settings))


def prepare(settings: Settings) -> None:
    """Put the configuration in place that the settings make. Raises CommandError if nginx does not accept it."""
    paths.require_way_in(settings)
    path = nginx_conf.write(settings, name="nginx.conf.new")
    checked = subprocess.run((*_command(path), "-t", "-q"), capture_output=True, check=False)
    if checked.returncode != 0:
        said = telemetry.scrub(checked.stderr.decode("utf-8", "replace")).strip()
        raise CommandError(f"nginx does not accept {path}:\n{said}")
    path.replace(paths.nginx_conf(settings))


def relay(running: subprocess.Popen[bytes]) -> tuple[threading.Thread, ...]:
    """Pass on what nginx writes until it has ended; returns those who do so."""
    ways = ((running.stdout, telemetry.relay), (running.stderr, lambda line: telemetry.quote(NAME, line)))
    relays = tuple(threading.Thread(target=_read_lines, args=way, daemon=True) for way in ways)
    for thread in relays:
        thread.start()
    return relays


def run(read: Callable[[], Settings]) -> None:
    """Run nginx until SIGTERM or SIGINT; read the settings anew at SIGHUP.

    Raises CommandError if nginx does not start or ends by itself, or if a gateway runs here already.
    """
    telemetry.configure(NAME)
    signals = Signals((*STOPPING, signal.SIGHUP))
    settings = read()
    paths.prepare(settings)
    with lock.only_one(paths.lock(settings, "serve"), "gateway"):
        prepare(settings)
        running = process.start(command(settings), heard=True)
        telemetry.note(Line.STARTED, part=NAME, pid=running.pid)
        relays = relay(running)
        try:
            while signals.next(lambda: _require_alive(running)) == signal.SIGHUP:
                if changed := process.reread(settings, read, prepare=prepare):
                    settings = changed
                    running.send_signal(signal.SIGHUP)
                    telemetry.note(Line.RELOADED)
        finally:
            patience = settings.spool.deadline + 10.0
            process.stop(running, STOP_SIGNAL, name=NAME, patience_seconds=patience)
            process.kill(running)
            for thread in relays:
                thread.join(LAST_LINES_SECONDS)
    telemetry.note(Line.STOPPED)


def _require_alive(running: subprocess.Popen[bytes]) -> None:
    if running.poll() is not None:
        raise CommandError(f"nginx ended with status {running.returncode}; its last lines above say why")


def _command(configuration: Path) -> tuple[str, ...]:
    return (nginx_conf.program(), "-e", "stderr", "-p", str(configuration.parent), "-c", str(configuration))


def _read_lines(stream: IO[bytes], pass_on: Callable[[str], None]) -> None:
    with stream:
        for line in stream:
            pass_on(line.decode("utf-8", "replace").rstrip())
