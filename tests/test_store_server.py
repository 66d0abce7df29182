"""Changing the schema at PostgreSQL: when, beside whom, and for whom a newer one is still good."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from gateway.errors import CommandError, SpoolUnavailable
from gateway.phrases import Reason
from gateway.store import named, nodes
from gateway.store.engines import Database
from gateway.store.migrations import server
from gateway.store.nodes import Peer

BEFORE = "0013"


@pytest.fixture
def spool(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url, patience_seconds=5)) as opened:
        yield opened


@pytest.fixture
def older(database_url: str) -> str:
    """A spool of the release before the one that wrote down which it bears."""
    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE alembic_version DROP COLUMN bears")
        connection.execute("UPDATE alembic_version SET version_num = %s", (BEFORE,))
    return database_url


def newer(url: str, bears: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999', bears = %s", (bears,))


def revision(url: str) -> str:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert found is not None
    return str(found[0])


def beat(spool: Database, name: str, *, schema: str) -> None:
    [[now]] = spool.ask(lambda run: run("database_time"))
    node = Peer(name=name, host=f"host-{name}", release="0.2.0", build="b", revision=schema, seen_at=now)
    nodes.beat(spool, node, now=now, instance=name, again=False)


def test_a_newer_schema_that_bears_us_is_worked_with_and_left_as_it_is(spool: Database, database_url: str) -> None:
    newer(database_url, bears=named.latest())
    spool.require_latest()
    assert server.migrate(database_url, "") == "9999"
    assert revision(database_url) == "9999"


def test_a_newer_schema_that_bears_others_alone_is_refused(spool: Database, database_url: str) -> None:
    newer(database_url, bears="9998")
    with pytest.raises(SpoolUnavailable) as refused:
        spool.require_latest()
    assert refused.value.reason == Reason.SPOOL_NEWER
    with pytest.raises(CommandError, match="it was written by a newer one"):
        server.migrate(database_url, "")


def test_the_schema_is_not_changed_beside_other_nodes_unless_an_operator_says_so(spool: Database, older: str) -> None:
    beat(spool, "a", schema=named.latest())
    beat(spool, "b", schema=named.latest())
    with pytest.raises(CommandError, match=r"other nodes serve from it: b \(0\.2\.0, .* --rolling` changes it"):
        server.migrate(older, "", me="a")
    assert revision(older) == BEFORE
    assert server.migrate(older, "", me="a", rolling=True) == revision(older) == named.latest()


def test_a_node_that_is_alone_changes_it_by_itself(spool: Database, older: str) -> None:
    beat(spool, "a", schema=BEFORE)
    assert server.migrate(older, "", me="a") == revision(older) == named.latest()


def test_nothing_is_changed_that_would_take_from_other_nodes_what_they_need(spool: Database, older: str) -> None:
    beat(spool, "b", schema=BEFORE)
    with pytest.raises(CommandError, match=r"nodes of such a one are there: b \(0\.2\.0, schema 0013\)"):
        server.migrate(older, "", me="a", rolling=True)
    assert revision(older) == BEFORE


def test_who_reads_a_table_for_long_keeps_no_writer_waiting_behind_a_migration(older: str) -> None:
    with psycopg.connect(older) as reader:
        reader.execute("SELECT 1 FROM alembic_version")
        with pytest.raises(SpoolUnavailable) as refused:
            server.migrate(older, "", patience_seconds=0.05)
    assert refused.value.reason == Reason.SPOOL_LOCKED
