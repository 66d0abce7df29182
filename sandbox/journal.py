"""What goes out in a running sandbox, written down as it goes: callbacks to the gateway, and what agents send.

The sandbox's own page tells from it; commands, which do the same from a process of their own, add what they did.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.agent import Agent, Told
from sandbox.connection import Answer
from sandbox.record import Record
from sandbox.sinch import Letter


@dataclass(frozen=True, kw_only=True)
class Posted:
    """One letter and what the gateway answered, try by try; `pretending` says how, where it was not Sinch's own."""

    letter: Letter
    answers: tuple[Answer, ...]
    pretending: str = ""

    @property
    def accepted(self) -> bool:
        return any(answer.status == 200 for answer in self.answers)


class Posts(Record[Posted]):
    """All of them."""

    def heard(self, letter: Letter, answer: Answer, *, pretending: str = "") -> None:
        """One answer more: of a letter that is known by its nonce, or of another one."""
        with self.changed:
            for number, known in reversed(self._items.items()):
                if letter.nonce and known.letter.nonce == letter.nonce and known.letter.body == letter.body:
                    self.exchange(number, known, dataclasses.replace(known, answers=(*known.answers, answer)))
                    return
            self.add(lambda _: Posted(letter=letter, answers=(answer,), pretending=pretending))


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One message that an agent sent, at that moment in Unix seconds; `told` is None while nothing came back."""

    at: float
    contact_id: str
    message: Mapping[str, Any] = field(repr=False)
    told: Told | None = None


class Tries(Record[Tried]):
    """All of them."""

    def ended(self, contact_id: str, message: Mapping[str, Any], answer: Answer) -> None:
        """One that somebody else sent, and its answer."""
        tried = Tried(at=answer.sent_at, contact_id=contact_id, message=message, told=Told(answer))
        self.add(lambda _: tried)


class Journal:
    """Both."""

    def __init__(self) -> None:
        self.posts, self.tries = Posts(), Tries()


class Desk(Agent):
    """An agent whose messages are written down."""

    def __init__(self, agent: Agent, tries: Tries) -> None:
        super().__init__(agent.way, key=agent.key, app=agent.app, link=agent.link, basic=agent.basic)
        self._tries = tries

    def send(self, contact_id: str, message: Mapping[str, Any], **more: Any) -> Told:  # noqa: ANN401
        entry = self._tries.add(lambda _: Tried(at=time.time(), contact_id=contact_id, message=message))
        told = super().send(contact_id, message, **more)
        entry.update(told=told)
        return told
