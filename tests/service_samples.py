"""Services made by hand: a clock that is set, a spool of the test's own, limits in memory."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from gateway import paths
from gateway.attachments.fetch import Shelf
from gateway.config import Settings
from gateway.limits import Limiter
from gateway.services import Services
from gateway.sinch.client import Sinch
from gateway.store.engines import Database
from gateway.store.turned_away import Ring
from tests import config_samples
from tests.spool_samples import folder_of

NOW = 1_700_000_000.0


class HandClock:
    """A clock that stands still until somebody moves it."""

    def __init__(self, now: float = NOW) -> None:
        self.asked = Counter[int]()  # how often each thread looked
        self._now = now
        self._guard = threading.Lock()

    def now(self) -> float:
        with self._guard:
            self.asked[threading.get_ident()] += 1
            return self._now

    def advance(self, seconds: float) -> None:
        with self._guard:
            self._now += seconds


def services(spool: Database, *, clock: HandClock | None = None, **tables: Any) -> Services:
    """Services on `spool`, with the settings of `config_samples.settings(**tables)`; its folder is the state."""
    tables["server"] = {"state_dir": str(folder_of(spool))} | tables.get("server", {})
    settings: Settings = config_samples.settings(**tables)
    chosen = clock or HandClock()
    shelf = Shelf(settings, spool, paths.vault(settings), clock=chosen)
    limits = Limiter(settings.limits.storage, clock=chosen)
    ring = Ring(spool, clock=chosen, later=lambda _seconds, _work: None)
    return Services(settings, spool, ring, limits, chosen, shelf, Sinch(settings.sinch, clock=chosen))
