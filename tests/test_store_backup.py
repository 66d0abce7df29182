"""`spool backup`: whole or not at all, while others write, and never in another file's place."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest
from click.testing import CliRunner

from gateway import config, paths
from gateway.cli import group
from gateway.errors import CommandError
from gateway.ingress import intake
from gateway.store import backup, migrations, named, schema
from gateway.store.engines import Database
from tests.spool_samples import callback, rows


@pytest.fixture
def to(tmp_path: Path) -> Path:
    folder = tmp_path / "copies"
    folder.mkdir()
    return folder / "spool.backup"


def test_a_copy_holds_every_event_in_one_file_for_its_owner_alone(spool: Database, to: Path) -> None:
    for number in range(50):
        intake.accept(spool, callback(f"m{number}", nonce=f"nonce-{number}"), now=1.0)
    assert backup.back_up(spool.path, to) == named.latest()
    assert list(to.parent.iterdir()) == [to]
    assert stat.S_IMODE(to.stat().st_mode) == 0o600
    before = {table.name: rows(spool, table) for table in schema.metadata.sorted_tables}
    with closing(Database(to, patience_seconds=1)) as copy:
        assert {table.name: rows(copy, table) for table in schema.metadata.sorted_tables} == before
    assert len(before["event"]) == 50


def test_a_copy_can_be_read_where_nothing_can_be_written(spool: Database, to: Path) -> None:
    intake.accept(spool, callback(), now=1.0)
    backup.back_up(spool.path, to)
    with closing(sqlite3.connect(f"file:{to}?mode=ro&immutable=1", uri=True)) as copy:
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert copy.execute("SELECT count(*) FROM event").fetchone() == (1,)


def test_what_is_in_the_log_and_not_yet_in_the_file_is_copied_too(spool: Database, to: Path) -> None:
    with closing(sqlite3.connect(spool.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM event").fetchall()  # keeps the log from being emptied
        intake.accept(spool, callback(), now=1.0)
        assert spool.path.with_name(f"{spool.path.name}-wal").stat().st_size > 0
        backup.back_up(spool.path, to)
    with closing(Database(to, patience_seconds=1)) as copy:
        assert len(rows(copy, schema.event)) == 1


def test_copies_taken_while_callbacks_come_in_are_each_the_spool_of_one_instant(spool: Database, to: Path) -> None:
    enough, told = Event(), 0

    def write() -> int:
        number = 0
        while not enough.is_set():
            intake.accept(spool, callback(f"m{number}", nonce=f"nonce-{number}"), now=1.0)
            number += 1
        return number

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            for number in range(5):
                backup.back_up(spool.path, to.with_suffix(f".{number}"))
        finally:
            enough.set()
        told = writing.result(60)
    counts = []
    for number in range(5):
        with closing(Database(to.with_suffix(f".{number}"), patience_seconds=1)) as copy:
            events, nonces = (len(rows(copy, table)) for table in (schema.event, schema.nonce))
            assert events == nonces  # they are committed together
            counts.append(events)
    assert counts == sorted(counts)
    assert counts[-1] <= told


def test_nobody_who_writes_waits_for_a_copy_and_a_copy_waits_for_nobody(spool: Database, to: Path) -> None:
    with closing(sqlite3.connect(spool.path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        backup.back_up(spool.path, to)
        writer.execute("ROLLBACK")


@pytest.mark.parametrize("content", [b"", b"another's"], ids=["empty", "full"])
def test_a_file_that_is_there_is_not_replaced(spool: Database, to: Path, content: bytes) -> None:
    to.write_bytes(content)
    with pytest.raises(CommandError, match=r"exists, and was not replaced$"):
        backup.back_up(spool.path, to)
    assert to.read_bytes() == content
    assert list(to.parent.iterdir()) == [to]


def test_there_must_be_a_spool(tmp_path: Path, to: Path) -> None:
    with pytest.raises(CommandError, match=r"^there is no spool at .*nowhere"):
        backup.back_up(tmp_path / "nowhere", to)
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_is_not_there_is_told(spool: Database, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"cannot be written: No such file or directory$"):
        backup.back_up(spool.path, tmp_path / "nowhere" / "copy")


def test_a_damaged_spool_makes_no_copy(spool: Database, to: Path) -> None:
    for number in range(50):
        intake.accept(spool, callback(f"m{number}", text="x" * 2000), now=1.0)
    spool.close()
    content = bytearray(spool.path.read_bytes())
    half = len(content) // 2 // 4096 * 4096
    content[half : half + 4096] = b"\xff" * 4096
    spool.path.write_bytes(content)
    with pytest.raises(CommandError, match=r"^the copy is damaged and was not kept"):
        backup.back_up(spool.path, to)
    assert list(to.parent.iterdir()) == []


def test_a_spool_of_another_release_is_copied_as_well(spool: Database, to: Path) -> None:
    with closing(sqlite3.connect(spool.path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    assert backup.back_up(spool.path, to) == "9999"


def test_the_command_copies_the_spool_of_the_settings_and_tells_its_schema(
    settings_file: Callable[..., Path], to: Path
) -> None:
    file = settings_file()
    settings = config.load(file, {})
    paths.prepare(settings)
    migrations.migrate(paths.spool(settings))
    told = CliRunner().invoke(group, ["--config", str(file), "spool", "backup", "--to", str(to)])
    assert told.stdout == f"Wrote {to}: {to.stat().st_size} bytes, schema {named.latest()}.\n"


def test_a_restored_copy_goes_on_where_it_was_taken(spool: Database, to: Path, tmp_path: Path) -> None:
    intake.accept(spool, callback("before", nonce="n1"), now=1.0)
    backup.back_up(spool.path, to)
    intake.accept(spool, callback("after", nonce="n2"), now=2.0)
    restored = tmp_path / "restored.sqlite3"
    restored.write_bytes(to.read_bytes())
    assert migrations.migrate(restored) == named.latest()
    with closing(Database(restored, patience_seconds=1)) as again:
        assert intake.accept(again, callback("before", nonce="n1"), now=3.0).outcome.value == "repeat"
        assert intake.accept(again, callback("after", nonce="n2"), now=3.0).outcome.value == "accepted"


def test_it_says_how_far_it_is_and_what_comes_in_meanwhile_neither_begins_it_anew_nor_is_in_the_copy(
    spool: Database, to: Path
) -> None:
    with spool.path.open("rb") as file:
        pages = int.from_bytes(file.read(32)[28:32], "big")
    told: list[tuple[int, int]] = []

    def hear(done: int, whole: int) -> None:
        intake.accept(spool, callback(f"m{len(told)}", nonce=f"nonce-{len(told)}"), now=1.0)
        told.append((done, whole))

    with closing(sqlite3.connect(spool.path)) as driver:
        driver.execute("CREATE TABLE filler AS SELECT zeroblob(9000000)")
    backup.back_up(spool.path, to, tell=hear)
    dones = [done for done, _ in told]
    assert dones == sorted({*dones})
    assert len(dones) > 2
    assert {whole for _, whole in told} == {dones[-1]}
    assert dones[-1] > pages
    with closing(sqlite3.connect(to)) as copy:
        assert copy.execute("SELECT count(*) FROM event").fetchone() == (0,)
