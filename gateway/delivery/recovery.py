"""What couriers leave behind: claims of those that died, and lanes that wait for what is over.

Rule 1. What a courier held under its own name is free when it starts: it holds the lock of its state. Of others it is
        free once the lease has ended, whoever looks.
Rule 2. A death is counted for what was in hand then, and its lane is suspect: it is tried alone. After `MOST_DEATHS`
        in a row the event is parked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway import store
from gateway.delivery import claims
from gateway.delivery.health import Scope
from gateway.phrases import Reason
from gateway.store import Run, census
from gateway.store.engines import Database

MOST_DEATHS = 5
LOOKS = 5
CHUNK = 500  # events in one transaction: callbacks wait behind it


@dataclass(frozen=True)
class Recovered:
    """What was freed of couriers that died."""

    couriers: tuple[str, ...] = ()  # their names
    parked: tuple[int, ...] = ()  # too many couriers died with these events in hand
    suspects: tuple[str, ...] = ()  # lanes whose first event was in hand, and may have killed one


def start(database: Database, courier: str, *, now: float, longest_wait_seconds: float) -> Recovered:
    """Free what a courier of that name died with, and bring waits from a wrong clock back to earth.

    `courier` is "" for one that is alone: then all that is held is its own.
    """
    number = claims.drawn()

    def work(run: Run) -> Recovered:
        run("ground_lanes", now=now, latest=now + longest_wait_seconds)
        return _freed(run, run("seize_own", courier=courier, claim=number), number, now)

    return database.tell(work)


def free_ended(database: Database, *, now: float) -> Recovered:
    """Free the claims whose leases have ended."""
    number = claims.drawn()
    return database.tell(lambda run: _freed(run, run("seize_ended", now=now, claim=number), number, now))


def suspects(database: Database, *, most: int) -> list[int]:
    """The first events of the lanes that are to be tried alone."""
    return [first for [first] in database.ask(lambda run: run("suspect_lanes", most=most))]


def hurry(database: Database, *, now: float) -> None:
    """Let every waiting lane be tried at once: Motion is back."""
    database.tell(lambda run: run("hurry_lanes", now=now))
    for _ in range(LOOKS):  # for those that somebody was at: now they are waited for
        left = [lane for [lane] in database.ask(lambda run: run("lanes_put_off", now=now, most=CHUNK))]
        if not left:
            return
        database.tell(lambda run: run("hurry_lanes", now=now), lanes=left)


def revive_kind(database: Database, scope: Scope) -> int:
    """Let what was parked because its kind was refused be delivered after all; returns how many."""
    total, which = 0, {"connector_id": scope.connector_id, "kind": scope.kind, "outcome": f"%{Reason.KIND_REFUSED}"}
    while found := database.ask(lambda run: run("parked_of_kind", most=CHUNK, **which)):
        total += database.tell(lambda run: _revive(run, found), lanes={lane for _, lane in found})
    return total


def _revive(run: Run, found: Sequence[Any]) -> int:
    known, ids = census.Numbers(run), json.dumps([event_id for event_id, _ in found])
    known.take_off(run("parked_at", ids=ids))
    revived = sorted(run("revive_events", ids=ids, most_told=claims.MOST_TOLD))
    for event_id, lane in revived:
        run("line_up", lane=lane, event_id=event_id)
        run("move_lane_up", lane=lane, event_id=event_id)
        run("wake_lane", lane=lane)
    return len(revived)


def _freed(run: Run, held: Sequence[Any], number: int, now: float) -> Recovered:
    if not held:
        return Recovered()
    dead = sorted(run("count_deaths", claim=number))
    killers = [(event_id, lane) for event_id, lane, deaths in dead if deaths >= MOST_DEATHS]
    for event_id, lane in killers:
        end = {"state": store.PARKED, "outcome": Reason.KILLED_COURIERS}
        claims.settle(run, event_id, lane, number, **end, now=now)
    return Recovered(
        couriers=tuple(sorted({str(courier) for [courier] in held if courier})),
        parked=tuple(event_id for event_id, _ in killers),
        suspects=tuple(sorted(lane for [lane] in run("suspect_lanes_of", claim=number))),
    )
