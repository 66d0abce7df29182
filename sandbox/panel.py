"""Control endpoints of a simulator, on a loopback port of their own, and the client that speaks to them.

They live apart from the simulator's own ports so that they answer while it is down, and so that it has no path that
the real one lacks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from sandbox.connection import Answer, Request, Route, exchange
from sandbox.listener import Listener
from sandbox.mode import Mode
from sandbox.wire import Heard, Wire

Rows = Mapping[tuple[str, str], Callable[[bytes], object]]


class ControlError(Exception):
    """The simulator could not be reached, or refused; the message is for the user."""


class Panel:
    """The server's side; a context manager around a running simulator. A row's ValueError and the like are 400."""

    def __init__(self, rows: Rows, *, port: int = 0) -> None:
        self._rows = rows
        self._listener = Listener(self._respond, complain=lambda _: None, port=port)

    def __enter__(self) -> Self:
        self._listener.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.release()

    @property
    def url(self) -> str:
        host, port = self._listener.address
        return f"http://{host}:{port}"

    def _respond(self, heard: Heard, wire: Wire) -> None:
        row = self._rows.get((heard.method, heard.path))
        # A web page can make a browser call loopback, but not without saying which host it thinks it calls.
        if row is None or ("host", self.url.removeprefix("http://")) not in heard.headers:
            wire.write(Mode(status=404).payload)
            return
        try:
            wire.write(Mode(body=json.dumps(row(heard.body)).encode()).payload)
        except (ValueError, TypeError, LookupError, OSError) as error:
            wire.write(Mode(status=400, body=json.dumps({"message": repr(error)}).encode()).payload)


@dataclass(frozen=True)
class Client:
    """The client's side. Raises ControlError."""

    url: str
    whom: ClassVar[str]

    def call(self, method: str, path: str, content: object = None) -> Any:  # noqa: ANN401 - it is JSON
        """What the row answers."""
        body = json.dumps(content).encode() if content is not None else b""
        answer = exchange(Route(url=self.url), Request(method=method, target=path, body=body))
        if answer.status != 200:
            raise ControlError(f"the simulated {self.whom} at {self.url} says: {_complaint(answer)}")
        return json.loads(answer.body)


def _complaint(answer: Answer) -> str:
    return answer.error or f"{answer.status} {answer.body.decode(errors='replace')}"
