"""Whose turn it is: what couriers take from the spool, and what they say of it afterwards.

Rule 1. The events of a lane are delivered one after another, in the order of acceptance: only the first pending one can
        be claimed, and only while no other of its lane is. Who has it in hand may take those behind it, one by one.
Rule 2. A claim carries a lease. A try is counted when it is claimed, not when it ends.
Rule 3. Every claim ends in `delivered`, `postpone`, `park` or `free`, or with its lease (`recovery`).
Rule 4. Whatever is said of a claim names it, and changes nothing where the lane's is another by now: it is lost.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gateway import store
from gateway.delivery.health import Scope
from gateway.phrases import Finding
from gateway.store import Run
from gateway.store.engines import Database

MOST_TOLD = 2000  # characters of what is kept of an event's earlier tries: some sixty of them


@dataclass(frozen=True)
class Claim:
    """An event in a courier's hand: what `claim_firsts` returns, in its order, and by which claim, until when."""

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
    number: int  # of the claim: no other has it
    leased_until: float  # epoch seconds

    @property
    def scope(self) -> Scope:
        return Scope(self.connector_id, self.kind)

    @property
    def held(self) -> dict[str, Any]:
        """What a statement is given that changes nothing where the lane is another's."""
        return {"lane": self.lane, "claim": self.number}


@dataclass(frozen=True)
class Hand:
    """Who claims, until when."""

    leased_until: float  # epoch seconds
    courier: str = ""  # its node's name; "" is alone


class Waiting(NamedTuple):
    """What there is to do, in the order of `what_waits`."""

    due: bool
    suspects: bool  # to be tried alone
    ended: bool  # a lease is over


def waiting(database: Database) -> dict[str, int]:
    """How many events are pending, and how many are parked: of the others there may be millions."""
    return dict(database.ask(lambda run: run("count_waiting")))


def oldest_pending_at(database: Database) -> float | None:
    """When the first of those that wait was accepted, in epoch seconds; None where none does."""
    return next((at for [at] in database.ask(lambda run: run("oldest_pending"))), None)


def look(database: Database, *, due_by: float, now: float) -> Waiting:
    """Tell what there is to do; asked without keeping the doors from writing."""
    return Waiting(*map(bool, database.ask(lambda run: run("what_waits", due_by=due_by, now=now))[0]))


def claim(
    database: Database,
    *,
    due_by: float,
    now: float,
    most: int,
    lease_seconds: float,
    courier: str = "",
    but: Sequence[Scope] = (),
    fits: Callable[[Scope], bool] = lambda _: True,
) -> list[Claim]:
    """Take the first events of up to `most` lanes that are due by then; the longest accepted come first.

    `but`: of other scopes than these; `fits` is asked of each whether it may be taken, too.
    """
    found = database.glance("due_lanes", due_by=due_by, most=most, excepted=json.dumps(but))  # taking them looks again
    firsts = [first for first, *scope in found if scope[0] is None or fits(Scope(*scope))]
    return claim_lanes(database, firsts, Hand(now + lease_seconds, courier), due_by=due_by)


def claim_lanes(database: Database, firsts: Sequence[int], hand: Hand, *, due_by: float = math.inf) -> list[Claim]:
    """Take the lanes with these first events that are free, and due by then. Raises SpoolUnavailable."""
    number = drawn()
    return database.tell(lambda run: _take(run, firsts, hand, number, due_by)) if firsts else []


def claim_probe(database: Database, scope: Scope, hand: Hand, *, now: float, until: float) -> list[Claim]:
    """Take an event for which Motion is away, due or not, if no courier probes that: the others wait `until` then."""
    firsts, number = lanes_of(database, scope, due_by=math.inf, most=1), drawn()
    about = {"finding": Finding.MOTION_DOWN, "about": scope.named}

    def work(run: Run) -> list[Claim]:
        if not run("begin_probe", until=until, now=now, **about):
            return []
        taken = _take(run, firsts, hand, number, math.inf)
        if not taken:  # nobody was asked
            run("begin_probe", until=now, now=math.inf, **about)
        return taken

    return database.tell(work) if firsts else []


def lanes_of(database: Database, scope: Scope, *, due_by: float, most: int) -> list[int]:
    """The first events of the lanes of that scope that are due by then: of those left alone the longest."""
    which = {"connector_id": scope.connector_id, "kind": scope.kind}
    return [first for [first] in database.glance("due_lanes_of", due_by=due_by, most=most, **which)]


def claim_behind(database: Database, ahead: Claim, *, now: float, lease_seconds: float) -> Claim | None:
    """Take the event that comes after one in hand, and keep that one's lane; None if there is none, or it is lost."""

    def work(run: Run) -> Claim | None:
        found = run("claim_behind", event_id=ahead.event_id, **ahead.held)
        taken = _in_hand(found[0], ahead.number, now + lease_seconds) if found else None
        if taken is not None:
            _lease(run, taken)
        return taken

    return database.tell(work, lanes=(ahead.lane,))


def settle_behind(database: Database, taken: Claim, *, state: str, outcome: str, now: float) -> None:
    """Write down the end of an event that came after the first of its lane; the lane stays in hand."""
    end = {"event_id": taken.event_id, "state": state, "outcome": outcome, "now": now}
    database.tell(lambda run: run("settle_event", **end, **taken.held), lanes=(taken.lane,))


def keep_failing(
    database: Database, taken: Claim, *, outcome: str, failures: int, failing_since: float | None, now: float
) -> None:
    """Write down that it did not arrive; the lane stays in hand."""
    database.tell(lambda run: _failed(run, taken, outcome, failures, failing_since, now), lanes=(taken.lane,))


def free(database: Database, taken: Claim, *, due_at: float) -> bool:
    """Let go of the lane, whose first event is to be tried by then. Returns whether it was still in our hand."""
    return bool(database.tell(lambda run: run("free_lane", due_at=due_at, **taken.held), lanes=(taken.lane,)))


def delivered(database: Database, taken: Claim, *, outcome: str, now: float) -> bool:
    """Motion has it. Returns whether it was still in our hand."""
    return _end(database, taken, state=store.DELIVERED, outcome=outcome, now=now)


def park(database: Database, taken: Claim, *, outcome: str, now: float) -> bool:
    """Give up on it: it stays until it is replayed, and its contact goes on. Returns whether it was still ours."""
    return _end(database, taken, state=store.PARKED, outcome=outcome, now=now)


def postpone(
    database: Database,
    taken: Claim,
    *,
    outcome: str,
    due_at: float,
    failures: int,
    failing_since: float | None,
    now: float,
) -> bool:
    """It did not arrive; its lane waits until `due_at`. Returns whether it was still in our hand."""

    def work(run: Run) -> bool:
        _failed(run, taken, outcome, failures, failing_since, now)
        return bool(run("free_lane", due_at=due_at, **taken.held))

    return database.tell(work, lanes=(taken.lane,))


def settle(run: Run, event_id: int, lane: str, number: int, *, state: str, outcome: str, now: float) -> bool:
    """End an event in its lane, which goes on, where that claim is the lane's. For who has a transaction."""
    end = {"event_id": event_id, "lane": lane, "claim": number, "state": state, "outcome": outcome, "now": now}
    if told := run("settle_at_once", **end):
        return bool(told[0][0])
    run("settle_event", **end)
    if following := run("following_event", lane=lane):
        return bool(run("advance_lane", lane=lane, claim=number, following=following[0][0], due_at=now))
    return bool(run("drop_lane", lane=lane, claim=number))


def drawn() -> int:
    """Draw the number of a claim, of 63 bits: no other claim has it, whoever draws it."""
    return random.getrandbits(63)


def _take(run: Run, firsts: Sequence[int], hand: Hand, number: int, due_by: float) -> list[Claim]:
    wanted = {"firsts": json.dumps(firsts), "claim": number}
    free = run("take_lanes", courier=hand.courier, leased_until=hand.leased_until, due_by=due_by, **wanted)
    taken = {}
    for row in run("claim_firsts", **wanted) if free else ():
        each = _in_hand(row, number, hand.leased_until)
        taken[each.lane] = each
    for lane, first in free:
        if lane not in taken:  # its events were erased
            run("drop_lane", lane=lane, claim=number)
        elif taken[lane].event_id != first:
            _lease(run, taken[lane])
    return sorted(taken.values(), key=lambda each: each.event_id)


def _in_hand(row: Sequence[Any], number: int, leased_until: float) -> Claim:
    told: list[Any] = [*row, number, leased_until]
    headers, *columns = told
    return Claim(tuple((name, value) for name, value in json.loads(headers)), *columns)


def _lease(run: Run, taken: Claim) -> None:
    run("lease_lane", event_id=taken.event_id, leased_until=taken.leased_until, **taken.held)


def _failed(run: Run, taken: Claim, outcome: str, failures: int, failing_since: float | None, now: float) -> None:
    record = {"outcome": outcome, "failures": failures, "failing_since": failing_since, "most_told": MOST_TOLD}
    run("postpone_event", event_id=taken.event_id, told=f"{now:.3f} {outcome}\n", **taken.held, **record)


def _end(database: Database, taken: Claim, *, state: str, outcome: str, now: float) -> bool:
    which = (taken.event_id, taken.lane, taken.number)
    return database.tell(lambda run: settle(run, *which, state=state, outcome=outcome, now=now), lanes=(taken.lane,))
