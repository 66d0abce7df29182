"""All that takes part in a running sandbox: Sinch, Motion, an agent, the gateway between them, and what they did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sandbox.archive import Archive
from sandbox.connection import Route
from sandbox.conversation.api import ConversationApi
from sandbox.conversation.plants import Field
from sandbox.journal import Desk, Journal
from sandbox.motion import Motion
from sandbox.setup import Setup
from sandbox.sinch import Sinch
from sandbox.state import State


class Gateway(Protocol):
    """What runs between the simulators: one process, or a cluster."""

    @property
    def exit_status(self) -> int | None:
        """None while it runs."""

    def tail(self) -> str:
        """The end of its log."""

    def wait_until_ready(self, route: Route) -> None:
        """Until the route answers 200. Raises ChildError."""


@dataclass(frozen=True, kw_only=True)
class House:
    """A running sandbox; `sinch` and `agent` write into the journal what they do."""

    motion: Motion
    archive: Archive
    api: ConversationApi
    field: Field
    setup: Setup
    gateway: Gateway
    journal: Journal
    sinch: Sinch
    agent: Desk

    @property
    def state(self) -> State:
        return self.setup.state
