"""A backlog for the courier to catch up with, and the proof that what arrived came in the order of acceptance."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from bench.letters import CONTACTS
from bench.site import Site
from gateway import clock, store
from gateway.ingress import events, intake
from gateway.ingress.intake import Callback
from gateway.store.schema import event
from sandbox import callbacks
from sandbox.sinch import Sinch

WRITERS = 16


@dataclass(frozen=True, kw_only=True)
class CatchUp:
    """`wrong`: what makes the run a failure; empty if all is well."""

    backlog: int
    filled_in_seconds: float
    delivered: int
    seconds: float
    repeated: int
    wrong: tuple[str, ...]


def catch_up(site: Site, heard: Path, *, backlog: int, most_seconds: float) -> CatchUp:
    """Fill the spool, let the courier deliver for so long at the most, and look at what arrived."""
    filled = fill(site, backlog)
    heard.write_text("", "utf-8")
    with site.running("courier"):
        began = wait_for_lines(heard, 1, most_seconds=most_seconds)
        ended = wait_for_lines(heard, backlog, most_seconds=most_seconds)
        seen = lines(heard)
    arrived = heard.read_text("utf-8").split()
    return CatchUp(
        backlog=backlog,
        filled_in_seconds=filled,
        delivered=seen,
        seconds=ended - began,
        repeated=len(arrived) - len(set(arrived)),
        wrong=tuple(disorder(site, arrived)),
    )


def disorder(site: Site, arrived: Iterable[str], *, behind: int = 0) -> list[str]:
    """What is wrong with the order in which these request ids arrived: nothing, if each contact's events arrived
    in the order of acceptance, none was left out, and the spool knows of every delivery. `behind`: an event's id, as
    what came before it, and itself, are not looked at."""
    columns = sa.select(event.c.request_id, event.c.lane, event.c.state)
    rows = site.spooled(columns.where(event.c.id > behind).order_by(event.c.id))
    first = dict.fromkeys(arrived)  # a repeat says nothing
    waiting: dict[str, list[str]] = {}
    for row in rows:
        waiting.setdefault(row.lane, []).append(row.request_id)
    place = {request_id: lane for lane, ids in waiting.items() for request_id in ids}
    came: dict[str, list[str]] = {}
    for request_id in first:
        came.setdefault(place.get(request_id, "unknown"), []).append(request_id)
    wrong = [f"lane {lane}: out of order" for lane, ids in came.items() if ids != waiting.get(lane, [])[: len(ids)]]
    told = {row.request_id for row in rows if row.state == store.DELIVERED}
    if told != set(first):
        wrong.append(f"{len(told)} events are told delivered, {len(first)} arrived")
    return wrong


def fill(site: Site, count: int) -> float:
    """File so many events, as the door would; returns how many seconds the spool took."""
    sinch = Sinch(url="", secret="a backlog's secret")  # noqa: S106 - nobody verifies it
    customers = [callbacks.customer(f"customer {number}") for number in range(CONTACTS)]
    senders = itertools.cycle(customers)
    prepared = [_callback(site, sinch, next(senders), number) for number in range(count)]
    with site.spool() as spool, ThreadPoolExecutor(WRITERS) as pool:
        began, now = clock.steady(), clock.WallClock().now()
        for _ in pool.map(lambda callback: intake.accept(spool, callback, now=now), prepared):
            pass
        return clock.steady() - began


def _callback(site: Site, sinch: Sinch, customer: callbacks.Customer, number: int) -> Callback:
    letter = sinch.prepare(callbacks.text(f"Message {number} of a long night", by=customer))
    [account] = site.settings.accounts
    return Callback(
        connector_id=account.connector_id,
        event=events.read(letter.body, connector_id=account.connector_id),
        body=letter.body,
        headers=tuple((name.lower(), value) for name, value in letter.headers),
        query="",
        request_id=f"backlog-{number}",
        address="127.0.0.1",
        nonce=letter.nonce,
    )


def wait_for_lines(path: Path, count: int, *, most_seconds: float) -> float:
    """Until the file has so many lines, or the time is over; returns when that was."""
    deadline = clock.steady() + most_seconds
    while lines(path) < count and clock.steady() < deadline:
        clock.pause(0.1)
    return clock.steady()


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")
