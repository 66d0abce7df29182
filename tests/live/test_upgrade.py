"""From the first released schema to today's and on to the next, with a full spool; and back, as the page tells it."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.paths import SPOOL
from gateway.store import named, sqlite
from sandbox import callbacks, faults
from sandbox.sinch import Letter
from tests import released_spool
from tests.live.house import ACCOUNT, LOG, ROOT, House, opened
from tests.live.test_answers import letter

CROWD = 3000
UNSIGNED = {
    "connector_id": 8,
    "app_id": "01JQ8V4M2Z7T5X9C3N6B1K0EIG",
    "webhook_secrets": [],
    "unsigned": "allow",
    "receive_token": "a receive token of the tests",
}
TABLES: dict[str, Any] = {
    "account": [ACCOUNT, ACCOUNT | UNSIGNED],
}

# The release after this one: the same program, and one revision more.
NEXT = '''"""What this release does not know."""

import sqlalchemy as sa
from alembic import op

revision = "next"
down_revision = {head!r}


def upgrade():
    op.add_column("event", sa.Column("remark", sa.String(20), nullable=False, server_default="none"))
    op.create_index("event_remark", "event", ["remark"])
    op.create_table("remark", sa.Column("id", sa.Integer, primary_key=True))
'''

Rows = list[dict[str, Any]]


def spool_of(house: House) -> Path:
    return house.folder / "state" / SPOOL


@pytest.fixture
def house() -> Iterator[House]:
    """A gateway that does not run yet, on the spool that one of the first release has left."""
    with opened(started=False, **TABLES) as house:
        house.write_settings()
        released_spool.lay(spool_of(house), now=time.time(), crowd=CROWD)
        yield house


def start_and_wait(house: House) -> None:
    """Start it, and wait until nothing waits any more: an outage of Motion hurries what had been put off."""
    start_in_an_outage(house)
    house.motion.set_fault(faults.NONE)
    wait(house)


def start_in_an_outage(house: House) -> None:
    (house.folder / LOG).unlink(missing_ok=True)
    house.motion.set_fault(faults.DOWN)
    house.start()
    wait_for_the_outage(house)


def wait_for_the_outage(house: House) -> None:
    """Until the courier that runs knows of it: what it has put off before is hurried when Motion is back."""
    house.wait_for(lambda: house.decisions("courier", finding="motion-down"))


def wait(house: House) -> None:
    house.wait_for(lambda: not house.events("pending"), seconds=90)


def lay_what_is_newer(house: House) -> Path:
    """Make the next release; returns its folder."""
    folder = house.folder / "newer"
    for part in ("gateway", "nginx"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    revision = NEXT.format(head=named.latest())
    (folder / "gateway/store/migrations/versions/next.py").write_text(revision)
    return folder


def events(house: House, *states: str) -> Rows:
    rows = released_spool.contents(spool_of(house))["event"]
    return [row for row in rows if not states or row["state"] in states]


def as_sent(row: dict[str, Any]) -> Letter:
    """A callback with the signature under which the first release took it in."""
    return Letter(callbacks.text(""), row["body"], tuple(map(tuple, json.loads(row["headers"]))))


def by_lane(rows: Iterable[dict[str, Any]]) -> dict[str, list[bytes]]:
    lanes = defaultdict(list)
    for row in rows:
        lanes[row["lane"]].append(row["body"])
    return dict(lanes)


def heard(house: House, lanes: dict[str, list[bytes]]) -> dict[str, list[bytes]]:
    """What Motion took, lane by lane, in the order in which it did; what is of none of these lanes under no name."""
    lane_of = {body: lane for lane, bodies in lanes.items() for body in bodies}
    return by_lane({"lane": lane_of.get(item.body, ""), "body": item.body} for item in house.motion.accepted)


def assert_as_accepted(house: House, rows: Rows) -> None:
    """Headers, query and request id of these are those of their acceptance."""
    arrived = {item.body: item for item in house.motion.accepted}
    for row in rows:
        item = arrived[row["body"]]
        assert (item.connector_id, item.query) == (row["connector_id"], row["query"])
        assert item.header("x-request-id") == row["request_id"]
        for name, value in json.loads(row["headers"]):
            assert item.all_headers(name) == [value]


def test_the_recorded_spool_holds_whatever_a_spool_can_hold(house: House) -> None:
    rows = events(house)
    assert {row["state"] for row in rows} == {"pending", "delivered", "parked", "rejected", "duplicate"}
    lanes = released_spool.contents(spool_of(house))["lane"]
    in_hand = [row for row in lanes if row["claimed_event"]]
    put_off = [row for row in lanes if row["due_at"] > time.time()]
    assert (len(in_hand), len(put_off)) == (3, 1)
    assert {row["outcome"].partition(":")[0] for row in rows if row["state"] == "parked"} == {
        "400",
        "couriers died delivering it",
    }
    assert {row["connector_id"] for row in rows} == {7, 8}
    assert len(by_lane(events(house, "pending"))) > 40
    log = spool_of(house).with_name(f"{SPOOL}-wal")
    assert log.stat().st_size > 1_000_000  # what was committed last is not in the file yet


def test_migrating_keeps_every_row_and_every_value(house: House) -> None:
    before = released_spool.contents(spool_of(house))
    assert sqlite.current(spool_of(house)) == released_spool.REVISION
    assert named.latest() in house.command("migrate")
    assert sqlite.current(spool_of(house)) == named.latest()
    after = released_spool.contents(spool_of(house))
    for table, rows in before.items():
        assert len(rows) == len(after[table])
        for row, kept in zip(rows, after[table], strict=True):
            assert {column: kept[column] for column in row if column in kept} == {
                column: value for column, value in row.items() if column in kept
            }


def test_what_waited_arrives_once_in_order_and_before_what_comes_later(house: House) -> None:
    waiting, others = events(house, "pending"), events(house, "parked", "rejected", "duplicate", "delivered")
    house.motion.set_fault(faults.DOWN)
    house.command("migrate")
    house.start()
    for who in ("ana", "ben", "cleo", "emil", "hugo", "ines", "jan", "nobody before"):
        assert house.sinch().send(callbacks.text(f"new of {who}", by=callbacks.customer(who))).status == 200
    new = [row for row in events(house) if row["id"] > max(row["id"] for row in (*waiting, *others))]
    assert len(new) == 8
    house.motion.set_fault(faults.NONE)
    wait(house)
    expected = by_lane([*waiting, *new])
    assert heard(house, expected) == expected
    assert max(Counter(item.body for item in house.motion.accepted).values()) == 1
    assert_as_accepted(house, waiting)
    unchanged = {row["id"]: row["state"] for row in others}
    assert {row["id"]: row["state"] for row in events(house) if row["id"] in unchanged} == unchanged


def test_the_id_of_an_erased_event_is_given_to_no_other(house: House) -> None:
    house.stop()
    released_spool.lay(spool_of(house), now=time.time())
    [erased] = {row["event_id"] for row in released_spool.contents(spool_of(house))["nonce"]} - {
        row["id"] for row in events(house)
    }
    house.start()
    assert house.sinch().send(callbacks.text("the next one")).status == 200
    assert max(row["id"] for row in events(house)) == erased + 1


def test_what_was_parked_stays_parked_and_can_be_replayed_as_can_the_rest(house: House) -> None:
    parked = events(house, "parked")
    others = events(house, "rejected", "duplicate")
    start_and_wait(house)
    assert [row["id"] for row in events(house, "parked")] == [row["id"] for row in parked]
    house.motion.forget()
    house.command("events", "replay", "--parked")
    house.command("events", "replay", *(str(row["id"]) for row in others))
    house.settle()
    assert {item.body for item in house.motion.accepted} == {row["body"] for row in (*parked, *others)}
    assert_as_accepted(house, [*parked, *others])


def test_a_callback_from_before_is_still_a_repeat_and_a_nonce_from_before_still_used(house: House) -> None:
    before = released_spool.contents(spool_of(house))
    events_of = {(row["connector_id"], row["nonce"]): row["event_id"] for row in before["nonce"]}
    start_and_wait(house)
    house.motion.forget()
    sinch, repeats = house.sinch(), Counter[int]()
    for row in before["event"]:
        sent = as_sent(row)
        event_id = events_of.get((row["connector_id"], sent.nonce))
        if row["request_id"].startswith("0" * 20) or event_id is None:  # of the crowd; unsigned; rejected as too old
            continue
        again = sinch.post(sent)
        assert again.status == (401 if row["state"] == "rejected" else 200), row["id"]
        other_bytes = letter(sinch, b"other bytes", nonce=sent.nonce)
        assert sinch.post(other_bytes).status == 401
        repeats[event_id if row["state"] != "rejected" else row["id"]] += 1
        if row["state"] not in ("rejected", "duplicate"):
            assert sinch.post(letter(sinch, row["body"])).status == 200  # the same event, signed anew
            repeats[row["id"]] += 1
    assert len(repeats) > 55
    after = {row["id"]: row for row in events(house)}
    for row in before["event"]:
        assert after[row["id"]]["repeats"] == row["repeats"] + repeats[row["id"]], row["id"]
    [extra] = after.keys() - {row["id"] for row in before["event"]}
    assert (after[extra]["state"], after[extra]["body"]) == ("rejected", b"other bytes")
    house.settle()
    assert not house.motion.received


def test_the_rollback_of_the_page_leads_back_to_a_gateway_that_serves(house: House) -> None:
    newer, copy = lay_what_is_newer(house), house.folder / "before-upgrade"
    start_in_an_outage(house)
    assert f"schema {named.latest()}" in house.command("spool", "backup", "--to", str(copy))
    saved = events(house)
    waiting = by_lane(row for row in saved if row["state"] == "pending")
    house.stop()

    house.release = newer
    (house.folder / LOG).unlink()
    house.start()
    assert sqlite.current(spool_of(house)) == "next"
    under_newer = house.sinch().send(callbacks.text("under the newer release"))
    wait_for_the_outage(house)
    house.motion.set_fault(faults.NONE)
    wait(house)
    assert heard(house, waiting) == waiting | {"": [under_newer.letter.body]}
    assert "\n0 pending, " in house.command("events", "list")
    house.stop()

    house.release = ROOT
    assert_refused_and_left_alone(house)
    restore(house, copy)
    house.motion.forget()
    start_and_wait(house)
    accepted = next(row for row in saved if row["state"] == "delivered")
    assert house.sinch().post(as_sent(accepted)).status == 200  # a repeat: Motion does not get it
    after_it = house.sinch().send(callbacks.text("after the rollback"))
    wait(house)
    assert heard(house, waiting) == waiting | {"": [after_it.letter.body]}  # once more, as the page says
    assert [row["id"] for row in events(house, "parked")] == [row["id"] for row in saved if row["state"] == "parked"]


# What somebody types between `make install` and the restart, and the exit status.
MEANWHILE = {
    "spool backup --to copy": 0,
    "config check": 0,
    "config show": 0,
    "exposure": 0,
    "ready": 0,
    "events list": 2,
    "events replay --parked": 2,
    "sends list": 2,
    "attachments list": 2,
    "turned-away list": 2,
    "courier": 2,
    "web ingress": 2,
    "migrate": 2,
}


def test_nothing_that_is_typed_before_the_restart_migrates_under_the_older_release(house: House) -> None:
    newer = lay_what_is_newer(house)
    house.start()
    house.release = newer
    for typed, status in MEANWHILE.items():
        said = house.command(*typed.replace("copy", str(house.folder / "copy")).split(), status=status)
        if status:
            assert "estart" in said, typed  # what to do
    assert "another gateway is running" in house.command("serve", status=2)
    assert sqlite.current(spool_of(house)) == named.latest()
    assert house.sinch().send(callbacks.text("to the older one")).status == 200
    house.stop()
    house.start()
    assert sqlite.current(spool_of(house)) == "next"
    assert house.command("ready").startswith("Ready.")


def assert_refused_and_left_alone(house: House) -> None:
    """This release does not touch a spool of the next one, and says what the page says."""
    [words] = re.findall(r"^the spool .*$", (ROOT / "docs/deployment.md").read_text("utf-8"), re.MULTILINE)
    words = words.replace("/var/lib/motion-gateway/spool.sqlite3", str(spool_of(house))).replace("0002", "next")
    before = spool_of(house).read_bytes()
    for command in ("serve", "migrate"):
        assert words in house.command(command, status=2)
    for refused in (("web", "ingress"), ("web", "ops"), ("courier",), ("events", "list")):
        assert "is of a newer release; install that one again" in house.command(*refused, status=2)
    assert spool_of(house).read_bytes() == before


def restore(house: House, copy: Path) -> None:
    """What the page says, with the gateway stopped."""
    aside = house.folder / "before-restore"
    aside.mkdir()
    for file in spool_of(house).parent.glob(f"{SPOOL}*"):
        file.rename(aside / file.name)
    shutil.copy(copy, spool_of(house))
    spool_of(house).chmod(0o600)
