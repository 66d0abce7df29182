"""The attachments of a simulated Motion: files in a folder, handed out to who proves that it may have them.

Every file `<id>-<name>` in the folder is an attachment, whoever put it there, from that moment until it goes.
Unconfirmed of the real Motion: what it answers to HEAD (here: GET's headers) and to Range (here: the whole file), and
whether it takes an api key elsewhere than in the query.
"""

from __future__ import annotations

import base64
import collections
import dataclasses
import hmac
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl

from sandbox import trouble as troubles
from sandbox.attachment import Attachment
from sandbox.behaviour import behave
from sandbox.mode import Mode
from sandbox.trouble import Trouble
from sandbox.wire import Heard, Wire

_PATH = re.compile(r"/api/attachments/([0-9]{1,12})/download/?")
_FILE = re.compile(r"([0-9]{1,12})-(.+)", re.DOTALL)
_FIRST_ID = 101
_READING = ("GET", "HEAD")


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What Motion knows its user by: HTTP Basic or an api key, each only where it is given."""

    username: str = ""
    password: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)

    def accept(self, heard: Heard) -> bool:
        """Does the request prove that it comes from this user?"""
        shown = next((value for name, value in heard.headers if name.lower() == "authorization"), "")
        keys = [value for name, value in parse_qsl(heard.query) if name == "apikey"]
        basic = "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        by_name = bool(self.username) and _same(shown, basic)
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


Wanted = Callable[[Sequence[Download]], bool]


class Archive:
    """Motion's part for attachments; several threads may ask at once."""

    def __init__(self, folder: Path, *, credentials: Credentials) -> None:
        self.folder, self.credentials = folder, credentials
        self._changed = threading.Condition()
        self._trouble = troubles.NONE
        self._script: collections.deque[Trouble] = collections.deque()
        self._downloads: list[Download] = []
        self._next = _FIRST_ID

    def put(self, name: str, content: bytes, *, attachment_id: int | None = None) -> Attachment:
        """Take a file in, under a fresh id by default; what had this id before goes. Raises OSError, ValueError."""
        if "/" in name or "\0" in name or not name:
            raise ValueError(f"not the name of a file: {name!r}")
        with self._changed:
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
        with self._changed:
            self._remove(attachment_id)

    def names(self) -> dict[int, str]:
        """All that is there, by id."""
        return {number: _named(found) for number, found in sorted(self._files().items())}

    @property
    def trouble(self) -> Trouble:
        return self._trouble

    def set_trouble(self, trouble: Trouble) -> None:
        """From the next request on, for all attachments."""
        with self._changed:
            self._trouble = trouble
            self._script.clear()

    def script(self, *each: Trouble) -> None:
        """One for each of the next requests, in turn; afterwards the standing one again."""
        with self._changed:
            self._script.extend(each)

    @property
    def downloads(self) -> tuple[Download, ...]:
        """Everything that was asked for, refused requests included."""
        with self._changed:
            return tuple(self._downloads)

    def wait_for(self, wanted: Wanted, deadline_seconds: float = 10) -> tuple[Download, ...]:
        """Wait until `wanted(downloads)`; returns them. Raises TimeoutError at the deadline."""
        with self._changed:
            if not self._changed.wait_for(lambda: wanted(tuple(self._downloads)), deadline_seconds):
                raise TimeoutError(f"not asked for within {deadline_seconds} s; downloads: {self._downloads}")
            return tuple(self._downloads)

    def wait_until_served(self, attachment_id: int, deadline_seconds: float = 10) -> tuple[Download, ...]:
        """Wait until nobody is being answered about it any more; returns all its downloads. Raises TimeoutError."""

        def own(items: Sequence[Download]) -> tuple[Download, ...]:
            return tuple(item for item in items if item.attachment_id == attachment_id)

        return own(self.wait_for(lambda items: all(item.seconds is not None for item in own(items)), deadline_seconds))

    def forget(self) -> None:
        """Empty the record of downloads."""
        with self._changed:
            self._downloads.clear()

    def asked(self, heard: Heard) -> int | None:
        """The id of the attachment that is asked for, None where the request is for something else."""
        match = _PATH.fullmatch(heard.path) if heard.method in _READING else None
        return int(match[1]) if match else None

    def respond(self, attachment_id: int, heard: Heard, wire: Wire, released: threading.Event) -> None:
        """Answer such a request; `released` ends every wait."""
        began = time.monotonic()
        download = Download(attachment_id=attachment_id, method=heard.method, at=time.time())
        mode = self._record(download, allowed=self.credentials.accept(heard))
        if heard.method == "HEAD":
            mode = dataclasses.replace(mode, bare=True, headers=_heads(mode), body=b"")
        status = behave(mode, wire, released)
        self._update(download, dataclasses.replace(download, answered=status, seconds=time.monotonic() - began))

    def _record(self, download: Download, *, allowed: bool) -> Mode:
        with self._changed:
            self._downloads.append(download)
            self._changed.notify_all()
            if not allowed:
                return troubles.REFUSED
            found = self.get(download.attachment_id)
            trouble = self._script.popleft() if self._script else self._trouble
        return trouble.answer(found) if found else troubles.ABSENT

    def _update(self, old: Download, new: Download) -> None:
        with self._changed:
            self._downloads = [new if item is old else item for item in self._downloads]
            self._changed.notify_all()

    def _files(self) -> dict[int, Path]:
        matches = [(found, _FILE.fullmatch(found.name)) for found in self.folder.iterdir()]
        return {int(match[1]): found for found, match in matches if match}

    def _remove(self, attachment_id: int) -> None:
        if found := self._files().get(attachment_id):
            found.unlink()


def _named(found: Path) -> str:
    return found.name.partition("-")[2]


def _heads(mode: Mode) -> tuple[tuple[str, str], ...]:
    plain = (("content-type", "application/json"), ("content-length", str(len(mode.body))))
    return mode.headers if mode.bare else plain + mode.headers


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
