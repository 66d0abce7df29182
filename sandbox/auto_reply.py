"""An agent at Motion who answers each customer that writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

from sandbox.agent import Agent, Told
from sandbox.motion import Event, Received
from sandbox.record import Record

Answering = Callable[[str], str | None]


@dataclass(frozen=True, kw_only=True)
class Replied:
    """What the customer said, what the agent said, and how that went."""

    contact_id: str
    heard: str
    said: str
    told: Told


class AutoReply(Record[Replied]):
    """A record of replies, and a context manager; `hook` is for Motion's `on_event`.

    `words` makes of a customer's text what is answered, None for silence. Replies are sent by another thread: whoever
    delivers callbacks to Motion does not wait for them.
    """

    def __init__(self, agent: Agent, words: Answering) -> None:
        super().__init__()
        self._agent, self._words = agent, words
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="auto-reply")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    @property
    def replies(self) -> tuple[Replied, ...]:
        return self.items

    def hook(self, event: Event, received: Received) -> None:
        """Motion has taken a callback: is it a customer's text?"""
        contact_id, text = written(received.body) if event == "answered" and received.accepted else ("", "")
        said = self._words(text) if contact_id and text else None
        if said is not None:
            self._pool.submit(self._reply, contact_id, text, said)

    def _reply(self, contact_id: str, heard: str, said: str) -> None:
        told = self._agent.reply(contact_id, said)
        self.add(lambda _: Replied(contact_id=contact_id, heard=heard, said=said, told=told))


def written(body: bytes) -> tuple[str, str]:
    """Who wrote what, by contact id; both empty where the callback is not a customer's text."""
    try:
        message: dict[str, Any] = json.loads(body)["message"]
        return str(message["contact_id"]), str(message["contact_message"]["text_message"]["text"])
    except (ValueError, LookupError, TypeError):
        return "", ""
