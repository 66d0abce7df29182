"""Changing the schema at PostgreSQL: when, beside whom, and for whom a newer one is still good."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, nullcontext

import psycopg
import pytest
from alembic import command

from gateway.errors import CommandError, SpoolUnavailable
from gateway.phrases import Reason
from gateway.store import migrations, named, schema
from gateway.store.engines import Database
from gateway.store.migrations import server
from tests.postgresql import PostgreSQL

BEFORE = "0013"


@pytest.fixture
def spool(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url, patience_seconds=5)) as opened:
        yield opened


@pytest.fixture
def older(postgresql: PostgreSQL) -> str:
    """A spool of the release before the one that wrote down which it bears."""
    url = postgresql.url(postgresql.database())
    with psycopg.connect(url) as connection:
        connection.execute(server.BASELINE.read_bytes())
    engine = schema.engine(lambda: psycopg.connect(url), dialect="postgresql+psycopg")
    with engine.begin() as upgraded:
        command.upgrade(migrations.configuration(lambda: nullcontext(upgraded)), BEFORE)
    engine.dispose()
    return url


def newer(url: str, bears: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999', bears = %s", (bears,))


def revision(url: str) -> str:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert found is not None
    return str(found[0])


def beat(url: str, name: str, *, revision: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO node (name, instance, host, release, build, revision, draining, seen_at)"
            " VALUES (%s, 'i', 'h', '0.2.0', 'b', %s, false, extract(epoch FROM clock_timestamp()))",
            (name, revision),
        )


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


def test_the_schema_is_not_changed_beside_other_nodes_unless_an_operator_says_so(older: str) -> None:
    beat(older, "a", revision=named.latest())
    beat(older, "b", revision=named.latest())
    with pytest.raises(CommandError, match=r"other nodes serve from it: b \(0\.2\.0, .* --rolling` changes it"):
        server.migrate(older, "", me="a")
    assert revision(older) == BEFORE
    assert server.migrate(older, "", me="a", rolling=True) == revision(older) == named.latest()


def test_a_node_that_is_alone_changes_it_by_itself(older: str) -> None:
    beat(older, "a", revision=BEFORE)
    assert server.migrate(older, "", me="a") == revision(older) == named.latest()


def test_nothing_is_changed_that_would_take_from_other_nodes_what_they_need(older: str) -> None:
    beat(older, "b", revision=BEFORE)
    with pytest.raises(CommandError, match=r"nodes of such a one are there: b \(0\.2\.0, schema 0013\)"):
        server.migrate(older, "", me="a", rolling=True)
    assert revision(older) == BEFORE


def test_who_reads_a_table_for_long_keeps_no_writer_waiting_behind_a_migration(older: str) -> None:
    with psycopg.connect(older) as reader:
        reader.execute("SELECT 1 FROM alembic_version")
        with pytest.raises(SpoolUnavailable) as refused:
            server.migrate(older, "", patience_seconds=0.05)
    assert refused.value.reason == Reason.SPOOL_LOCKED
