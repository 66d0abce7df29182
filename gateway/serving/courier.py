"""Runs the courier until it is told to stop."""

from __future__ import annotations

import signal

from gateway import lock, services, telemetry
from gateway.clock import SteadyClock
from gateway.config import Settings
from gateway.delivery.courier import Courier
from gateway.spool import migrator
from gateway.upstream import Upstream


def run(settings: Settings) -> None:
    """Raises SpoolUnavailable if the spool was not migrated, CommandError if there is a courier already."""
    telemetry.configure("courier")
    shared = services.build(settings)
    migrator.require_latest(shared.spool)
    motion = Upstream(settings.motion.url, ca_file=settings.motion.ca_file, connections=settings.spool.deliveries)
    with lock.only_one(services.courier_lock(settings), "courier"):
        carrier = Courier(settings, shared.spool, motion, clock=SteadyClock())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: carrier.stop())
        carrier.run()
    motion.close()
    shared.spool.close()
