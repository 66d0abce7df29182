"""Long lists in parts: each row once, downwards and back up, and quickly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import sqlalchemy as sa

from gateway.attachments.register import Register
from gateway.delivery import records
from gateway.inspection.structure import Inspection
from gateway.outbound import record
from gateway.store import TOP, Choice, Place, audit, dialects, schema
from gateway.store.engines import Database
from tests.spool_samples import DEED, NOW, accept, draft

pytestmark = pytest.mark.both_engines

MOST = 2
List = Callable[[Database, Place], Sequence[Place]]
ROWS = 5  # of each kind


@pytest.fixture
def full(spool: Database) -> Database:
    register = Register(spool)
    for number in range(1, ROWS + 1):
        accept(spool, f"m{number}")
        record.begin(spool, draft(number), now=NOW)
        audit.keep(spool, DEED)
        seen = Inspection(mime="application/pdf", size_bytes=1, traits=frozenset())
        # 10 comes behind 9 as a number, and two have the same time.
        register.acquired(str(number + 6), digest=b"d" * 32, name="", seen=seen, now=NOW + number // 2)
    return spool


LISTS: dict[str, List] = {
    "events": lambda spool, place: [Place(id=one.event_id) for one in records.listed(spool, most=MOST, place=place)],
    "events of a state": lambda spool, place: [
        Place(id=one.event_id) for one in records.listed(spool, Choice(state="pending"), most=MOST, place=place)
    ],
    "sends": lambda spool, place: [
        Place(id=one.send_id) for one in record.listed(spool, most=MOST, now=NOW, place=place)
    ],
    "deeds": lambda spool, place: [Place(id=number) for number in audit.numbered(spool, most=MOST, place=place)],
    "files": lambda spool, place: [
        Place(id=int(one.attachment_id), at=one.used_at)
        for one in Register(spool).listed(most=MOST, only="stored", place=place)
    ],
}


@pytest.mark.parametrize("listed", LISTS.values(), ids=LISTS)
def test_a_list_in_parts_has_each_row_once_downwards_and_back_up(full: Database, listed: List) -> None:
    parts = [listed(full, TOP)]
    while below := listed(full, parts[-1][-1]):
        parts.append(below)
    downwards = [place for part in parts for place in part]
    assert len(downwards) == len({place.id for place in downwards}) == ROWS
    assert downwards == sorted(downwards, key=lambda place: (place.at, place.id), reverse=True)
    last = downwards[-1]
    assert listed(full, Place(id=last.id, at=last.at, way=-1)) == downwards[-1 - MOST : -1]
    first = downwards[0]
    assert listed(full, Place(id=first.id, at=first.at, way=-1)) == []


@pytest.mark.of_the_file
@pytest.mark.parametrize("place", [TOP, Place(id=1_000), Place(id=1_000, way=-1)], ids=["top", "below", "above"])
def test_the_events_of_a_state_are_found_and_put_in_order_by_an_index_alone(full: Database, place: Place) -> None:
    chosen = sa.select(schema.event.c.id).where(sa.text("state != 'pending'"), schema.event.c.state == "parked")
    text = dialects.part(chosen, place, most=50).compile(compile_kwargs={"literal_binds": True})
    steps = full.read(lambda connection: connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all())
    [found] = [step[-1] for step in steps if "event" in step[-1]]
    assert found.startswith("SEARCH event USING COVERING INDEX event_state (state=?")
