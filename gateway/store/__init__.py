"""What the gateway must not lose, in one database: accepted events, what is known of attachments, what was sent.

`engines` is the way to it, and shares commits by `tickets`; `embedded` the engine that is a file, on the connections of
`pool`, with `anchor`, which tells whether the file is still in its place, and `sqlite` as its driver; `remote` the
engine that is a server, with `postgres` as its driver and `commits`. `sqlite.sql` has what every event runs,
`postgres.sql` what is said otherwise there; `named` finds that. `schema` names the tables, `dialects` what is another
there, `migrations` brings them up to date, `moving` moves all to another database. `retention` says what is kept for
how long, `reports` what became of what was sent, `nodes` who shares it. The rooms keep their own part:
`ingress.intake`, `delivery.claims` and `records`, `attachments.register`, `outbound.record`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import sqlalchemy as sa

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


class Engine(Protocol):
    """What holds a spool. Safe to use from several threads; opened when it is first used, and never across a fork."""

    def asked(self, *, at_length: bool) -> AbstractContextManager[Run]:
        """What runs statements on one consistent view; `at_length`: it takes as long as it takes.

        Raises SpoolUnavailable.
        """

    def glance(self, name: str, /, **values: object) -> list[Any]:
        """Run a statement that reads, for who chooses by it what to do next. Raises SpoolUnavailable."""

    def turn(self, lanes: Collection[str]) -> AbstractContextManager[Run]:
        """What runs statements in a transaction that is committed at the end of the block, and not if that raises.

        Raises SpoolUnavailable where it could not be begun or committed, or the database went away in between; what
        else the driver says of a statement is raised as it is.
        """

    def is_overtaken(self, failure: Exception) -> bool:
        """Tell whether somebody else has written in between, so that the same work would go another way by now."""

    def explained(self, failure: Exception) -> Exception:
        """What went wrong, in our words where it was the database."""

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """As `asked`, for who puts statements together."""

    def revision(self) -> str | None:
        """The revision of its schema; None where there is none yet. Raises SpoolUnavailable."""

    def bears(self) -> str | None:
        """Of a newer schema the oldest revision whose release it serves too; None where it serves none."""

    def rewrite(self) -> None:
        """Leave no copy of what was deleted, as far as that is in our hands. Raises SpoolUnavailable."""

    @property
    def rewriting(self) -> str:
        """Say what `rewrite` does, for who waits for it."""

    def shorten_log(self) -> None:
        """Copy back what is in its log, where that is ours and much. Raises SpoolUnavailable."""

    def hold(self) -> None:
        """Stay with the file that is open, where it is one. Raises SpoolUnavailable."""

    def require_in_place(self) -> None:
        """Raises SpoolUnavailable where the file that is open is not the one at its path."""

    def lacks_room(self, room_bytes: int, files: int) -> bool:
        """Tell whether there is less room than that, where it is ours to look at. Raises OSError."""

    def sizes(self) -> Mapping[str, int]:
        """Say how many bytes each part of it has. Raises SpoolUnavailable."""

    @property
    def large_log_bytes(self) -> int:
        """How large the log is, where it is larger than it should be; else 0."""

    @property
    def is_shared(self) -> bool:
        """Whether several machines work with it."""

    def close(self) -> None:
        """Close what is open."""


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
