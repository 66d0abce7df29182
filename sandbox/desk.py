"""An agent at Motion who answers each customer that writes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

from sandbox.agent import Agent, Told
from sandbox.motion import Event, Received

Answering = Callable[[str], str | None]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the customer said, what the agent said, and how that went."""

    contact_id: str
    heard: str
    said: str
    told: Told


class Desk:
    """A context manager; `hook` is for Motion's `on_event`.

    `words` makes of a customer's text what is answered, None for silence. Replies are sent by another thread: whoever
    delivers callbacks to Motion does not wait for them.
    """

    def __init__(self, agent: Agent, words: Answering) -> None:
        self._agent, self._words = agent, words
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="desk")
        self._changed = threading.Condition()
        self._replies: list[Reply] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    @property
    def replies(self) -> tuple[Reply, ...]:
        with self._changed:
            return tuple(self._replies)

    def hook(self, event: Event, received: Received) -> None:
        """Motion has taken a callback: is it a customer's text?"""
        contact_id, text = written(received.body) if event == "answered" and received.accepted else ("", "")
        said = self._words(text) if contact_id and text else None
        if said is not None:
            self._pool.submit(self._reply, contact_id, text, said)

    def wait_for(self, count: int, deadline_seconds: float = 30) -> tuple[Reply, ...]:
        """Wait until so many were sent, well or not; returns `replies`. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._replies) >= count, deadline_seconds):
                raise TimeoutError(f"not replied within {deadline_seconds} s; replies: {self._replies}")
            return tuple(self._replies)

    def _reply(self, contact_id: str, heard: str, said: str) -> None:
        told = self._agent.reply(contact_id, said)
        with self._changed:
            self._replies.append(Reply(contact_id=contact_id, heard=heard, said=said, told=told))
            self._changed.notify_all()


def written(body: bytes) -> tuple[str, str]:
    """Who wrote what, by contact id; both empty where the callback is not a customer's text."""
    try:
        message: dict[str, Any] = json.loads(body)["message"]
        return str(message["contact_id"]), str(message["contact_message"]["text_message"]["text"])
    except (ValueError, LookupError, TypeError):
        return "", ""
