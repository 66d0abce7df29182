"""What a door answers to a request that its server cannot read: as the door itself refuses, and nothing of it is told.

nginx passes more than gunicorn takes. Gunicorn would answer with a page that quotes the request, and log it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from socket import socket
from typing import ClassVar

from gunicorn.http.errors import ParseException

from gateway import errors, telemetry
from gateway.app import HEADERS
from gateway.outbound.refusals import Refused


def _answer(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    told = {**headers, **HEADERS, "Content-Length": str(len(body)), "Connection": "close"}
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


NOT_FOUND = _answer(404, {"Content-Type": "application/json"}, errors.body(404))
_malformed = Refused("REQUEST_MALFORMED")
MALFORMED = _answer(_malformed.status, _malformed.headers, _malformed.body)


class Refusing:
    """Mixed into gunicorn's workers."""

    answer: ClassVar[bytes] = NOT_FOUND

    def handle_error(self, _request: object, client: socket, _address: object, error: Exception) -> None:
        """Of anything but an unreadable request nobody knows what came of it: nginx, without an answer, says so."""
        if not isinstance(error, ParseException):
            telemetry.failure("unexpected", error)
            return
        telemetry.note("gunicorn", message="request refused", fault=type(error).__name__)
        with suppress(OSError):
            client.sendall(self.answer)
