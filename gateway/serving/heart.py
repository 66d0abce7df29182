"""Says for a node that it is there, and what its doors work with; and tells the log what is not well with the others.

Where the spool is shared: of a file's gateway there is one.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gateway import clock, draining, services, telemetry
from gateway.config import databases, marks
from gateway.doors import DOORS
from gateway.errors import SpoolUnavailable
from gateway.phrases import Line
from gateway.store import nodes

AGAIN_SECONDS = 1.0  # after a beat that the spool did not take
LAST_SECONDS = 5.0  # that a beat may take which is under way at the end


class Heart:
    """Beats for a node in a thread of its own."""

    def __init__(self, shared: services.Services) -> None:
        self._settings, self._spool, self._clock = shared.settings, shared.spool, shared.clock
        self._instance, self._beaten = secrets.token_hex(16), False
        self._node = nodes.here(shared.settings, seen_at=0.0)
        self._faults: set[nodes.Fault] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Beat for as long as this lasts, where there may be others, and say at the end that it is over."""
        if not databases.is_shared(self._settings.spool.url):
            yield
            return
        self._thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            self._thread.join(LAST_SECONDS)
            self.leave()

    def leave(self) -> None:
        """Say that the node stops in good order, as far as the spool takes it now."""
        with suppress(SpoolUnavailable):
            nodes.leave(self._spool, self._node.name, instance=self._instance, now=self._clock.now())

    def beat(self) -> None:
        """Say that it is there, and tell of the others what is new. Raises SpoolUnavailable."""
        now = self._clock.now()
        drains = draining.is_draining(self._settings)
        nodes.beat(self._spool, self._node, now=now, instance=self._instance, again=self._beaten, draining=drains)
        self._beaten = True
        self._tell({*nodes.peers(self._spool, self._node.name, now=now).faults()})

    def _run(self) -> None:
        pause = 0.0
        wanted = {door.name for door in DOORS.values() if door.is_wanted(self._settings)}
        while not self._stopping.wait(pause):
            try:
                if not self._beaten:
                    nodes.close(self._spool, self._node.name, wanted)
                self.beat()
                pause = nodes.BEAT_SECONDS
            except SpoolUnavailable:  # which the courier tells
                pause = AGAIN_SECONDS
            except Exception as error:  # noqa: BLE001 - a thread's last word; the next beat may come
                telemetry.failure(Line.UNEXPECTED, error)
                pause = nodes.BEAT_SECONDS

    def _tell(self, faults: set[nodes.Fault]) -> None:
        for fault in sorted(faults - self._faults, key=str):
            told = {name: fact for name, fact in fault.facts.items() if name not in ("me", "meaning")}
            telemetry.find(fault.finding, node=fault.node, **told)
        for fault in sorted(self._faults - faults, key=str):
            telemetry.note(Line.NODE_IS_WELL, finding=fault.finding, node=fault.node, about=fault.about)
        self._faults = faults


def introduce(shared: services.Services, door: str) -> None:
    """Say in a thread what a door's process works with, again and again until the spool takes it."""

    def say() -> None:
        try:
            nodes.mark(shared.spool, shared.settings.server.node, door, marks.made(shared.settings, door))
        except SpoolUnavailable:
            clock.later(nodes.BEAT_SECONDS, say)
        except Exception as error:  # noqa: BLE001 - a thread's last word; the door serves all the same
            telemetry.failure(Line.UNEXPECTED, error)

    if databases.is_shared(shared.settings.spool.url):
        clock.later(0.0, say)
