"""The attachments of a simulated Motion: files in a folder, handed out to who proves that it may have them.

Every file `<id>-<name>` in the folder is an attachment, whoever put it there, from that moment until it goes.
Unconfirmed of the real Motion: what it answers to HEAD (here: GET's headers) and to Range (here: the whole file), and
whether it takes an api key elsewhere than in the query.
"""

from __future__ import annotations

import base64
import hmac
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl

from sandbox.attachment import Attachment
from sandbox.faults import NONE, Fault
from sandbox.record import DEADLINE_SECONDS, Record
from sandbox.reply import Reply
from sandbox.server import Plan
from sandbox.wire import Heard, Wire

_PATH = re.compile(r"/api/attachments/([0-9]{1,12})/download/?")
_FILE = re.compile(r"([0-9]{1,12})-(.+)", re.DOTALL)
_FIRST_ID = 101
_SAID = {401: b'{"message":"Unauthorized"}', 404: b'{"message":"Not Found"}'}


def own(status: int) -> Reply:
    """How Motion says a status."""
    return Reply(status=status, body=_SAID.get(status, b'{"message":"simulated"}'))


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What Motion knows its user by: HTTP Basic or an api key, each only where it is given."""

    username: str = ""
    password: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)

    def accept(self, heard: Heard) -> bool:
        """Does the request prove that it comes from this user?"""
        keys = [value for name, value in parse_qsl(heard.query) if name == "apikey"]
        basic = "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        by_name = bool(self.username) and _same(heard.header("authorization") or "", basic)
        return by_name or (bool(self.api_key) and any(_same(key, self.api_key) for key in keys))


@dataclass(frozen=True, kw_only=True)
class Download:
    """One request for an attachment: `at` is when it came, `seconds` how long the answer took, None while it does.

    `answered` is the status that was sent in full, None while or if there was none.
    """

    attachment_id: int
    method: str
    at: float
    seconds: float | None = None
    answered: int | None = None


class Archive(Plan, Record[Download]):
    """Motion's part for attachments, with faults and a record of its own; several threads may ask at once."""

    def __init__(self, folder: Path, *, credentials: Credentials) -> None:
        Plan.__init__(self)
        Record.__init__(self)
        self.folder, self.credentials = folder, credentials
        self._next = _FIRST_ID

    def put(self, name: str, content: bytes, *, attachment_id: int | None = None) -> Attachment:
        """Take a file in, under a fresh id by default; what had this id before goes. Raises OSError, ValueError."""
        if "/" in name or "\0" in name or not name:
            raise ValueError(f"not the name of a file: {name!r}")
        with self.changed:
            self._next = max([self._next, *(known + 1 for known in self._files())])
            chosen = attachment_id if attachment_id is not None else self._next
            self._next = max(self._next, chosen + 1)  # ids of deleted files do not come back
            self._remove(chosen)
            temporary = self.folder / f".{chosen}"  # nobody shall read half of it
            temporary.write_bytes(content)
            temporary.rename(self.folder / f"{chosen}-{name}")
        return Attachment(attachment_id=chosen, name=name, content=content)

    def get(self, attachment_id: int) -> Attachment | None:
        """The attachment as it is now."""
        try:
            found = self._files()[attachment_id]
            return Attachment(attachment_id=attachment_id, name=_named(found), content=found.read_bytes())
        except (KeyError, FileNotFoundError):
            return None

    def delete(self, attachment_id: int) -> None:
        """Forget the file; nothing happens where there is none."""
        with self.changed:
            self._remove(attachment_id)

    def names(self) -> dict[int, str]:
        """All that is there, by id."""
        return {number: _named(found) for number, found in sorted(self._files().items())}

    @property
    def downloads(self) -> tuple[Download, ...]:
        """Everything that was asked for, refused requests included."""
        return self.items

    def wait_until_served(self, attachment_id: int, deadline_seconds: float = DEADLINE_SECONDS) -> tuple[Download, ...]:
        """Wait until nobody is being answered about it any more; returns all its downloads. Raises TimeoutError."""

        def own(items: Sequence[Download]) -> tuple[Download, ...]:
            return tuple(item for item in items if item.attachment_id == attachment_id)

        return own(self.wait_for(lambda items: all(item.seconds is not None for item in own(items)), deadline_seconds))

    def concerns(self, heard: Heard) -> bool:
        """Is it a request for an attachment?"""
        return heard.method in ("GET", "HEAD") and _PATH.fullmatch(heard.path) is not None

    def respond(self, heard: Heard, wire: Wire, *, released: threading.Event) -> None:
        """Answer such a request; `released` ends every wait."""
        began = time.monotonic()
        attachment_id = int(_PATH.sub(r"\1", heard.path))
        with self.changed:
            entry = self.add(lambda _: Download(attachment_id=attachment_id, method=heard.method, at=time.time()))
            good, fault = self._due(attachment_id, heard, wire)
        wire.released = released
        status = fault.answer(good, wire, own=own)
        entry.update(answered=status, seconds=time.monotonic() - began)

    def _due(self, attachment_id: int, heard: Heard, wire: Wire) -> tuple[Reply, Fault]:
        """Without credentials nothing goes wrong but that."""
        if not self.credentials.accept(heard):
            return own(401), NONE
        found, fault = self.get(attachment_id), self.pick(wire, heard)
        return (found.reply, fault) if found else (own(404), NONE)

    def _files(self) -> dict[int, Path]:
        matches = [(found, _FILE.fullmatch(found.name)) for found in self.folder.iterdir()]
        return {int(match[1]): found for found, match in matches if match}

    def _remove(self, attachment_id: int) -> None:
        if found := self._files().get(attachment_id):
            found.unlink()


def _named(found: Path) -> str:
    return found.name.partition("-")[2]


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
