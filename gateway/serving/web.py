"""Runs one door on gunicorn, listening on a Unix socket behind nginx.

nginx passes more than gunicorn takes. To what it cannot read gunicorn would answer with a page that quotes the request,
and log it: here the door refuses in its own words, and nothing of the request is told.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from socket import socket
from typing import Any

from flask import Flask, Response
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.http.errors import ParseException
from gunicorn.http.wsgi import base_environ
from gunicorn.workers.gthread import ThreadWorker

import wsgi
from gateway import app, clock, doors, lock, metrics, paths, services, telemetry
from gateway.config import Settings
from gateway.counters import SharedWindows
from gateway.doors import DOORS
from gateway.errors import CommandError, SettingsError, Unavailable
from gateway.phrases import Line
from gateway.serving import descriptors, opening
from gateway.strangers import Crowd

ACCEPT_AGAIN_SECONDS = 0.05
REFUSED = "request refused"  # what cannot be read


class Quiet(Logger):
    """Gunicorn's log in ours: the text alone, never its arguments, which hold what clients sent.

    What it would format into the text by itself is not told at all: Refusing.
    """

    def setup(self, cfg: object) -> None:
        pass

    def _tell(self, text: object, *_arguments: object, **_options: object) -> None:
        telemetry.note(Line.GUNICORN, message=str(text))

    critical = error = warning = exception = _tell

    def info(self, *_arguments: object, **_options: object) -> None:
        pass

    debug = access = info


class Refusing:
    """Mixed into gunicorn's workers: refuses what cannot be read as the door itself refuses."""

    app: Server  # gunicorn's attribute
    crowd = Crowd(clock.SteadyClock())

    def handle_error(self, _request: object, client: socket, _address: object, error: Exception) -> None:
        """Answer what cannot be read. Of all else nobody knows what came of it: nginx, without an answer, says so."""
        if not isinstance(error, ParseException):
            telemetry.failure(Line.UNEXPECTED, error)
            return
        if self.crowd.lets_write(self.app.door, REFUSED, address=""):  # all come by way of nginx
            telemetry.note(Line.GUNICORN, message=REFUSED, fault=type(error).__name__)
        metrics.count(metrics.ANSWERS, self.app.door, self.app.malformed.split(maxsplit=2)[1].decode())
        with suppress(OSError):
            client.sendall(self.app.malformed)


class Brief(Refusing):
    """Mixed into those that read by themselves what nginx passes as ever (`brief`)."""

    cfg: Any  # gunicorn's
    request_seconds = 10.0  # for a request to be there: nginx has all of it when it begins

    @cached_property
    def _base(self) -> dict[str, Any]:
        """What WSGI has of each request, as gunicorn says it of one that comes by a socket of this machine."""
        same = {"wsgi.multithread": True, "wsgi.url_scheme": "http", "REMOTE_ADDR": "", "SCRIPT_NAME": ""}
        return {**base_environ(self.cfg), **same}


class Threads(Refusing, ThreadWorker):
    teller = descriptors.Teller()

    def handle(self, conn: Any) -> None:  # noqa: ANN401 - gunicorn's, which has no types
        """Answer a request, and close its connection here: that waits for nginx, and who takes connections does not."""
        conn.data_ready = True  # nginx connects when it has a request: to wait for that would be one more place to wait
        try:
            super().handle(conn)
        finally:
            conn.close(graceful=True)

    def finish_request(self, _conn: object, _done: object) -> None:
        """Know of one connection less, which is closed already; none is kept."""
        self.nr_conns -= 1

    def accept(self, listener: socket) -> None:
        """Take a connection; where there is no descriptor for it, it waits."""
        try:
            super().accept(listener)
        except OSError as error:
            if not descriptors.have_run_out(error):
                raise
            self.teller.tell(error)
            clock.pause(ACCEPT_AGAIN_SECONDS)


class Server(BaseApplication):
    """One door. A worker that is started again reads the settings anew."""

    door: str
    malformed: bytes  # the answer to what cannot be read

    def __init__(self, door: str, read: Callable[[], Settings]) -> None:
        self.door, self._door = door, DOORS[door]
        self._read = read
        self._settings = read()
        self._workers = getattr(self._settings.workers, door, 1)
        # Made before they are forked; those that a reload brings count in it, too.
        self._windows = SharedWindows(clock.SteadyClock()) if self._workers > 1 else None
        super().__init__()

    def load_config(self) -> None:
        door, path = self._door, paths.socket(self._settings, self._door.name)
        options: dict[str, Any] = {
            "bind": f"unix:{path}",
            "when_ready": lambda server: _opened(server, path),
            "on_exit": lambda _server: path.unlink(missing_ok=True),
            "umask": 0o007,
            "workers": self._workers,
            "worker_class": doors.load(door.worker),
            "threads": door.threads,
            "worker_connections": door.connections,
            "keepalive": 0,  # what gunicorn reads is the last of its connection
            "timeout": 60,  # a worker that says nothing for so long hangs
            "graceful_timeout": 30,
            "control_socket_disable": True,
            "logger_class": Quiet,
            "http_parser": "python",  # named, or a package that somebody installs beside would read what strangers send
            # nginx is the only client; it has already judged lines and headers by its own, lower limits.
            "limit_request_line": 0,
            "limit_request_fields": 10_000,
            "limit_request_field_size": 0,
            "forwarded_allow_ips": "",
            "secure_scheme_headers": {},
        }
        for name, value in options.items():
            self.cfg.set(name, value)
        # Gunicorn asks for some of them dozens of times a request, and each time it would look for them.
        self.cfg.__dict__.update({name: setting.get() for name, setting in self.cfg.settings.items()})

    def load(self) -> Flask:
        try:
            settings = self._read()
            paths.require_same_state(self._settings, settings)
            self._settings = settings
        except (SettingsError, CommandError) as error:
            telemetry.note(Line.SETTINGS_REFUSED, problems=error.reason)
        made = self.make(self._settings)
        self.malformed = _raw(app.refuse_malformed(made, door=self._door.name))
        gc.freeze()  # what is there now stays: looking for garbage in it took a fifth of the time
        return made

    def make(self, settings: Settings) -> Flask:
        """Make the application with these settings."""
        return wsgi.door(self._door.name, settings, windows=self._windows)


def _opened(server: Any, path: Path) -> None:  # noqa: ANN401 - gunicorn's arbiter, which has no types
    # As one that systemd has opened: where it is gone, with its folder, taking it away would end gunicorn's stop before
    # the workers are told.
    server.systemd = True
    # gunicorn gives the socket its own group; the folder has that of nginx's workers.
    with paths.in_our_words(path):
        os.chown(path, -1, path.parent.stat().st_gid)


def _raw(answer: Response) -> bytes:
    """Write an answer as it stands on the wire, after which the connection is closed."""
    answer.headers["Connection"] = "close"
    lines = [f"HTTP/1.1 {answer.status}", *(f"{name}: {value}" for name, value in answer.headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + answer.get_data()


def run(door: str, read: Callable[[], Settings]) -> None:
    """Serve until told to stop.

    Raises SpoolUnavailable if the spool was not migrated, CommandError if this door is open already.
    """
    telemetry.configure(door, never_waits=True)
    descriptors.allow()
    row, settings = DOORS[door], read()
    for made in filter(None, (row.blueprint, row.page, row.files)):
        doors.load(made)  # before the workers are forked, which share what is loaded
    shared = services.build(settings, needs=row.needs)
    with opening.unless_it_passes():
        shared.spool.require_latest()
    # Two would take the socket from each other, and whoever stops first takes it away.
    with lock.only_one(paths.lock(settings, door), f"{door} door"):
        if row.sends_files:
            with suppress(Unavailable):  # a vault that cannot be written is no reason to stay shut: files may be in it
                shared.shelf.tidy()
        shared.spool.close()
        paths.clear(settings, door)
        Server(door, read).run()
