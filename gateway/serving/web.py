"""Runs one door on gunicorn, listening on a Unix socket behind nginx."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from gateway import app, lock, services, telemetry
from gateway.config import Settings
from gateway.errors import CommandError, SettingsError, Unavailable
from gateway.serving.workers import CallThreads, Greenlets, Threads
from gateway.store import migrator

WORKERS = {"ingress": Greenlets, "attachments": Threads, "ops": Threads, "outbound": CallThreads}
# Of a worker that has them. Fetches may wait for Motion, half a minute each, and calls for Sinch; the others shall not
# wait for those.
THREADS = {"ops": 16, "attachments": 64, "outbound": 192}
# At the same time in a worker: as many writers share a commit, as many bodies are in memory, or wait for a thread.
CONNECTIONS = {"ingress": 64, "ops": 64, "attachments": 256, "outbound": 512}


class Quiet(Logger):
    """Gunicorn's log in ours: the text alone, never its arguments, which hold what clients sent.

    What it would format into the text by itself is not told at all: refusing.py.
    """

    def setup(self, cfg: object) -> None:
        pass

    def _tell(self, text: object, *_arguments: object, **_options: object) -> None:
        telemetry.note("gunicorn", message=str(text))

    critical = error = warning = exception = _tell

    def info(self, *_arguments: object, **_options: object) -> None:
        pass

    debug = access = info


class Server(BaseApplication):
    """One door. A worker that is started again reads the settings anew."""

    def __init__(self, door: str, read: Callable[[], Settings]) -> None:
        self._door = door
        self._read = read
        self._settings = read()
        super().__init__()

    def load_config(self) -> None:
        path = services.socket_path(self._settings, self._door)
        options: dict[str, Any] = {
            "bind": f"unix:{path}",
            "when_ready": lambda _server: _let_nginx_in(path),
            "umask": 0o007,
            "workers": getattr(self._settings.workers, self._door, 1),
            "worker_class": WORKERS[self._door],
            "threads": THREADS.get(self._door, 1),
            "worker_connections": CONNECTIONS[self._door],
            "keepalive": 0,  # nginx opens a connection for each request: there is no next one to wait for
            "timeout": 60,  # a worker that says nothing for so long hangs
            "graceful_timeout": 30,
            "control_socket_disable": True,
            "logger_class": Quiet,
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
            services.require_same_state(self._settings, settings)
            self._settings = settings
        except (SettingsError, CommandError) as error:
            telemetry.note("settings refused; the ones before stay in force", problems=error.reason)
        shared = services.build(self._settings, patience_seconds=services.DOOR_PATIENCE_SECONDS)
        made = app.create_app(shared, door=self._door)
        gc.freeze()  # what is there now stays: looking for garbage in it took a fifth of the time
        return made


def _let_nginx_in(socket: Path) -> None:
    # gunicorn gives the socket its own group; the folder has that of nginx's workers.
    os.chown(socket, -1, socket.parent.stat().st_gid)


def run(door: str, read: Callable[[], Settings]) -> None:
    """Serve until told to stop.

    Raises SpoolUnavailable if the spool was not migrated, CommandError if this door is open already.
    """
    telemetry.configure(door)
    settings = read()
    shared = services.build(settings)
    migrator.require_latest(shared.spool)
    # Two would take the socket from each other, and whoever stops first takes it away.
    with lock.only_one(services.door_lock(settings, door), f"{door} door"):
        if door == "attachments":
            with suppress(Unavailable):  # a vault that cannot be written is no reason to stay shut: files may be in it
                shared.shelf.tidy()
        shared.spool.close()
        Server(door, read).run()
