"""Whose turn it is: what the courier takes from the spool, and what it says of it afterwards.

Rule 1. The events of a lane are delivered one after another, in the order of acceptance: only the
        first pending one can be claimed, and only while no other of its lane is.
Rule 2. A claim carries a lease. A try is counted when it is claimed, not when it ends.
Rule 3. Every claim ends in `delivered`, `postpone` or `park`, or with the courier's death.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from gateway import store
from gateway.phrases import Reason
from gateway.store.engines import Database
from gateway.store.sqlite import Run

MOST_DEATHS = 5


@dataclass(frozen=True)
class Claim:
    """An event in the courier's hand: what `claim_first` returns, in its order."""

    headers: tuple[tuple[str, str], ...]
    event_id: int
    lane: str
    connector_id: int
    kind: str
    request_id: str
    address: str
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


@dataclass(frozen=True)
class Backlog:
    """What is in the spool, and what waits there."""

    counts: dict[str, int]  # by state
    oldest_pending_at: float | None


def backlog(database: Database) -> Backlog:
    """How many events there are by state, and since when the oldest pending one waits."""

    def work(run: Run) -> Backlog:
        [[oldest]] = run("oldest_pending")
        return Backlog(dict(run("count_events")), oldest)

    return database.ask(work)


def recover(database: Database, *, now: float, longest_wait_seconds: float) -> Recovered:
    """Free the claims of a courier that died, and bring waits from a wrong clock back to earth."""

    def work(run: Run) -> Recovered:
        held = sorted(run("count_deaths"))
        killers = [(event_id, lane) for event_id, lane, deaths in held if deaths >= MOST_DEATHS]
        for event_id, lane in killers:
            _settle(run, event_id, lane, state=store.PARKED, outcome=Reason.KILLED_COURIERS, now=now)
        run("free_lanes")
        run("ground_lanes", now=now, latest=now + longest_wait_seconds)
        return Recovered(
            parked=tuple(event_id for event_id, _ in killers),
            suspects=tuple(lane for _, lane, deaths in held if deaths < MOST_DEATHS),
        )

    return database.tell(work)


def any_due(database: Database, *, due_by: float, now: float) -> bool:
    """Whether `claim` would find something; asked without keeping the doors from writing."""
    return bool(database.ask(lambda run: run("any_due", due_by=due_by, now=now)))


def claim(database: Database, *, due_by: float, now: float, most: int, lease_seconds: float) -> list[Claim]:
    """Take the first events of up to `most` lanes that are due by then.

    The longest accepted come first; if they need not be due yet, those that were left alone the longest.
    """
    which = "due_lanes" if due_by <= now else "lanes_to_probe"

    def work(run: Run) -> list[Claim]:
        lanes = run(which, due_by=due_by, now=now, most=most)
        claims = [_take(run, lane, now + lease_seconds) for [lane] in lanes]
        return [taken for taken in claims if taken is not None]

    return database.tell(work)


def claim_suspect(database: Database, lane: str, *, now: float, lease_seconds: float) -> Claim | None:
    """Take the first event of the lane, whenever it is due; None if there is none."""
    return database.tell(lambda run: _take(run, lane, now + lease_seconds))


def delivered(database: Database, taken: Claim, *, outcome: str, now: float) -> None:
    """Motion has it."""
    _end(database, taken, state=store.DELIVERED, outcome=outcome, now=now)


def park(database: Database, taken: Claim, *, outcome: str, now: float) -> None:
    """Give up on it; it stays until it is replayed, and its contact goes on."""
    _end(database, taken, state=store.PARKED, outcome=outcome, now=now)


def postpone(
    database: Database, taken: Claim, *, outcome: str, due_at: float, failures: int, failing_since: float | None
) -> None:
    """It did not arrive; its lane waits until `due_at`."""
    record = {"outcome": outcome, "failures": failures, "failing_since": failing_since}

    def work(run: Run) -> None:
        run("postpone_event", event_id=taken.event_id, **record)
        run("free_lane", event_id=taken.event_id, lane=taken.lane, due_at=due_at)

    database.tell(work)


def hurry(database: Database, *, now: float) -> None:
    """Let every waiting lane be tried at once: Motion is back."""
    database.tell(lambda run: run("hurry_lanes", now=now))


def delivered_to_others_since(database: Database, taken: Claim, moment: float) -> bool:
    """Whether Motion took an event of another lane after `moment`."""
    return bool(database.ask(lambda run: run("delivered_to_others", lane=taken.lane, moment=moment)))


def _take(run: Run, lane: str, leased_until: float) -> Claim | None:
    found = run("claim_first", lane=lane)
    if not found:  # its events were erased
        run("drop_lane", lane=lane)
        return None
    [[headers, *columns]] = found
    taken = Claim(tuple((name, value) for name, value in json.loads(headers)), *columns)
    run("lease_lane", lane=lane, event_id=taken.event_id, leased_until=leased_until)
    return taken


def _end(database: Database, taken: Claim, *, state: str, outcome: str, now: float) -> None:
    database.tell(lambda run: _settle(run, taken.event_id, taken.lane, state=state, outcome=outcome, now=now))


def _settle(run: Run, event_id: int, lane: str, *, state: str, outcome: str, now: float) -> None:
    run("settle_event", event_id=event_id, state=state, outcome=outcome, now=now)
    following = run("following_event", lane=lane)
    if not following:
        run("drop_lane", lane=lane)
    else:
        run("advance_lane", lane=lane, following=following[0][0])
        run("free_lane", event_id=event_id, lane=lane, due_at=now)
