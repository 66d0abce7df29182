"""A whole gateway between a Sinch that keeps what customers send and a Motion that has no internet."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox import callbacks, inbox, signing
from sandbox.callbacks import Callback, Customer
from sandbox.connection import Line
from sandbox.conversation.media import MediaHost
from sandbox.inbox import Brought, Inbox
from sandbox.motion import Received
from sandbox.sinch import Letter
from tests.live.house import House
from tests.live.private_edge import MOTION, NAME, furnished

_numbers = itertools.count()


@dataclass(frozen=True)
class InboundHouse:
    """What a test needs of it."""

    house: House
    media: MediaHost
    inbox: Inbox

    def post(self, letter: Letter, **variant: Any) -> None:
        """Once, and it is taken in."""
        assert self.house.sinch(**variant).post(letter).status == 200

    def arrived(self, letter: Letter) -> Received:
        """The callback as Motion has it, once it has."""

        def mine() -> Received | None:
            return next((item for item in self.house.motion.accepted if _nonce(item) == letter.nonce), None)

        found: Received = self.house.wait_for(mine)
        return found

    def brought(self, letter: Letter) -> tuple[Brought, ...]:
        """What Motion downloaded of it."""
        return self.inbox.of(letter.callback.content["message"]["id"])


def somebody() -> Customer:
    """A customer of whom nobody has heard."""
    return callbacks.customer(f"somebody {next(_numbers)}")


def letter(house: House, said: Mapping[str, Any], *, by: Customer, written: str = "{}", **variant: Any) -> Letter:
    """A message with that content, signed; `written` is what becomes of its JSON, which stands for {}."""
    callback = callbacks.sample("MESSAGE_INBOUND/media", by=by)
    callback.content["message"]["contact_message"] = said
    return signed(house, callback, written=written, **variant)


def signed(house: House, callback: Callback, *, written: str = "{}", **variant: Any) -> Letter:
    sinch = house.sinch(**variant)
    body = written.replace("{}", json.dumps(callback.content, ensure_ascii=False)).encode()
    return Letter(callback, body, sinch.style.headers(sinch.signature(body)))


def link_of(arrival: Received) -> str:
    """The link of a callback with one file."""
    [link] = [one.link for one in _named(arrival)]
    return link


def _named(arrival: Received) -> tuple[Any, ...]:
    return inbox.files(arrival.body)


def _nonce(received: Received) -> str | None:
    return received.header(signing.NONCE_HEADER)


@contextlib.contextmanager
def opened(*, started: bool = True, **tables: dict[str, Any] | list[Any]) -> Iterator[InboundHouse]:
    """Such a gateway, with these tables merged over its own."""
    with furnished() as house, MediaHost() as media:
        server = house.tables["server"]
        place = str(server["outbound_address"]), int(server["outbound_port"])
        line = Line(ca_file=house.folder / "private-ca" / "ca.pem", connect_to=place, source_address=MOTION)
        own: dict[str, Any] = {
            "inbound": {"media": "through", "hosts": [media.url], "wait": "4s"},
            "motion": {"sign": "late"},
        }
        for name in {**own, **tables}:
            told = tables.get(name, {})
            merged = house.tables.get(name, {}) | own.get(name, {}) | told if isinstance(told, dict) else told
            house.tables[name] = merged
        with Inbox(private={NAME: line}) as files:
            house.motion.inbox = files
            house.write_settings()
            if started:
                house.start()
            yield InboundHouse(house, media, files)
