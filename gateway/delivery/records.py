"""What the operator sees of the spool's events and does to them: list, show, replay."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from gateway import store
from gateway.delivery import claims
from gateway.errors import CommandError
from gateway.ingress import events
from gateway.ingress.events import Report
from gateway.phrases import Reason
from gateway.store import EVERY, TOP, Choice, Place, Run, audit, dialects
from gateway.store.engines import Database
from gateway.store.schema import event, report


@dataclass(frozen=True)
class Tried:
    """What came of a try, or how the event had ended before it was delivered once more: as `outcome` says it."""

    at: float  # epoch seconds
    outcome: str


@dataclass(frozen=True)
class EventRecord:
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
    findings: tuple[str, ...]  # what an operator should know of it
    history: tuple[Tried, ...]  # what is kept of the tries before the last one
    told: Report | None  # of a delivery report: what it says


_AT = re.compile(r"[0-9]{1,12}\.[0-9]{3}")
_COLUMNS = [field.name for field in fields(EventRecord) if field.name != "told"]
_TOLD = [field.name for field in fields(Report)]
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
    event.c.findings,
    event.c.history,
    *(report.c[name] for name in _TOLD),
).select_from(event.outerjoin(report, report.c.event_id == event.c.id))


def listed(database: Database, chosen: Choice = EVERY, *, most: int, place: Place = TOP) -> list[EventRecord]:
    """The newest `most` of the chosen events, newest first; or those next to a place, below it or above."""
    return meeting(database, *_conditions(database, chosen), most=most, place=place)


def meeting(
    database: Database, *conditions: sa.ColumnElement[bool], most: int, place: Place = TOP
) -> list[EventRecord]:
    """The newest `most` events for which all of these hold, newest first; or those next to a place.

    Their ids are looked for first, which an index on states has: else whole rows would be sorted, with their bodies.
    """
    ids = dialects.part(sa.select(event.c.id).where(*conditions), place, most=most)
    query = _RECORD.where(event.c.id.in_(ids)).order_by(event.c.id.desc())
    return [_record(row) for row in database.read(lambda connection: connection.execute(query).all())]


def shown(database: Database, event_id: int) -> EventRecord:
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


def replay(database: Database, event_ids: Sequence[int], deed: audit.Deed) -> None:
    """Deliver settled events once more, whatever they were, and record the deed.

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
        audit.note(run, deed)

    database.tell(work, lanes=_lanes(database, event_ids))


def park(database: Database, event_id: int, deed: audit.Deed) -> None:
    """Give up on a pending event, which stays until it is replayed, and record the deed; its contact goes on.

    Raises CommandError if it is not there or not pending.
    """

    def work(run: Run) -> None:
        found = run("event_state", event_id=event_id)
        if not found:
            raise CommandError(f"there is no event {event_id}; nothing was parked")
        [[lane, state]] = found
        if state != store.PENDING:
            raise CommandError(f"event {event_id} is {state} and not pending; nothing was parked")
        _park(run, event_id, lane, now=deed.at)
        run("wake_lane", lane=lane)
        audit.note(run, deed)

    database.tell(work, lanes=_lanes(database, [event_id]))


def _lanes(database: Database, event_ids: Sequence[int]) -> set[str]:
    found = database.ask(lambda run: [run("event_state", event_id=event_id) for event_id in event_ids])
    return {lane for rows in found for lane, _ in rows}


def _park(run: Run, event_id: int, lane: str, *, now: float) -> None:
    """Take an event from whoever has it in hand: what that courier says of it later changes nothing."""
    state, outcome, number = store.PARKED, Reason.PARKED_BY_HAND, claims.drawn()
    if run("seize_event", event_id=event_id, lane=lane, claim=number):
        claims.settle(run, event_id, lane, number, state=state, outcome=outcome, now=now)
    else:  # another one of the lane is being delivered
        run("settle_event", event_id=event_id, lane=lane, claim=None, state=state, outcome=outcome, now=now)


def _make_pending(run: Run, event_id: int, lane: str) -> None:
    run("revive_event", event_id=event_id, most_told=claims.MOST_TOLD)
    run("line_up", lane=lane, event_id=event_id)
    run("move_lane_up", lane=lane, event_id=event_id)
    run("wake_lane", lane=lane)


def _conditions(database: Database, chosen: Choice) -> Iterator[sa.ColumnElement[bool]]:
    if chosen.state is not None:
        yield event.c.state == chosen.state
    if chosen.connector_id is not None:
        yield event.c.connector_id == chosen.connector_id
    if chosen.contact is not None:
        yield (event.c.contact_id == (chosen.contact or None)) | (event.c.identity == chosen.identity)
    if chosen.message_id is not None:
        reported = sa.select(report.c.event_id).where(report.c.message_id == chosen.message_id)
        yield event.c.id.in_(reported) | event.c.key.in_(_keys(database, chosen.message_id))
    if chosen.since is not None:
        yield event.c.accepted_at >= chosen.since


def _keys(database: Database, message_id: str) -> list[bytes]:
    """The keys under which a message with that id is filed, whichever account it came to."""
    connectors = database.read(lambda run: run.execute(sa.select(event.c.connector_id).distinct()).scalars().all())
    return [key for connector_id in connectors for key in events.keys_of(message_id, connector_id=connector_id)]


def _record(row: Sequence[Any]) -> EventRecord:
    columns: dict[str, Any] = dict(zip(_COLUMNS, row, strict=False))
    columns["header_names"] = tuple(name for name, _ in columns["header_names"])
    columns["findings"] = tuple(columns["findings"].split())
    columns["history"] = tuple(_tries(columns["history"]))
    told = dict(zip(_TOLD, row[len(_COLUMNS) :], strict=True))
    return EventRecord(**columns, told=None if told["message_id"] is None else Report(**told))


def _tries(history: str) -> Iterator[Tried]:
    """Read what `claims` has kept: a line for each, of which the first may have lost its beginning."""
    for line in history.splitlines():
        at, _, outcome = line.partition(" ")
        if _AT.fullmatch(at) and outcome:
            yield Tried(float(at), outcome)
