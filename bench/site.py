"""The servers that are measured: a gateway, the same edge before a stub, and a Motion that only listens.

The stub is one more nginx. On the Unix socket where a gateway would have its door it answers 200 `{}`: what is left
is all that a callback costs outside of the gateway's own work. Its other port is Motion: it writes down the request
ids in the order in which they came, and it has a picture for whatever file a callback names.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway import clock, config, paths
from gateway.config import Settings
from gateway.serving import nginx_conf, opening, supervisor
from gateway.store import engines
from gateway.store.engines import Database
from sandbox import child, setup
from sandbox.child import ChildError
from sandbox.connection import Request
from sandbox.scenarios import attachment
from sandbox.setup import Setup, Vendor
from sandbox.sinch import Sinch

START_SECONDS = 30.0
PATIENCE_SECONDS = 30.0

# Counted as in service, but never reached.
_LIMITS = """
[limits]
webhooks_per_account = "1000000/second"
fetches_per_attachment = "1000000/second"
downloads_per_address = "off"
calls_per_project = "1000000/second"
"""

_STUB = """\
daemon off;
worker_processes 1;  # its log is in the order of what happened
pid {folder}/stub.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    types {{ image/jpeg jpg; }}
    default_type application/json;
    client_body_temp_path {folder}/stub-bodies;
    keepalive_requests 100000000;
    log_format heard "$http_x_request_id";
    server {{
        listen unix:{door};
        access_log off;
        location / {{ return 200 "{{}}"; }}
    }}
    server {{
        listen 127.0.0.1:{motion_port};
        access_log {folder}/heard heard;
        location / {{ return 200 "{{}}"; }}
        location /o/ {{ access_log off; root {folder}; rewrite ^ /picture.jpg break; }}
    }}
}}
"""


@dataclass(frozen=True)
class Site:
    """A folder with settings, and what runs on them."""

    setup: Setup
    settings: Settings

    @property
    def folder(self) -> Path:
        return self.setup.folder

    @property
    def webhook_url(self) -> str:
        return self.setup.state.webhook_url

    @property
    def sinch(self) -> Sinch:
        return self.setup.state.sinch()

    @contextlib.contextmanager
    def running(self, *names: str) -> Iterator[None]:
        """These parts of a gateway, with the commands by which `serve` starts them."""
        config_file = self.setup.state.config_file
        commands = {part.name: part.command for part in supervisor.parts(self.settings, config_file)}
        with contextlib.ExitStack() as stack:
            for name in names:
                stack.enter_context(child.running(commands[name], self.folder / f"{name}.log"))
            yield

    def wait_until_open(self, asked: Request | None = None, *, answers: Sequence[int] = (200, 401)) -> None:
        """Until the door answers so to what is asked, which is an unsigned callback by default. Raises ChildError."""
        sinch, deadline = self.sinch, clock.steady() + START_SECONDS
        while sinch.request(asked or Request()).status not in answers:
            if clock.steady() > deadline:
                raise ChildError(f"{self.settings.server.public_url} was not open within {START_SECONDS:g} s")
            clock.pause(0.05)

    def spooled(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        """What the spool holds."""
        with self.spool() as spool:
            return spool.read(lambda connection: connection.execute(query).all())

    @contextlib.contextmanager
    def spool(self) -> Iterator[Database]:
        with contextlib.closing(engines.opened(self.settings, patience_seconds=PATIENCE_SECONDS)) as spool:
            yield spool


@contextlib.contextmanager
def built(*, motion_port: int, sinch: Vendor | None = None, **tables: Mapping[str, Any]) -> Iterator[Site]:
    """A furnished folder: settings, spool and nginx's configuration; removed at the end. `tables` change settings."""
    with setup.built(motion_url=f"http://127.0.0.1:{motion_port}", control_url="", sinch=sinch) as made:
        path = made.state.config_file
        written = path.read_text("utf-8").replace("[motion]\n", '[motion]\nmax_attachment = "100MB"\n')
        path.write_text(written + _LIMITS, "utf-8")
        path.write_text(setup.changed(path, **tables), "utf-8")
        site = Site(made, config.load(path, {}))
        nginx_conf.write(site.settings)
        opening.migrate(site.settings)
        yield site


@contextlib.contextmanager
def stub(twin: Site, *, motion_port: int) -> Iterator[Path]:
    """The stub behind the edge of `twin`, and Motion; yields what Motion heard: a request id in each line."""
    folder, door = twin.folder, paths.socket(twin.settings, "ingress")
    path, heard = folder / "stub.conf", folder / "heard"
    (folder / "picture.jpg").write_bytes(attachment.sample("picture.jpg").content)
    (folder / "picture.jpg").chmod(0o644)
    path.write_text(_STUB.format(folder=folder, door=door, motion_port=motion_port), "utf-8")
    heard.touch()
    with child.running(
        [paths.program("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(path)], folder / "stub.log"
    ):
        yield heard
