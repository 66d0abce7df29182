"""Runs the courier until it is told to stop."""

from __future__ import annotations

from gateway import lock, paths, services, telemetry
from gateway.clock import SteadyClock
from gateway.config import Settings
from gateway.delivery.courier import Courier
from gateway.motion.notify import Notifier
from gateway.serving.process import STOPPING, Signals


def run(settings: Settings) -> None:
    """Deliver until a signal comes, and finish what is in flight.

    Raises SpoolUnavailable if the spool was not migrated, CommandError if there is a courier already.
    """
    telemetry.configure("courier")
    shared = services.build(settings)
    shared.spool.require_latest()
    motion = Notifier(settings)
    with lock.only_one(paths.lock(settings, "courier"), "courier"):
        carrier = Courier(settings, shared.spool, motion, clock=SteadyClock())
        Signals(STOPPING).on_first(carrier.stop)
        carrier.run()
    motion.close()
    shared.spool.close()
