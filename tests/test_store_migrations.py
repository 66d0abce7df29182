"""The spool's schema: made once, by one process, and the same as what the code believes."""

from __future__ import annotations

import ast
import fcntl
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from gateway import lock
from gateway.delivery import records
from gateway.errors import CommandError, SpoolUnavailable
from gateway.ingress import intake
from gateway.phrases import Reason
from gateway.store import migrations, named, schema, sqlite
from gateway.store.engines import Database
from tests import released_spool
from tests.spool_samples import callback, rows, times_opened, until

# From the first on with which nodes of two releases may work at a time.
VERSIONS = Path(migrations.__file__).parent / "versions"
SCRIPTS = [script for script in sorted(VERSIONS.glob("*.py")) if script.stem >= "0012"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.sqlite3"


def layout(path: Path) -> dict[str, str]:
    """Name and SQL of every table and index, blanks and quotes aside."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {name: " ".join(sql.replace('"', "").split()) for name, sql in found if not name.startswith("alembic")}


def indexes(path: Path) -> dict[str, str]:
    return {name: sql for name, sql in layout(path).items() if sql.startswith(("CREATE INDEX", "CREATE UNIQUE INDEX"))}


def columns(path: Path) -> dict[str, dict[str, tuple[object, ...]]]:
    """Of every table the columns, by name: type, whether it may be empty, default, place in the key."""
    tables = [name for name, sql in layout(path).items() if sql.startswith("CREATE TABLE")]
    with closing(sqlite3.connect(path)) as connection:
        return {
            table: {name: tuple(told) for _, name, *told in connection.execute(f"PRAGMA table_info({table})")}
            for table in tables
        }


@contextmanager
def connected(path: Path) -> Iterator[sa.Connection]:
    engine = schema.engine(lambda: sqlite.connect(path, patience_seconds=1))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_a_spool_is_made_where_there_is_none(path: Path) -> None:
    assert sqlite.current(path) is None
    assert migrations.migrate(path) == named.latest() == sqlite.current(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_latest_revision_is_told_by_the_files_as_alembic_tells_it(path: Path) -> None:
    with migrations.configured(path) as config:
        assert named.latest() == ScriptDirectory.from_config(config).get_current_head()


def test_migrating_again_changes_nothing(path: Path) -> None:
    migrations.migrate(path)
    with closing(Database(path, patience_seconds=1)) as spool:
        intake.accept(spool, callback(), now=1.0)
        assert migrations.migrate(path) == named.latest()
        assert len(rows(spool, schema.event)) == 1


@pytest.mark.thorough
def test_several_processes_may_migrate_at_once(path: Path) -> None:
    program = "import sys; from pathlib import Path; from gateway.store import migrations\n"
    program += "sys.stdin.read(1); print(migrations.migrate(Path(sys.argv[1])))"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write(b"!")
        process.stdin.flush()
    assert [process.communicate(timeout=60) for process in started] == [(f"{named.latest()}\n".encode(), b"")] * 3


def test_who_finds_another_migrating_waits(path: Path) -> None:
    theirs = path.with_name(migrations.LOCK_NAME)
    with ThreadPoolExecutor(1) as pool:
        with theirs.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            migrating = pool.submit(migrations.migrate, path)
            until(lambda: times_opened(theirs) == 2, "it waits for the lock")
            assert not path.exists()
        assert migrating.result(60) == named.latest()


@pytest.mark.parametrize("process", migrations.USERS)
def test_a_spool_that_another_release_works_with_is_not_migrated(path: Path, process: str) -> None:
    released_spool.lay(path, now=1.0)
    with (
        lock.held(path.with_name(f"{process}.lock"), patience_seconds=0),
        pytest.raises(CommandError, match=rf"its {process} runs\. Restart it, which migrates"),
    ):
        migrations.migrate(path, patience_seconds=0)
    assert sqlite.current(path) == released_spool.REVISION
    assert migrations.migrate(path, patience_seconds=0) == named.latest()


def test_nobody_of_another_release_begins_while_it_is_migrated(path: Path) -> None:
    released_spool.lay(path, now=1.0)
    theirs = path.with_name("ingress.lock")
    theirs.touch()
    with migrations._unused(path, 0):
        assert lock.is_held(theirs)
    assert not lock.is_held(theirs)


FREE = {"a nginx, which waits for doors": "serve", "who has migrated before": "other"}


@pytest.mark.parametrize("process", FREE.values(), ids=FREE)
def test_who_does_not_work_with_the_spool_is_in_nobodys_way(path: Path, process: str) -> None:
    released_spool.lay(path, now=1.0)
    with lock.held(path.with_name(f"{process}.lock"), patience_seconds=0):
        assert migrations.migrate(path, patience_seconds=0) == named.latest()


def test_a_spool_of_this_release_is_fine_while_it_is_used(path: Path) -> None:
    migrations.migrate(path)
    with lock.held(path.with_name("courier.lock"), patience_seconds=0):
        assert migrations.migrate(path, patience_seconds=0) == named.latest()


def test_a_spool_of_a_newer_release_is_left_alone_and_the_way_out_is_told(path: Path) -> None:
    _at("9999", path)
    before = layout(path)
    with pytest.raises(CommandError, match=r"schema 9999, .* newer one\. Install that release again, or restore"):
        migrations.migrate(path)
    assert layout(path) == before


def test_a_migration_that_fails_leaves_nothing_behind_and_can_be_repeated(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE lane (in_the_way)")  # the last table that is made
        connection.execute("CREATE TABLE alembic_version (version_num)")  # else it is somebody else's database
    with pytest.raises(SpoolUnavailable, match=r"^spool cannot be migrated$"):
        migrations.migrate(path)
    assert list(layout(path)) == ["lane"]
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE lane")
    assert migrations.migrate(path) == named.latest()


def _missing(path: Path) -> None:
    assert not path.exists()


def _empty(path: Path) -> None:
    path.touch()


def _at(revision: str, path: Path) -> None:
    migrations.migrate(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        connection.commit()


SCHEMAS: dict[str, tuple[Callable[[Path], None], Reason]] = {
    "missing": (_missing, Reason.SPOOL_SCHEMA),
    "empty": (_empty, Reason.SPOOL_SCHEMA),
    "of an older release": (partial(_at, "0001"), Reason.SPOOL_SCHEMA),
    "of a newer release": (partial(_at, "9999"), Reason.SPOOL_NEWER),
    "of nobody": (partial(_at, ""), Reason.SPOOL_NEWER),
}


@pytest.mark.parametrize(("make", "reason"), SCHEMAS.values(), ids=SCHEMAS)
def test_the_latest_schema_is_required(path: Path, make: Callable[[Path], None], reason: Reason) -> None:
    make(path)
    with closing(Database(path, patience_seconds=0.1)) as spool, pytest.raises(SpoolUnavailable, match=f"^{reason}$"):
        spool.require_latest()


def test_the_latest_schema_is_enough(spool: Database) -> None:
    spool.require_latest()


def test_the_migrations_make_what_the_code_believes(path: Path, tmp_path: Path) -> None:
    migrations.migrate(path)
    with connected(path) as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    believed = tmp_path / "believed.sqlite3"
    believed.touch()
    with connected(believed) as connection:
        schema.metadata.create_all(connection)
        connection.commit()
    # Conditions of indexes and the like, which the comparison above does not look at.
    assert indexes(path) == indexes(believed)
    assert columns(path) == columns(believed)


ADDS = {"add_column", "create_table", "create_index"}
ONLY_FOR_SPEED = {"drop_index"}  # and another of its name, which has fewer rows: what they ask is answered the same


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_revision_only_adds(script: Path) -> None:
    """Nodes of the release before go on working with it; what they do not know has to be there by itself."""
    [upgrade] = (node for node in ast.parse(script.read_text("utf-8")).body if getattr(node, "name", "") == "upgrade")
    calls = [node for node in ast.walk(upgrade) if isinstance(node, ast.Call) and ast.unparse(node.func)[:3] == "op."]
    assert calls
    done = [(ast.unparse(call.func).removeprefix("op."), ast.unparse(call.args[0])) for call in calls]
    assert {what for what, _ in done} <= ADDS | ONLY_FOR_SPEED
    for number, (what, name) in enumerate(done):
        assert what not in ONLY_FOR_SPEED or ("create_index", name) in done[number:]
    for call in calls:
        named_values = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert named_values.get("unique", "False") == "False"  # what they write would be refused
        if ast.unparse(call.func) == "op.add_column":
            column = call.args[1]
            assert isinstance(column, ast.Call)
            told = {word.arg: ast.unparse(word.value) for word in column.keywords}
            assert told.get("nullable") != "False" or "server_default" in told


def test_the_first_schema_is_for_good_the_one_that_was_released(path: Path, tmp_path: Path) -> None:
    with migrations.configured(path) as config:
        command.upgrade(config, released_spool.REVISION)
    assert sqlite.current(path) == released_spool.REVISION
    recorded = tmp_path / "recorded.sqlite3"
    released_spool.lay(recorded, now=1.0)
    assert layout(path) == layout(recorded)


FILLED = {
    "event": "(7, 'delivered', 'MESSAGE_INBOUND', x'00', 1, '7:contact:c', 'c', '', 'r', '', '[]', '', x'7b7d', x'01', "
    "1.5, 2, 3, 0, NULL, 0, '200', 2.5)",
    "nonce": "(7, 'n', x'01', 1, 1.5)",
    "lane": "('7:contact:c', 1, 0.0, NULL, NULL)",
    "attachment": "('4711', x'02', 3, 'offer.pdf', '{}', '0.1.0', 1.5, 1, 9.5, 1.5, 2.5, 3, NULL, '', 0, NULL, NULL)",
}


def test_a_full_spool_of_the_second_door_keeps_everything(path: Path) -> None:
    def contents() -> dict[str, list[object]]:
        with closing(sqlite3.connect(path)) as connection:
            return {
                table: connection.execute(f"SELECT {names} FROM {table}").fetchall() for table, names in then.items()
            }

    with migrations.configured(path) as config:
        command.upgrade(config, "0003")
    then = {table: ", ".join(name for name in told if name != "id") for table, told in columns(path).items()}
    then = {table: then[table] for table in FILLED}
    with closing(sqlite3.connect(path)) as connection:
        for table, values in FILLED.items():
            connection.execute(f"INSERT INTO {table} ({then[table]}) VALUES {values}")
        connection.commit()
    before = contents()
    assert migrations.migrate(path) == named.latest()
    assert contents() == before
    with migrations.configured(path) as config:
        command.downgrade(config, "0003")
    assert contents() == before
    assert migrations.migrate(path) == named.latest()


def test_a_full_spool_of_the_release_before_keeps_everything_and_is_told_as_before(path: Path) -> None:
    with migrations.configured(path) as config:
        command.upgrade(config, "0004")
    with closing(sqlite3.connect(path)) as connection:
        names = (
            "id, connector_id, state, kind, key, original, lane, contact_id, identity, request_id, address, headers, "
        )
        names += "query, body, body_digest, accepted_at, repeats, tries, failures, deaths, outcome"
        connection.execute(
            f"INSERT INTO event ({names}) VALUES (4, 7, 'delivered', 'MESSAGE_DELIVERY', x'00', 1, 'l', 'c', '', "
            "'r', '', '[]', '', x'7b7d', x'01', 1.5, 2, 3, 0, 0, '200')"
        )
        connection.execute(
            "INSERT INTO report VALUES (4, 7, 'M1', 'k', 'FAILED', 'CODE', 'SUB', '131047', 'WHATSAPP', 1.5)"
        )
        connection.commit()
    assert migrations.migrate(path) == named.latest()
    with closing(Database(path, patience_seconds=1)) as spool:
        known = records.shown(spool, 4)
        assert known.findings == ()
        assert known.told is not None
        assert (known.told.code, known.told.sub_code, known.told.description) == ("CODE", "SUB", "")
        intake.accept(spool, callback(findings=("dispatch-mode",)), now=1.0)
        assert records.shown(spool, 5).findings == ("dispatch-mode",)


@pytest.mark.parametrize("mode", [None, 0o644], ids=["made by us", "left open by somebody"])
def test_the_file_is_for_its_owner_alone(path: Path, mode: int | None) -> None:
    if mode is not None:
        path.touch(mode)
        path.chmod(mode)
    migrations.migrate(path)
    with closing(Database(path, patience_seconds=1)) as spool:
        intake.accept(spool, callback(), now=1.0)
        modes = {found.name: oct(found.stat().st_mode & 0o777) for found in path.parent.glob("spool.sqlite3*")}
    assert modes == dict.fromkeys(("spool.sqlite3", "spool.sqlite3-wal", "spool.sqlite3-shm"), "0o600")
    assert path.with_name(migrations.LOCK_NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["a b", "100%", "what?", "a#b", "ü"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "spool.sqlite3"
    path.parent.mkdir()
    migrations.migrate(path)
    with closing(Database(path, patience_seconds=1)) as spool:
        spool.require_latest()
    assert path.stat().st_size > 0


@pytest.mark.parametrize(
    "make",
    [pytest.param(lambda _: None, id="no folder"), pytest.param(lambda path: path.mkdir(parents=True), id="a folder")],
)
def test_what_cannot_be_a_spool_is_unavailable(path: Path, make: object) -> None:
    assert callable(make)
    there = path.with_name("missing") / "spool.sqlite3"
    make(there)
    with pytest.raises(SpoolUnavailable):
        migrations.migrate(there)


def test_the_first_revision_can_be_taken_back(path: Path) -> None:
    with migrations.configured(path) as config:
        command.upgrade(config, released_spool.REVISION)
        command.downgrade(config, "base")
    assert layout(path).keys() <= {"sqlite_sequence"}
    assert sqlite.current(path) is None
    assert migrations.migrate(path) == named.latest()
