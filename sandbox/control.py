"""The control endpoints of a simulated Motion, on a loopback port of their own, and the client that speaks to them.

They live apart from Motion's port so that they answer while Motion is down, and so that Motion has no path that the
real one lacks.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Self

from sandbox.archive import Archive, Download
from sandbox.connection import Answer, Request, Route, exchange
from sandbox.listener import Heard, Listener, Wire
from sandbox.mode import MEANINGS, Mode
from sandbox.motion import Motion, Received
from sandbox.trouble import MEANINGS as TROUBLES
from sandbox.trouble import Trouble

_MODE = "/_sandbox/mode"
_RECEIVED = "/_sandbox/received"
_RELEASE = "/_sandbox/release"
_ATTACHMENTS = "/_sandbox/attachments"
_TROUBLE = "/_sandbox/trouble"


class ControlError(Exception):
    """The simulated Motion could not be reached, or refused; the message is for the user."""


class Control:
    """The server's side; a context manager around a running Motion."""

    def __init__(self, motion: Motion, *, port: int = 0) -> None:
        self._motion = motion
        self._listener = Listener(self._respond, complain=lambda _: None, port=port)
        self._rows = {
            ("GET", _MODE): self._show_mode,
            ("PUT", _MODE): self._set_mode,
            ("GET", _RECEIVED): self._show_received,
            ("DELETE", _RECEIVED): self._forget,
            ("POST", _RELEASE): self._release,
            ("GET", _ATTACHMENTS): self._show_attachments,
            ("POST", _ATTACHMENTS): self._attach,
            ("DELETE", _ATTACHMENTS): self._detach,
            ("PUT", _TROUBLE): self._set_trouble,
        }

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
        except (ValueError, TypeError, KeyError, OSError) as error:
            wire.write(Mode(status=400, body=json.dumps({"message": repr(error)}).encode()).payload)

    def _show_mode(self, _: bytes) -> object:
        return _written(self._motion.mode)

    def _set_mode(self, body: bytes) -> object:
        self._motion.set_mode(_read(json.loads(body)))
        return self._show_mode(body)

    def _show_received(self, _: bytes) -> object:
        unexpected = list(self._motion.unexpected)
        return {"received": [_spelled(item) for item in self._motion.received], "unexpected": unexpected}

    def _forget(self, _: bytes) -> object:
        self._motion.forget()
        return {}

    def _release(self, _: bytes) -> object:
        self._motion.release()
        return {}

    @property
    def _archive(self) -> Archive:
        if self._motion.archive is None:
            raise ValueError("this Motion has no attachments")
        return self._motion.archive

    def _show_attachments(self, _: bytes) -> object:
        downloads = [dataclasses.asdict(item) for item in self._archive.downloads]
        return {"names": self._archive.names(), "downloads": downloads}

    def _attach(self, body: bytes) -> object:
        said = json.loads(body)
        content = base64.b64decode(said["content"], validate=True)
        made = self._archive.put(said["name"], content, attachment_id=said.get("attachment_id"))
        return {"attachment_id": made.attachment_id}

    def _detach(self, body: bytes) -> object:
        self._archive.delete(json.loads(body)["attachment_id"])
        return {}

    def _set_trouble(self, body: bytes) -> object:
        chosen = Trouble(**json.loads(body))
        if chosen.name not in TROUBLES:
            raise ValueError(f"no such trouble: {chosen.name}")
        self._archive.set_trouble(chosen)
        return {}


@dataclass(frozen=True)
class Remote:
    """The client's side. Raises ControlError."""

    url: str

    def set_mode(self, mode: Mode) -> Mode:
        return _read(self._call("PUT", _MODE, _written(mode)))

    def mode(self) -> Mode:
        return _read(self._call("GET", _MODE))

    def received(self) -> tuple[Received, ...]:
        """Everything that Motion has heard."""
        return tuple(_understood(item) for item in self._call("GET", _RECEIVED)["received"])

    def unexpected(self) -> tuple[str, ...]:
        return tuple(self._call("GET", _RECEIVED)["unexpected"])

    def forget(self) -> None:
        self._call("DELETE", _RECEIVED)

    def release(self) -> None:
        self._call("POST", _RELEASE)

    def attach(self, name: str, content: bytes, *, attachment_id: int | None = None) -> int:
        """Give Motion a file; returns its id, a fresh one by default."""
        said = {"name": name, "content": base64.b64encode(content).decode(), "attachment_id": attachment_id}
        return int(self._call("POST", _ATTACHMENTS, said)["attachment_id"])

    def detach(self, attachment_id: int) -> None:
        """Delete it at Motion."""
        self._call("DELETE", _ATTACHMENTS, {"attachment_id": attachment_id})

    def attachments(self) -> dict[int, str]:
        """The names of all attachments, by id."""
        return {int(number): name for number, name in self._call("GET", _ATTACHMENTS)["names"].items()}

    def downloads(self) -> tuple[Download, ...]:
        """Everything that Motion was asked for."""
        return tuple(Download(**item) for item in self._call("GET", _ATTACHMENTS)["downloads"])

    def set_trouble(self, trouble: Trouble) -> None:
        self._call("PUT", _TROUBLE, dataclasses.asdict(trouble))

    def _call(self, method: str, path: str, content: object = None) -> Any:  # noqa: ANN401 - it is JSON
        body = json.dumps(content).encode() if content is not None else b""
        answer = exchange(Route(url=self.url), Request(method=method, target=path, body=body))
        if answer.status != 200:
            raise ControlError(f"the simulated Motion at {self.url} says: {_complaint(answer)}")
        return json.loads(answer.body)


def _complaint(answer: Answer) -> str:
    return answer.error or f"{answer.status} {answer.body.decode(errors='replace')}"


def _written(mode: Mode) -> dict[str, object]:
    texts = {"body": mode.body.decode(), "marker": mode.marker.decode()}
    return {**dataclasses.asdict(mode), **texts}


def _read(content: dict[str, Any]) -> Mode:
    if content["name"] not in MEANINGS:
        raise ValueError(f"no such mode: {content['name']}")
    texts = {key: content.get(key, default).encode() for key, default in (("body", "{}"), ("marker", ""))}
    headers = tuple((name, value) for name, value in content.get("headers", ()))
    return Mode(**{**content, **texts, "headers": headers})


def _spelled(received: Received) -> dict[str, object]:
    return {**dataclasses.asdict(received), "body": base64.b64encode(received.body).decode()}


def _understood(content: dict[str, Any]) -> Received:
    headers = tuple((name, value) for name, value in content["headers"])
    return Received(**{**content, "headers": headers, "body": base64.b64decode(content["body"])})
