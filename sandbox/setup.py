"""Builds the folder of a sandbox: certificates, secrets, settings, state; everything goes when the sandbox ends."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox import certificates
from sandbox import state as states
from sandbox.archive import Credentials
from sandbox.certificates import Files
from sandbox.conversation.account import Key
from sandbox.listener import reserve
from sandbox.state import State

PUBLIC_HOST = "gateway.example.test"
CONNECTOR_ID = 7

_SETTINGS = """\
# Written by `python -m sandbox play`: a gateway on loopback between a simulated Sinch and a simulated Motion.
[server]
public_url = "{state.public_url}"
public_address = "127.0.0.1"
public_port = {state.public_port}
http_port = 0
ops_address = "127.0.0.1"
ops_port = {state.ops_port}
state_dir = "{folder}/state"
certificate = "{files.certificate}"
private_key = "{files.private_key}"
{outbound}
[motion]
url = "{state.motion_url}"
username = "{credentials.username}"
password_file = "{folder}/motion-password"

[attachments]
proxy_token_file = "{folder}/proxy-token"
token_keys_file = "{folder}/token-keys"

[[account]]
connector_id = {state.connector_id}
name = "Sandbox support"
region = "{states.REGION}"
project_id = "{state.project_id}"
app_id = "{state.app_id}"
phone = "+{state.app.phone}"
webhook_secrets_file = "{folder}/webhook-secret"
"""

_OUTBOUND = """\
outbound_address = "{states.OUTBOUND_ADDRESS}"
outbound_port = {state.outbound_port}
outbound_clients = ["{states.MOTION_ADDRESS}"]
outbound_names = ["{states.OUTBOUND_HOST}"]
"""

_SINCH = """
[sinch]
eu = "{sinch.eu}"
us = "{sinch.us}"
auth = "{sinch.auth}"
ca_file = "{files.ca}"
"""


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """Where a simulated Conversation API is, its control, and Motion's key; its certificate is that of the setup."""

    eu: str
    us: str
    auth: str
    control_url: str
    key: Key


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A built sandbox folder."""

    folder: Path
    state: State
    state_file: Path
    files: Files
    credentials: Credentials  # the gateway's at Motion


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
            state = _state(folder, sinch, motion_url=motion_url, control_url=control_url)
            places = {"public_port": public, "ops_port": ops, "outbound_port": outbound}
            ports = {name: place.getsockname()[1] for name, place in places.items()}
            url = f"https://{PUBLIC_HOST}:{ports['public_port']}"
            yield _furnish(folder, dataclasses.replace(state, public_url=url, **ports), sinch)
    finally:
        shutil.rmtree(folder)


def _state(folder: Path, sinch: Vendor | None, *, motion_url: str, control_url: str) -> State:
    return State(
        public_url="",
        public_port=0,
        ops_port=0,
        outbound_port=0,
        connector_id=CONNECTOR_ID,
        secret=secrets.token_urlsafe(32),
        ca_file=str(folder / "ca.pem"),
        config_file=str(folder / "gateway.toml"),
        log_file=str(folder / "gateway.log"),
        motion_url=motion_url,
        control_url=control_url,
        proxy_token=secrets.token_urlsafe(24),
        attachments=str(folder / "attachments"),
        sinch_control_url=sinch.control_url if sinch else "",
        key_id=sinch.key.key_id if sinch else "",
        key_secret=sinch.key.key_secret if sinch else "",
    )


def _furnish(folder: Path, state: State, sinch: Vendor | None) -> Setup:
    folder.chmod(0o711)  # nginx's workers may run as somebody else and must reach their sockets
    (folder / "state").mkdir(mode=0o711)
    Path(state.attachments).mkdir(mode=0o700)
    credentials = Credentials(username="gateway", password=secrets.token_urlsafe(24))
    names = (PUBLIC_HOST, states.OUTBOUND_HOST, "localhost", "127.0.0.1")
    files = certificates.issue(folder, *names)
    secret_files = {
        "webhook-secret": state.secret,
        "motion-password": credentials.password,
        "proxy-token": state.proxy_token,
        "token-keys": secrets.token_urlsafe(32),
    }
    for name, secret in secret_files.items():
        certificates.write_secret(folder / name, secret.encode())
    settings = _settings(folder, state, sinch, files=files, credentials=credentials)
    Path(state.config_file).write_text(settings, "utf-8")
    state_file = states.write(state, folder)
    return Setup(folder=folder, state=state, state_file=state_file, files=files, credentials=credentials)


def _settings(folder: Path, state: State, sinch: Vendor | None, *, files: Files, credentials: Credentials) -> str:
    outbound = _OUTBOUND.format(state=state, states=states) if sinch else ""
    written = _SETTINGS.format(
        folder=folder, state=state, files=files, credentials=credentials, outbound=outbound, states=states
    )
    return written + (_SINCH.format(sinch=sinch, files=files) if sinch else "")
