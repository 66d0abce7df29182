"""COMMITs to a PostgreSQL server, of which none is begun while another has no answer.

A server whose synchronous standby is away has each COMMIT wait, and keeps its connection for as long, whoever has left
it: a hundred of them, and nobody gets in any more, an operator neither. So who has left one asks for no second.
"""

from __future__ import annotations

import os
import select

from gateway import clock
from gateway.errors import SpoolUnavailable
from gateway.phrases import Reason
from gateway.store import postgres

LONGEST_SECONDS = 60.0  # who says nothing for so long may be no server any more, and another the primary


class Commits:
    """Those of a process, one at a time."""

    def __init__(self) -> None:
        self._left = -1  # the socket on which the answer would come to the one that was left
        self._left_at = 0.0

    def require_answered(self) -> None:
        """Raises SpoolUnavailable while one that was left has no answer: the next would have none either."""
        if self._left < 0:
            return
        poll = select.poll()
        poll.register(self._left, select.POLLIN)
        if not poll.poll(0) and clock.steady() - self._left_at < LONGEST_SECONDS:
            raise SpoolUnavailable(Reason.SPOOL_SILENT)
        self.close()

    def commit(self, connection: postgres.Punctual) -> None:
        """Commit, and return once that is safe. Raises SpoolUnavailable; and what the driver says."""
        socket = os.dup(connection.fileno())  # open yet where the connection is left
        try:
            postgres.commit(connection)
        except SpoolUnavailable:
            self._left, self._left_at, socket = socket, clock.steady(), -1
            raise
        finally:
            if socket >= 0:
                os.close(socket)

    def close(self) -> None:
        """Ask for the answer no more."""
        if self._left >= 0:
            os.close(self._left)
            self._left = -1
