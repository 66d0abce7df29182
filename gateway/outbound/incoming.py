"""A request at the third door, as WSGI hands it over, whoever has brought it."""

from __future__ import annotations

import select
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from wsgiref.types import WSGIEnvironment

from werkzeug.wsgi import get_input_stream

from gateway import telemetry
from gateway.doors import MOST_CALL_BYTES


@dataclass(slots=True)
class HttpCall:
    """A request, whoever brings it, and what will stand in the log of it.

    `fate`: the code of the refusal that stays true whatever happens; none where nothing may have been done.
    """

    environ: WSGIEnvironment
    entry: telemetry.LogEntry
    fate: str | None = None

    @property
    def target(self) -> str:
        return str(self.environ.get("RAW_URI", ""))

    def header(self, name: str) -> str | None:
        """Give a header's value, if the request has it."""
        found = self.environ.get(_key(name))
        return None if found is None else str(found)

    def body(self) -> bytes:
        """Read it. Raises HTTPException, where it is too large, or is not all there."""
        return get_input_stream(self.environ, max_content_length=MOST_CALL_BYTES).read()

    def given(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """Give those of the headers that it has."""
        return [(name, value) for name in names if (value := self.header(name)) is not None]

    def has_ended(self) -> bool:
        """Tell whether nginx has closed the connection that it came by, as it does as soon as its client has.

        Of a request that came by none nobody knows.
        """
        connection: socket.socket | None = self.environ.get("gunicorn.socket")
        if connection is None:
            return False
        said = select.poll()
        try:
            said.register(connection, select.POLLIN)
            return bool(said.poll(0)) and connection.recv(1, socket.MSG_PEEK) == b""
        except (OSError, ValueError):  # it broke, or is closed on our side
            return True


def _key(name: str) -> str:
    """Where WSGI has a header (PEP 3333)."""
    key = name.upper().replace("-", "_")
    return key if key == "CONTENT_TYPE" else f"HTTP_{key}"
