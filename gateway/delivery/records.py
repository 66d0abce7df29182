"""What the operator sees of the spool's events and does to them: list, show, replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from gateway import store
from gateway.errors import CommandError
from gateway.store.engines import Database
from gateway.store.schema import event
from gateway.store.sqlite import Run


@dataclass(frozen=True)
class Record:
    """An event as operators see it; its body only where it was asked for."""

    event_id: int
    connector_id: int
    state: str
    kind: str
    contact_id: str
    identity: str
    request_id: str
    accepted_at: float
    settled_at: float | None
    tries: int
    repeats: int
    outcome: str
    size_bytes: int
    header_names: tuple[str, ...]


_COLUMNS = [field.name for field in fields(Record)]
_RECORD = sa.select(
    event.c.id,
    event.c.connector_id,
    event.c.state,
    event.c.kind,
    event.c.contact_id,
    event.c.identity,
    event.c.request_id,
    event.c.accepted_at,
    event.c.settled_at,
    event.c.tries,
    event.c.repeats,
    event.c.outcome,
    sa.func.length(event.c.body),
    event.c.headers,
)


def listed(database: Database, *, state: str | None, connector_id: int | None, most: int) -> list[Record]:
    """The newest `most` events, newest first."""
    query = _RECORD.order_by(event.c.id.desc()).limit(most)
    if state is not None:
        query = query.where(event.c.state == state)
    if connector_id is not None:
        query = query.where(event.c.connector_id == connector_id)
    return [_record(row) for row in database.read(lambda connection: connection.execute(query).all())]


def shown(database: Database, event_id: int) -> Record:
    """Raises CommandError if there is no such event."""
    row = database.read(lambda connection: connection.execute(_RECORD.where(event.c.id == event_id)).first())
    if row is None:
        raise CommandError(f"there is no event {event_id}; `events list` shows those there are")
    return _record(row)


def body(database: Database, event_id: int) -> bytes:
    """The exact bytes of an event that `shown` found."""
    query = sa.select(event.c.body).where(event.c.id == event_id)
    return bytes(database.read(lambda connection: connection.execute(query).scalar_one()))


def parked_ids(database: Database) -> list[int]:
    query = sa.select(event.c.id).where(event.c.state == store.PARKED).order_by(event.c.id)
    return list(database.read(lambda connection: connection.execute(query).scalars().all()))


def replay(database: Database, event_ids: Sequence[int]) -> None:
    """Deliver settled events once more, whatever they were.

    Raises CommandError, and replays none, if one is not there or still pending.
    """

    def work(run: Run) -> None:
        for event_id in event_ids:
            found = run("event_state", event_id=event_id)
            if not found:
                raise CommandError(f"there is no event {event_id}; nothing was replayed")
            [[lane, state]] = found
            if state == store.PENDING:
                raise CommandError(f"event {event_id} is still pending; nothing was replayed")
            _make_pending(run, event_id, lane)

    database.tell(work)


def _make_pending(run: Run, event_id: int, lane: str) -> None:
    run("revive_event", event_id=event_id)
    run("line_up", lane=lane, event_id=event_id)
    run("move_lane_up", lane=lane, event_id=event_id)
    run("wake_lane", lane=lane)


def _record(row: Sequence[Any]) -> Record:
    columns: dict[str, Any] = dict(zip(_COLUMNS, row, strict=True))
    columns["header_names"] = tuple(name for name, _ in columns["header_names"])
    return Record(**columns)
