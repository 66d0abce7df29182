"""How PostgreSQL finds what events and messages ask for, with much that is kept: not by reading all of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from psycopg import sql

from gateway.delivery import records
from gateway.store import Choice, named
from tests.postgresql import PostgreSQL
from tests.spool_samples import Explained
from tests.test_store_named import OTHERWISE, VALUES
from tests.test_store_sqlite import CHOSEN, WHOLE

KEPT = 200_000  # events, of which some thousands are pending, parked or rejected
FILL = f"""
INSERT INTO event (
    connector_id, state, kind, key, original, lane, contact_id, identity, request_id, address, headers, query, body,
    body_digest, accepted_at, repeats, tries, failures, deaths, outcome, settled_at
)
SELECT
    7 + i % 3,
    CASE WHEN i > {KEPT} - 4000 THEN 'pending' WHEN i % 100 = 0 THEN 'parked' WHEN i % 101 = 0 THEN 'rejected'
        ELSE 'delivered' END,
    'MESSAGE_INBOUND', decode(md5(i::text), 'hex'), i % 101 != 0, '7:contact:c' || i % 3000, 'c' || i % 50000,
    '49' || i % 50000, 'r' || i, '', '[]', '', decode(repeat('7b', 300), 'hex'), decode(md5(i::text), 'hex'), i, 0, 1,
    0, 0, '200', CASE WHEN i <= {KEPT} - 4000 THEN i END
FROM generate_series(1, {KEPT}) AS i;
INSERT INTO nonce (connector_id, nonce, body_digest, event_id, seen_at)
SELECT connector_id, 'n' || id, body_digest, id, accepted_at FROM event;
INSERT INTO lane (lane, first_event, due_at)
SELECT lane, min(id), min(accepted_at) FROM event WHERE state = 'pending' GROUP BY lane;
INSERT INTO heard (contact_id, identity, connector_id, at)
SELECT contact_id, identity, connector_id, max(accepted_at) FROM event GROUP BY contact_id, identity, connector_id;
INSERT INTO send (
    reference, connector_id, app_id, kind, contact_id, identity, correlation_id, request_id, attachments, outcome,
    message_id, code, tries, started_at, ended_at
)
SELECT
    'mg-' || id, connector_id, 'app', 'text_message', contact_id, identity, 'mg-' || id, request_id, '[]',
    CASE WHEN id % 500 = 0 THEN 'unknown' ELSE 'accepted' END, CASE WHEN id % 500 = 0 THEN '' ELSE 'M' || id END, '', 1,
    accepted_at, accepted_at + 1
FROM event;
INSERT INTO report (
    event_id, connector_id, message_id, correlation_id, status, code, sub_code, channel_code, channel, reported_at
)
SELECT id, connector_id, 'M' || id, 'mg-' || id, 'DELIVERED', '', '', '', 'WHATSAPP', accepted_at FROM event;
ANALYZE;
"""
LARGE = ("event", "nonce", "report", "send", "heard")
# What may read a large table on SQLite may do so here; and this: by hand, of a lifeboat, and until it has found one.
HERE = {
    "count_events": "event",
    "count_theirs": "event",
    "forget_all_nonces": "nonce",
    "forget_all_reports": "report",
    "forget_all_heard": "heard",
    "sent_since": "send",
}
AT_THE_END = {
    "since": KEPT - 100.0,
    "until": KEPT + 100.0,
    "before": 100.0,
    "now": KEPT - 3000.0,
    "due_by": KEPT - 3000.0,
}
STATEMENTS = {name: text for name, text in named.statements("postgres").items() if text}
_VALUE = re.compile(r"(?<!:):([a-z_]+)")

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def url(postgresql: PostgreSQL, empty_database: str) -> str:
    return postgresql.url(postgresql.database(like=empty_database))


@pytest.fixture(scope="module")
def full(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(FILL)
        yield connection


def test_no_statement_reads_a_large_table_that_need_not(full: psycopg.Connection[Any]) -> None:
    """With the plan for these values: others, for any values, are taken by PostgreSQL where they cost no more."""
    read = {}
    for name, text in STATEMENTS.items():
        given = VALUES | AT_THE_END | OTHERWISE.get(name, {}) | {"lanes": [VALUES["lane"]]}
        if name == "file_events":  # of which each has several
            given = {word: [value] for word, value in (given | {"opens_window": True, "status": "READ"}).items()}
        plan = "\n".join(row[0] for row in full.execute(explained(text, given)))
        if scanned := set(re.findall(r"Seq Scan on (\w+)", plan)).intersection(LARGE) - may(name):
            read[name] = scanned, plan
    assert read == {}


@pytest.mark.usefixtures("full")
def test_no_list_reads_all_events(url: str) -> None:
    chosen = [about for about, _ in CHOSEN.values()] + [Choice(since=KEPT - 10.0), Choice(connector_id=4711)]
    with closing(Explained(url)) as explained:
        for choice in chosen:
            records.listed(explained, choice, most=10)
    assert "event_contact" in " ".join(explained.plan)
    assert [step for step in explained.plan if "Seq Scan on event" in step] == []


def may(name: str) -> set[str]:
    """The tables that a statement may read from end to end."""
    return {*WHOLE.get(name, "").split(), HERE.get(name, "")}


def explained(text: str, given: dict[str, Any]) -> sql.Composed:
    """Ask for the plan of a statement with its values written out."""
    parts = _VALUE.split(text)  # every other one is the name of a value
    told = [sql.Literal(given[part]) if place % 2 else sql.SQL(part) for place, part in enumerate(parts)]
    return sql.SQL("EXPLAIN ") + sql.Composed(told)
