"""Room for so many calls at the same time, and a little patience for who comes while there is none.

A burst of messages is let in as others are answered; where nobody is, whoever comes too many is told at once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from gateway import clock
from gateway.sinch import SinchError, Trouble

PATIENCE_SECONDS = 2.0  # to come in, and for anybody to come or go until it is given up


class Bulkhead:
    """Holds back the calls that are too many. Safe to use from several threads."""

    def __init__(self, most: int, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._free = most
        self._patience_seconds = patience_seconds
        self._changed = threading.Condition()
        self._moved_at = clock.steady()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold one place for as long as the context lasts. Raises SinchError when there is none."""
        self._take()
        try:
            yield
        finally:
            self._leave()

    def _take(self) -> None:
        with self._changed:
            left = self._moved_at + self._patience_seconds - clock.steady()
            if not self._changed.wait_for(lambda: self._free > 0, max(left, 0)):
                raise SinchError(Trouble.BUSY)
            self._move(-1)

    def _leave(self) -> None:
        with self._changed:
            self._move(+1)
            self._changed.notify()

    def _move(self, freed: int) -> None:
        self._free += freed
        self._moved_at = clock.steady()
