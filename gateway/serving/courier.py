"""Runs the courier until it is told to stop."""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable

from gateway import lock, paths, services, telemetry
from gateway.clock import SteadyClock
from gateway.config import Settings
from gateway.delivery.courier import Courier
from gateway.store import migrator
from gateway.upstream import Upstream


def run(settings: Settings) -> None:
    """Raises SpoolUnavailable if the spool was not migrated, CommandError if there is a courier already."""
    telemetry.configure("courier")
    shared = services.build(settings)
    migrator.require_latest(shared.spool)
    motion = Upstream(settings.motion.url, ca_file=settings.motion.ca_file, connections=settings.spool.deliveries)
    with lock.only_one(paths.lock(settings, "courier"), "courier"):
        carrier = Courier(settings, shared.spool, motion, clock=SteadyClock())
        stop_on_signals(carrier.stop)
        carrier.run()
    motion.close()
    shared.spool.close()


def stop_on_signals(stop: Callable[[], None]) -> None:
    """Call `stop`, in a thread of its own, once SIGTERM or SIGINT has come."""
    # A handler interrupts whatever the main thread does, and that may hold the very lock that `stop` asks for.
    asked: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _frame: asked.put(got))

    def wait() -> None:
        asked.get()
        stop()

    threading.Thread(target=wait, daemon=True).start()
