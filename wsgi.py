"""Makes a door's application: for `motion-gateway web DOOR`, and for gunicorn: `gunicorn 'wsgi:door("ingress")'`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from flask import Flask

from gateway import app, config, doors, metrics, paths, services, telemetry
from gateway.config import Settings
from gateway.counters import SharedWindows
from gateway.doors import DOORS
from gateway.errors import SpoolUnavailable
from gateway.metrics import meter
from gateway.serving import heart


def door(name: str, settings: Settings | None = None, *, windows: SharedWindows | None = None) -> Flask:
    """Make the application of the door `name`; without `settings`, with those that a command would find.

    `windows`: those in which its workers count limits.

    Raises SettingsError; and SpoolUnavailable if the spool was not migrated, which `web` has looked at before.
    """
    told = settings or _settings(name)
    patience = services.DOOR_PATIENCE_SECONDS
    row = DOORS[name]
    metrics.keep(meter.opened(paths.counts(told), name))
    shared = services.build(told, needs=row.needs, patience_seconds=patience, first=row.writes_first, windows=windows)
    if settings is None:
        shared.spool.require_latest()
    with suppress(SpoolUnavailable):  # it may be there later
        shared.spool.hold()
    made = app.create_app(shared, door=name)
    heart.introduce(shared, name)
    for chore in row.chores:
        doors.load(chore)(shared)
    return made


def _settings(name: str) -> Settings:
    from gateway.cli import DEFAULT_CONFIG, Invocation  # as a command finds them; `web` has read its own

    telemetry.configure(name)
    return Invocation(Path(config.environment().get("MOTION_GATEWAY_CONFIG") or DEFAULT_CONFIG)).settings_of(name)
