"""Moving a spool to another database and back: nothing is lost, doubled or changed, and nobody serves from both."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from gateway import lock, paths
from gateway.errors import CommandError, SpoolUnavailable
from gateway.phrases import Reason
from gateway.store import migrations, moving, named, schema, sides
from gateway.store.engines import Database
from tests.postgresql import PostgreSQL
from tests.spool_samples import meddle, migrate
from tests.test_store_named import FILLED

# What a row can hold that is easily changed on the way.
ODD = (
    "UPDATE event SET body = x'00ff0d0a', accepted_at = 0.1 + 0.2, query = 'ü\U0001f600' WHERE id = 1",
    'UPDATE event SET headers = \'[["a",  "b"]]\', accepted_at = 1e9 WHERE id = 2',
    "DELETE FROM event WHERE id = 5",  # its number is never given again
    "DELETE FROM audit",
)
Dump = dict[str, list[tuple[object, ...]]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A spool with something in every table, whatever tables there are."""
    path = tmp_path / paths.SPOOL
    migrate(path)
    with closing(Database(path, patience_seconds=1)) as spool:
        others = {table: [{column.name: "1" for column in table.columns}] for table in moving.TABLES}
        filled = (others | FILLED).items()
        meddle(spool, *(sa.insert(table).values(row) for table, rows in filled for row in rows), *ODD)
    return path


def dump(path: Path) -> Dump:
    """All that is in a file but for who moved it, and whether it was."""
    with closing(sqlite3.connect(path)) as reader:
        names = [name for (name,) in reader.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        told = {name: sorted(reader.execute(f"SELECT * FROM {name}"), key=repr) for name in names}
    del told["alembic_version"]
    told["audit"] = [row for row in told["audit"] if row[2] != "move"]
    told["sqlite_sequence"] = [row for row in told["sqlite_sequence"] if row[0] != "audit"]
    return told


def there_and_back(file: Path, url: str) -> Dump:
    """What is in the file into which the database is moved that it was moved to."""
    moving.move(file.parent, url, file)
    return dump(file)


def killed_at(call: int) -> moving.Tell:
    """Who is told how far it is, and is killed then."""
    calls = iter(range(call))

    def tell(_what: str, _done: int, _whole: int) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt

    return tell


def test_everything_comes_back_as_it_was(file: Path, database_url: str) -> None:
    before = dump(file)
    assert [name for name, rows in before.items() if not rows] == ["audit"]
    done = moving.move(file.parent, file, database_url)
    assert {name: tally.count for name, tally in done.tables.items()} == {
        name: len(rows) for name, rows in before.items() if name != "sqlite_sequence"
    } | {"audit": 1}
    assert there_and_back(file, database_url) == before


def test_a_database_that_it_was_moved_to_goes_on_with_its_numbers(file: Path, database_url: str) -> None:
    moving.move(file.parent, file, database_url)
    with psycopg.connect(database_url) as connection:
        following = {
            name: connection.execute(f"SELECT nextval(pg_get_serial_sequence('{name}', 'id'))".encode()).fetchone()
            for name in ("event", "send", "history")
        }
    assert following == {"event": (6,), "send": (3,), "history": (2,)}


@pytest.mark.thorough
@pytest.mark.parametrize("call", [0, 9, 17, 23])
def test_killed_at_any_moment_it_goes_on(file: Path, database_url: str, call: int) -> None:
    before = dump(file)
    with pytest.raises(KeyboardInterrupt):
        moving.move(file.parent, file, database_url, tell=killed_at(call))
    with closing(Database(file, patience_seconds=1)) as spool:
        spool.require_latest()  # it still counts
    with closing(Database(database_url, patience_seconds=5)) as half, pytest.raises(SpoolUnavailable) as refused:
        half.require_latest()
    assert refused.value.reason == Reason.SPOOL_MOVING
    moving.move(file.parent, file, database_url)
    assert there_and_back(file, database_url) == before


def test_what_is_there_stays_and_what_has_changed_meanwhile_is_brought_anew(file: Path, database_url: str) -> None:
    def places(table: str) -> list[tuple[str, ...]]:
        with psycopg.connect(database_url) as connection:
            return connection.execute(f"SELECT xmin::text FROM {table} ORDER BY 1".encode()).fetchall()

    with pytest.raises(KeyboardInterrupt):
        moving.move(file.parent, file, database_url, tell=killed_at(11))
    brought = {table: places(table) for table in ("attachment", "event")}
    with psycopg.connect(database_url) as connection:
        connection.execute("DELETE FROM event WHERE id > 2")  # as if they had not come yet
    with closing(Database(file, patience_seconds=1)) as spool:
        meddle(spool, "UPDATE attachment SET fetches = 9 WHERE attachment_id = '4711'")
    before = dump(file)
    moving.move(file.parent, file, database_url)
    assert brought["event"][0] in places("event")
    assert brought["attachment"][0] not in places("attachment")
    assert there_and_back(file, database_url) == before


def test_what_was_moved_is_served_by_nobody_until_somebody_reopens_it(file: Path, database_url: str) -> None:
    moving.move(file.parent, file, database_url)
    with closing(Database(file, patience_seconds=1)) as spool:
        for attempt in (spool.require_latest, lambda: migrations.migrate(file)):
            with pytest.raises(SpoolUnavailable) as refused:
                attempt()
            assert refused.value.reason == Reason.SPOOL_MOVED
        spool.close()
        moving.reopen(file.parent, file)
        spool.require_latest()
    with pytest.raises(CommandError, match="was not moved away"):
        moving.reopen(file.parent, file)


def test_killed_between_the_two_marks_it_is_ended_by_the_next_try(file: Path, database_url: str) -> None:
    before = dump(file)
    moving.move(file.parent, file, database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", (named.latest() + named.MOVING,))
    moving.move(file.parent, file, database_url)
    assert there_and_back(file, database_url) == before


def other_data(file: Path, url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO heard VALUES ('c', '', 7, 1.0)")


def moved_already(file: Path, _url: str) -> None:
    with closing(Database(file, patience_seconds=1)) as spool:
        meddle(spool, "UPDATE alembic_version SET version_num = version_num || ' moved'")


def older(file: Path, _url: str) -> None:
    with closing(Database(file, patience_seconds=1)) as spool:
        meddle(spool, "UPDATE alembic_version SET version_num = '0010'")


REFUSED = {
    "that holds other data": (other_data, "holds other data, in heard"),
    "to which nothing is left to move": (moved_already, Reason.SPOOL_MOVED),
    "from one of an older release": (older, Reason.SPOOL_SCHEMA),
}


@pytest.mark.parametrize(("arrange", "why"), REFUSED.values(), ids=REFUSED)
def test_nothing_is_moved_to_a_database(
    file: Path, database_url: str, arrange: Callable[[Path, str], None], why: str
) -> None:
    arrange(file, database_url)
    before = dump(file)
    with pytest.raises((CommandError, SpoolUnavailable), match=why):
        moving.move(file.parent, file, database_url)
    assert dump(file) == before


@pytest.mark.parametrize("process", ["courier", "ingress", "serve"])
def test_nothing_is_moved_while_the_gateway_runs(file: Path, database_url: str, process: str) -> None:
    with (
        lock.held(file.with_name(f"{process}.lock"), patience_seconds=0),
        pytest.raises(CommandError, match=f"a gateway runs on .*, its {process}: stop it"),
    ):
        moving.move(file.parent, file, database_url, patience_seconds=0)


def test_nothing_is_moved_to_nor_from_a_database_with_which_a_gateway_works(file: Path, database_url: str) -> None:
    with psycopg.connect(database_url, application_name="motion-gateway courier"):
        for way in ((file, database_url), (database_url, file)):
            with pytest.raises(CommandError, match="a gateway works with"):
                moving.move(file.parent, *way, patience_seconds=0)


def test_a_difference_is_found_and_nothing_is_marked(file: Path, postgresql: PostgreSQL, empty_database: str) -> None:
    name = postgresql.database(like=empty_database)
    postgresql.tell(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.fetches := 99; RETURN NEW; END';"
        "CREATE TRIGGER spoil BEFORE INSERT ON attachment FOR EACH ROW EXECUTE FUNCTION spoil()",
        database=name,
    )
    with pytest.raises(CommandError, match=r"attachment is not the same on both sides: 4 rows, .* 4 rows"):
        moving.move(file.parent, file, postgresql.url(name))
    with closing(Database(file, patience_seconds=1)) as spool:
        spool.require_latest()


def test_no_row_reaches_a_text_when_it_cannot_be_filed(database_url: str) -> None:
    row = tuple(FILLED[schema.heard][0].values())
    with pytest.raises(SpoolUnavailable) as refused, sides.opened(database_url) as side:
        side.add(schema.heard, [row, row])
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
