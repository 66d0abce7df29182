"""What one running sandbox is made of, kept in its folder so that the commands need not be told.

The file holds the webhook secret, the proxy token and Motion's key at Sinch: mode 600, and only files of the same user
are believed.
"""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sandbox import agent as agents
from sandbox import attachment, certificates, retries
from sandbox.agent import Agent
from sandbox.callbacks import App
from sandbox.connection import Line, Route
from sandbox.conversation.account import Key
from sandbox.fetching import Fetcher, Habit
from sandbox.inbox import Inbox
from sandbox.sinch import Sinch

FILE_NAME = "sandbox.json"
FOLDER_PREFIX = "motion-gateway-"
PUBLIC_HOST = "gateway.example.test"
OUTBOUND_ADDRESS = "127.0.0.2"  # a loopback address of its own: the door to Sinch is nowhere near the public one
OUTBOUND_HOST = "gateway.internal.example.test"  # the name by which Motion alone calls the gateway
MOTION_ADDRESS = "127.0.0.1"
REGION = "eu"


class StateError(Exception):
    """There is no sandbox to speak to; the message is for the user."""


@dataclass(frozen=True, kw_only=True)
class State:
    """Folder, ports, addresses and secrets of a sandbox; its simulated Sinch waits `speed` times shorter for retries.

    The key is Motion's own at Sinch.
    """

    folder: str
    public_port: int
    ops_port: int
    outbound_port: int
    secret: str = dataclasses.field(repr=False)
    proxy_token: str = dataclasses.field(repr=False)
    motion_url: str
    control_url: str
    sinch_control_url: str
    media_url: str
    key_id: str
    key_secret: str = dataclasses.field(repr=False)
    connector_id: int = 7
    app_id: str = App.app_id
    project_id: str = App.project_id
    speed: float = 20

    @property
    def ca_file(self) -> Path:
        return Path(self.folder, "ca.pem")

    @property
    def config_file(self) -> Path:
        return Path(self.folder, "gateway.toml")

    @property
    def log_file(self) -> Path:
        return Path(self.folder, "gateway.log")

    @property
    def attachments(self) -> Path:
        """Where those of its simulated Motion lie."""
        return Path(self.folder, "attachments")

    @property
    def public_url(self) -> str:
        return f"https://{PUBLIC_HOST}:{self.public_port}"

    @property
    def webhook_url(self) -> str:
        return f"{self.public_url}{self._notify_path}"

    @property
    def motion_notify_url(self) -> str:
        """Where Motion itself takes callbacks."""
        return f"{self.motion_url}{self._notify_path}"

    @property
    def media_host(self) -> str:
        """Where Sinch has what customers send: host and port."""
        return urlsplit(self.media_url).netloc

    @property
    def operations_url(self) -> str:
        """The gateway's own page."""
        return f"https://localhost:{self.ops_port}/"

    @property
    def _notify_path(self) -> str:
        return f"/api/whatsapp/accounts/{self.connector_id}/notify"

    @property
    def outbound_url(self) -> str:
        """The gateway's door to Sinch, before a region."""
        return f"https://{OUTBOUND_HOST}:{self.outbound_port}"

    @property
    def app(self) -> App:
        return App(app_id=self.app_id, project_id=self.project_id)

    def link(self, attachment_id: int) -> str:
        """What its Motion sends to Sinch instead of this attachment."""
        return attachment.link(self.public_url, attachment_id, token=self.proxy_token)

    def agent(self) -> Agent:
        """Somebody at its Motion, who reaches Sinch through this sandbox's gateway."""
        way = agents.by_base_url(
            self.outbound_url,
            REGION,
            ca_file=self.ca_file,
            connect_to=(OUTBOUND_ADDRESS, self.outbound_port),
            source_address=MOTION_ADDRESS,
        )
        key = Key(key_id=self.key_id, key_secret=self.key_secret)
        return Agent(way, key=key, app=self.app, link=self.link)

    def fetcher(self, habit: Habit = "get") -> Fetcher:
        """Somebody who fetches from this sandbox's gateway, each time from another address of this machine."""
        return Fetcher(
            habit=habit,
            ca_file=self.ca_file,
            connect_to=("127.0.0.1", self.public_port),
            source_addresses=("127.0.0.1", "127.0.0.2", "127.0.0.3"),
        )

    def inbox(self) -> Inbox:
        """Of its Motion, which reaches the gateway's private side, and Sinch's media while it has an internet."""
        inside = Line(
            ca_file=self.ca_file,
            connect_to=(OUTBOUND_ADDRESS, self.outbound_port),
            source_address=MOTION_ADDRESS,
        )
        return Inbox(
            private={OUTBOUND_HOST: inside},
            internet={self.media_host: Line(ca_file=self.ca_file)},
        )

    def sinch(self) -> Sinch:
        """A simulated Sinch that calls this sandbox's gateway."""
        return Sinch(
            url=self.webhook_url,
            secret=self.secret,
            ca_file=self.ca_file,
            connect_to=("127.0.0.1", self.public_port),
            retries=retries.Retries(speed=self.speed),
        )

    def ready_route(self) -> Route:
        """Where the gateway says that it is ready."""
        return Route(url=f"https://127.0.0.1:{self.ops_port}/readyz", ca_file=self.ca_file, timeout_seconds=5)


def write(state: State) -> Path:
    """Put it into its folder; returns the file's path."""
    path = Path(state.folder, FILE_NAME)
    certificates.write_secret(path, json.dumps(dataclasses.asdict(state), indent=2).encode())
    return path


def read(path: Path | None = None) -> State:
    """The state in that file, or of the newest sandbox. Raises StateError."""
    found = path or newest()
    try:
        return State(**json.loads(found.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise StateError(f"{found} is not the state of a sandbox: {error}") from error


def newest(root: Path | None = None) -> Path:
    """The state file of this user's newest sandbox. Raises StateError where none is there."""
    pattern = f"{FOLDER_PREFIX}*/{FILE_NAME}"
    found = [path for path in (root or Path(tempfile.gettempdir())).glob(pattern) if _is_ours(path)]
    if not found:
        raise StateError("no sandbox is running: start one with `make run`, or name its state file with --state")
    return max(found, key=lambda path: path.stat().st_mtime_ns)


def _is_ours(path: Path) -> bool:
    try:
        return path.lstat().st_uid == os.getuid()
    except OSError:
        return False  # It went away meanwhile, or lies in somebody else's folder.
