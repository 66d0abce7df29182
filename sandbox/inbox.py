"""What the simulated Motion has of its customers' files: it downloads each that a callback names.

It reaches what it is told of: the private side of the gateway, and an internet that can be unplugged. Unconfirmed of
the real one: when it downloads (here at once, and once), how long it waits, and that type and name are those which the
answer says.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import urlsplit

from sandbox import whatsapp
from sandbox.connection import Answer, Line, Request, exchange
from sandbox.record import DEADLINE_SECONDS, Record

AGENT = "Simulated Motion"  # what it says that it is
UNREACHABLE = Answer(error="no way there")

_NAMED = re.compile(r"(?:.*_)?url")
_DOWNLOADS_AT_A_TIME = 4


@dataclass(frozen=True, kw_only=True)
class Named:
    """A file that a message names: where in it, and by which link."""

    message_id: str
    place: str
    link: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Brought:
    """One download, begun at that moment in Unix seconds, and its answer, None while there is none."""

    named: Named
    at: float
    answer: Answer | None = None

    @property
    def message_id(self) -> str:
        return self.named.message_id

    @property
    def content(self) -> bytes | None:
        """The file, None where it did not come."""
        return self.answer.body if self.answer and self.answer.status == 200 else None

    @property
    def name(self) -> str:
        """As the answer says it, else the end of the link's path."""
        return whatsapp.name(self.answer or Answer(), self.named.link)

    @property
    def content_type(self) -> str:
        return (self.answer.header("content-type") if self.answer else None) or ""


class Inbox(Record[Brought]):
    """All of it; a context manager. The hosts of `private` are always reached, by whatever port a link has.

    The `internet` that there is, by `host:port`, is not reached where it is `unplugged`.
    """

    def __init__(self, *, private: Mapping[str, Line], internet: Mapping[str, Line] = MappingProxyType({})) -> None:
        super().__init__()
        self.private, self.internet, self.unplugged = private, internet, False
        self._pool = ThreadPoolExecutor(_DOWNLOADS_AT_A_TIME, thread_name_prefix="inbox")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def hear(self, body: bytes) -> None:
        """Motion has taken that callback: download what it names."""
        for named in files(body):
            entry = self.add(lambda _, named=named: Brought(named=named, at=time.time()))  # type: ignore[misc]
            self._pool.submit(lambda entry=entry: entry.update(answer=self._download(entry.item.named.link)))  # type: ignore[misc]

    def of(self, message_id: str, deadline_seconds: float = DEADLINE_SECONDS) -> tuple[Brought, ...]:
        """What there is of a message, once all of it is answered and at least one thing is. Raises TimeoutError."""

        def ours(items: Sequence[Brought]) -> tuple[Brought, ...]:
            return tuple(item for item in items if item.message_id == message_id)

        def whole(items: Sequence[Brought]) -> bool:
            return bool(ours(items)) and all(one.answer for one in ours(items))

        return ours(self.wait_for(whole, deadline_seconds))

    def _download(self, link: str) -> Answer:
        try:
            parts = urlsplit(link)
        except ValueError:  # what a customer wrote may be no link at all
            return UNREACHABLE
        line = self.private.get(parts.hostname or "") or (None if self.unplugged else self.internet.get(parts.netloc))
        return exchange(line.to(link), Request(method="GET", headers=(("user-agent", AGENT),))) if line else UNREACHABLE


def files(body: bytes) -> tuple[Named, ...]:
    """The files that a customer's message names, in the order of the body; none in any other callback."""
    try:
        message: dict[str, Any] = json.loads(body)["message"]
        message_id, said = str(message["id"]), message["contact_message"]
    except (ValueError, LookupError, TypeError):
        return ()
    return tuple(Named(message_id=message_id, place=place, link=link) for place, link in _links(said, ""))


def _links(value: object, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _links(inner, f"{place}.{name}".lstrip("."))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _links(inner, f"{place}[{number}]")
    elif (
        isinstance(value, str) and _NAMED.fullmatch(place.rpartition(".")[2]) and value.startswith(("http:", "https:"))
    ):
        yield place, value
