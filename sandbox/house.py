"""All that takes part in a running sandbox: Sinch, Motion, an agent, the gateway between them, and what they did."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.archive import Archive
from sandbox.child import Child
from sandbox.conversation.api import ConversationApi
from sandbox.conversation.plants import Field
from sandbox.journal import Desk, Journal
from sandbox.motion import Motion
from sandbox.setup import Setup
from sandbox.sinch import Sinch
from sandbox.state import State


@dataclass(frozen=True, kw_only=True)
class House:
    """A running sandbox; `sinch` and `agent` write into the journal what they do."""

    motion: Motion
    archive: Archive
    api: ConversationApi
    field: Field
    setup: Setup
    gateway: Child
    journal: Journal
    sinch: Sinch
    agent: Desk

    @property
    def state(self) -> State:
        return self.setup.state
