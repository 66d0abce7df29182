"""What the processes count: kept by door and number, over restarts, and never in anybody's way."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import metrics
from gateway.metrics import ANSWERS, CALLBACKS, CERTIFICATE_ENDS, COMMIT_SECONDS, FINDINGS, SHAPE, Counts, meter
from gateway.phrases import Finding
from gateway.store.engines import Database
from tests.door_samples import message, opened, signed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run" / "metrics"


def kept(folder: Path, part: str) -> Counts:
    """A process of that part, as far as it counts."""
    process = Counts()
    process.keep(meter.opened(folder, part))
    return process


def ended(process: Counts) -> None:
    """The system takes the lock from it, as from whoever dies."""
    process.keep(None)


def told(folder: Path) -> dict[str, float]:
    """All samples, by name and labels as they are written."""
    return {
        " ".join((sample.name, *(f"{name}={value}" for name, value in sample.labels.items()))): sample.value
        for family in meter.collected(folder)
        for sample in family.samples
    }


def test_counts_of_several_processes_are_added_up_and_go_on_with_the_next_ones(folder: Path) -> None:
    for _start in range(3):
        workers = [kept(folder, "ingress") for _ in range(2)]
        for worker in (*workers, workers[1]):
            worker.count(ANSWERS, "ingress", "200")
        for worker in workers:
            ended(worker)
    assert told(folder) == {"motion_gateway_answers_total door=ingress status=200": 9.0}
    assert sorted(path.name for path in (folder / SHAPE).iterdir()) == ["counter_ingress-0.db", "counter_ingress-1.db"]


def test_a_process_that_comes_while_others_live_takes_none_of_their_numbers(folder: Path) -> None:
    first, courier = kept(folder, "ingress"), kept(folder, "courier")
    second = kept(folder, "ingress")
    assert meter.living(folder) == ["courier", "ingress", "ingress"]
    ended(first)
    third = kept(folder, "ingress")
    assert {path.name for path in (folder / SHAPE).iterdir()} == {
        "counter_ingress-0.db",
        "counter_ingress-1.db",
        "counter_courier-0.db",
    }
    for process in (courier, second, third):
        ended(process)
    assert meter.living(folder) == []


def test_a_histogram_has_all_its_buckets_added_up_from_below(folder: Path) -> None:
    process = kept(folder, "courier")
    for seconds in (0.004, 0.005, 0.0051, 7.0, 3600.0):
        process.observe(COMMIT_SECONDS, seconds)
    name = "motion_gateway_commit_seconds"
    found = told(folder)
    assert [found[f"{name}_bucket le={bound}"] for bound in ("0.005", "0.01", "5.0", "10.0", "30.0", "+Inf")] == [
        *(2.0, 3.0, 3.0, 4.0, 4.0, 5.0)
    ]
    assert len([sample for sample in found if "_bucket" in sample]) == len(metrics.BOUNDS)
    assert (found[f"{name}_count"], found[f"{name}_sum"]) == (5.0, pytest.approx(3607.0141))
    ended(process)


def test_a_gauge_is_what_was_said_last_and_ends_with_its_process(folder: Path) -> None:
    process = kept(folder, "nginx")
    for value in (20.0, float("nan"), 10.0):
        process.put(CERTIFICATE_ENDS, value, "server.certificate")
    name = "motion_gateway_certificate_ends_timestamp_seconds setting=server.certificate"
    assert told(folder)[name] == 10.0
    ended(process)
    assert name not in told(folder)
    again = kept(folder, "nginx")
    assert name not in told(folder)
    ended(again)


def unreadable(folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("a file where the folder shall be", "utf-8")


def test_where_nothing_can_be_kept_counting_fails_nobody(folder: Path) -> None:
    unreadable(folder)
    process = kept(folder, "ingress")
    process.count(ANSWERS, "ingress", "200")
    process.observe(COMMIT_SECONDS, 1.0)
    process.put(CERTIFICATE_ENDS, 1.0, "server.certificate")
    assert told(folder) == {}


def test_a_file_that_is_full_takes_no_new_numbers_and_goes_on_with_those_it_has(folder: Path) -> None:
    process = kept(folder, "ingress")
    for connector in range(5000):
        process.count(CALLBACKS, str(connector), "accepted")
    process.count(CALLBACKS, "0", "accepted")
    found = told(folder)
    assert found["motion_gateway_callbacks_total connector=0 outcome=accepted"] == 2.0
    assert 1000 < len(found) < 5000
    assert (folder / SHAPE / "counter_ingress-0.db").stat().st_size == meter.FILE_BYTES
    ended(process)


def test_a_file_has_all_its_room_from_the_start(folder: Path) -> None:
    process = kept(folder, "ingress")
    process.count(ANSWERS, "ingress", "200")
    found = (folder / SHAPE / "counter_ingress-0.db").stat()
    assert found.st_blocks * 512 >= found.st_size == meter.FILE_BYTES
    ended(process)


BROKEN = {
    "empty": b"",
    "short": b"\xff\xff\x00\x00",
    "zeros": bytes(64),
    "no text": b"\x40\0\0\0\0\0\0\0\x08\0\0\0" + b"\xff" * 60,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_left_out_and_begun_anew(folder: Path, content: bytes) -> None:
    courier = kept(folder, "courier")
    courier.count(FINDINGS, Finding.MOTION_DOWN)
    (folder / SHAPE / "counter_ingress-0.db").write_bytes(content)
    name = "motion_gateway_findings_total finding=motion-down"
    assert told(folder) == {name: 1.0}
    ingress = kept(folder, "ingress")
    ingress.count(ANSWERS, "ingress", "200")
    assert told(folder) == {name: 1.0, "motion_gateway_answers_total door=ingress status=200": 1.0}
    for process in (courier, ingress):
        ended(process)


def test_counts_of_another_shape_go(folder: Path) -> None:
    (folder / "0123456789ab").mkdir(parents=True)
    (folder / "0123456789ab" / "counter_ingress-0.db").write_bytes(b"of another release")
    ended(kept(folder, "ingress"))
    assert [path.name for path in folder.iterdir()] == [SHAPE]


def test_what_was_counted_before_is_in_memory_alone(folder: Path) -> None:
    """A door counts before its workers are forked: each of them would tell it anew."""
    process = Counts()
    process.count(ANSWERS, "ingress", "200")
    process.keep(meter.opened(folder, "ingress"))
    process.count(ANSWERS, "ingress", "200")
    assert told(folder) == {"motion_gateway_answers_total door=ingress status=200": 1.0}
    ended(process)


def test_names_and_units_are_those_of_prometheus() -> None:
    for row in metrics.TABLE:
        assert row.family == row.family.lower().replace("-", "_")
        assert row.kind != metrics.HISTOGRAM or row.name.endswith("_seconds")
        assert not row.name.endswith("_total")  # it is added to counters
        assert row.told.endswith(".")
    assert len({row.name for row in metrics.TABLE}) == len(metrics.TABLE)


def test_what_little_room_a_disk_has_is_left_to_the_spool_but_for_what_is_counted_there_already(folder: Path) -> None:
    more_than_any_disk_has = 2**62
    assert meter.opened(folder, "ingress", least_bytes=more_than_any_disk_has) is None
    assert not folder.exists()
    ended(kept(folder, "ingress"))
    again = meter.opened(folder, "ingress", least_bytes=more_than_any_disk_has)
    assert again
    again.close()
    assert meter.opened(folder, "courier", least_bytes=more_than_any_disk_has) is None


def test_a_door_counts_its_answers_by_what_they_are(spool: Database, folder: Path) -> None:
    metrics.keep(meter.opened(folder, "ingress"))
    with opened(spool, limits={"webhooks_per_account": "2/minute"}) as door:
        headers = signed(message("m1"))
        assert [door.post(message("m1"), headers).status_code for _ in range(2)] == [200, 200]
        assert door.post(message("m2"), signed(message("m2"), secret="another")).status_code == 401
        assert [door.post(message(name)).status_code for name in ("m3", "m4")] == [200, 429]
        assert door.post(path="/api/whatsapp/accounts/4916012345/notify").status_code == 404
    metrics.keep(None)
    found = told(folder)
    assert {name: value for name, value in found.items() if "_total" in name} == {
        f"motion_gateway_{name}": value
        for name, value in {
            "answers_total door=ingress status=200": 3.0,
            "answers_total door=ingress status=401": 1.0,
            "answers_total door=ingress status=404": 1.0,
            "answers_total door=ingress status=429": 1.0,
            "callbacks_total connector=7 outcome=accepted": 2.0,
            "callbacks_total connector=7 outcome=repeat": 1.0,
            "limit_hits_total limit=webhooks_per_account": 1.0,
            "refusals_total door=ingress reason=limit of webhooks per account": 1.0,
            "refusals_total door=ingress reason=signature wrong": 1.0,
            "refusals_total door=ingress reason=unknown connector": 1.0,
            "signatures_refused_total connector=7 reason=signature wrong": 1.0,
        }.items()
    }
    assert found["motion_gateway_answer_seconds_count door=ingress"] == 6.0
    assert found["motion_gateway_commit_seconds_count"] >= 3.0
