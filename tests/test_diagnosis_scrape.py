"""What Prometheus reads at the ops door: counts of the processes, and what the office finds out."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import pytest

from gateway import metrics, paths
from gateway.delivery import claims
from gateway.diagnosis import scrape
from gateway.diagnosis.scrape import GAUGES, Scrape
from gateway.ingress import intake, signature
from gateway.metrics import Counts, meter
from gateway.outbound import record
from gateway.sinch import Trouble
from gateway.store import sqlite
from gateway.store.engines import Database
from tests.service_samples import NOW, services
from tests.spool_samples import WatchedSpool, callback

SAMPLE = re.compile(r"^motion_gateway_([a-z_]+(?:\{.*\})?) (\S+)$", re.MULTILINE)


def told(made: Scrape, **checks: bool) -> dict[str, float]:
    return {name: float(value) for name, value in SAMPLE.findall(made.text(checks).decode())}


def asked(spool: Database, **tables: Any) -> dict[str, float]:
    return told(Scrape(services(spool, **tables)))


def test_what_waits_is_told_and_what_is_delivered_is_not_counted(spool: Database) -> None:
    found = asked(spool)
    assert (found['events{state="pending"}'], found['events{state="parked"}'], found["oldest_pending_seconds"]) == (
        0,
        0,
        0,
    )
    assert "last_callback_timestamp_seconds" not in found
    for number in range(4):
        intake.accept(spool, callback(f"a{number}", contact=f"c{number}"), now=NOW - 90 + number)
    first, second, *_ = claims.claim(spool, due_by=NOW, now=NOW, most=4, lease_seconds=60)
    claims.delivered(spool, first, outcome="200", now=NOW)
    claims.park(spool, second, outcome="400", now=NOW)
    found = asked(spool)
    assert (found['events{state="pending"}'], found['events{state="parked"}']) == (2, 1)
    assert (found["oldest_pending_seconds"], found["last_callback_timestamp_seconds"]) == (88, NOW - 87)
    assert not any("delivered" in name for name in found if name.startswith("events"))


def test_counts_of_all_processes_are_told_and_those_that_are_known_beforehand_begin_with_0(spool: Database) -> None:
    made = services(spool)
    for _worker in range(2):
        process = Counts()
        process.keep(meter.opened(paths.counts(made.settings), "ingress"))
        process.count(metrics.CALLBACKS, "7", "accepted")
        process.count(metrics.CALLBACKS, metrics.UNKNOWN, "accepted")
        process.observe(metrics.ANSWER_SECONDS, 0.02, "ingress")
        process.keep(None)
    found = told(Scrape(made), spool=True, courier=False)
    assert found['callbacks_total{connector="7",outcome="accepted"}'] == 2
    assert found['callbacks_total{connector="unknown",outcome="accepted"}'] == 2
    assert found['callbacks_total{connector="7",outcome="repeat"}'] == 0
    assert found['answer_seconds_bucket{door="ingress",le="0.025"}'] == 2
    assert found['deliveries_total{connector="7",outcome="parked"}'] == 0
    assert (found['check_ok{check="spool"}'], found['check_ok{check="courier"}']) == (1, 0)


def test_outcomes_that_are_told_from_the_start_are_those_there_are() -> None:
    assert {record.SENDING, *scrape.OF_SENDS} == {*record.OUTCOMES}
    assert {*scrape.OF_TOKENS} - {"renewed"} <= {*Trouble}


def test_motion_is_up_but_for_the_account_that_it_is_away_for(spool: Database) -> None:
    made = services(spool)
    scraped = Scrape(made, steady=lambda: 0.0)
    assert told(scraped)['motion_up{connector="7"}'] == 1
    for about in ("7 CONTACT_CREATE", "7 CONTACT_MERGE", "7", "server.certificate", "motion.ca_file", ""):
        found = {"finding": "motion-down", "about": about, "reason": "503", "since": NOW}
        spool.tell(lambda run, found=found: run("keep_trouble", **found))
    samples = [name for name, _ in SAMPLE.findall(Scrape(made).text({}).decode())]
    assert len(samples) == len({*samples})  # Prometheus takes nothing of a scrape that says one twice
    found = asked(spool)
    assert found['motion_up{connector="7"}'] == 0
    assert found['finding_active{connector="7",finding="motion-down"}'] == 1
    assert found['finding_active{connector="",finding="motion-down"}'] == 1


def test_the_clock_is_off_by_the_least_that_signatures_of_these_minutes_tell(spool: Database) -> None:
    assert "clock_drift_seconds" not in asked(spool)
    for number, (ago, drift) in enumerate([(700, 500), (300, 200), (100, 130), (50, 120)]):
        stamp = ((signature.TIMESTAMP, str(int(NOW - ago - drift))),)
        intake.accept(spool, callback(f"m{number}", headers=stamp, nonce=f"nonce {number}"), now=NOW - ago)
    assert asked(spool)["clock_drift_seconds"] == 120


def test_what_is_found_out_is_believed_for_a_hundred_times_as_long_as_it_took(spool: Database) -> None:
    moments = iter([0.0, 0.001, 0.05, 0.2, 0.201])
    made = services(spool)
    row, *_ = GAUGES
    scraped = Scrape(made, steady=lambda: next(moments))

    def pending() -> float:
        return dict(scraped._found(row))[("pending",)]

    assert pending() == 0
    intake.accept(spool, callback("m1"), now=NOW)
    assert pending() == 0
    assert pending() == 1


def test_without_a_spool_all_else_is_told(tmp_path: Path) -> None:
    found = asked(Database(tmp_path / "spool.sqlite3", patience_seconds=0.1))
    assert found["state_free_bytes"] > 0
    assert 'events{state="pending"}' not in found


ASKED = {
    "count_waiting": {},
    "oldest_pending": {},
    "newest_accepted": {},
    "signed_ago": {"since": NOW, "header": signature.TIMESTAMP},
    "stored_bytes": {"place": ""},
    "troubles": {},
}


@pytest.mark.parametrize(("name", "values"), ASKED.items(), ids=ASKED)
def test_what_is_asked_at_each_look_is_answered_by_an_index(
    spool: Database, name: str, values: dict[str, object]
) -> None:
    with contextlib.closing(sqlite.connect(spool.path, patience_seconds=1)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {sqlite.statements()[name]}", values).fetchall()
    steps = [step for *_, step in plan]
    # What waits has an index of its own, and all of that is what is counted.
    scans = r"SCAN (event|nonce|report|send)\b(?! USING (COVERING )?INDEX event_pending)"
    assert [step for step in steps if re.match(scans, step)] == []
    assert [step for step in steps if re.match(r"SCAN (attachment|stored_file)\b", step)] == []


def test_nothing_else_is_asked_of_the_database(spool: Database) -> None:
    with contextlib.closing(WatchedSpool(spool.path)) as watched:
        asked(watched, attachments={"token_keys": ["a key of the tests, which is long enough"]})
        assert ({name for names in watched.asked for name in names}, watched.told) == ({*ASKED}, [])
