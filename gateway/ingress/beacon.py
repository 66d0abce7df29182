"""Says to a balancer whether this node takes callbacks and serves files: yes or no, and nothing else.

Rule 1. Whoever asks, and however often, costs no more than one look in `SECONDS`: strangers may ask.
Rule 2. Nobody waits for a look that another has begun: what the one before came to is said meanwhile.
Rule 3. What only another node could do better counts. A courier that is away does not: the others deliver.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway import clock, draining, lock, paths
from gateway.doors import DOORS
from gateway.errors import SpoolUnavailable, Unavailable
from gateway.ingress import lifeboat
from gateway.phrases import Reason
from gateway.services import Services

SECONDS = 2.0  # as long as an answer is believed


class Beacon:
    """Answers for one process."""

    def __init__(self, services: Services, *, steady: Callable[[], float] = clock.steady) -> None:
        self._services, self._steady = services, steady
        self._ferry = lifeboat.made(services.settings, services.spool, steady=clock.SteadyClock())
        self._trouble: Reason | None = None
        self._until = 0.0

    def require_well(self) -> None:
        """Raises Unavailable where a balancer should ask another node."""
        if self._steady() >= self._until:
            self._until = self._steady() + SECONDS
            self._trouble = self._look()
        if draining.is_draining(self._services.settings):
            raise Unavailable(Reason.DRAINING)
        if self._trouble:
            raise Unavailable(self._trouble)

    def _look(self) -> Reason | None:
        settings = self._services.settings
        try:
            self._ferry.require_open()
        except SpoolUnavailable as error:
            return error.reason
        files = DOORS["attachments"]
        if files.is_wanted(settings) and not lock.is_listening(paths.socket(settings, files.name)):
            return Reason.FILES_SHUT
        return None
