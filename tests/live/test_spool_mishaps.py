"""What happens to the spool's file while callbacks pour in: nobody hears 200 for what would be lost."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.delivery.courier import LEASE_SECONDS
from gateway.errors import REMEDIES, SpoolUnavailable
from gateway.phrases import Reason
from gateway.store import schema
from gateway.store.engines import Database
from sandbox import callbacks
from tests import hogs, mishaps
from tests.live.house import PATIENCE_SECONDS, House, opened
from tests.mishaps import MISHAPS, Mishap
from tests.spool_samples import accept, meddle, migrate, rows, until

SENDERS = 4
MANY_EVENTS = 20_000


@dataclass
class Load:
    """What was posted, when it was begun, and what was answered."""

    house: House
    answers: list[tuple[float, bytes, int | None]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def send(self, sender: int) -> None:
        sinch, number = self.house.sinch(), 0
        while not self.over.is_set():
            number += 1
            by = callbacks.customer(f"contact {sender}.{number % 7}")
            letter = sinch.prepare(callbacks.text(f"words {sender} {number}", by=by))
            began = time.monotonic()
            self.answers.append((began, letter.body, sinch.post(letter).status))

    def accepted(self) -> set[bytes]:
        return {body for _, body, status in self.answers if status == 200}

    def begun_after(self, moment: float) -> list[int | None]:
        return [status for began, _, status in self.answers if began > moment]


@contextmanager
def loaded(house: House) -> Iterator[Load]:
    load = Load(house)
    with ThreadPoolExecutor(SENDERS) as pool:
        try:
            sending = [pool.submit(load.send, sender) for sender in range(SENDERS)]
            until(lambda: len(load.accepted()) > 60, "callbacks are accepted")
            yield load
        finally:
            load.over.set()
        for sender in sending:
            sender.result()


@pytest.fixture
def house() -> Iterator[House]:
    with opened() as running:
        yield running


def ready(house: House) -> tuple[int | None, Any]:
    answer = house.ops("/readyz")
    return answer.status, json.loads(answer.body)


def settle(house: House) -> None:
    """Wait until Motion has everything: what was claimed as the file went may be free again only with its lease."""
    house.wait_for(lambda: not house.events("pending"), seconds=2 * LEASE_SECONDS)


def found_in(path: Path) -> set[bytes]:
    with closing(Database(path, patience_seconds=5)) as spool:
        return {bytes(row.body) for row in rows(spool, schema.event)}


def alone(path: Path) -> Path:
    """The file as it was moved: with its log only where that came along, with the whole folder."""
    copy, log = path.with_name("alone"), path.with_name(f"{path.name}-wal")
    copy.write_bytes(path.read_bytes())
    if log.exists():
        copy.with_name("alone-wal").write_bytes(log.read_bytes())
    return copy


@pytest.mark.parametrize("mishap", MISHAPS.values(), ids=MISHAPS)
def test_no_callback_is_answered_200_once_its_spool_is_another_one(house: House, mishap: Mishap) -> None:
    path = house.spool().path
    with loaded(house) as load:
        mishap.do(path)
        moment = time.monotonic()
        until(lambda: len(load.begun_after(moment)) > 5 * SENDERS, "callbacks are answered")
        status, told = ready(house)
        house.wait_for(lambda: house.decisions("courier", finding="spool-displaced"), seconds=2 * PATIENCE_SECONDS)
    assert set(load.begun_after(moment)) == {503}
    remedy = REMEDIES[mishap.said]
    assert status == 503
    if path.parent.joinpath("run").exists():  # else nobody reaches a door
        if (
            told["checks"]["spool"] != Reason.SPOOL_DAMAGED or not mishap.harms
        ):  # who looked last before it grew sees that
            assert (told["checks"]["spool"], told["findings"][0]["remedy"]) == (mishap.said, remedy)
        [line] = house.decisions("ingress", finding="spool-displaced")
        assert (line["reason"], line["remedy"]) == (mishap.said, remedy)
    [line] = house.decisions("courier", finding="spool-displaced")
    assert (line["reason"], line["remedy"]) == (mishap.said, remedy)
    house.stop()
    if not mishap.harms:
        asides = (path.with_name(mishaps.ASIDE), path.parent.with_name(mishaps.ASIDE))
        places = [place for place in (path, *(aside / path.name for aside in asides)) if place.exists()]
        assert load.accepted() <= {body for place in places for body in found_in(alone(place))}


def test_a_spool_that_is_put_back_goes_on_and_everything_arrives(house: House) -> None:
    path = house.spool().path
    with loaded(house) as load:
        mishaps.move(path)
        house.wait_for(lambda: ready(house)[0] == 503 and house.decisions("ingress", finding="spool-displaced"))
        path.with_name(mishaps.ASIDE).joinpath(path.name).rename(path)
        house.wait_for(lambda: ready(house)[0] == 200)
        moment = time.monotonic()
        until(lambda: len(load.begun_after(moment)) > 5 * SENDERS, "callbacks are answered")
    assert set(load.begun_after(moment)) == {200}
    assert house.decisions("ingress", event="spool is in its place again")
    settle(house)
    assert load.accepted() <= {item.body for item in house.motion.accepted}


def test_a_restored_copy_is_taken_up_by_a_restart_and_the_moved_file_has_the_rest(house: House) -> None:
    path = house.spool().path
    with loaded(house) as load:
        MISHAPS["replaced by a copy"].do(path)
        house.wait_for(lambda: ready(house)[0] == 503)
    house.stop()
    house.start()
    assert house.sinch().send(callbacks.text("after it")).status == 200
    settle(house)
    aside = path.with_name(mishaps.ASIDE) / path.name
    assert load.accepted() <= found_in(path) | found_in(alone(aside))


def test_a_door_that_is_started_again_works_with_no_other_file_than_the_rest(house: House) -> None:
    path = house.spool().path
    sinch = house.sinch()
    assert sinch.send(callbacks.text("before it")).status == 200
    MISHAPS["replaced by a copy"].do(path)
    house.kill("ingress")
    house.wait_for(lambda: len(house.decisions("serve", event="started", part="ingress")) > 1)
    house.wait_for(lambda: house.decisions("ingress", finding="spool-displaced", reason="spool file was replaced"))
    assert sinch.send(callbacks.text("meanwhile")).status == 503
    assert ready(house)[0] == 503
    path.with_name(mishaps.ASIDE).joinpath(path.name).rename(path)
    house.wait_for(lambda: ready(house)[0] == 200)
    assert sinch.send(callbacks.text("after it")).status == 200
    settle(house)
    assert len(house.motion.accepted) == 2


def test_what_motion_was_given_is_settled_once_the_spool_is_back(house: House) -> None:
    path = house.spool().path
    held, let_go = threading.Event(), threading.Event()

    def hold(event: str, _received: object) -> None:
        if event == "heard":
            held.set()
            let_go.wait(PATIENCE_SECONDS)

    house.motion.on_event = hold
    house.sinch().send(callbacks.text("in hand"))
    assert held.wait(PATIENCE_SECONDS)
    mishaps.move(path)
    let_go.set()
    house.wait_for(lambda: house.decisions("courier", finding="spool-displaced"))
    path.with_name(mishaps.ASIDE).joinpath(path.name).rename(path)
    settle(house)
    assert [row.state for row in house.events()] == ["delivered"]
    assert len(house.motion.accepted) == 1


def test_callbacks_are_taken_in_beside_whatever_else_writes_all_the_time(house: House) -> None:
    with hogs.writing(house.spool().path):
        for number in range(12):
            assert house.sinch().send(callbacks.text(f"words {number}")).status == 200
    settle(house)


def test_no_command_that_lists_keeps_the_log_from_beginning_anew_while_somebody_reads_its_page(house: House) -> None:
    for number in range(40):
        assert house.sinch().send(callbacks.text(f"words {number}" + "x" * 20_000)).status == 200
    settle(house)
    for command in ("events", "sends", "attachments", "turned-away"):
        with subprocess.Popen(house.typed(command, "list"), stdout=subprocess.PIPE) as pager:
            assert pager.stdout is not None
            pager.stdout.read(1)  # and no more, as a pager that waits for a key
            with closing(sqlite3.connect(house.spool().path, timeout=PATIENCE_SECONDS)) as other:
                assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0, command
            pager.kill()


def test_a_mishap_is_noticed_in_a_folder_in_which_nothing_has_changed_for_long(tmp_path: Path) -> None:
    spools = {name: _spool_in(tmp_path / name.replace(" ", "-")) for name in MISHAPS}
    youngest = max(spool.path.parent.stat().st_ctime for spool in spools.values())
    until(lambda: time.time() - youngest > 4.0, "the folders have rested")
    try:
        for name, mishap in MISHAPS.items():
            accept(spools[name], "second")  # from here on the folder is known
            mishap.do(spools[name].path)
            with pytest.raises(SpoolUnavailable, match=f"^{mishap.said}$"):
                accept(spools[name], "third")
    finally:
        for spool in spools.values():
            spool.close()


def _spool_in(folder: Path) -> Database:
    folder.mkdir()
    migrate(folder / "spool.sqlite3")
    spool = Database(folder / "spool.sqlite3", patience_seconds=0.5)
    accept(spool, "first")
    return spool


def test_callbacks_are_taken_in_while_a_contact_with_many_events_is_erased_to_the_last_byte(house: House) -> None:
    assert house.sinch().send(callbacks.text("the first")).status == 200
    settle(house)
    told = ", ".join(name for name in schema.event.c.keys() if name not in ("id", "original", "contact_id", "body"))  # noqa: SIM118
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY_EVENTS}) SELECT i FROM n"
    body = "CAST('a secret of the erased' || printf('%.1000c', 'x') AS BLOB)"
    with loaded(house) as load:
        meddle(
            house.spool(),
            f"INSERT INTO event (original, contact_id, body, {told}) "
            f"SELECT 0, 'the erased', {body}, {told} FROM (SELECT * FROM event WHERE id = 1), ({numbers})",
        )
        said = house.command("events", "erase", "--contact", "the erased", "--pending", "--yes")
    assert f"{MANY_EVENTS} erased." in said
    assert {status for _, _, status in load.answers} == {200}
    assert b"a secret of the erased" not in house.spool().path.read_bytes()
    settle(house)
    assert load.accepted() <= {item.body for item in house.motion.accepted}
