"""How it went lately: each minute what the processes have counted, and how long the oldest event waits.

Rule 1. The ops door's process looks, which nobody waits for; a callback, a delivery and a fetch know nothing of it.
Rule 2. It never disturbs: where the spool is away, or its disk has no more room than callbacks need, a minute is
        missing, and is shown as missing.
Rule 3. What is kept are the counts as they stood, not what was added: so nothing is lost by a kill, or by two that
        look, and whoever draws sees where counts began anew.
Rule 4. The last `MOST` are kept, by their number: a clock that jumps takes none away.
Rule 5. Of several nodes on one spool each keeps what its own processes count, and shows that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from gateway import clock, metrics, paths, telemetry
from gateway.delivery import claims
from gateway.errors import SpoolUnavailable
from gateway.metrics import Measure, meter
from gateway.phrases import Line
from gateway.services import Services
from gateway.store import Run
from gateway.store.engines import ROOM_BYTES, ROOM_FILES

EVERY_SECONDS = 60.0
APART_SECONDS = 50.0  # at least, between two that are kept
MOST = 1500  # 25 hours

# What is kept of each count: these of its labels, and of a status its class. Of accounts there may be many, so what is
# kept does not tell them apart.
KEPT: dict[Measure, tuple[str, ...]] = {
    metrics.CALLBACKS: ("outcome",),
    metrics.DELIVERIES: ("outcome",),
    metrics.ANSWERS: ("door", "status"),
    metrics.VERDICTS: ("verdict",),
    metrics.SENDS: ("outcome",),
    metrics.INBOUND_FILES: ("outcome",),
}


@dataclass(frozen=True)
class Sample:
    """One look: when, in epoch seconds; how long the oldest event had waited, or None; and every count by its name."""

    at: float
    oldest_seconds: float | None
    counts: Mapping[str, float]


def keep(services: Services) -> None:
    """Look now and once a minute, in threads that keep no process alive."""

    def look() -> None:
        try:
            take(services)
        except Exception as error:  # noqa: BLE001 - a thread's last word; another one looks again
            telemetry.failure(Line.UNEXPECTED, error)
        clock.later(EVERY_SECONDS, look)

    clock.later(0.0, look)


def take(services: Services, *, most: int = MOST, room_bytes: int = ROOM_BYTES) -> None:
    """Look, and keep it; not where another did so in this minute, or where no more than `room_bytes` are free."""
    spool, node, now = services.spool, services.node, services.clock.now()
    with suppress(SpoolUnavailable, OSError):
        if spool.lacks_room(room_bytes, ROOM_FILES):
            return
        oldest = claims.oldest_pending_at(spool)
        age = None if oldest is None else max(0.0, now - oldest)
        counts = json.dumps(counted(services), separators=(",", ":"))

        def work(run: Run) -> None:
            run("keep_sample", at=now, oldest_seconds=age, counts=counts, apart=APART_SECONDS, node=node)
            run("forget_samples", most=most, node=node)

        spool.tell(work)


def counted(services: Services) -> dict[str, float]:
    """Add up what all processes have counted by now, by the names under which it is kept."""
    rows, total = {row.family: row for row in KEPT}, dict[str, float]()
    for family in meter.collected(paths.counts(services.settings)):
        if row := rows.get(family.name):
            for sample in family.samples:
                key = named(row, (sample.labels.get(label, "") for label in KEPT[row]))
                total[key] = total.get(key, 0.0) + sample.value
    return total


def named(row: Measure, labels: Iterable[str]) -> str:
    """Name a count as it is kept: "answers ingress 2xx"."""
    return " ".join([row.name, *(f"{label[0]}xx" if label.isdecimal() else label for label in labels)])


def samples(services: Services) -> list[Sample]:
    """Read all that is kept, in the order in which it was taken. Raises SpoolUnavailable."""
    node = services.node
    rows = services.spool.ask(lambda run: run("samples", node=node))
    return [Sample(at, oldest, json.loads(counts)) for at, oldest, counts in rows]
