"""Whose turn it is: what the courier takes from the spool, and what it says of it afterwards.

Rule 1. The events of a lane are delivered one after another, in the order of acceptance: only the
        first pending one can be claimed, and only while no other of its lane is.
Rule 2. A claim carries a lease. A try is counted when it is claimed, not when it ends.
Rule 3. Every claim ends in `delivered`, `postpone` or `park`, or with the courier's death.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from gateway.store import schema
from gateway.store.engines import Database
from gateway.store.schema import event, lane

MOST_DEATHS = 5
KILLED_COURIERS = "couriers died delivering it"


@dataclass(frozen=True)
class Claim:
    """An event in the courier's hand."""

    event_id: int
    lane: str
    connector_id: int
    kind: str
    request_id: str
    address: str
    headers: tuple[tuple[str, str], ...]
    query: str
    body: bytes
    accepted_at: float
    tries: int  # this one included
    failures: int
    failing_since: float | None


@dataclass(frozen=True)
class Recovered:
    """What a courier that died left behind."""

    parked: tuple[int, ...]  # too many couriers died with these events in hand
    suspects: tuple[str, ...]  # lanes whose first event was in its hand, and may have killed it


def recover(database: Database, *, now: float, longest_wait_seconds: float) -> Recovered:
    """Free the claims of a courier that died, and bring waits from a wrong clock back to earth."""

    def work(connection: sa.Connection) -> Recovered:
        claimed = sa.select(lane.c.claimed_event).where(lane.c.claimed_event.is_not(None))
        held = connection.execute(claimed).scalars().all()
        connection.execute(event.update().where(event.c.id.in_(held)).values(deaths=event.c.deaths + 1))
        suspects = sa.select(event.c.id, event.c.lane, event.c.deaths).where(event.c.id.in_(held)).order_by(event.c.id)
        rows = connection.execute(suspects).all()
        killers = [row for row in rows if row.deaths >= MOST_DEATHS]
        for killer in killers:
            _settle(connection, killer.id, killer.lane, state=schema.PARKED, outcome=KILLED_COURIERS, now=now)
        connection.execute(
            lane.update().where(lane.c.claimed_event.is_not(None)).values(claimed_event=None, leased_until=None)
        )
        connection.execute(lane.update().where(lane.c.due_at > now + longest_wait_seconds).values(due_at=now))
        return Recovered(
            parked=tuple(row.id for row in killers),
            suspects=tuple(row.lane for row in rows if row not in killers),
        )

    return database.write(work)


def any_due(database: Database, *, due_by: float, now: float) -> bool:
    """Whether `claim` would find something; asked without keeping the doors from writing."""
    return database.read(lambda connection: connection.execute(_due(due_by, now).limit(1)).first()) is not None


def claim(database: Database, *, due_by: float, now: float, most: int, lease_seconds: float) -> list[Claim]:
    """Take the first events of up to `most` lanes that are due by then, the longest accepted first."""

    def work(connection: sa.Connection) -> list[Claim]:
        names = connection.execute(_due(due_by, now).limit(most)).scalars().all()
        claims = [_take(connection, name, now + lease_seconds) for name in names]
        return [taken for taken in claims if taken is not None]

    return database.write(work)


def claim_suspect(database: Database, name: str, *, now: float, lease_seconds: float) -> Claim | None:
    """Take the first event of the lane `name`, whenever it is due; None if there is none."""
    return database.write(lambda connection: _take(connection, name, now + lease_seconds))


def delivered(database: Database, taken: Claim, *, outcome: str, now: float) -> None:
    """Motion has it."""
    _end(database, taken, state=schema.DELIVERED, outcome=outcome, now=now)


def park(database: Database, taken: Claim, *, outcome: str, now: float) -> None:
    """Give up on it; it stays until it is replayed, and its contact goes on."""
    _end(database, taken, state=schema.PARKED, outcome=outcome, now=now)


def postpone(
    database: Database, taken: Claim, *, outcome: str, due_at: float, failures: int, failing_since: float | None
) -> None:
    """It did not arrive; its lane waits until `due_at`."""

    def work(connection: sa.Connection) -> None:
        pending = event.update().where(event.c.id == taken.event_id, event.c.state == schema.PENDING)
        connection.execute(pending.values(outcome=outcome, failures=failures, failing_since=failing_since, deaths=0))
        _free(connection, taken.event_id, taken.lane, due_at=due_at)

    database.write(work)


def hurry(database: Database, *, now: float) -> None:
    """Let every waiting lane be tried at once: Motion is back."""
    database.write(lambda connection: connection.execute(lane.update().where(lane.c.due_at > now).values(due_at=now)))


def delivered_to_others_since(database: Database, taken: Claim, moment: float) -> bool:
    """Whether Motion took an event of another lane after `moment`."""
    others = sa.select(event.c.id).where(
        event.c.state == schema.DELIVERED, event.c.settled_at > moment, event.c.lane != taken.lane
    )
    return database.read(lambda connection: connection.execute(others.limit(1)).first()) is not None


def _due(due_by: float, now: float) -> sa.Select[str]:
    # Those that are due in the order of acceptance; those that need not be due (probes) in turn.
    order = lane.c.first_event if due_by <= now else lane.c.due_at
    free = sa.or_(lane.c.leased_until.is_(None), lane.c.leased_until < now)
    return sa.select(lane.c.lane).where(lane.c.due_at <= due_by, free).order_by(order)


def _take(connection: sa.Connection, name: str, leased_until: float) -> Claim | None:
    first = sa.select(event).where(event.c.lane == name, event.c.state == schema.PENDING).order_by(event.c.id).limit(1)
    row = connection.execute(first).first()
    if row is None:  # its events were erased
        connection.execute(lane.delete().where(lane.c.lane == name))
        return None
    connection.execute(lane.update().where(lane.c.lane == name).values(claimed_event=row.id, leased_until=leased_until))
    connection.execute(event.update().where(event.c.id == row.id).values(tries=event.c.tries + 1))
    return Claim(
        event_id=row.id,
        lane=name,
        connector_id=row.connector_id,
        kind=row.kind,
        request_id=row.request_id,
        address=row.address,
        headers=tuple((header, value) for header, value in row.headers),
        query=row.query,
        body=row.body,
        accepted_at=row.accepted_at,
        tries=row.tries + 1,
        failures=row.failures,
        failing_since=row.failing_since,
    )


def _end(database: Database, taken: Claim, *, state: str, outcome: str, now: float) -> None:
    database.write(
        lambda connection: _settle(connection, taken.event_id, taken.lane, state=state, outcome=outcome, now=now)
    )


def _settle(connection: sa.Connection, event_id: int, name: str, *, state: str, outcome: str, now: float) -> None:
    settled = event.update().where(event.c.id == event_id, event.c.state == schema.PENDING)
    connection.execute(settled.values(state=state, outcome=outcome, settled_at=now))
    first = sa.select(sa.func.min(event.c.id)).where(event.c.lane == name, event.c.state == schema.PENDING)
    following = connection.execute(first).scalar()
    if following is None:
        connection.execute(lane.delete().where(lane.c.lane == name))
    else:
        connection.execute(lane.update().where(lane.c.lane == name).values(first_event=following))
        _free(connection, event_id, name, due_at=now)


def _free(connection: sa.Connection, event_id: int, name: str, *, due_at: float) -> None:
    """Let the lane go on; not if it has gone on already, because the lease was over."""
    held = lane.update().where(lane.c.lane == name, lane.c.claimed_event == event_id)
    connection.execute(held.values(due_at=due_at, claimed_event=None, leased_until=None))
