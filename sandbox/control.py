"""The control endpoints of a simulated Motion, and the client that speaks to them."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

from sandbox.archive import Archive, Download
from sandbox.mode import MEANINGS, Mode
from sandbox.motion import Motion, Received
from sandbox.panel import Client, Panel
from sandbox.trouble import MEANINGS as TROUBLES
from sandbox.trouble import Trouble

_MODE = "/_sandbox/mode"
_RECEIVED = "/_sandbox/received"
_RELEASE = "/_sandbox/release"
_ATTACHMENTS = "/_sandbox/attachments"
_TROUBLE = "/_sandbox/trouble"


class Control(Panel):
    """The server's side; a context manager around a running Motion."""

    def __init__(self, motion: Motion, *, port: int = 0) -> None:
        self._motion = motion
        rows = {
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
        super().__init__(rows, port=port)

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


class Remote(Client):
    """The client's side. Raises ControlError."""

    whom = "Motion"

    def set_mode(self, mode: Mode) -> Mode:
        return _read(self.call("PUT", _MODE, _written(mode)))

    def mode(self) -> Mode:
        return _read(self.call("GET", _MODE))

    def received(self) -> tuple[Received, ...]:
        """Everything that Motion has heard."""
        return tuple(_understood(item) for item in self.call("GET", _RECEIVED)["received"])

    def unexpected(self) -> tuple[str, ...]:
        return tuple(self.call("GET", _RECEIVED)["unexpected"])

    def forget(self) -> None:
        self.call("DELETE", _RECEIVED)

    def release(self) -> None:
        self.call("POST", _RELEASE)

    def attach(self, name: str, content: bytes, *, attachment_id: int | None = None) -> int:
        """Give Motion a file; returns its id, a fresh one by default."""
        said = {"name": name, "content": base64.b64encode(content).decode(), "attachment_id": attachment_id}
        return int(self.call("POST", _ATTACHMENTS, said)["attachment_id"])

    def detach(self, attachment_id: int) -> None:
        """Delete it at Motion."""
        self.call("DELETE", _ATTACHMENTS, {"attachment_id": attachment_id})

    def attachments(self) -> dict[int, str]:
        """The names of all attachments, by id."""
        return {int(number): name for number, name in self.call("GET", _ATTACHMENTS)["names"].items()}

    def downloads(self) -> tuple[Download, ...]:
        """Everything that Motion was asked for."""
        return tuple(Download(**item) for item in self.call("GET", _ATTACHMENTS)["downloads"])

    def set_trouble(self, trouble: Trouble) -> None:
        self.call("PUT", _TROUBLE, dataclasses.asdict(trouble))


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
