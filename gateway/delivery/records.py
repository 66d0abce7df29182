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
from gateway.store import EVERY, TOP, Choice, Place, Run, audit, census, dialects
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


FEW = 20_000  # rows that are looked at in no time
# In the words of the indexes: SQLite does not see otherwise that they fit.
_SETTLED, _WAITS = sa.text("state != 'pending'"), sa.text("state = 'pending'")
# PostgreSQL finds its index by the first, SQLite by the second.
_PENDING = sa.and_(_WAITS, event.c.id.in_(sa.select(event.c.id).where(_WAITS)))
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
    rest = [each.is_(sa.true()) for each in _conditions(chosen)]  # no index is asked for it
    return _found(database, [(way, *rest) for way in _ways(database, chosen)], most, place)


def meeting(
    database: Database, *conditions: sa.ColumnElement[bool], most: int, place: Place = TOP
) -> list[EventRecord]:
    """The newest `most` events for which all of these hold, newest first; or those next to a place."""
    return _found(database, [conditions], most, place)


def _found(
    database: Database, ways: Sequence[Sequence[sa.ColumnElement[bool]]], most: int, place: Place
) -> list[EventRecord]:
    """What is found by any of these ways. Ids are looked for first: else rows would be sorted with their bodies."""
    ids = dialects.parts([sa.select(event.c.id).where(*way) for way in ways], place, most=most)
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
    query = sa.select(event.c.id).where(_SETTLED, event.c.state == store.PARKED).order_by(event.c.id)
    return list(database.read(lambda connection: connection.execute(query).scalars().all()))


def replay(database: Database, event_ids: Sequence[int], deed: audit.Deed) -> None:
    """Deliver settled events once more, whatever they were, and record the deed.

    Raises CommandError, and replays none, if one is not there or still pending.
    """

    def work(run: Run) -> None:
        known = census.Numbers(run)
        for event_id in event_ids:
            found = run("event_state", event_id=event_id)
            if not found:
                raise CommandError(f"there is no event {event_id}; nothing was replayed")
            [[lane, state, at]] = found
            if state == store.PENDING:
                raise CommandError(f"event {event_id} is still pending; nothing was replayed")
            known.take_off([(state, at)])
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
        [[lane, state, _]] = found
        if state != store.PENDING:
            raise CommandError(f"event {event_id} is {state} and not pending; nothing was parked")
        _park(run, event_id, lane, now=deed.at)
        run("wake_lane", lane=lane)
        audit.note(run, deed)

    database.tell(work, lanes=_lanes(database, [event_id]))


def _lanes(database: Database, event_ids: Sequence[int]) -> set[str]:
    found = database.ask(lambda run: [run("event_state", event_id=event_id) for event_id in event_ids])
    return {lane for rows in found for lane, *_ in rows}


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


def _ways(database: Database, chosen: Choice) -> Iterator[sa.ColumnElement[bool]]:
    """Each is an index, and together they have all that is chosen, and more: what narrows it most goes first.

    What waits has one index, in the order of lanes; there is little of it, or Motion is away.
    """
    if chosen.message_id is not None:
        yield from _about(database, chosen.message_id)
    elif chosen.contact is not None:
        yield sa.and_(_SETTLED, sa.text("contact_id != ''"), event.c.contact_id == chosen.contact)
        yield sa.and_(_SETTLED, sa.text("identity != ''"), event.c.identity == chosen.identity)
        yield _PENDING
    elif chosen.since is not None and _are_few(database, since=chosen.since):
        yield event.c.id.in_(sa.select(event.c.id).where(_SETTLED, event.c.accepted_at >= chosen.since))
        yield _PENDING
    elif chosen.state is None and chosen.connector_id is None:
        yield sa.true()
    else:
        whose = () if chosen.connector_id is None else (event.c.connector_id == chosen.connector_id,)
        for state in store.STATES if chosen.state is None else [chosen.state]:
            yield _PENDING if state == store.PENDING else sa.and_(_SETTLED, event.c.state == state, *whose)


def _are_few(database: Database, *, since: float) -> bool:
    """Whether so few were accepted since then that all of them are looked at; else the newest have enough of them."""
    few = sa.select(event.c.accepted_at).where(_SETTLED, event.c.accepted_at >= since).limit(FEW).subquery()
    return int(database.read(lambda run: run.execute(sa.select(sa.func.count()).select_from(few)).scalar_one())) < FEW


def _about(database: Database, message_id: str) -> Iterator[sa.ColumnElement[bool]]:
    """What brings that message, whichever account it came to, and what reports on it."""
    yield event.c.id.in_(sa.select(report.c.event_id).where(report.c.message_id == message_id))
    for [connector_id] in database.ask(lambda run: run("connectors")):
        keys = [*events.keys_of(message_id, connector_id=connector_id)]
        for original in ("original", "NOT original"):
            yield sa.and_(event.c.connector_id == connector_id, event.c.key.in_(keys), sa.text(original))


def _conditions(chosen: Choice) -> Iterator[sa.ColumnElement[bool]]:
    if chosen.state is not None:
        yield event.c.state == chosen.state
    if chosen.connector_id is not None:
        yield event.c.connector_id == chosen.connector_id
    if chosen.contact is not None:
        yield (event.c.contact_id == (chosen.contact or None)) | (event.c.identity == chosen.identity)
    if chosen.since is not None:
        yield event.c.accepted_at >= chosen.since


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
