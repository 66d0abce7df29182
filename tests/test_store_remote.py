"""A spool on PostgreSQL: what is told as written is, whatever becomes of the server; and whom nobody waits for."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from gateway import telemetry
from gateway.errors import SpoolUnavailable
from gateway.ingress import intake
from gateway.phrases import Finding, Line, Reason
from gateway.store import named, postgres, schema
from gateway.store.engines import Database
from gateway.store.migrations import server as migrations
from gateway.store.remote import READERS
from tests.postgresql import PostgreSQL
from tests.spool_samples import NOW, callback, insert, rows, until, words


@pytest.fixture
def spool(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url, patience_seconds=5)) as opened:
        yield opened


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    """One for this module alone, to be stopped and killed; with a spool as its first database."""
    started = PostgreSQL()
    migrations.migrate(started.url(started.database()), "")
    yield started
    started.remove()


@pytest.fixture
def url(server: PostgreSQL) -> str:
    """Where an empty spool is on that server."""
    return server.url(server.database(like="spool_1"))


def test_a_new_spool_is_the_one_of_this_release(postgresql: PostgreSQL) -> None:
    url = postgresql.url(postgresql.database())
    with closing(Database(url, patience_seconds=5)) as spool:
        with pytest.raises(SpoolUnavailable, match=r"^spool schema is not yet of this release"):
            spool.require_latest()
        assert migrations.migrate(url, "") == named.latest() == migrations.migrate(url, "")
        spool.require_latest()


LAYOUT = """
SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name FROM information_schema.columns
WHERE table_schema = 'public' UNION ALL SELECT tablename, indexname, indexdef, '', '', '' FROM pg_indexes
WHERE schemaname = 'public' UNION ALL SELECT relname, '', reloptions::text, '', '', '' FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1, 2, 3
"""


def test_what_revisions_make_is_what_the_schema_tells(postgresql: PostgreSQL, empty_database: str) -> None:
    name = postgresql.database()
    engine = schema.engine(lambda: psycopg.connect(postgresql.url(name)), dialect="postgresql+psycopg")
    schema.metadata.create_all(engine)
    found = []
    for database in (name, empty_database):
        with psycopg.connect(postgresql.url(database)) as connection:
            found.append([row for row in connection.execute(LAYOUT) if row[0] != "alembic_version"])
    assert found[0] == found[1]


def test_several_may_migrate_at_once_and_one_does(postgresql: PostgreSQL) -> None:
    url = postgresql.url(postgresql.database())
    with ThreadPoolExecutor(3) as pool:
        assert [*pool.map(lambda _: migrations.migrate(url, ""), range(3))] == [named.latest()] * 3


def test_what_sqlite_files_is_filed_and_read_byte_for_byte(spool: Database) -> None:
    body, odd = bytes(range(256)), "a\0b\ud800ü%s:name"
    event = callback("m1", body=body, query=odd, address="x" * 100)
    intake.accept(spool, event, now=NOW)
    [row] = rows(spool, schema.event)
    assert (row.body, row.query, row.address) == (body, "a\ufffdb\ufffdü%s:name", "x" * 100)
    assert intake.accept(spool, event, now=NOW).outcome == intake.Outcome.REPEAT


def test_no_parameter_reaches_a_text(spool: Database) -> None:
    spool.tell(insert("hunter2"))
    with pytest.raises(SpoolUnavailable) as caught:
        spool.tell(insert("hunter2"))
    assert caught.value.__cause__ is None
    with pytest.raises(SpoolUnavailable) as caught:
        spool.read(lambda connection: connection.execute(sa.text("SELECT 'hunter2'::int")))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_lane_that_another_writer_holds_is_waited_for_and_then_given_up(database_url: str) -> None:
    with closing(Database(database_url, patience_seconds=0.5)) as spool, psycopg.connect(database_url) as other:
        other.execute("INSERT INTO lane (lane, first_event, due_at) VALUES ('held', 1, 0)")
        with pytest.raises(SpoolUnavailable, match=Reason.SPOOL_LOCKED):
            spool.tell(insert("word"), lanes=("held",))
        assert spool.tell(insert("word"), lanes=("free",)) == "word"
        other.rollback()
        assert spool.tell(insert("more"), lanes=("held", "free")) == "more"
        assert rows(spool, schema.lane) == []  # whoever was held and has nothing that waits is gone


class Counted(tuple[str, ...]):
    """Lanes that count how often they were to be held."""

    __slots__ = ()
    tries = 0

    def __iter__(self) -> Iterator[str]:
        type(self).tries += 1
        return super().__iter__()


def test_who_stands_in_line_for_a_lane_that_is_held_is_not_kept_for_the_patience_of_all(database_url: str) -> None:
    with closing(Database(database_url, patience_seconds=0.5)) as spool, psycopg.connect(database_url) as other:
        other.execute("INSERT INTO lane (lane, first_event, due_at) VALUES ('held', 1, 0)")
        with ThreadPoolExecutor(8) as pool:
            refused = [pool.submit(spool.tell, insert(f"{each}"), lanes=Counted(["held"])) for each in range(8)]
            for one in refused:
                with pytest.raises(SpoolUnavailable, match=Reason.SPOOL_LOCKED):
                    one.result(60)
    assert Counted.tries < 2 * 8  # together, and then not each alone


def test_many_who_read_share_a_few_connections(new_database_url: str) -> None:
    all_places = threading.Barrier(READERS)  # who has come in waits for as many as may be in
    with closing(Database(new_database_url, patience_seconds=5)) as spool, ThreadPoolExecutor(3 * READERS) as pool:
        for reading in [pool.submit(spool.ask, lambda _run: all_places.wait(60)) for _ in range(3 * READERS)]:
            reading.result(60)
        with psycopg.connect(new_database_url) as other:
            asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            assert other.execute(asked).fetchone() == (READERS + 1,)  # and this one


def test_lanes_are_held_in_one_order_whoever_asks(database_url: str) -> None:
    def often(lanes: tuple[str, ...]) -> None:
        with closing(Database(database_url, patience_seconds=30)) as node:
            for _ in range(50):
                node.tell(lambda run: run("line_up", lane=lanes[0], event_id=1), lanes=lanes)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(often, [("a", "b", "Z"), ("Z", "b", "a")]))


@pytest.mark.thorough
def test_who_was_there_before_the_server_died_goes_on_with_the_next_one_and_says_so_once(
    server: PostgreSQL, url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    telemetry.configure("courier")
    with closing(Database(url, patience_seconds=5)) as spool:
        assert spool.tell(insert("before")) == "before"
        spool.ask(lambda run: run("count_events"))
        server.stop()
        for word in ("while it was away", "and still is"):
            with pytest.raises(SpoolUnavailable, match=Reason.SPOOL_AWAY):
                spool.tell(insert(word))
        server.start()
        assert spool.tell(insert("after")) == "after"
        server.stop()
        server.start()
        assert spool.tell(insert("unnoticed")) == "unnoticed"
        assert spool.ask(lambda run: run("count_events")) == []
        assert words(spool) == {"before", "after", "unnoticed"}
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["finding", Line.SPOOL_ANSWERS]
    assert (lines[0]["finding"], lines[0]["reason"]) == (Finding.SPOOL_UNAVAILABLE, Reason.SPOOL_AWAY)


def test_a_server_that_takes_no_writes_any_more_is_left_for_whoever_does(server: PostgreSQL, url: str) -> None:
    with closing(Database(url, patience_seconds=5)) as spool, psycopg.connect(url, autocommit=True) as other:
        spool.tell(insert("before"))
        other.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        try:
            other.execute("SELECT pg_reload_conf()")
            until(lambda: other.execute("SHOW default_transaction_read_only").fetchall() == [("on",)], "it has heard")
            until(lambda: is_refused(spool), "so have those that work for us")
            engine: Any = spool._engine
            assert engine._idle == []
        finally:
            other.execute("SET default_transaction_read_only = off")
            other.execute("ALTER SYSTEM RESET default_transaction_read_only")
            other.execute("SELECT pg_reload_conf()")
        until(lambda: not is_refused(spool), "it goes on")


def is_refused(spool: Database) -> bool:
    try:
        spool.tell(lambda run: run("prove_writable"))
    except SpoolUnavailable as error:
        return error.reason == Reason.SPOOL_STANDBY
    return False


WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
CANCEL = WAITING.replace("pid", "pg_cancel_backend(pid)", 1)


def commit_until_one_waits(url: str) -> None:
    """It has waited where the server says that it does no more."""
    said = list[object]()
    with psycopg.connect(url, autocommit=True) as writer:
        writer.add_notice_handler(said.append)
        while not said:
            writer.execute("SELECT pg_logical_emit_message(true, '', '')")


@contextmanager
def without_its_standby(url: str) -> Iterator[Callable[[str], list[Any]]]:
    """What asks a server that waits for a standby which is not there."""
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        other.execute("SELECT pg_reload_conf()")
        try:
            with ThreadPoolExecutor(1) as pool:  # it has heard once a commit waits
                trying = pool.submit(commit_until_one_waits, url)
                until(lambda: other.execute(WAITING).fetchall(), "a commit waits")
                other.execute(CANCEL)
                trying.result(60)
            yield lambda asked: other.execute(asked).fetchall()
        finally:
            other.execute("ALTER SYSTEM RESET ALL")
            other.execute("SELECT pg_reload_conf()")


def test_a_commit_that_was_left_is_followed_by_none_until_it_is_answered(server: PostgreSQL, url: str) -> None:
    with closing(Database(url, patience_seconds=0.5)) as spool:
        spool.tell(insert("before"))
        assert spool.ask(lambda run: run("waits_for_no_standby"))
        with without_its_standby(url) as ask:
            assert not spool.ask(lambda run: run("waits_for_no_standby"))
            for _ in range(3):
                with pytest.raises(SpoolUnavailable, match=Reason.SPOOL_SILENT):
                    spool.tell(insert("after"))
            assert len(ask(WAITING)) == 1
            assert words(spool) == {"before"}
        until(lambda: taken(spool, "more"), "it goes on by itself")
        assert words(spool) == {"before", "after", "more"}


def taken(spool: Database, word: str) -> bool:
    with suppress(SpoolUnavailable):
        return spool.tell(insert(word)) == word
    return False


def test_a_commit_that_stops_waiting_for_its_standby_is_not_told_as_written(server: PostgreSQL, url: str) -> None:
    with closing(Database(url, patience_seconds=60)) as spool, ThreadPoolExecutor(1) as pool:
        spool.tell(insert("before"))
        with without_its_standby(url) as ask:
            writing = pool.submit(spool.tell, insert("on one disk alone"))
            until(lambda: ask(WAITING), "it waits for the standby")
            ask(CANCEL)
            told = writing.exception(60)  # before the server is put right: that, too, would end its wait, and rightly
        assert isinstance(told, SpoolUnavailable)
        assert words(spool) == {"before", "on one disk alone"}  # when it is asked once more, it is a repeat


def test_a_commit_is_on_the_disk_whatever_the_database_says_by_default(new_database_url: str) -> None:
    with psycopg.connect(new_database_url, autocommit=True) as other:
        other.execute(f"ALTER DATABASE {other.info.dbname} SET synchronous_commit = off")
    with closing(Database(new_database_url, patience_seconds=5)) as spool:
        engine: Any = spool._engine
        with engine._begun(postgres.to_write(5), 5) as driver:
            assert driver.execute("SHOW synchronous_commit").fetchone() == ("on",)


@pytest.mark.thorough
def test_a_process_that_was_forked_opens_its_own_connections(spool: Database, database_url: str) -> None:
    program = """
import os, sys
from gateway.store.engines import Database
spool = Database(sys.argv[1], patience_seconds=5)
def insert(word):
    value = {"connector_id": 7, "nonce": word, "body_digest": b"", "event_id": 1, "seen_at": 1.0}
    spool.tell(lambda run: run("insert_nonce", **value))
insert("before")
child = os.fork()
insert("child" if child == 0 else "parent")
if child:
    os.waitpid(child, 0)
    insert("after")
"""
    done = subprocess.run([sys.executable, "-c", program, database_url], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("", "")
    assert words(spool) == {"before", "child", "parent", "after"}
