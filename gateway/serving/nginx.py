"""Runs nginx: with a configuration that it has accepted, and with all that it says among our lines.

Rule 1. A configuration that nginx does not accept replaces none.
Rule 2. What nginx writes in our form is passed on as it is; its own words are scrubbed first.
Rule 3. Whom it turns away by itself is counted out of these lines: no door is troubled with strangers.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

from gateway import clock, draining, lock, metrics, paths, release, telemetry
from gateway.config import Settings
from gateway.errors import CommandError
from gateway.metrics import meter
from gateway.phrases import Line, Reason
from gateway.serving import descriptors, nginx_conf, ports, process, takeover, watch
from gateway.store import engines
from gateway.store.turned_away import Ring
from gateway.strangers import Crowd

NAME = "nginx"
CHANGE_OVER_SECONDS = 10.0  # within which an nginx that takes up its configuration has begun new workers
STOP_SIGNAL = signal.SIGQUIT  # it finishes the requests that it has; at SIGTERM it would not
LAST_LINES_SECONDS = 1.0
PATIENCE_SECONDS = 2.0  # with who writes to the spool: what cannot be counted now is counted later

_CALLBACK = re.compile(r"/api/whatsapp/accounts/([0-9]{1,9})/notify")
_LISTEN = re.compile(r"^( *listen )([^ ;]+)", re.MULTILINE)
_USER = re.compile(r"^user .*;$", re.MULTILINE)
_OF_A_CONNECTION = re.compile(r"#\d+: \*\d+ ([A-Za-z()_ -]{1,60})")  # nginx's own words, up to what it fills in
_CLIENT = re.compile(r", client: ([0-9a-f.:]{2,45})")
_STATUS = re.compile(r'"event":"edge","status":([0-9]{1,3}),')
_BY_STATUS = {413: "body too large", 429: "too many connections"}


def command(settings: Settings) -> tuple[str, ...]:
    """Give what runs nginx in the foreground."""
    return _command(paths.nginx_conf(settings))


def start(settings: Settings) -> subprocess.Popen[bytes]:
    """Start it with the configuration in place, and what was kept of the one before. Raises CommandError."""
    pid = paths.run(settings) / "nginx.pid"  # nobody reads it, and on a full disk nginx would not start for it
    with suppress(OSError):
        pid.unlink(missing_ok=True)
        if os.access(os.devnull, os.R_OK | os.W_OK, effective_ids=True):  # else nginx makes a file, as ever
            pid.symlink_to(os.devnull)
    with takeover.kept() as kept:
        return process.start((*takeover.inherited(kept), *command(settings)), heard=True, given=kept)


def prepare(settings: Settings) -> None:
    """Put the configuration in place that the settings make. Raises CommandError, and leaves the one before in force,
    if nginx does not accept it, or the disk does not take it; what stands there already is not written.
    """
    paths.require_way_in(settings)
    watch.stand_in(settings)
    path = nginx_conf.write(settings, name="nginx.conf.new")
    if said := _objection(path):
        raise CommandError(f"nginx does not accept {path}:\n{said}")
    path.replace(paths.nginx_conf(settings))
    if keys := ports.ipv4_alone(settings.server):
        telemetry.note(Line.IPV4_ALONE, settings=keys)


def reload(running: subprocess.Popen[bytes], settings: Settings) -> None:
    """Have a running nginx change over to the configuration that the settings make.

    Raises CommandError if it goes on with the one before; then that is the one in place, too. What nginx notices only
    when it opens its ports, its own check does not tell.
    """
    current = paths.nginx_conf(settings)
    before = current.with_name("nginx.conf.before")
    with paths.in_our_words(before):
        before.unlink(missing_ok=True)
        before.hardlink_to(current)
    prepare(settings)
    if running.poll() is None and not _changes_over(running):
        before.replace(current)
        raise CommandError("nginx goes on with the configuration before; its last lines above say why")


def _changes_over(running: subprocess.Popen[bytes]) -> bool:
    before, deadline = process.children(running.pid), clock.steady() + CHANGE_OVER_SECONDS
    running.send_signal(signal.SIGHUP)
    while not process.children(running.pid) - before:
        if running.poll() is not None or clock.steady() > deadline:
            return False
        clock.pause(process.TICK_SECONDS)
    return True


def try_out(settings: Settings) -> str:
    """Say what nginx has against the configuration that the settings make, as it says it; "" where nothing.

    It is a copy: what runs here is not touched, and no port is opened. Raises CommandError where a part of nginx is not
    installed, and OSError.
    """
    with tempfile.TemporaryDirectory(prefix="motion-gateway-") as folder:
        there = settings.server.model_copy(update={"state_dir": Path(folder)})
        copy = settings.model_copy(update={"server": there})
        text = nginx_conf.configuration(copy)
        text = _LISTEN.sub(lambda found: f"{found[1]}unix:{folder}/{abs(hash(found[2]))}", text)
        text = _USER.sub(f"user {paths.whoami()};", text)  # or its folders are another's
        paths.run(copy).mkdir()
        paths.nginx_conf(copy).write_text(text, "utf-8")
        return _objection(paths.nginx_conf(copy))


def relay(running: subprocess.Popen[bytes], settings: Callable[[], Settings]) -> tuple[threading.Thread, ...]:
    """Pass on and count what nginx writes, and look after its certificates, until it ends; returns who does so."""
    metrics.keep(meter.opened(paths.counts(settings()), NAME))
    spool = engines.opened(settings(), patience_seconds=PATIENCE_SECONDS)
    ring = Ring(spool, clock=clock.WallClock())
    watch.begin(running, settings, spool)
    crowd = Crowd(clock.SteadyClock())

    def pass_on(line: str) -> None:
        refused = read_refusal(line, settings())
        if not (stranger := read_stranger(line, refused)) or crowd.lets_write(**stranger):
            telemetry.relay(line, Line.EDGE)
        if status := _STATUS.search(line):
            metrics.count(metrics.ANSWERS, metrics.EDGE, status[1])
        if refused:
            ring.note(**refused)

    def quote(line: str) -> None:
        about = _OF_A_CONNECTION.search(line)
        address = _CLIENT.search(line)
        if not about or crowd.lets_write(NAME, about[1].strip(), address=address[1] if address else ""):
            telemetry.quote(NAME, line)

    said = cast("IO[bytes]", running.stdout), cast("IO[bytes]", running.stderr)
    ways = ((process.lines(said[0]), pass_on), (said[1], quote))
    relays = tuple(threading.Thread(target=_read_lines, args=way, daemon=True) for way in ways)
    for thread in relays:
        thread.start()
    return relays


def read_refusal(line: str, settings: Settings) -> dict[str, str] | None:
    """Read out of a line of nginx's who was turned away, and why, as the ring counts it; None of all other lines."""
    try:
        told = json.loads(line)
        if told["code"]:
            return {"door": "outbound", "reason": told["code"], "address": told["address"]}
        found = _refusal(told, settings) if told["port"] in _public_ports(settings) else None
    except (ValueError, KeyError, TypeError):  # its own words; a line of another release
        return None
    return found and {**dict(zip(("door", "reason", "about"), found, strict=True)), "address": told["address"]}


def read_stranger(line: str, refused: Mapping[str, str] | None) -> dict[str, str] | None:
    """Read out of a line of nginx's what a stranger has brought about; None where a door has failed, or of all else."""
    if refused:
        return {name: refused[name] for name in ("door", "reason", "address")}
    try:
        told = json.loads(line)
        status, address = int(told["status"]), str(told["address"])
    except (ValueError, KeyError, TypeError):
        return None
    return {"door": "edge", "reason": f"status {status}", "address": address} if status < 500 else None


def _public_ports(settings: Settings) -> tuple[int, int]:
    return settings.server.public_port, settings.server.http_port


def _refusal(told: dict[str, Any], settings: Settings) -> tuple[str, str, str] | None:
    """Door, reason, and whom it was about."""
    callback = _CALLBACK.fullmatch(told["path"])
    number = callback[1] if callback else ""
    if reason := _BY_STATUS.get(told["status"]):
        return "edge", reason, number
    if told["status"] != 404:
        return None
    if told["host"]:
        return "edge", "wrong host", told["host"]
    if not callback:
        return "edge", "unknown path", ""
    if told["port"] == settings.server.http_port:
        return "edge", "plain HTTP", number
    if number not in {str(account.connector_id) for account in settings.accounts}:
        return "ingress", Reason.UNKNOWN_CONNECTOR, number
    return "edge", "wrong method", number


def run(read: Callable[[], Settings]) -> None:
    """Run nginx until SIGTERM or SIGINT; read the settings anew at SIGHUP.

    Raises CommandError if nginx does not start or ends by itself, or if a gateway runs here already.
    """
    telemetry.configure(NAME, never_waits=True)
    descriptors.allow()
    signals = process.Signals((*process.STOPPING, signal.SIGHUP))
    settings = read()
    paths.prepare(settings)
    with lock.only_one(paths.lock(settings, "serve"), "gateway"):
        process.make_room(settings)
        prepare(settings)
        draining.end(settings)
        running = start(settings)
        telemetry.note(Line.STARTED, part=NAME, pid=running.pid, **release())
        relays = relay(running, lambda: settings)
        process.keep_room(settings)
        try:
            while signals.next(lambda: _require_alive(running)) == signal.SIGHUP:
                if changed := process.reread(settings, read, prepare=partial(reload, running)):
                    settings = changed
                    telemetry.note(Line.RELOADED)
            process.drain(settings, signals, lambda: _require_alive(running))
        finally:
            process.stop(running, STOP_SIGNAL, name=NAME, patience_seconds=settings.spool.deadline + 10.0)
            process.kill(running)
            for thread in relays:
                thread.join(LAST_LINES_SECONDS)
    telemetry.note(Line.STOPPED)


def _require_alive(running: subprocess.Popen[bytes]) -> None:
    if running.poll() is not None:
        raise CommandError(f"nginx ended with status {running.returncode}; its last lines above say why")


def _objection(configuration: Path) -> str:
    checked = subprocess.run((*_command(configuration), "-t", "-q"), capture_output=True, check=False)
    said = telemetry.scrub(checked.stderr.decode("utf-8", "replace")).strip()
    return said or f"it ended with status {checked.returncode}" if checked.returncode else ""


def _command(configuration: Path) -> tuple[str, ...]:
    return (paths.program("nginx"), "-e", "stderr", "-p", str(configuration.parent), "-c", str(configuration))


def _read_lines(lines: Generator[bytes] | IO[bytes], pass_on: Callable[[str], None]) -> None:
    with closing(lines):
        for line in lines:
            pass_on(line.decode("utf-8", "replace").rstrip())
