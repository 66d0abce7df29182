"""The ingress door with a clock that is wrong: `python -m tests.live.skewed_door CONFIG SECONDS`."""

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


@dataclass(frozen=True)
class Skewed(WallClock):
    seconds: float

    def now(self) -> float:
        return super().now() + self.seconds


class SkewedServer(Server):
    def make(self, settings: Settings) -> Flask:
        shared = services.build(settings, needs=DOORS["ingress"].needs)
        return app.create_app(dataclasses.replace(shared, clock=Skewed(float(sys.argv[2]))), door="ingress")


if __name__ == "__main__":
    telemetry.configure("ingress")
    SkewedServer("ingress", lambda: config.load(Path(sys.argv[1]), {})).run()
