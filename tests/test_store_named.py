"""The statements as either engine is told them: the same names, the same values, the same rows."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from gateway.store import named, schema
from gateway.store.engines import Database
from tests.postgresql import PostgreSQL
from tests.spool_samples import meddle

TOLD = {"sqlite": named.statements("sqlite"), "postgres": named.written("postgres")}
ON_POSTGRESQL = named.statements("postgres")
_VALUE = re.compile(r"(?<!:):([a-z_]+)")
Given = dict[str, Any]

LANE, DIGEST = "7:contact:c1", b"\1" * 32
EVENT: Given = {
    "connector_id": 7,
    "state": "pending",
    "kind": "MESSAGE_INBOUND",
    "key": DIGEST,
    "original": True,
    "lane": LANE,
    "contact_id": "c1",
    "identity": "4912345",
    "request_id": "r1",
    "address": "192.0.2.1",
    "headers": [["content-type", "application/json"], ["x-sinch-webhook-signature-timestamp", "1000"]],
    "query": "",
    "body": b"{}",
    "body_digest": DIGEST,
    "accepted_at": 900.5,
}
SEND: Given = {
    "reference": "mg-1",
    "connector_id": 7,
    "app_id": "app",
    "kind": "text_message",
    "contact_id": "c1",
    "identity": "4912345",
    "correlation_id": "mg-1",
    "request_id": "r1",
    "attachments": [],
    "outcome": "accepted",
    "message_id": "M1",
    "started_at": 900.0,
}
REPORT = dict.fromkeys(("correlation_id", "status", "code", "sub_code", "channel_code", "channel"), "")
FILE: Given = {"digest": DIGEST, "size_bytes": 3, "inspection": {}, "acquired_at": 900.0}
ENDED = {"outcome": "404: kind refused", "original": False, "settled_at": 950.0}
FILLED: dict[sa.Table, list[Given]] = {
    schema.event: [
        EVENT | {"outcome": "404: no", "failures": 5, "failing_since": 901.0},
        EVENT | {"key": b"2", "accepted_at": 901.5, "media": 1, "findings": "dispatch-mode motion-down"},
        EVENT | ENDED | {"state": "delivered", "lane": "7:alone:r3", "contact_id": ""},
        EVENT | ENDED | {"state": "parked", "history": "1.000 500\n"},
        EVENT | ENDED | {"state": "rejected", "body_digest": b"3"},
    ],
    schema.nonce: [{"connector_id": 7, "nonce": "n", "body_digest": DIGEST, "event_id": 1, "seen_at": 1001.5}],
    schema.lane: [
        {"lane": LANE, "first_event": 1, "due_at": 990.0},
        {"lane": "empty", "first_event": 77, "due_at": 1e9},
        {"lane": "held", "first_event": 2, "due_at": 2.0, "claimed_event": 2, "leased_until": 2000.0}
        | {"courier": "one", "claim": 2**63 - 1},
        {"lane": "suspect", "first_event": 3, "due_at": 0.0, "suspect": True},
    ],
    schema.attachment: [
        FILE | {"attachment_id": "4711", "live_until": 1900.0, "first_fetched_at": 930.0, "revoked_before": 3},
        FILE | {"attachment_id": "815", "live_until": 990.0},
        FILE | {"attachment_id": "9", "digest": b"4" * 32, "live_until": 950.0, "last_fetched_at": 960.0},
        {"attachment_id": "10", "failure": "gone", "failure_status": 404, "failed_at": 10.0},
    ],
    schema.stored_file: [
        {"place": place, "digest": digest, "size_bytes": 3, "since": 900.0, **more}
        for place, digest, more in (
            ("", DIGEST, {}),
            ("", b"4" * 32, {}),
            ("", b"5" * 32, {}),
            (":store", b"4" * 32, {"doubted": True}),
            (":store", b"5" * 32, {"leaving_until": 990.0}),
        )
    ],
    schema.inbound_file: [
        {"event_id": 1, "number": number, "connector_id": 7, "place": "message.contact_message.media_message.url"}
        | {"url": "https://media.sinch.com/1", "state": state, "inspection": {}, "at": 900.0, **more}
        for number, state, more in (
            (1, "waiting", {"due_at": 990.0}),
            (2, "waiting", {"due_at": 990.0, "fetcher": "ana", "leased_until": 999.0, "tries": 1}),
            (3, "held", {"digest": DIGEST, "verdict": "hold", "reason": "program"}),
        )
    ],
    schema.send: [SEND, SEND | {"reference": "mg-2", "outcome": "unknown", "message_id": ""}],
    schema.report: [
        REPORT | {"event_id": 3, "connector_id": 7, "message_id": "M1", "reported_at": 940.0},
        REPORT | {"event_id": 4, "connector_id": 7, "message_id": "M2", "reported_at": 940.0, "correlation_id": "mg-1"},
    ],
    schema.heard: [{"contact_id": "c1", "identity": "4912345", "connector_id": 7, "at": 900.0}],
    schema.turned_away: [
        {"door": "ingress", "reason": "x", "about": about, "address": "", "count": 2, "first_at": 1.0, "last_at": 999.0}
        for about in ("b", "B", "a_", "a")
    ],
    schema.trouble: [{"finding": "motion-down", "about": "", "reason": "503", "since": 950.0}],
    schema.history: [{"at": 940.0, "oldest_seconds": None, "counts": "{}", "node": "ana"}],
    schema.chore: [{"name": "ana", "due_at": 1000.5}],
    schema.audit: [
        {"at": 900.0, "action": "replay", "who": "ana", "login": "ana", "account": "root", "about": "event 1"}
    ],
    schema.node: [
        {"name": name, "instance": "i", "host": "h", "release": "0.1.0", "build": "b", "revision": "0013"}
        | {"draining": False, "seen_at": 900.0, "left_at": None, "rival_host": "", "rival_at": None}
        for name in ("ana", "B")
    ],
    schema.node_door: [{"node": "ana", "door": door, "marks": "[]"} for door in ("ingress", "outbound")],
    schema.census: [{"state": state, "until": 900.0, "count": 3} for state in ("delivered", "parked")],
    schema.session: [{"digest": DIGEST, "name": "ana", "proof": b"\xab", "began_at": 900.0, "seen_at": 901.0}],
}

# What a value is wherever it has that name; below, where it is another one.
VALUES: Given = {
    name: value
    for table in (EVENT, SEND, FILLED[schema.nonce][0], FILE, FILLED[schema.attachment][0], FILLED[schema.audit][0])
    for name, value in table.items()
} | {
    **dict.fromkeys(("now", "due_by", "latest", "idle_since", "unused_since", "seen_at", "leased_until"), 1000.0),
    **dict.fromkeys(("last", "first", "until", "last_at", "first_at", "reported_at", "ended_at", "heard_at"), 1001.0),
    **dict.fromkeys(("settled_at", "oldest_seconds", "failing_since", "due_at"), None),
    **dict.fromkeys(("brought", "grace", "link_ttl", "apart"), 60.0),
    **dict.fromkeys(("sub_code", "channel_code", "channel", "description", "words", "window", "findings"), "ü"),
    "before": 970.0,
    "since": 800.0,
    "most": 50,
    "most_told": 20,
    "gone": 1,
    "ids": "[1, 3, 4]",
    "firsts": "[1, 2, 77]",
    "claim": 2**63 - 1,
    "courier": "two",
    "probe_at": 1060.0,
    "probes": 2,
    "event_id": 1,
    "following": 2,
    "excepted": '[[8, ""], [7, "OTHER"], [null, ""]]',
    "users": '["ben 00"]',
    "among": None,
    "only": "",
    "way": 1,
    "id": None,
    "who": "ana",
    "identity": "4912345",
    "contact": "c1",
    "pending_too": False,
    "code": "c",
    "tries": 2,
    "told": "1000.000 503\n",
    "failures": 3,
    "send_id": 1,
    "fetches": 2,
    "name": "ana",
    "header": "content-type",
    "finding": "motion-down",
    "reason": "x",
    "door": "ingress",
    "count": 3,
    "proof": b"\xab",
    "inspected_by": "1",
    "failure": "gone",
    "status": None,
    "counts": "{}",
    "headers": "[]",
    "attachments": "[]",
    "inspection": "{}",
    **dict.fromkeys(("host", "release", "build", "revision"), "ü"),
    "node": "ana",
    "instance": "i",
    "marks": '[["server.public_url", "", "ab"]]',
    "draining": True,
    "again": True,
    "place": "",
    "other": ":store",
    "media": 2,
    "url": "https://media.sinch.com/ü",
    "fetcher": "ana",
    "mime": "image/png",
    "verdict": "let",
    "number": None,
    "said": "% motion-down %",
}
OTHERWISE: dict[str, Given] = {
    "insert_nonce": {"nonce": "n2"},
    "insert_report": {"event_id": 9, "code": "c", "status": "FAILED"},
    "insert_event": {"key": b"9"},
    "insert_send": {"reference": "mg-9"},
    "insert_session": {"digest": b"9"},
    "line_up": {"lane": "7:contact:c1", "event_id": 2},
    "hear": {"now": 2000.0},
    "settle_event": {"state": "delivered", "now": 10},
    "parked_of_kind": {"outcome": "%kind refused", "kind": "MESSAGE_INBOUND"},
    "due_lanes_of": {"kind": "MESSAGE_INBOUND"},
    "purge_nonces": {"before": 2000.0},
    "revive_event": {"event_id": 4},
    "purge_events": {"state": "delivered"},
    **{key: {"state": "delivered"} for key in ("begin_census", "raise_census", "lower_census")},
    "census_goes_to": {"state": "delivered", "most": 0},
    "fail_attachment": {"status": 404, "digest": None},
    "latest_attachments": {"since": 0.0},
    "revoke_attachment": {"before": 5},
    "newest_signed": {"header": "x-sinch-webhook-signature-timestamp"},
    "signed_ago": {"header": "x-sinch-webhook-signature-timestamp"},
    **{key: {"lane": "held", "due_at": 5.0} for key in ("free_lane", "advance_lane", "wait_for_files")},
    **{key: {"lane": "held"} for key in ("lease_lane", "drop_lane", "claim_behind", "uncount_try")},
    **{key: {"now": 3000.0} for key in ("what_waits", "seize_ended")},
    "ground_lanes": {"latest": 5000.0},
    "add_file": {"number": 9},
    "take_file": {"number": 1},
    **{key: {"number": 2, "due_at": 5.0} for key in ("settle_file", "postpone_file")},
    "came_in": {"until": 1e9},
    "settle_send": {"message_id": "M9"},
}
ALONE = {"database_bytes", "database_time"}  # on whose answer no two engines agree
# The same with other values, where one may be NULL, or asks for another way.
AGAIN: list[tuple[str, Given]] = [
    ("beat", {"instance": "another"}),
    ("beat", {"instance": "another", "again": False}),
    ("beat", {"name": "new"}),
    ("forget_node", {"before": 100.0}),
    ("due_lanes", {"excepted": '[[7, ""]]'}),
    ("due_lanes", {"excepted": '[[7, "MESSAGE_INBOUND"]]'}),
    ("due_lanes", {"excepted": "[]"}),
    ("due_lanes_of", {"connector_id": None, "kind": ""}),
    ("due_lanes_of", {"connector_id": 8}),
    ("last_heard", {"contact_id": None}),
    ("last_heard", {"identity": None}),
    ("latest_attachments", {"since": 0.0, "among": '["815", "10"]'}),
    ("latest_attachments", {"since": 0.0, "id": 815, "at": 900.0}),
    ("latest_attachments", {"since": 0.0, "id": 815, "at": 900.0, "way": -1}),
    ("latest_attachments", {"since": 0.0, "only": "failed"}),
    ("latest_attachments", {"since": 0.0, "only": "stored"}),
    ("leave_files", {"place": ":store", "now": 1000.0, "until": 1060.0}),
    ("ungiven_files", {"now": 900.0}),
    ("name_bytes", {"attachment_id": "10"}),
    ("unused_files", {"since": 1.0}),
    ("count_fetches", {"revoked_before": None, "first": None}),
    ("evictable_files", {"now": 100.0, "idle_since": 960.5}),
    ("deeds", {"action": None, "who": None}),
    ("deeds", {"id": 1, "way": -1}),
    ("their_events", {"pending_too": True}),
    ("erase_events", {"pending_too": True}),
    ("drop_sessions_but", {"users": '["ana ab"]'}),
    ("keep_sample", {"at": 2000.0, "oldest_seconds": 3.5}),
    ("postpone_event", {"lane": "held", "most_told": 3}),
    ("settle_event", {"state": "delivered", "now": 10, "lane": "held"}),
    ("settle_event", {"state": "delivered", "now": 10, "claim": None}),
    ("seize_own", {"courier": ""}),
    ("seize_own", {"courier": "one"}),
    ("seize_event", {"lane": "held"}),
    ("begin_probe", {"now": -1.0}),
    ("take_turn", {"until": 900.0}),
    ("begin_census", {"state": "rejected"}),
    ("leave_alone", {"probe_at": -1.0}),
    ("seen_before", {"nonce": None}),
    ("line_up", {"lane": "8:new"}),
    ("files_of_event", {"number": 3}),
    ("wait_for_files", {"lane": "held", "due_at": 5.0, "event_id": 2}),
    ("note_finding", {"event_id": 2}),
]


def values(name: str, changed: Given) -> Given:
    given = VALUES | OTHERWISE.get(name, {}) | changed
    return {word: given[word] for word in _VALUE.findall(TOLD["sqlite"][name])}


def test_what_postgresql_is_told_otherwise_has_its_name_and_its_values_from_sqlite() -> None:
    for name, text in TOLD["postgres"].items():
        assert text != TOLD["sqlite"][name]
        here = TOLD["sqlite"][name]
        assert set(_VALUE.findall(text)) == set(_VALUE.findall(here)) or not (text and here), name


@pytest.fixture(scope="module")
def database(postgresql: PostgreSQL) -> Iterator[psycopg.Connection[Any]]:
    """One with the rows of FILLED; what is done to it is taken back."""
    url = postgresql.url(postgresql.database())
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        schema.metadata.create_all(connection)
        connection.exec_driver_sql(
            f"CREATE TABLE alembic_version AS SELECT '{named.latest()}' AS version_num, CAST('0014' AS text) AS bears"
        )
        for table, rows in FILLED.items():
            for row in rows:
                connection.execute(table.insert().values(row))
        connection.commit()
    with psycopg.connect(url, autocommit=True) as opened:
        yield opened


def told(run: Callable[[str, Given], list[Any]], text: str, name: str, given: Given) -> tuple[list[Any], list[Any]]:
    """What a statement gives, and then the table that it has changed, but for numbers that a sequence draws."""
    rows, left = run(text, given), []
    if changed := re.match(r"(?:INSERT INTO|UPDATE|DELETE FROM) (\w+)", TOLD["sqlite"][name]):
        kept = [f'"{column.name}"' for column in schema.metadata.tables[changed[1]].columns if column.name != "id"]
        left = run(f"SELECT {', '.join(kept)} FROM {changed[1]}", {})
    return (rows if "ORDER BY" in text else sorted(rows, key=by_value)), sorted(left, key=by_value)


def by_value(row: Sequence[Any]) -> str:
    return repr([int(value) if isinstance(value, bool) else value for value in row])


def on_postgresql(database: psycopg.Connection[Any], name: str, given: Given) -> tuple[list[Any], list[Any]]:
    def run(text: str, given: Given) -> list[Any]:
        cursor = database.execute(_VALUE.sub(r"%(\1)s", text.replace("%", "%%")).encode(), given)
        return cursor.fetchall() if cursor.description else []

    with database.transaction(force_rollback=True):
        return told(run, ON_POSTGRESQL[name], name, given)


def on_sqlite(spool: Database, name: str, given: Given) -> tuple[list[Any], list[Any]]:
    with closing(sqlite3.connect(spool.path)) as connection:
        return told(lambda text, given: connection.execute(text, given).fetchall(), TOLD["sqlite"][name], name, given)


@pytest.fixture
def filled(spool: Database) -> Database:
    meddle(spool, *(table.insert().values(row) for table, rows in FILLED.items() for row in rows))
    return spool


def test_every_statement_gives_and_leaves_the_same_rows_on_both_engines(
    filled: Database, database: psycopg.Connection[Any]
) -> None:
    wrong = {}
    both = [name for name, text in TOLD["sqlite"].items() if text and ON_POSTGRESQL[name] and name not in ALONE]
    for name, changed in [*((name, {}) for name in both), *AGAIN]:
        given = values(name, changed)
        there, here = on_postgresql(database, name, given), on_sqlite(filled, name, given)
        if there != here:
            wrong[name] = given, there, here
    assert wrong == {}
