"""How it went lately is kept: what of the counts, how often, how much of it, and that it disturbs nobody."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from gateway import metrics, paths
from gateway.diagnosis import history
from gateway.ingress import intake
from gateway.metrics import Counts, meter
from gateway.services import Services
from gateway.store.engines import Database
from tests.service_samples import NOW, HandClock, services
from tests.spool_samples import callback, locked

pytestmark = pytest.mark.both_engines

COUNTED = [
    (metrics.CALLBACKS, "7", "accepted"),
    (metrics.CALLBACKS, "8", "accepted"),
    (metrics.DELIVERIES, "7", "delivered"),
    (metrics.ANSWERS, "ingress", "200"),
    (metrics.ANSWERS, "ingress", "204"),
    (metrics.ANSWERS, "edge", "404"),
    (metrics.VERDICTS, "native"),
    (metrics.SENDS, "7", "accepted"),
    (metrics.FINDINGS, "motion-down"),
]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def made(spool: Database, clock: HandClock) -> Services:
    return services(spool, clock=clock)


def ages(made: Services) -> list[float | None]:
    return [sample.oldest_seconds for sample in history.samples(made)]


def test_counts_of_all_processes_are_kept_without_accounts_and_statuses_by_their_class(made: Services) -> None:
    for part in ("ingress", "courier"):
        process = Counts()
        process.keep(meter.opened(paths.counts(made.settings), part))
        for measure, *labels in COUNTED:
            process.count(measure, *labels)
        process.observe(metrics.ANSWER_SECONDS, 0.02, "ingress")
        process.keep(None)
    intake.accept(made.spool, callback("m1"), now=NOW - 90)
    history.take(made)
    [sample] = history.samples(made)
    assert (sample.at, sample.oldest_seconds) == (NOW, 90)
    assert sample.counts == {
        "callbacks accepted": 4,
        "deliveries delivered": 2,
        "answers ingress 2xx": 4,
        "answers edge 4xx": 2,
        "verdicts native": 2,
        "sends accepted": 2,
    }


def test_one_is_kept_a_minute_however_many_look_and_however_often_they_start(made: Services, clock: HandClock) -> None:
    for _ in range(10):
        history.take(made)
        history.take(made)
        clock.advance(20)
    assert [sample.at - NOW for sample in history.samples(made)] == [0, 60, 120, 180]


def test_the_last_are_kept_whatever_the_clock_says(made: Services, clock: HandClock) -> None:
    for seconds in (60, 365 * 86400, 60, -365 * 86400, 60):
        history.take(made)
        clock.advance(seconds)
    assert len(history.samples(made)) == 5
    for _ in range(9):
        history.take(made, most=8)
        clock.advance(60)
    kept = history.samples(made)
    assert [later.at - before.at for before, later in pairwise(kept)] == [60] * 7


@pytest.mark.of_the_file
def test_a_spool_that_others_write_to_is_left_alone(made: Services) -> None:
    with locked(made.spool.path):
        history.take(made)
    assert ages(made) == []
    history.take(made)
    assert ages(made) == [None]


@pytest.mark.of_the_file
def test_a_disk_without_room_for_more_than_callbacks_is_left_to_those(made: Services) -> None:
    history.take(made, room_bytes=2**62)
    assert ages(made) == []


def test_without_a_spool_nothing_happens(tmp_path: Path) -> None:
    history.take(services(Database(tmp_path / "none.sqlite3", patience_seconds=0.1)))
