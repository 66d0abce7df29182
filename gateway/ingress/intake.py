"""Takes a verified callback in: once, with its nonce, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from gateway.ingress.events import Event
from gateway.store import reports, schema
from gateway.store.engines import Database
from gateway.store.schema import event, lane, nonce
from gateway.store.statements import Prepared, every_column

DUE_AT_ONCE = 0.0  # before any clock's now: the courier's may differ from ours

NONCE_REUSED = "nonce used before with other bytes"
TOO_OLD = "signature too old"

# `original` in the words of the index that is made of such events: SQLite does not see that `original = 1` is
# the same, and would read the whole table.
_EARLIER = Prepared(
    sa.select(event.c.id, event.c.body_digest).where(
        event.c.connector_id == sa.bindparam("connector_id"), event.c.key == sa.bindparam("key"), sa.text("original")
    )
)
_SEEN_NONCE = Prepared(
    sa.select(nonce.c.body_digest, nonce.c.event_id).where(
        nonce.c.connector_id == sa.bindparam("connector_id"), nonce.c.nonce == sa.bindparam("nonce")
    )
)
_KEPT = Prepared(
    sa.select(event.c.id).where(
        event.c.connector_id == sa.bindparam("connector_id"),
        event.c.key == sa.bindparam("key"),
        event.c.body_digest == sa.bindparam("body_digest"),
        event.c.state == sa.bindparam("state"),
    )
)
_INSERT_EVENT = Prepared(event.insert().values(every_column(event)).returning(event.c.id))
_INSERT_NONCE = Prepared(nonce.insert())
_LINE_UP = Prepared(
    insert(lane)
    .values(lane=sa.bindparam("lane"), first_event=sa.bindparam("first_event"), due_at=DUE_AT_ONCE)
    .on_conflict_do_nothing()
)
_COUNT_REPEAT = Prepared(
    event.update().where(event.c.id == sa.bindparam("event_id")).values(repeats=event.c.repeats + 1)
)


class Outcome(Enum):
    ACCEPTED = "accepted"
    REPEAT = "repeat"  # the same bytes, or the same event in the same bytes
    DUPLICATE = "duplicate"  # the same event in other bytes: kept, not delivered
    STALE = "stale"  # kept as rejected
    NONCE_REUSED = "nonce reused"  # kept as rejected


@dataclass(frozen=True)
class Callback:
    """A verified callback, as it shall reach Motion."""

    connector_id: int
    event: Event
    body: bytes
    headers: Sequence[tuple[str, str]]
    query: str
    request_id: str
    address: str = ""  # of the client; for X-Forwarded-For
    nonce: str | None = None  # None: the account's callbacks are not signed
    stale: bool = False  # its signature is older than is accepted

    @property
    def lane(self) -> str:
        return f"{self.connector_id}:{self.event.lane or 'alone:' + self.request_id}"


@dataclass(frozen=True)
class Receipt:
    """What became of a callback, and the event it is filed as (None: as none)."""

    outcome: Outcome
    event_id: int | None


def accept(database: Database, callback: Callback, *, now: float) -> Receipt:
    """File `callback` and return once that is on the disk. Raises SpoolUnavailable."""
    return database.write(lambda connection: _file(connection, callback, now))


def _file(connection: sa.Connection, callback: Callback, now: float) -> Receipt:
    seen = _seen_nonce(connection, callback)
    if seen is not None:
        return _file_known_nonce(connection, callback, seen, now)
    if callback.stale:
        return Receipt(Outcome.STALE, _keep(connection, callback, now, schema.REJECTED, TOO_OLD))
    earlier = _EARLIER.first(connection, connector_id=callback.connector_id, key=callback.event.key)
    if earlier is not None:
        return _file_known_event(connection, callback, earlier, now)
    event_id = _insert(connection, callback, now, state=schema.PENDING, original=True)
    _remember_nonce(connection, callback, event_id, now)
    line_up(connection, callback.lane, event_id)
    if callback.event.report is not None:
        reports.file(connection, event_id, callback.event.report, connector_id=callback.connector_id, now=now)
    return Receipt(Outcome.ACCEPTED, event_id)


def line_up(connection: sa.Connection, name: str, event_id: int) -> None:
    """See to it that the lane `name` is served; one that already waits keeps its time."""
    _LINE_UP.first(connection, lane=name, first_event=event_id)


def _file_known_nonce(connection: sa.Connection, callback: Callback, seen: tuple[bytes, int], now: float) -> Receipt:
    digest, event_id = seen
    if digest == callback.event.body_digest:
        return _count_repeat(connection, event_id)
    return Receipt(Outcome.NONCE_REUSED, _keep(connection, callback, now, schema.REJECTED, NONCE_REUSED))


def _file_known_event(connection: sa.Connection, callback: Callback, earlier: tuple[int, bytes], now: float) -> Receipt:
    event_id, digest = earlier
    _remember_nonce(connection, callback, event_id, now)
    if digest == callback.event.body_digest:
        return _count_repeat(connection, event_id)
    reason = f"same event as {event_id}"
    return Receipt(Outcome.DUPLICATE, _keep(connection, callback, now, schema.DUPLICATE, reason))


def _seen_nonce(connection: sa.Connection, callback: Callback) -> tuple[bytes, int] | None:
    if callback.nonce is None:
        return None
    return _SEEN_NONCE.first(connection, connector_id=callback.connector_id, nonce=callback.nonce)


def _remember_nonce(connection: sa.Connection, callback: Callback, event_id: int, now: float) -> None:
    if callback.nonce is not None:
        _INSERT_NONCE.first(
            connection,
            connector_id=callback.connector_id,
            nonce=callback.nonce,
            body_digest=callback.event.body_digest,
            event_id=event_id,
            seen_at=now,
        )


def _count_repeat(connection: sa.Connection, event_id: int) -> Receipt:
    _COUNT_REPEAT.first(connection, event_id=event_id)
    return Receipt(Outcome.REPEAT, event_id)


def _keep(connection: sa.Connection, callback: Callback, now: float, state: str, outcome: str) -> int:
    """Keep what will not be delivered; the same bytes once only, however often they come."""
    told = callback.event
    kept = _KEPT.first(
        connection, connector_id=callback.connector_id, key=told.key, body_digest=told.body_digest, state=state
    )
    if kept is not None:
        _count_repeat(connection, kept[0])
        return int(kept[0])
    return _insert(connection, callback, now, state=state, original=False, outcome=outcome, settled_at=now)


def _insert(connection: sa.Connection, callback: Callback, now: float, **columns: object) -> int:
    told = callback.event
    [event_id] = _INSERT_EVENT.one(
        connection,
        connector_id=callback.connector_id,
        kind=told.kind,
        key=told.key,
        lane=callback.lane,
        contact_id=told.contact_id,
        identity=told.identity,
        request_id=callback.request_id,
        address=callback.address,
        headers=[list(header) for header in callback.headers],
        query=callback.query,
        body=callback.body,
        body_digest=told.body_digest,
        accepted_at=now,
        **columns,
    )
    return int(event_id)
