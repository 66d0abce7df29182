"""The servers that are measured: a gateway, the same edge before a stub, and a Motion that only listens.

The stub is one more nginx. On the Unix socket where a gateway would have its door it answers 200 `{}`: what is
left is all that a callback costs outside of the gateway's own work. Its other port is Motion: it writes down the
request ids in the order in which they came.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway import config, services
from gateway.config import Settings
from gateway.nginx import render
from gateway.serving import supervisor
from gateway.spool import migrator
from gateway.spool.database import Database
from sandbox import child, stage
from sandbox.child import Child
from sandbox.connection import Request
from sandbox.stage import Stage

START_SECONDS = 30.0
NGINX = "/usr/sbin/nginx"

# Counted as in service, but never reached.
_LIMITS = """
[limits]
webhooks_per_account = "1000000/second"
"""

_STUB = """\
daemon off;
worker_processes 1;  # its log is in the order of what happened
pid {folder}/stub.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    default_type application/json;
    client_body_temp_path {folder}/stub-bodies;
    keepalive_requests 100000000;
    log_format heard "$http_x_request_id";
    server {{
        listen unix:{socket};
        access_log off;
        location / {{ return 200 "{{}}"; }}
    }}
    server {{
        listen 127.0.0.1:{port};
        access_log {folder}/heard heard;
        location / {{ return 200 "{{}}"; }}
    }}
}}
"""


@dataclass(frozen=True)
class Site:
    """A folder with settings, and what runs on them."""

    stage: Stage
    settings: Settings

    @contextlib.contextmanager
    def running(self, *names: str) -> Iterator[dict[str, Child]]:
        """These parts of a gateway, each as `serve` would start it."""
        commands = {part.name: part.command for part in supervisor.parts(self.settings, self.config)}
        with contextlib.ExitStack() as stack:
            yield {
                name: stack.enter_context(child.running(commands[name], self.stage.folder / f"{name}.log"))
                for name in names
            }

    def wait_until_open(self) -> None:
        """Until a callback that nobody signed is answered by whoever is behind the edge. Raises ChildError."""
        sinch, deadline = self.stage.state.sinch(), time.monotonic() + START_SECONDS
        while sinch.request(Request()).status not in (200, 401):
            if time.monotonic() > deadline:
                raise child.ChildError(f"not open within {START_SECONDS:g} s")
            threading.Event().wait(0.05)

    @property
    def config(self) -> Path:
        return Path(self.stage.state.config_file)

    @contextlib.contextmanager
    def spool(self) -> Iterator[Database]:
        with contextlib.closing(Database(services.spool_path(self.settings), patience_seconds=30)) as spool:
            yield spool


@contextlib.contextmanager
def built(motion_port: int) -> Iterator[Site]:
    """A furnished folder: settings, spool and nginx's configuration; removed at the end."""
    with stage.built(motion_url=f"http://127.0.0.1:{motion_port}", control_url="") as made:
        path = Path(made.state.config_file)
        path.write_text(path.read_text("utf-8") + _LIMITS, "utf-8")
        site = Site(made, config.load(path, {}))
        render.write(site.settings)
        migrator.migrate(services.spool_path(site.settings))
        yield site


@contextlib.contextmanager
def stub(folder: Path, *, door: Path, motion_port: int) -> Iterator[Path]:
    """The stub on the socket `door`, and Motion; yields what Motion heard: a request id in each line."""
    path = folder / "stub.conf"
    path.write_text(_STUB.format(folder=folder, socket=door, port=motion_port), "utf-8")
    with child.running([NGINX, "-e", "stderr", "-p", str(folder), "-c", str(path)], folder / "stub.log"):
        yield folder / "heard"
