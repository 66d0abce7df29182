"""Builds the folder of a sandbox: certificates, secrets, settings, state; everything goes when the sandbox ends."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import certificates
from sandbox import state as states
from sandbox.archive import Credentials
from sandbox.certificates import Files
from sandbox.conversation.account import Key
from sandbox.listener import reserve
from sandbox.state import State

_SETTINGS = Path(__file__).parent / "data" / "gateway.toml"
_OF_THE_DOOR_TO_SINCH = re.compile(r"^outbound_.*\n|^key_.*\n|^\[(sinch|inbound)\]\n(.+\n)*", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """Where a simulated Conversation API is, its control, and Motion's key; its certificate is that of the setup."""

    eu: str
    us: str
    auth: str
    control_url: str
    key: Key
    media: str = "https://127.0.0.1:1"  # the host of what customers send


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A built sandbox folder."""

    state: State
    state_file: Path
    files: Files
    credentials: Credentials  # the gateway's at Motion

    @property
    def folder(self) -> Path:
        return Path(self.state.folder)


@contextlib.contextmanager
def built(
    *, motion_url: str, control_url: str, sinch: Vendor | None = None, root: Path | None = None
) -> Iterator[Setup]:
    """A fresh folder in `root` (the system's own for such files) with all that a gateway needs; removed at the end.

    Without `sinch` there is no door to it. The ports stay reserved meanwhile: nginx, which sets SO_REUSEADDR, can
    listen there and others cannot.
    """
    folder = Path(tempfile.mkdtemp(prefix=states.FOLDER_PREFIX, dir=root))
    try:
        with reserve() as public, reserve() as ops, reserve(states.OUTBOUND_ADDRESS) as outbound:
            state = State(
                folder=str(folder),
                public_port=public.getsockname()[1],
                ops_port=ops.getsockname()[1],
                outbound_port=outbound.getsockname()[1],
                secret=secrets.token_urlsafe(32),
                proxy_token=secrets.token_urlsafe(24),
                motion_url=motion_url,
                control_url=control_url,
                sinch_control_url=sinch.control_url if sinch else "",
                media_url=sinch.media if sinch else "",
                key_id=sinch.key.key_id if sinch else "",
                key_secret=sinch.key.key_secret if sinch else "",
            )
            yield _furnish(state, sinch)
    finally:
        shutil.rmtree(folder)


def _furnish(state: State, sinch: Vendor | None) -> Setup:
    folder = Path(state.folder)
    folder.chmod(0o711)  # nginx's workers may run as somebody else and must reach their sockets
    (folder / "state").mkdir(mode=0o711)
    state.attachments.mkdir(mode=0o700)
    credentials = Credentials(username="gateway", password=secrets.token_urlsafe(24))
    files = certificates.issue(folder, states.PUBLIC_HOST, states.OUTBOUND_HOST, "localhost", "127.0.0.1")
    secret_files = {
        "webhook-secret": state.secret,
        "motion-password": credentials.password,
        "proxy-token": state.proxy_token,
        "token-keys": secrets.token_urlsafe(32),
        "sinch-key": state.key_secret,
    }
    for name, secret in secret_files.items():
        certificates.write_secret(folder / name, secret.encode())
    settings = _SETTINGS.read_text("utf-8") if sinch else _OF_THE_DOOR_TO_SINCH.sub("", _SETTINGS.read_text("utf-8"))
    known = {"state": state, "states": states, "files": files, "credentials": credentials, "sinch": sinch}
    state.config_file.write_text(settings.format(**known), "utf-8")
    return Setup(state=state, state_file=states.write(state), files=files, credentials=credentials)


def changed(settings: Path, **told: Mapping[str, Any]) -> str:
    """The settings of that file, with these values of some tables instead."""
    tables: dict[str, Any] = tomllib.loads(settings.read_text("utf-8"))
    for name, table in told.items():
        tables[name] = tables.get(name, {}) | dict(table)
    return toml(tables)


def toml(tables: Mapping[str, Any]) -> str:
    """These tables in TOML; JSON writes scalars and lists of them the same way."""
    lines: list[str] = []
    for name, table in tables.items():
        for row in table if isinstance(table, list) else [table]:
            lines.append(f"[[{name}]]" if isinstance(table, list) else f"[{name}]")
            lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in row.items()]
    return "\n".join(lines) + "\n"
