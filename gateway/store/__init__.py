"""What the gateway must not lose, in one database: accepted events, what is known of attachments, what was sent.

`engines` is the way to it, and shares commits; `embedded` the engine that is a file, on the connections of `pool`, with
`anchor`, which tells whether the file is still in its place; `sqlite` is its driver, and `sqlite.sql` what every event
runs there; `named` finds that. `schema` names the tables, `migrations` brings them up to date. `retention` says what is
kept for how long, `reports` what became of what was sent. The rooms keep their own part: `ingress.intake`,
`delivery.claims` and `records`, `attachments.register`, `outbound.record`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

# What an event can be.
PENDING = "pending"  # to be delivered; it waits for its lane's turn
DELIVERED = "delivered"
PARKED = "parked"  # given up; stays until somebody replays or purges it
REJECTED = "rejected"  # rightly signed, and still not believed: too old, or its nonce was used before
DUPLICATE = "duplicate"  # tells the same as an earlier event, in other bytes
STATES = (PENDING, DELIVERED, PARKED, REJECTED, DUPLICATE)


class Run(Protocol):
    def __call__(self, name: str, /, **values: object) -> list[Any]:
        """Run a named statement in the transaction at hand, and return its rows."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which events or messages are looked for: those for which all holds that is given."""

    state: str | None = None  # of an event; of a message its outcome
    connector_id: int | None = None
    contact: str | None = None  # its id, or its channel identity
    message_id: str | None = None  # Sinch's
    since: float | None = None  # accepted, or begun, then or later: epoch seconds

    @property
    def identity(self) -> str | None:
        """The contact as a channel identity is filed; None where it can be none."""
        return (self.contact or "").removeprefix("+") or None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a part of a list begins: below the row of that id, or above it with a `way` of -1; without one at the top.

    `at`: the time of that row, where it is times that put the list in order.
    """

    id: int | None = None
    at: float = 0.0
    way: Literal[1, -1] = 1


EVERY, TOP = Choice(), Place()
