"""Control endpoints of a simulator, on a loopback port of their own, and the client that speaks to them.

They live apart from the simulator's own ports so that they answer while it is down, and so that it has no path that
the real one lacks. Each is a POST whose JSON object says the arguments; bytes are `{"base64": …}`.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sandbox.archive import Archive, Download
from sandbox.connection import Answer, Request, Route, exchange
from sandbox.faults import Fault
from sandbox.inbox import Brought, Inbox, Named
from sandbox.journal import Tries
from sandbox.motion import Motion, Received
from sandbox.reply import Reply
from sandbox.server import Server
from sandbox.wire import Heard, Wire

_FOLDER = "/_sandbox/"

Rows = Mapping[str, Callable[..., object]]


class ControlError(Exception):
    """The simulator could not be reached, or refused; the message is for the user."""


class Control(Server):
    """The server's side; a context manager around a running simulator. A row's ValueError and the like are 400."""

    def __init__(self, rows: Rows, *, port: int = 0) -> None:
        super().__init__(self._respond, port=port)
        self._rows = rows

    def _respond(self, heard: Heard, wire: Wire) -> None:
        row = self._rows.get(heard.path.removeprefix(_FOLDER)) if heard.method == "POST" else None
        # A web page can make a browser call loopback, but not without saying which host it thinks it calls.
        if row is None or heard.header("host") != self.url.removeprefix("http://"):
            wire.write(Reply(status=404).payload)
            return
        try:
            wire.write(Reply(body=_written(row(**_read(heard.body)))).payload)
        except (ValueError, TypeError, LookupError, OSError) as error:
            wire.write(Reply(status=400, body=_written({"message": repr(error)})).payload)


def of_motion(motion: Motion, tries: Tries | None = None, *, port: int = 0) -> Control:
    """What MotionRemote speaks to; `tries` has what agents send, where somebody writes that down."""
    written = tries or Tries()

    def archive() -> Archive:
        if motion.archive is None:
            raise ValueError("this Motion has no attachments")
        return motion.archive

    def inbox() -> Inbox:
        if motion.inbox is None:
            raise ValueError("this Motion downloads nothing")
        return motion.inbox

    def unplug(unplugged: bool) -> None:  # noqa: FBT001 - it has its name in the request
        inbox().unplugged = unplugged

    rows: Rows = {
        "brought": lambda: inbox().items,
        "unplug": unplug,
        "fault": lambda: motion.fault,
        "set_fault": lambda fault: motion.set_fault(Fault(**fault)),
        "received": lambda: motion.received,
        "unexpected": lambda: motion.unexpected,
        "forget": motion.forget,
        "release": motion.release,
        "attach": lambda **how: archive().put(**how).attachment_id,
        "detach": lambda attachment_id: archive().delete(attachment_id),
        "attachments": lambda: archive().names(),
        "downloads": lambda: archive().downloads,
        "tried": lambda contact_id, message, answer: written.ended(contact_id, message, Answer(**answer)),
        "trouble": lambda fault: archive().set_fault(Fault(**fault)),
    }
    return Control(rows, port=port)


@dataclass(frozen=True)
class Remote:
    """The client's side. Raises ControlError."""

    url: str
    whom: ClassVar[str]

    def call(self, row: str, /, **arguments: object) -> Any:  # noqa: ANN401 - it is JSON
        """What the row answers."""
        answer = exchange(Route(url=self.url), Request(target=_FOLDER + row, body=_written(arguments)))
        if answer.status != 200:
            raise ControlError(f"the simulated {self.whom} at {self.url} says: {answer.error or _said(answer)}")
        return _read(answer.body)

    def forget(self) -> None:
        self.call("forget")

    def release(self) -> None:
        self.call("release")


class MotionRemote(Remote):
    """A Motion's."""

    whom = "Motion"

    def set_fault(self, fault: Fault) -> None:
        self.call("set_fault", fault=fault)

    def fault(self) -> Fault:
        return Fault(**self.call("fault"))

    def received(self) -> tuple[Received, ...]:
        """Everything that Motion has heard."""
        return tuple(Received(**item) for item in self.call("received"))

    def unexpected(self) -> tuple[str, ...]:
        return tuple(self.call("unexpected"))

    def attach(self, name: str, content: bytes, *, attachment_id: int | None = None) -> int:
        """Give Motion a file; returns its id, a fresh one by default."""
        return int(self.call("attach", name=name, content=content, attachment_id=attachment_id))

    def detach(self, attachment_id: int) -> None:
        """Delete it at Motion."""
        self.call("detach", attachment_id=attachment_id)

    def attachments(self) -> dict[int, str]:
        """The names of all attachments, by id."""
        return {int(number): name for number, name in self.call("attachments").items()}

    def downloads(self) -> tuple[Download, ...]:
        """Everything that Motion was asked for."""
        return tuple(Download(**item) for item in self.call("downloads"))

    def brought(self) -> tuple[Brought, ...]:
        """What Motion has downloaded of what callbacks named."""
        return tuple(_brought(**item) for item in self.call("brought"))

    def unplug(self, *, unplugged: bool) -> None:
        """Its internet."""
        self.call("unplug", unplugged=unplugged)

    def tried(self, contact_id: str, message: Mapping[str, Any], answer: Answer) -> None:
        """An agent has sent this, and that came back."""
        self.call("tried", contact_id=contact_id, message=message, answer=answer)

    def trouble(self, fault: Fault) -> None:
        """That of attachments alone."""
        self.call("trouble", fault=fault)


def _brought(named: Mapping[str, Any], at: float, answer: Mapping[str, Any] | None) -> Brought:
    return Brought(named=Named(**named), at=at, answer=Answer(**answer) if answer else None)


def _written(value: object) -> bytes:
    def plain(value: Any) -> object:  # noqa: ANN401 - json asks for what it does not know
        return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else dataclasses.asdict(value)

    return json.dumps(value, default=plain).encode()


def _read(body: bytes) -> Any:  # noqa: ANN401 - it is JSON
    def bytes_too(value: dict[str, Any]) -> object:
        return base64.b64decode(value["base64"], validate=True) if value.keys() == {"base64"} else value

    return _frozen(json.loads(body, object_hook=bytes_too))


def _frozen(value: Any) -> Any:  # noqa: ANN401 - it is JSON
    """With tuples for its lists."""
    if isinstance(value, dict):
        return {name: _frozen(inner) for name, inner in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _said(answer: Answer) -> str:
    return f"{answer.status} {answer.body.decode(errors='replace')}"
