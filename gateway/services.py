"""What the doors and the courier share, built once for a process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.attachments.shelf import Shelf
from gateway.clock import Clock, SteadyClock, WallClock
from gateway.config import Settings
from gateway.errors import CommandError
from gateway.limits import Limiter
from gateway.sinch.client import Sinch
from gateway.store import engines
from gateway.store.engines import Database

# Sinch is said to give up on an answer after some 15 s, and asks for one in 1 or 2.
DOOR_PATIENCE_SECONDS = 2.0
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Services:
    settings: Settings
    spool: Database
    limits: Limiter
    clock: Clock
    shelf: Shelf
    sinch: Sinch


def build(settings: Settings, *, patience_seconds: float = PATIENCE_SECONDS) -> Services:
    """`patience_seconds`: how long to wait for a spool that another process is writing to."""
    spool, clock = Database(spool_path(settings), patience_seconds=patience_seconds), WallClock()
    return Services(
        settings=settings,
        spool=spool,
        limits=Limiter(settings.limits.storage, clock=SteadyClock()),
        clock=clock,
        shelf=Shelf(settings, spool, vault_dir(settings), clock=clock),
        sinch=Sinch(settings.sinch, clock=SteadyClock()),
    )


def spool_path(settings: Settings) -> Path:
    return settings.server.state_dir / engines.FILE_NAME


def vault_dir(settings: Settings) -> Path:
    """Where the files of attachments are; nginx's workers may read what is in it."""
    return settings.server.state_dir / "vault"


def run_dir(settings: Settings) -> Path:
    """Where the doors' sockets and the rendered nginx configuration are."""
    return settings.server.state_dir / "run"


def socket_path(settings: Settings, door: str) -> Path:
    return run_dir(settings) / f"{door}.sock"


def courier_lock(settings: Settings) -> Path:
    """Held by the courier for as long as it lives."""
    return settings.server.state_dir / "courier.lock"


def door_lock(settings: Settings, door: str) -> Path:
    """Held by `door` for as long as it lives."""
    return settings.server.state_dir / f"{door}.lock"


def serve_lock(settings: Settings) -> Path:
    """Held by `serve` for as long as it lives."""
    return settings.server.state_dir / "serve.lock"


def require_same_state(before: Settings, after: Settings) -> None:
    """Raises CommandError where the state of a running gateway would move: its locks and sockets are there."""
    if after.server.state_dir != before.server.state_dir:
        raise CommandError(
            f"server.state_dir is {before.server.state_dir} for as long as the gateway runs; stop it to change that"
        )
