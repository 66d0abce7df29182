"""A door with a clock that is wrong: `python -m tests.live.skewed_door CONFIG SECONDS [DOOR]`, the first by default."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from gateway import app, config, services, telemetry
from gateway.clock import WallClock
from gateway.config import Settings
from gateway.doors import DOORS
from gateway.serving.web import Server

DOOR = sys.argv[3] if len(sys.argv) > 3 else "ingress"


@dataclass(frozen=True)
class Skewed(WallClock):
    seconds: float

    def now(self) -> float:
        return super().now() + self.seconds


class SkewedServer(Server):
    def make(self, settings: Settings) -> Flask:
        shared = services.build(settings, needs=DOORS[DOOR].needs)
        return app.create_app(dataclasses.replace(shared, clock=Skewed(float(sys.argv[2]))), door=DOOR)


if __name__ == "__main__":
    telemetry.configure(DOOR)
    SkewedServer(DOOR, lambda: config.load(Path(sys.argv[1]), {})).run()
