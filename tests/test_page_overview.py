"""The first view: it says plainly whether all is well, and if not, what is wrong, since when, and what to do."""

from __future__ import annotations

import contextlib
import html
import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import lock, paths
from gateway.diagnosis import checkup, complaint
from gateway.diagnosis.complaint import Complaint, Context, complain
from gateway.doors import DOORS
from gateway.page import condition, overview
from gateway.page.charts import NOTHING
from gateway.page.overview import SEE
from gateway.store.engines import Database
from tests import config_samples
from tests.door_samples import Door, opened
from tests.page_samples import USERS, post, sign_in, visit
from tests.service_samples import NOW
from tests.spool_samples import accept, meddle, settle

ELSEWHERE = complain("sinch.webhook_elsewhere", about="7", url="https://other.example/x")
REUSED = complain("secrets.reused", one="a", other="b")


@pytest.fixture
def door(spool: Database) -> Iterator[Door]:
    """The office of a house in which the courier runs and the first door is open."""
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(opened(spool, door="ops"))
        settings = made.services.settings
        paths.run(settings).mkdir()
        stack.enter_context(lock.only_one(paths.lock(settings, "courier"), "courier"))
        listening = stack.enter_context(socket.socket(socket.AF_UNIX))
        listening.bind(str(paths.socket(settings, "ingress")))
        listening.listen()
        yield made


def read(door: Door) -> str:
    """What people read on the page, without what it is drawn with."""
    answer = visit(door, "/")
    assert answer.status_code == 200
    main = answer.text.partition("<main")[2].partition("</main>")[0]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", main)))


def test_a_house_in_which_all_is_well_says_so_and_what_has_not_been_looked_at(door: Door) -> None:
    told = read(door)
    assert "Everything is well" in told
    assert "Doctor has not looked yet" in told
    assert NOTHING in told
    assert "Callbacks from Sinch open" in told
    assert "Courier callbacks to Motion at work" in told
    assert "Files to Sinch and phones not wanted" in told
    assert "none lately" in told


def test_what_is_wrong_stands_first_with_what_to_do(spool: Database) -> None:
    with opened(spool, door="ops") as door:
        told = read(door)
    assert "Something is at fault 2 complaints" in told
    assert "No courier is running." in told
    assert "The ingress door is shut." in told
    assert "Wait some seconds; if it does not come back, its log says why." in told
    assert told.index("No courier is running") < told.index("Doors")


def test_an_account_is_told_with_its_last_callback_its_last_delivery_and_what_waits(door: Door) -> None:
    spool = door.services.spool
    settle(spool, accept(spool, "m1", now=NOW - 7200), "delivered", now=NOW - 3600)
    settle(spool, accept(spool, "m2", contact="c2", now=NOW - 1800), "parked", now=NOW - 1700)
    accept(spool, "m3", contact="c3", now=NOW - 60)
    found = {"finding": "motion-down", "about": "7", "reason": "503", "since": NOW - 90}
    spool.tell(lambda run: run("keep_trouble", **found))
    told = read(door)
    row = told.partition("Webhook at Sinch")[2].partition("The last day")[0]
    assert re.findall(r"away \(503\)|1 minute ago|1 hour ago|doctor has not looked", row) == [
        "away (503)",
        "1 minute ago",
        "1 hour ago",
        "doctor has not looked",
    ]
    assert "1 callback waits for Motion, the oldest for 1 minute." in told
    assert "1 event is parked." in told
    assert "Motion is away: it answers 503." in told


def test_a_quiet_account_is_found_behind_a_busy_one_and_what_was_rejected_is_no_callback(door: Door) -> None:
    """More came of the other than is looked at first."""
    spool = door.services.spool
    accept(spool, "m1", now=NOW - 7200)
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100)"
    kept = "state, kind, lane, contact_id, identity, request_id, address, headers, query, body, body_digest"
    rest = "repeats, tries, failures, deaths, outcome, findings, history"
    meddle(
        spool,
        f"INSERT INTO event (connector_id, key, original, accepted_at, {kept}, {rest}) "
        f"{many} SELECT 9, i, FALSE, accepted_at + i, {kept}, {rest} FROM event, n",
    )
    assert "2 hours ago" in read(door)
    meddle(spool, "UPDATE event SET state = 'rejected' WHERE connector_id = 7")
    assert read(door).count("none lately") == 2


def test_what_is_wrong_with_a_certificate_is_seen_at_once(door: Door) -> None:
    ends = {"finding": "certificate-ends", "about": "server.certificate", "reason": "it ends in 9 days", "since": NOW}
    door.services.spool.tell(lambda run: run("keep_trouble", **ends))
    told = read(door)
    assert "certificate-ends right now server.certificate: it ends in 9 days. Do: Renew it" in told
    assert "Something needs a look 1 complaint, with what to do." in told


def test_what_was_turned_away_is_seen_at_once_and_leads_to_its_list(door: Door) -> None:
    ring = door.services.turned_away
    ring.note("ingress", "signature wrong", about="7", address="192.0.2.1")
    ring.write()
    assert "callbacks.refused right now" in read(door)
    assert '<a href="/turned-away">What was turned away</a>' in visit(door, "/").text
    assert set(SEE) <= set(complaint.rows())


def test_a_look_that_fails_hides_nothing_that_the_others_see(door: Door) -> None:
    def fails(context: Context) -> Iterator[Complaint]:
        raise KeyError(context)

    found = condition.examine(door.services, {"clock": fails, "parked": lambda _context: iter([ELSEWHERE])})
    assert [(each.id, each.about) for each in found.complaints] == [
        ("sinch.webhook_elsewhere", "7"),
        ("doctor.failed", "clock"),
    ]


def test_doctors_last_look_is_shown_with_its_age_but_for_what_the_gateway_sees_by_itself(door: Door) -> None:
    old = complain("spool.parked", about=7, count=3, reason="400")
    found = {"sinch": [ELSEWHERE], "secrets": [REUSED], "parked": [old]}
    checkup.keep(door.services.settings, found, [ELSEWHERE, REUSED, old], at=NOW - 240, seconds=2.3)
    told = read(door)
    assert "Doctor looked 4 minutes ago" in told
    assert "3 checks in 2.3 s" in told
    assert f"sinch.webhook_elsewhere as doctor saw it 4 minutes ago {ELSEWHERE.sentence}" in told
    assert REUSED.sentence in told
    assert old.sentence not in told  # nothing is parked any more
    checkup.keep(door.services.settings, {"sinch": []}, [], at=NOW, seconds=2.3)
    told = read(door)
    assert "Everything is well" in told
    assert "as it must be" in told


def test_the_last_day_is_drawn_and_stands_there_in_words(door: Door) -> None:
    counts = (
        {},
        {"callbacks accepted": 30, "deliveries delivered": 29, "answers ingress 2xx": 30, "verdicts refused": 2},
    )
    for place, counted in enumerate(counts):
        values = {"at": NOW - 60 + place * 60, "oldest_seconds": None, "counts": json.dumps(counted), "apart": 1}
        door.services.spool.tell(lambda run, values=values: run("keep_sample", **values, node=""))
    told = read(door)
    assert "30 callbacks, at most 30 a minute" in told
    assert "Last day: 30 done (2xx)." in told
    assert "2 refused." in told
    text = visit(door, "/").text
    assert len(re.findall(r'<svg [^>]*role="img" aria-labelledby="(\w+)-title \1-told"', text)) == 7
    assert not re.search(r"style=|<script|<style", text)


def test_without_a_spool_the_page_says_so(tmp_path: Path) -> None:
    with opened(Database(tmp_path / "none.sqlite3", patience_seconds=0.1), door="ops") as door:
        told = read(door)
    assert "There is no spool at" in told
    assert "nothing is known of accounts" in told


def test_what_others_wrote_is_text(spool: Database) -> None:
    name = "<script>alert(1)</script>"
    with opened(spool, door="ops", account=[config_samples.account(name=name)]) as door:
        text = visit(door, "/").text
    assert name not in text
    assert html.escape(name) in text


def test_no_more_than_the_latest_is_read_for_accounts(door: Door) -> None:
    """What lies deeper is said to be none of the latest, so that the page is there however much is kept."""
    spool = door.services.spool
    for number, connector in enumerate((8, 7, 7, 7)):
        event = accept(spool, f"m{number}", contact=f"c{number}", connector=connector, now=NOW - 90 + number)
        settle(spool, event, "delivered" if number % 2 else "parked", now=NOW - 50 + number)
        accept(spool, f"w{number}", contact=f"w{number}", connector=connector, now=NOW - 200)
    found = {name: spool.ask(lambda run, name=name: run(name, most=3)) for name in ("last_accepted", "last_delivered")}
    assert [connector for connector, _ in found["last_accepted"]] == [7]
    assert found["last_delivered"] == [(7, NOW - 47)]
    counted = spool.ask(lambda run: run("waiting_of_accounts", most=3))
    assert sum(count for state, _, count in counted if state == "pending") == 3
    assert ("parked", 8, 1) in counted


def test_operators_have_doctor_look_and_support_does_not(spool: Database) -> None:
    with opened(spool, door="ops", user=USERS) as door:
        settings = door.services.settings
        paths.run(settings).mkdir()
        sign_in(door, "bob")
        assert post(door, "/doctor").status_code == 403
        assert checkup.wanted_at(settings) is None
        sign_in(door, "anna")
        assert visit(door, "/doctor").status_code == 404  # by a link nobody starts anything
        assert post(door, "/doctor").headers["Location"].startswith("/?done=")
        assert checkup.wanted_at(settings)
        with lock.held(paths.lock(settings, "checkup"), patience_seconds=0):
            assert "Doctor looks at everything right now; that takes some seconds." in read(door)
        os.utime(paths.run(settings) / checkup.WANTED, (NOW - 5, NOW - 5))
        assert "Doctor was asked to look 5 seconds ago." in read(door)
        door.clock.advance(295)
        assert "It was asked to look 5 minutes ago and did not" in read(door)


def test_a_few_wait_for_doctor_and_whoever_asks_whether_the_gateway_lives_finds_a_thread(door: Door) -> None:
    settings = door.services.settings
    assert DOORS["ops"].threads / 2 >= overview.MOST_WAITING
    with contextlib.ExitStack() as stack:
        for _ in range(overview.MOST_WAITING):
            stack.enter_context(overview.PLACES)
        assert not overview.is_seen(settings)
    assert overview.is_seen(settings)
