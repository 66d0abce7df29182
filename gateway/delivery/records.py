"""What the operator sees of the spool's events and does to them: list, show, replay, purge, count."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from gateway.errors import CommandError, SpoolUnavailable
from gateway.ingress import intake
from gateway.ingress.signature import FUTURE_TOLERANCE_SECONDS
from gateway.outbound import record
from gateway.store import schema
from gateway.store.engines import Database
from gateway.store.schema import event, lane, nonce, report, send

PURGE_CHUNK = 500  # rows in one transaction: callbacks wait behind it
ROOM_BYTES = 2 * 2**20  # for the largest callback that is usual (ingress.max_body) and the pages around it


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


@dataclass(frozen=True)
class Retention:
    """How long what has ended is kept, in seconds; None is forever."""

    delivered_seconds: int
    rejected_seconds: int
    parked_seconds: int | None


@dataclass(frozen=True)
class Backlog:
    counts: dict[str, int]  # by state
    oldest_pending_at: float | None


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
    query = sa.select(event.c.id).where(event.c.state == schema.PARKED).order_by(event.c.id)
    return list(database.read(lambda connection: connection.execute(query).scalars().all()))


def replay(database: Database, event_ids: Sequence[int]) -> None:
    """Deliver settled events once more, whatever they were.

    Raises CommandError, and replays none, if one is not there or still pending.
    """

    def work(connection: sa.Connection) -> None:
        for event_id in event_ids:
            row = connection.execute(sa.select(event.c.lane, event.c.state).where(event.c.id == event_id)).first()
            if row is None:
                raise CommandError(f"there is no event {event_id}; nothing was replayed")
            if row.state == schema.PENDING:
                raise CommandError(f"event {event_id} is still pending; nothing was replayed")
            _make_pending(connection, event_id, row.lane)

    database.write(work)


def purge(database: Database, retention: Retention, *, now: float) -> int:
    """Delete what is past its time, a chunk at a time; what was sent and reported goes with what was delivered.

    Returns how many events went.
    """
    ages = {
        schema.DELIVERED: retention.delivered_seconds,
        schema.DUPLICATE: retention.delivered_seconds,
        schema.REJECTED: retention.rejected_seconds,
        schema.PARKED: retention.parked_seconds,
    }
    deleted = sum(
        _delete_chunks(database, event, sa.and_(event.c.state == state, event.c.settled_at < now - seconds))
        for state, seconds in ages.items()
        if seconds is not None
    )
    _delete_chunks(database, report, report.c.reported_at < now - retention.delivered_seconds)
    _delete_chunks(database, send, record.past(now - retention.delivered_seconds))
    _delete_chunks(database, nonce, nonce.c.seen_at < now - retention.delivered_seconds - FUTURE_TOLERANCE_SECONDS)
    return deleted


def prove_writable(database: Database) -> None:
    """Write to the disk what is there already. Raises SpoolUnavailable where a callback could not be kept either.

    That takes more room than our write.
    """
    if shutil.disk_usage(database.path.parent).free < ROOM_BYTES:
        raise SpoolUnavailable("spool disk full")
    database.write(lambda connection: connection.exec_driver_sql("PRAGMA user_version = 0"))


def backlog(database: Database) -> Backlog:
    """How many events there are by state, and since when the oldest pending one waits."""

    def work(connection: sa.Connection) -> Backlog:
        counts = connection.execute(sa.select(event.c.state, sa.func.count()).group_by(event.c.state)).all()
        oldest = sa.select(sa.func.min(event.c.accepted_at)).where(event.c.state == schema.PENDING)
        return Backlog({str(row[0]): int(row[1]) for row in counts}, connection.execute(oldest).scalar())

    return database.read(work)


def _make_pending(connection: sa.Connection, event_id: int, name: str) -> None:
    fresh = {"state": schema.PENDING, "settled_at": None, "failures": 0, "failing_since": None, "deaths": 0}
    connection.execute(event.update().where(event.c.id == event_id).values(**fresh))
    intake.line_up(connection, name, event_id)
    first = lane.update().where(lane.c.lane == name, lane.c.first_event > event_id)
    connection.execute(first.values(first_event=event_id))
    waiting = lane.update().where(lane.c.lane == name, lane.c.claimed_event.is_(None))
    connection.execute(waiting.values(due_at=intake.DUE_AT_ONCE))


def _delete_chunks(database: Database, table: sa.Table, condition: sa.ColumnElement[bool]) -> int:
    rowid: sa.ColumnClause[int] = sa.literal_column("rowid")
    chunk = sa.select(rowid).select_from(table).where(condition).limit(PURGE_CHUNK)
    statement = table.delete().where(rowid.in_(chunk))
    total = 0
    while deleted := database.write(lambda connection: connection.execute(statement).rowcount):
        total += deleted
    return total


def _record(row: Sequence[Any]) -> Record:
    columns: dict[str, Any] = dict(zip(_COLUMNS, row, strict=True))
    columns["header_names"] = tuple(name for name, _ in columns["header_names"])
    return Record(**columns)
