"""What is told to SQLite by name: the statements that there are, who runs them, and by which index."""

from __future__ import annotations

import ast
import re
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path

from gateway.delivery import records
from gateway.store import Choice, Place, sqlite
from gateway.store.engines import Database
from tests.spool_samples import NOW, Explained, accept
from tests.together import together

GATEWAY = Path(sqlite.__file__).parents[1]
TEXT = Path(sqlite.__file__).with_suffix(".sql").read_text("utf-8")
STATEMENTS = sqlite.statements()


@cache
def nodes() -> list[ast.AST]:
    """Everything that is written in the gateway's code."""
    trees = (ast.parse(path.read_text("utf-8")) for path in GATEWAY.rglob("*.py"))
    return [node for tree in trees for node in ast.walk(tree)]


@cache
def texts() -> set[str]:
    """Every text that is written out in the gateway's code."""
    return {node.value for node in nodes() if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def asked() -> list[str]:
    """The names by which the code runs a statement where it says `run`."""
    calls = [node for node in nodes() if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "run"]
    return [call.args[0].value for call in calls if call.args and isinstance(call.args[0], ast.Constant)]


@together("name", STATEMENTS)
def test_every_statement_is_run_by_somebody(name: str) -> None:
    assert name in texts()


def test_nobody_runs_a_statement_that_is_not_there() -> None:
    assert asked()
    assert [name for name in asked() if name not in STATEMENTS] == []


def test_each_name_is_given_once() -> None:
    names = re.findall(r"^-- name: (.*)$", TEXT, re.MULTILINE)
    assert names == list(STATEMENTS)


@together("name", STATEMENTS)
def test_every_statement_says_why_it_is_there(name: str) -> None:
    assert re.search(rf"^-- name: {name}\n-- .+", TEXT, re.MULTILINE)


@together("text", [text for text in STATEMENTS.values() if text])
def test_a_statement_goes_to_the_driver_alone_and_without_its_comments(text: str) -> None:
    assert "--" not in text
    assert ";" not in text


# What may read a whole table: operators' commands, a courier's start, what Motion's return asks for, what is done once
# an hour; and what another select has gathered by an index.
WHOLE = {
    "is_foreign": "sqlite_master",
    "turned_away": "turned_away",
    "purge_turned_away": "turned_away",
    "troubles": "trouble",
    "latest_attachments": "attachment",
    "strip_attachments": "attachment",
    "purge_attachments": "attachment",
    "evictable_files": "file",
    "empty_lanes": "lane",
    "forget_places": "stored_file",
    "old_heard": "heard",
    "came_in": "(subquery-1)",
    "sent_between": "ended",
    "reports_on_others": "(subquery-2)",
    "their_events": "event",
    "their_sends": "send",
    "count_sends": "send",
    "count_theirs": "event",
    "count_left": "event",
    "erase_reports_of_sends": "report",
    "has_revisions": "sqlite_master",
    "has_nodes": "sqlite_master",
    "bears": "alembic_version",
    "aboard": "event",
    # Of the last day, or of the latest events, as many and no more.
    "keep_sample": "CONSTANT",
    "database_time": "CONSTANT",
    "forget_samples": "history",
    "what_waits": "CONSTANT",
    "samples": "history",
    "last_accepted": "event latest",
    "last_delivered": "latest",
    "waiting_of_accounts": "pending parked",
    # Of users who have signed in: a handful.
    "sessions_of": "session",
    "drop_sessions_of": "session",
    "drop_sessions_but": "session",
    "purge_sessions": "session",
    # Of nodes there are a handful.
    "marks": "node_door",
    # Doctor's: no more than the latest, but for what is known of attachments.
    "lately": "event",
    # What is counted of each state, and each account: as many rows as there are of those.
    "count_events": "CONSTANT counted known",
    "connectors": "known",
    "due_files": "due",
    "free_files": "inbound_file",  # once, as a fetcher starts
    "heads_in_wait": "head",
    "parked_lately": "latest",
    "motions_links_since": "attachment",
    "any_fetched_since": "attachment",
}


@together("name", [name for name, text in STATEMENTS.items() if text and name != "prove_writable"])
def test_no_statement_reads_a_whole_table_that_need_not(spool: Database, name: str) -> None:
    values = dict.fromkeys(re.findall(r":([a-z_]+)", STATEMENTS[name]), 1)
    with closing(sqlite3.connect(spool.path)) as driver:
        plan = [row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {STATEMENTS[name]}", values)]
    scanned = {step.split()[1] for step in plan if step.startswith("SCAN") and " INDEX " not in step}
    assert scanned == set(WHOLE.get(name, "").split()), plan


BY_INDEX = {
    "seen_before": "event_original",
    "kept_event": "event_kept",
    "claim_firsts": "event_pending",
    "take_lanes": "lane_first",
    "following_event": "event_pending",
    "claim_behind": "event_pending",
    "parked_of_kind": "event_connector",
    "purge_events": "event_settled",
    "count_events": "event_settled",
    "census_goes_to": "event_settled",
    "raise_census": "event_settled",
    "connectors": "event_original",
    "purge_sends": "send_started",
    "purge_reports": "report_reported",
    "purge_files": "inbound_file_at",
    "purge_nonces": "nonce_seen",
    "came_in": "nonce_seen",
    "sent_since": "send_started",
    "sent_between": "send_started",
    "reports_on_others": "report_reported",
    "what_waits": "lane_leased",
    "suspect_lanes": "lane_suspect",
    "seize_ended": "lane_leased",
    "count_deaths": "lane_leased",
    "suspect_lanes_of": "lane_leased",
    "due_lanes": "lane_first",
    "due_lanes_of": "lane_due",
    "sharing_attachment": "attachment_digest",
    "places_of_file": "stored_file_digest",
    "stored_files": "sqlite_autoindex_stored_file_1",
    "stored_bytes": "sqlite_autoindex_stored_file_1",
    "evictable_files": "sqlite_autoindex_stored_file_1",
    "unused_files": "sqlite_autoindex_stored_file_1",
    "lose_file": "sqlite_autoindex_stored_file_1",
}


@together(("name", "index"), BY_INDEX.items(), ids=BY_INDEX)
def test_a_statement_finds_what_it_wants_by_its_index(spool: Database, name: str, index: str) -> None:
    values = dict.fromkeys(re.findall(r":([a-z_]+)", STATEMENTS[name]), 1)
    with closing(sqlite3.connect(spool.path)) as driver:
        plan = str(driver.execute(f"EXPLAIN QUERY PLAN {STATEMENTS[name]}", values).fetchall())
    assert re.search(rf"\b{index}\b", plan), plan


def test_every_index_of_sends_and_reports_is_the_one_its_query_uses(spool: Database) -> None:
    unanswered = "outcome IN ('sending', 'unknown')"
    asked = {
        "SELECT id FROM send WHERE reference = 'a'": "send_reference",
        "SELECT id FROM send WHERE message_id = 'a' AND message_id != ''": "send_message",
        f"SELECT id FROM send WHERE connector_id = 7 AND correlation_id = 'a' AND {unanswered}": "send_unanswered",
        "SELECT * FROM report WHERE message_id = 'a' AND connector_id = 7": "report_message",
        "SELECT * FROM report WHERE correlation_id = 'a' AND correlation_id != ''": "report_correlation",
    }
    for query, index in asked.items():
        plan = spool.read(
            lambda connection, query=query: connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all()
        )
        assert index in str(plan)


CHOSEN = {
    "delivered": (Choice(state="delivered"), "event_state"),
    "pending": (Choice(state="pending"), "event_pending"),
    "an account": (Choice(connector_id=7), "event_connector"),
    "an account and a state": (Choice(connector_id=7, state="parked"), "event_connector"),
    "a contact": (Choice(contact="c1"), "event_contact"),
    "a number": (Choice(contact="+39333"), "event_identity"),
    "a contact and all else": (Choice(contact="c1", state="delivered", connector_id=7, since=NOW), "event_contact"),
    "a message": (Choice(message_id="m1"), "event_original"),
    "a message's reports": (Choice(message_id="m1"), "report_message"),
    "what was kept of a message": (Choice(message_id="m1"), "event_kept"),
    "few since then": (Choice(since=NOW), "event_accepted"),
    "few since then in a state": (Choice(since=NOW, state="delivered"), "event_accepted"),
}


@together(("chosen", "index"), CHOSEN.values(), ids=CHOSEN)
@together("place", [Place(), Place(id=3), Place(id=3, way=-1)], ids=["top", "below", "above"])
def test_no_list_goes_through_all_events(spool: Database, chosen: Choice, index: str, place: Place) -> None:
    accept(spool)
    with closing(Explained(spool.path)) as explained:
        records.listed(explained, chosen, most=10, place=place)
    assert "SCAN event" not in explained.plan
    assert any(re.search(rf"\b{index}\b", step) for step in explained.plan), explained.plan
