"""A whole gateway on loopback: the real `serve` with nginx, its doors and its courier, between the simulators."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway import config
from gateway.paths import SPOOL
from gateway.serving import nginx, supervisor
from gateway.store import schema
from gateway.store.engines import Database
from sandbox import certificates, child, setup
from sandbox.archive import Archive, Credentials
from sandbox.child import Child
from sandbox.connection import Answer, Request, Route, exchange
from sandbox.listener import reserve
from sandbox.motion import Motion
from sandbox.retries import Retries
from sandbox.sinch import Sinch

HOST = "gateway.example.test"
SECRET = "a webhook secret of the tests"
ACCOUNT = {
    "connector_id": 7,
    "name": "Support",
    "region": "eu",
    "project_id": "7f1c9a52-3b08-4d6e-9a4f-5d2b8e61c0f3",
    "app_id": "01JQ8V4M2Z7T5X9C3N6B1K0DHA",
    "webhook_secrets": [SECRET],
}
LOG = "gateway.log"
ROOT = Path(__file__).parent.parent.parent
ONCE = Retries(last_wait_seconds=0)
LAST_LINES = 12
PATIENCE_SECONDS = 60.0  # of whoever asks, and of who waits for a condition: what is green costs nothing of it
# What a quick machine would run into: whoever tries a limit sets it.
UNLIMITED = dict.fromkeys(("failed_signatures_per_address", "webhooks_per_account"), "off")
MOTION_USER, MOTION_PASSWORD = "gateway", "the password of the tests at Motion"


@dataclass
class House:
    """What a test needs of a running gateway."""

    folder: Path
    config: Path
    tables: dict[str, Any]
    motion: Motion
    archive: Archive  # Motion's attachments
    public_port: int
    ops_port: int
    ops_headers: tuple[tuple[str, str], ...] = ()
    children: list[Child] = field(default_factory=list)
    release: Path = ROOT  # the folder whose `gateway` runs
    around: tuple[str, ...] = ()  # what runs the commands: with other rights, on a poorer machine
    program: tuple[str, ...] = ()  # what runs instead: that of an installed release

    def start(self) -> None:
        """Start `serve` and wait until it is ready."""
        self.write_settings()
        self.run(self.typed("serve"))
        self.wait_until_ready()
        self.wait_for(lambda: self.decisions("serve", event="started", part="nginx"))  # it may answer before it is told

    def start_parts(self, replaced: Mapping[str, Sequence[str]]) -> None:
        """Start each part by itself, as an init system would, some by another command."""
        self.write_settings()
        self.command("migrate")
        settings = config.load(self.config, {})
        nginx.prepare(settings)
        for part in supervisor.parts(settings, self.config):
            self.run([*replaced.get(part.name, part.command)], log="nginx.log" if part.name == "nginx" else LOG)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        self.wait_for(lambda: self.ops("/readyz").status == 200 or self.ended(), seconds=2 * PATIENCE_SECONDS)
        assert not self.ended(), self.log

    def ended(self) -> bool:
        return any(running.exit_status is not None for running in self.children)

    def stop(self) -> None:
        while self.children:
            assert self.children.pop().stop() == 0

    def settle(self) -> None:
        """Wait until Motion has everything."""
        self.wait_for(lambda: not self.events("pending"))

    def run(self, command: list[str], *, log: str = LOG) -> None:
        self.children.append(Child(command, self.folder / log))

    def write_settings(self) -> None:
        self.config.write_text(setup.toml(self.tables), "utf-8")

    def command(self, *arguments: str, status: int = 0) -> str:
        """Run a command as the operator types it; returns what it printed, errors included."""
        command = self.typed(*arguments)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == status, done.stdout
        return done.stdout

    def typed(self, *arguments: str) -> list[str]:
        """What runs a command of the release."""
        if self.program:
            return [*self.program, "--config", str(self.config), *arguments]
        return ["env", f"--chdir={self.release}", *self.around, *child.serve_command(self.config)[:-1], *arguments]

    def sinch(self, *, connector_id: int = 7, secret: str | None = SECRET, query: str = "", **variant: Any) -> Sinch:
        """A simulated Sinch that asks once, unless `retries` says otherwise."""
        url = f"https://{HOST}:{self.public_port}/api/whatsapp/accounts/{connector_id}/notify{query}"
        way: dict[str, Any] = {"ca_file": self.folder / "ca.pem", "connect_to": ("127.0.0.1", self.public_port)}
        way["timeout_seconds"] = PATIENCE_SECONDS
        return Sinch(url=url, secret=secret, **(way | {"retries": ONCE} | variant))

    def ask(self, target: str, *, host: str | None = None, **request: Any) -> Answer:
        """Any request to the public address."""
        route = dataclasses.replace(self.sinch().route, url=f"https://{HOST}:{self.public_port}/")
        return exchange(route, Request(target=target, host=host, **request))

    def ops_route(self, path: str) -> Route:
        url, ca_file = f"https://localhost:{self.ops_port}{path}", self.folder / "ca.pem"
        return Route(url=url, ca_file=ca_file, timeout_seconds=PATIENCE_SECONDS)

    def ops(self, path: str) -> Answer:
        return exchange(self.ops_route(path), Request(method="GET", headers=self.ops_headers))

    @property
    def log(self) -> str:
        return (self.folder / LOG).read_text("utf-8")

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log's whole lines; those that are not JSON (Python's last words) fail the test."""
        whole, _end, _being_written = self.log.rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def decisions(self, process: str, **fields: object) -> list[dict[str, Any]]:
        """The lines of `process` that have these fields."""
        return [
            line
            for line in self.lines
            if line.get("process") == process and all(line.get(name) == value for name, value in fields.items())
        ]

    def wait_for(self, condition: Callable[[], object], *, seconds: float = PATIENCE_SECONDS) -> Any:
        """Wait until `condition` gives something true, and return it."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"it did not come true within {seconds} s\n{self.last_words()}"
            os.sched_yield()
            _pause()
        return found

    def last_words(self) -> str:
        """The last lines of each process: those of one that says much hide no other's."""
        said: dict[str | None, list[str]] = {}
        for line in self.log.splitlines():
            named = re.match(r'\{"process": ?"(\w+)"', line)
            said.setdefault(named and named[1], []).append(line)
        return "\n".join(line for lines in said.values() for line in lines[-LAST_LINES:])

    def pid(self, part: str) -> int:
        """The process id of the part that `serve` started last under that name."""
        return int(self.decisions("serve", event="started", part=part)[-1]["pid"])

    def running_pid(self, part: str) -> int | None:
        """The same, if it is running right now."""
        pid = self.pid(part)
        return pid if Path(f"/proc/{pid}/cmdline").exists() and part.encode() in command_line(pid) else None

    def kill(self, part: str) -> None:
        """kill -9 a part and what it started."""
        pid = self.pid(part)
        for process in (pid, *children(pid)):
            with contextlib.suppress(ProcessLookupError):  # a worker's end came first
                os.kill(process, signal.SIGKILL)

    def reload(self) -> None:
        self.children[-1].signal(signal.SIGHUP)

    def ready_for_accidents(self) -> bool:
        """Whether `serve` takes the death of a part for an accident, no longer for a failed start."""
        [line] = self.decisions("serve", event="started", part="nginx")
        started = datetime.fromisoformat(line["at"])
        return (datetime.now(UTC) - started).total_seconds() > supervisor.NGINX_SECONDS

    def listening_ports(self) -> set[int]:
        """The TCP ports on which the gateway's processes listen."""
        parts = {line["part"] for line in self.decisions("serve", event="started")}
        family = {pid for part in parts for pid in family_of(self.pid(part))}
        sockets = {link for pid in family for link in socket_links(pid)}
        rows = [
            line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()
        ]
        listening = [row for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets]
        return {int(row[1].rpartition(":")[2], 16) for row in listening}

    def worker(self, part: str) -> int:
        """The process id of a gunicorn worker."""
        return int(self.wait_for(lambda: children(self.pid(part)))[0])

    def events(self, state: str | None = None) -> Sequence[sa.Row[Any]]:
        """The spool's events, in the order of acceptance."""
        query = sa.select(schema.event).order_by(schema.event.c.id)
        with contextlib.closing(self.spool()) as spool:
            rows = spool.read(lambda connection: connection.execute(query).all())
        return [row for row in rows if state in (None, row.state)]

    def claims(self) -> Sequence[sa.Row[Any]]:
        """The contacts of whom something is on its way to Motion right now."""
        query = sa.select(schema.lane).where(schema.lane.c.claimed_event.is_not(None))
        with contextlib.closing(self.spool()) as spool:
            return spool.read(lambda connection: connection.execute(query).all())

    def spool(self) -> Database:
        url = self.tables.get("spool", {}).get("url", "sqlite")
        return Database(self.folder / "state" / SPOOL if url == "sqlite" else url, patience_seconds=5)


@contextlib.contextmanager
def opened(*, started: bool = True, **tables: dict[str, Any] | list[Any]) -> Iterator[House]:
    """A gateway with these tables merged over the tests' own; nothing of it is left behind."""
    folder = Path(tempfile.mkdtemp(prefix="motion-gateway-test-"))
    folder.chmod(0o711)
    try:
        archive = Archive(folder / "archive", credentials=Credentials(username=MOTION_USER, password=MOTION_PASSWORD))
        archive.folder.mkdir()
        with Motion(archive=archive) as motion, reserve() as public, reserve() as ops:
            house = _furnish(folder, motion, archive, (public.getsockname()[1], ops.getsockname()[1]), tables)
            try:
                if "password" in house.tables.get("ops", {}):
                    house.ops_headers = (("authorization", basic(**house.tables["ops"])),)
                if started:
                    house.start()
                yield house
            finally:
                house.stop()
    finally:
        for path, folders, _files in os.walk(folder):  # from the top: what was hidden is seen before it is gone into
            for name in folders:
                with contextlib.suppress(OSError):
                    Path(path, name).chmod(0o700)
        shutil.rmtree(folder)


def basic(*, username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def children(pid: int) -> list[int]:
    """The process ids of the children of `pid`."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def family_of(pid: int) -> list[int]:
    return [pid, *(grandchild for child_pid in children(pid) for grandchild in family_of(child_pid))]


def socket_links(pid: int) -> list[str]:
    """What is open in it that is a socket."""
    found = []
    with contextlib.suppress(FileNotFoundError):  # it has ended
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.append(str(descriptor.readlink()))
    return [link for link in found if link.startswith("socket:")]


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


def _furnish(folder: Path, motion: Motion, archive: Archive, ports: tuple[int, int], tables: dict[str, Any]) -> House:
    public_port, ops_port = ports
    files = certificates.issue(folder, HOST, "localhost", "127.0.0.1")
    own: dict[str, Any] = {
        "server": {
            "public_url": f"https://{HOST}:{public_port}",
            "public_address": "127.0.0.1",
            "public_port": public_port,
            "http_port": 0,
            "ops_port": ops_port,
            "state_dir": str(folder / "state"),
            "certificate": str(files.certificate),
            "private_key": str(files.private_key),
        },
        "motion": {"url": motion.url, "username": MOTION_USER, "password": MOTION_PASSWORD},
        "account": [ACCOUNT],
        "limits": dict(UNLIMITED),
    }
    rows = {name: table for name, table in tables.items() if isinstance(table, list)}  # instead of our own
    merged = {name: own.get(name, {}) | table for name, table in tables.items() if isinstance(table, dict)}
    merged = own | merged | rows
    return House(folder, folder / "gateway.toml", merged, motion, archive, public_port, ops_port)


def _pause() -> None:
    # Looks at a condition of another process, which no lock of ours can tell of.
    time.sleep(0.02)
