"""Whose turn it is: what the courier takes from the spool, and what it says of it afterwards.

Rule 1. The events of a lane are delivered one after another, in the order of acceptance: only the
        first pending one can be claimed, and only while no other of its lane is. Who has it in hand may
        take those behind it, one by one.
Rule 2. A claim carries a lease. A try is counted when it is claimed, not when it ends.
Rule 3. Every claim ends in `delivered`, `postpone` or `park`, or with the courier's death.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway import store
from gateway.delivery.health import Scope
from gateway.phrases import Reason
from gateway.store import Run
from gateway.store.engines import Database

MOST_DEATHS = 5
MOST_TOLD = 2000  # characters of what is kept of an event's earlier tries: some sixty of them


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

    @property
    def scope(self) -> Scope:
        return Scope(self.connector_id, self.kind)


@dataclass(frozen=True)
class Recovered:
    """What a courier that died left behind."""

    parked: tuple[int, ...]  # too many couriers died with these events in hand
    suspects: tuple[str, ...]  # lanes whose first event was in its hand, and may have killed it


def counted(database: Database) -> dict[str, int]:
    """How many events there are by state. It reads an index of all that is kept: for who waits for it."""
    return dict(database.ask(lambda run: run("count_events")))


def waiting(database: Database) -> dict[str, int]:
    """How many events are pending, and how many are parked: of the others there may be millions."""
    return dict(database.ask(lambda run: run("count_waiting")))


def oldest_pending_at(database: Database) -> float | None:
    """When the first of those that wait was accepted, in epoch seconds; None where none does."""
    return next((at for [at] in database.ask(lambda run: run("oldest_pending"))), None)


def recover(database: Database, *, now: float, longest_wait_seconds: float) -> Recovered:
    """Free the claims of a courier that died, and bring waits from a wrong clock back to earth."""

    def work(run: Run) -> Recovered:
        held = sorted(run("count_deaths"))
        killers = [(event_id, lane) for event_id, lane, deaths in held if deaths >= MOST_DEATHS]
        for event_id, lane in killers:
            settle(run, event_id, lane, state=store.PARKED, outcome=Reason.KILLED_COURIERS, now=now)
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


def claim(
    database: Database,
    *,
    due_by: float,
    now: float,
    most: int,
    lease_seconds: float,
    but: Sequence[Scope] = (),
    fits: Callable[[Scope], bool] = lambda _: True,
) -> list[Claim]:
    """Take the first events of up to `most` lanes that are due by then; the longest accepted come first.

    `but`: of other scopes than these. `fits` is asked of each whether it may be taken too.
    """
    asked = {"due_by": due_by, "now": now, "most": most, "excepted": json.dumps(but)}
    found = database.ask(lambda run: run("due_lanes", **asked))
    lanes = [lane for lane, *scope in found if scope[0] is None or fits(Scope(*scope))]
    return claim_lanes(database, lanes, now=now, lease_seconds=lease_seconds) if lanes else []


def claim_lanes(database: Database, lanes: Sequence[str], *, now: float, lease_seconds: float) -> list[Claim]:
    """Take the first event of each of these lanes, whenever it is due. Raises SpoolUnavailable."""

    def work(run: Run) -> list[Claim]:
        claims = [_take(run, lane, now + lease_seconds) for lane in lanes]
        return [taken for taken in claims if taken is not None]

    return database.tell(work)


def lanes_of(database: Database, scope: Scope, *, due_by: float, now: float, most: int) -> list[str]:
    """The lanes whose first event is of that scope and is due by then: those left alone the longest."""
    which = {"connector_id": scope.connector_id, "kind": scope.kind}
    return [
        lane for [lane] in database.ask(lambda run: run("due_lanes_of", due_by=due_by, now=now, most=most, **which))
    ]


def claim_behind(database: Database, ahead: Claim, *, now: float, lease_seconds: float) -> Claim | None:
    """Take the event that comes after one in hand, and keep that one's lane; None if there is none."""

    def work(run: Run) -> Claim | None:
        found = run("claim_behind", lane=ahead.lane, event_id=ahead.event_id)
        return _in_hand(run, found[0], now + lease_seconds) if found else None

    return database.tell(work)


def settle_behind(database: Database, taken: Claim, *, state: str, outcome: str, now: float) -> None:
    """Write down the end of an event that came after the first of its lane; the lane stays in hand."""
    database.tell(lambda run: run("settle_event", event_id=taken.event_id, state=state, outcome=outcome, now=now))


def keep_failing(
    database: Database, taken: Claim, *, outcome: str, failures: int, failing_since: float | None, now: float
) -> None:
    """Write down that it did not arrive; the lane stays in hand."""
    database.tell(lambda run: _failed(run, taken, outcome, failures, failing_since, now))


def free(database: Database, taken: Claim, *, due_at: float) -> None:
    """Let go of the lane, whose first event is to be tried by then."""
    database.tell(lambda run: run("free_lane", event_id=taken.event_id, lane=taken.lane, due_at=due_at))


def revive_kind(database: Database, scope: Scope) -> int:
    """Let what was parked because its kind was refused be delivered after all; returns how many."""

    def work(run: Run) -> int:
        reason = f"%{Reason.KIND_REFUSED}"
        which = {"connector_id": scope.connector_id, "kind": scope.kind, "outcome": reason}
        found = run("revive_kind", most_told=MOST_TOLD, **which)
        for event_id, lane in sorted(found):
            run("line_up", lane=lane, event_id=event_id)
            run("move_lane_up", lane=lane, event_id=event_id)
            run("wake_lane", lane=lane)
        return len(found)

    return database.tell(work)


def delivered(database: Database, taken: Claim, *, outcome: str, now: float) -> None:
    """Motion has it."""
    _end(database, taken, state=store.DELIVERED, outcome=outcome, now=now)


def park(database: Database, taken: Claim, *, outcome: str, now: float) -> None:
    """Give up on it; it stays until it is replayed, and its contact goes on."""
    _end(database, taken, state=store.PARKED, outcome=outcome, now=now)


def postpone(
    database: Database,
    taken: Claim,
    *,
    outcome: str,
    due_at: float,
    failures: int,
    failing_since: float | None,
    now: float,
) -> None:
    """It did not arrive; its lane waits until `due_at`."""

    def work(run: Run) -> None:
        _failed(run, taken, outcome, failures, failing_since, now)
        run("free_lane", event_id=taken.event_id, lane=taken.lane, due_at=due_at)

    database.tell(work)


def hurry(database: Database, *, now: float) -> None:
    """Let every waiting lane be tried at once: Motion is back."""
    database.tell(lambda run: run("hurry_lanes", now=now))


def _failed(run: Run, taken: Claim, outcome: str, failures: int, failing_since: float | None, now: float) -> None:
    told = {"told": f"{now:.3f} {outcome}\n", "most_told": MOST_TOLD}
    record = {"outcome": outcome, "failures": failures, "failing_since": failing_since}
    run("postpone_event", event_id=taken.event_id, **record, **told)


def _take(run: Run, lane: str, leased_until: float) -> Claim | None:
    found = run("claim_first", lane=lane)
    if not found:  # its events were erased
        run("drop_lane", lane=lane)
        return None
    return _in_hand(run, found[0], leased_until)


def _in_hand(run: Run, row: Sequence[Any], leased_until: float) -> Claim:
    headers, *columns = row
    taken = Claim(tuple((name, value) for name, value in json.loads(headers)), *columns)
    run("lease_lane", lane=taken.lane, event_id=taken.event_id, leased_until=leased_until)
    return taken


def _end(database: Database, taken: Claim, *, state: str, outcome: str, now: float) -> None:
    database.tell(lambda run: settle(run, taken.event_id, taken.lane, state=state, outcome=outcome, now=now))


def settle(run: Run, event_id: int, lane: str, *, state: str, outcome: str, now: float) -> None:
    """End an event in its lane, which goes on. For who has a transaction."""
    run("settle_event", event_id=event_id, state=state, outcome=outcome, now=now)
    following = run("following_event", lane=lane)
    if not following:
        run("drop_lane", lane=lane)
    else:
        run("advance_lane", lane=lane, following=following[0][0])
        run("free_lane", event_id=event_id, lane=lane, due_at=now)
