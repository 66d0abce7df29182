"""PostgreSQL in our words: what is wrong with a server, a password or a database, and what its errors tell nobody."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest

from gateway import telemetry
from gateway.errors import REMEDIES, SpoolUnavailable
from gateway.phrases import Reason
from gateway.store import named, postgres
from gateway.store.engines import Database
from tests.postgresql import PostgreSQL

SESAME = "open it"


@pytest.fixture(scope="module")
def guarded(postgresql: PostgreSQL, empty_database: str) -> PostgreSQL:
    """The server with what is wrong in one way each: roles of one gate each, and databases that nobody can use."""
    rules = (postgresql.data / "pg_hba.conf").read_text()
    (postgresql.data / "pg_hba.conf").write_text(f"local all sesame scram-sha-256\nlocal all nobody reject\n{rules}")
    for statement in (
        "SELECT pg_reload_conf()",
        f"CREATE ROLE sesame LOGIN PASSWORD '{SESAME}'",
        "CREATE ROLE poor LOGIN",
        "CREATE ROLE crowd LOGIN CONNECTION LIMIT 0",
        f"CREATE DATABASE read_only TEMPLATE {empty_database}",
        "ALTER DATABASE read_only SET default_transaction_read_only = on",
        "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'",
        "CREATE DATABASE foreign_tables TEMPLATE template0",
        "CREATE DATABASE alembics TEMPLATE template0",
    ):
        postgresql.tell(statement)
    postgresql.tell("CREATE TABLE theirs (id int)", database="foreign_tables")
    postgresql.tell("CREATE TABLE alembic_version AS SELECT 'ae1027a6' AS version_num", database="alembics")
    return postgresql


def as_role(url: str, role: str) -> str:
    return url.replace("//motion@", f"//{role}@")


WRONG: dict[Reason, Callable[[PostgreSQL, str], str]] = {
    Reason.SPOOL_NOT_LET_IN: lambda server, spool: as_role(server.url(spool), "sesame"),
    Reason.SPOOL_NO_DATABASE: lambda server, _: server.url("nowhere"),
    Reason.SPOOL_STANDBY: lambda server, _: server.url("read_only"),
    Reason.SPOOL_ENCODING: lambda server, _: server.url("latin"),
    Reason.SPOOL_FOREIGN: lambda server, _: server.url("foreign_tables"),
    Reason.SPOOL_CROWDED: lambda server, spool: as_role(server.url(spool), "crowd"),
    Reason.SPOOL_NO_RIGHTS: lambda server, spool: as_role(server.url(spool), "poor"),
    Reason.SPOOL_AWAY: lambda server, spool: server.url(spool).replace("port=5432", "port=5433"),
}


@pytest.mark.parametrize("reason", WRONG, ids=lambda r: r.name)
def test_what_is_wrong_with_a_database_is_named_with_its_remedy(
    guarded: PostgreSQL, empty_database: str, reason: Reason
) -> None:
    url = WRONG[reason](guarded, empty_database)
    with (
        closing(Database(url, patience_seconds=5, password="wrong")) as spool,
        pytest.raises(SpoolUnavailable) as caught,
    ):
        spool.require_latest()
    assert caught.value.reason == reason
    assert REMEDIES[reason]


def test_somebody_elses_revisions_are_no_newer_release_of_ours(guarded: PostgreSQL) -> None:
    with (
        closing(Database(guarded.url("alembics"), patience_seconds=5)) as spool,
        pytest.raises(SpoolUnavailable, match=Reason.SPOOL_FOREIGN),
    ):
        spool.require_latest()


@pytest.mark.parametrize("role", ["nobody", "stranger"])
def test_a_role_that_is_kept_out_or_unknown_is_not_let_in(guarded: PostgreSQL, empty_database: str, role: str) -> None:
    with pytest.raises(SpoolUnavailable, match=Reason.SPOOL_NOT_LET_IN):
        postgres.connect(as_role(guarded.url(empty_database), role), "")


def test_the_right_password_lets_us_in_and_stands_in_no_text(guarded: PostgreSQL, empty_database: str) -> None:
    url = as_role(guarded.url(empty_database), "sesame")
    with closing(postgres.connect(url, SESAME)) as opened:
        assert SESAME not in repr(opened)
    with pytest.raises(SpoolUnavailable) as caught:
        postgres.connect(url.replace("sesame", "sesam"), SESAME)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_server_without_tls_is_told_from_one_that_is_away() -> None:
    refused = psycopg.OperationalError("connection failed: server does not support SSL, but SSL was required")
    assert postgres.reason(refused) == Reason.SPOOL_TLS


@pytest.mark.parametrize(("version", "trouble"), [(140099, Reason.SPOOL_SERVER_OLD), (150000, None)])
def test_a_server_before_15_is_too_old(version: int, trouble: Reason | None) -> None:
    assert postgres.trouble_of(version, "UTF8") == trouble


def test_of_several_hosts_the_one_that_can_be_written_to_is_taken(guarded: PostgreSQL, empty_database: str) -> None:
    hosts = f"host=/nowhere,{guarded.folder}&port=5432,5432"
    url = f"postgresql://motion@/{empty_database}?{hosts}"
    with closing(postgres.connect(url, "")) as opened:
        assert opened.info.host == str(guarded.folder)


@pytest.mark.parametrize("last", ["a standby", "nobody who answers"])
def test_one_of_several_hosts_that_says_why_counts_and_not_those_that_say_nothing(last: str) -> None:
    each = "- host: '192.0.2.11', port: '5432': {}\n- host: '192.0.2.12', port: '5432': {}"
    silence, refusal = "connection timeout expired", "connection failed: session is read-only"
    told = {
        "a standby": psycopg.OperationalError(f"{refusal}\n{each.format(silence, refusal)}"),
        "nobody who answers": psycopg.errors.ConnectionTimeout(f"{silence}\n{each.format(refusal, silence)}"),
    }
    assert postgres.reason(told[last]) == Reason.SPOOL_STANDBY
    assert postgres.reason(psycopg.errors.ConnectionTimeout(silence)) == Reason.SPOOL_AWAY


def test_what_the_url_says_of_waiting_comes_before_what_we_say() -> None:
    told = postgres.conninfo("postgresql://a,b/gateway?connect_timeout=7", "p w")
    assert {"connect_timeout=7", "target_session_attrs=read-write", "tcp_user_timeout=5000"} <= {*told.split()}


def test_the_server_is_told_which_process_it_works_for(guarded: PostgreSQL, empty_database: str) -> None:
    telemetry.configure("courier")
    with closing(postgres.connect(guarded.url(empty_database), "")) as opened:
        assert opened.execute("SHOW application_name").fetchone() == ("motion-gateway courier",)


def test_where_the_primary_was_is_asked_first_the_next_time(guarded: PostgreSQL, empty_database: str) -> None:
    def order(url: str, first: tuple[str, int]) -> tuple[object, object]:
        told = psycopg.conninfo.conninfo_to_dict(postgres.conninfo(url, "", first=first))
        return told.get("host"), told.get("port")

    assert order("postgresql://a,b,c/g", ("b", 5432)) == ("b,a,c", ",,")
    assert order("postgresql://a:1,b:2/g", ("b", 2)) == ("b,a", "2,1")
    assert order("postgresql://a:1,b:2/g", ("b", 1)) == ("a,b", "1,2")
    assert order("postgresql:///g?host=/run/a,/run/b&port=7", ("/run/b", 7)) == ("/run/b,/run/a", "7,7")
    assert order("postgresql://a/g", ("a", 5432)) == ("a", None)
    assert order("postgresql:///g", ("/run/postgresql", 5432)) == (None, None)
    with closing(postgres.connect(guarded.url(empty_database), "")) as opened:
        assert order(guarded.url(empty_database), (opened.info.host, opened.info.port))[0] == opened.info.host


def test_every_value_of_a_statement_is_one_of_the_drivers() -> None:
    assert postgres.statements().keys() == named.statements("postgres").keys()
    assert b"%(lanes)s" in postgres.statements()["hold_lanes"]
