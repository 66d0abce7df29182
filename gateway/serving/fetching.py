"""The fetcher's process: fetches what customers send in until a signal comes; with nothing to fetch it only waits."""

from __future__ import annotations

from contextlib import suppress

from gateway import bell, lock, metrics, paths, services, telemetry
from gateway.clock import Clock, SteadyClock
from gateway.config import Settings
from gateway.errors import SpoolUnavailable
from gateway.metrics import meter
from gateway.phrases import Line
from gateway.serving import descriptors, opening, process

NAME = "fetcher"


def run(settings: Settings, *, clock: Clock | None = None) -> None:
    """Fetch until told to stop; by a clock that does not jump.

    Raises SpoolUnavailable if the spool was not migrated, CommandError if there is a fetcher already.
    """
    telemetry.configure(NAME, never_waits=True)
    if not settings.fetches:
        telemetry.note(Line.FETCHER_IDLE)
        process.Signals(process.STOPPING).next(lambda: None)
        return
    from gateway.inbound.fetcher import Fetcher, Library  # not above: who only waits needs none of it

    descriptors.allow()
    shared = services.build(settings)
    with opening.unless_it_passes():
        shared.spool.require_latest()
    with suppress(SpoolUnavailable):  # it may be there later
        shared.spool.hold()
    with lock.only_one(paths.lock(settings, NAME), NAME):
        metrics.keep(meter.opened(paths.counts(settings), NAME))
        own = clock or (shared.clock if shared.spool.is_shared else SteadyClock())
        library = Library(settings, shared.spool, clock=own)
        courier = paths.socket(settings, "courier")
        fetcher = Fetcher(shared, library, clock=own, settled=lambda: bell.ring(courier))
        process.Signals(process.STOPPING).on_first(fetcher.stop)
        with lock.beating(paths.lock(settings, NAME)), bell.heard(paths.socket(settings, NAME), fetcher.wake):
            fetcher.run()
        library.close()
    shared.spool.close()
