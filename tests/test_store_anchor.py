"""What happens to the spool's file under a process that has it open is noticed before anything is told as written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from gateway.errors import CommandError, SpoolUnavailable
from gateway.store import migrations, schema
from gateway.store.engines import Database
from tests import mishaps
from tests.examples import some
from tests.mishaps import MISHAPS, Mishap
from tests.spool_samples import accept, migrate, rows

OF_MISHAPS = pytest.mark.parametrize("mishap", MISHAPS.values(), ids=MISHAPS)
OTHERS_WORK = """
import sys
from pathlib import Path
from gateway.store import retention
from gateway.store.engines import Database
from tests.spool_samples import DEED, accept
spool = Database(Path(sys.argv[1]), patience_seconds=5)
exec(sys.argv[2])
spool.close()
"""


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Database]:
    """A spool in a folder of its own, with an event in it."""
    folder = tmp_path / "state"
    folder.mkdir()
    migrate(folder / "spool.sqlite3")
    opened = Database(folder / "spool.sqlite3", patience_seconds=0.5)
    accept(opened, "first")
    yield opened
    opened.close()


def bodies(path: Path) -> list[str]:
    with closing(Database(path, patience_seconds=1)) as found:
        return [row.request_id for row in rows(found, schema.event)]


@OF_MISHAPS
def test_nothing_is_read_or_told_as_written_once_another_file_is_in_its_place(spool: Database, mishap: Mishap) -> None:
    mishap.do(spool.path)
    with pytest.raises(SpoolUnavailable, match=f"^{mishap.said}$"):
        spool.ask(lambda run: run("count_events"))
    for name in ("second", "third"):
        with pytest.raises(SpoolUnavailable) as refused:
            accept(spool, name)
        assert refused.value.reason == mishap.said


@OF_MISHAPS
def test_who_has_glanced_at_a_file_that_is_gone_hears_of_it_at_the_latest_once_it_tells(
    spool: Database, mishap: Mishap
) -> None:
    mishap.do(spool.path)
    with suppress(SpoolUnavailable):
        assert spool.glance("count_events") == [("pending", 1)]
    with pytest.raises(SpoolUnavailable, match=f"^{mishap.said}$"):
        accept(spool, "second")


@OF_MISHAPS
def test_who_comes_later_begins_with_no_other_file_until_all_have_gone_who_work_with_the_first(
    spool: Database, mishap: Mishap
) -> None:
    spool.hold()
    mishap.do(spool.path)
    with pytest.raises(SpoolUnavailable):
        spool.ask(lambda run: run("count_events"))
    before = seen(spool.path)
    with closing(Database(spool.path, patience_seconds=0.5)) as other:
        for _ in range(2):
            with pytest.raises(SpoolUnavailable):
                accept(other, "second")
    assert seen(spool.path) == before


def seen(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.parent.glob(f"{path.name}*") if file.is_file()}


def test_who_comes_later_begins_with_the_file_that_was_put_back(spool: Database) -> None:
    spool.hold()
    mishaps.move(spool.path)
    with closing(Database(spool.path, patience_seconds=0.5)) as other:
        with pytest.raises(SpoolUnavailable):
            accept(other, "second")
        spool.path.with_name(mishaps.ASIDE).joinpath(spool.path.name).rename(spool.path)
        accept(other, "second")
    assert sorted(bodies(spool.path)) == ["request-first", "request-second"]


def test_a_command_that_is_left_open_keeps_nobody_from_a_copy_that_was_restored_and_who_stays_does(
    spool: Database,
) -> None:
    with (
        closing(Database(spool.path, patience_seconds=0.5)) as gateway,
        closing(Database(spool.path, patience_seconds=0.5)) as restarted,
    ):
        gateway.hold()
        mishaps.copied(spool.path, spool.path.with_name("copy"))
        mishaps.move_with_log(spool.path)
        spool.path.with_name("copy").rename(spool.path)
        with pytest.raises(SpoolUnavailable, match=r"^spool file was replaced$"):
            restarted.hold()
        gateway.close()
        accept(restarted, "second")
        with pytest.raises(SpoolUnavailable, match=r"^spool file was replaced$"):
            accept(spool, "third")


@OF_MISHAPS
def test_a_write_that_was_on_its_way_is_not_told_as_written(spool: Database, mishap: Mishap) -> None:
    def work(run: object) -> None:
        mishap.do(spool.path)
        run("line_up", lane="x", event_id=1)  # type: ignore[operator]

    with pytest.raises(SpoolUnavailable, match=f"^{mishap.said}$"):
        spool.tell(work)


def test_a_file_that_was_moved_has_all_that_its_log_had_and_the_log_left_behind_is_empty(spool: Database) -> None:
    mishaps.move(spool.path)
    with pytest.raises(SpoolUnavailable):
        accept(spool, "second")
    assert mishaps.log_of(spool.path).stat().st_size == 0
    alone = spool.path.with_name("alone")
    alone.write_bytes(spool.path.with_name(mishaps.ASIDE).joinpath(spool.path.name).read_bytes())
    assert bodies(alone)[0] == "request-first"


def test_a_file_that_is_put_back_is_written_to_again_and_has_everything(spool: Database) -> None:
    mishaps.move(spool.path)
    with pytest.raises(SpoolUnavailable):
        accept(spool, "second")
    spool.path.with_name(mishaps.ASIDE).joinpath(spool.path.name).rename(spool.path)
    accept(spool, "second")
    accept(spool, "third")
    assert sorted(bodies(spool.path)) == ["request-first", "request-second", "request-third"]


WORK = {
    "many writes, copied back again and again": "accept(spool); "
    "spool._engine._writing.execute('PRAGMA wal_autocheckpoint=20'); "
    "[accept(spool, f'theirs {number}') for number in range(200)]",
    "a write": "accept(spool, 'theirs')",
    "a rewrite": "spool.tell(lambda run: run('prove_writable')); spool.rewrite()",
    "an erasure": "retention.erase(spool, 'c1', DEED)",
}


@pytest.mark.thorough
@pytest.mark.parametrize("work", some(WORK.values(), 1), ids=some(WORK, 1))
def test_whatever_another_process_does_with_the_spool_is_no_mishap(spool: Database, work: str) -> None:
    other = subprocess.Popen([sys.executable, "-c", OTHERS_WORK, spool.path, work])
    number = 0
    while other.poll() is None:
        accept(spool, f"ours {number}", contact=f"ours {number}")
        spool.ask(lambda run: run("count_events"))
        number += 1
    assert other.returncode == 0
    accept(spool, "last", contact="ours")


def test_a_touch_a_copy_elsewhere_and_a_migration_are_no_mishap(spool: Database, tmp_path: Path) -> None:
    spool.path.touch()
    accept(spool, "second")
    mishaps.copied(spool.path, tmp_path / "copy")
    program = "import sys, pathlib; from gateway.store import migrations; migrations.migrate(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", program, spool.path], check=True)
    accept(spool, "third")


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["a copy written over it", "its log emptied", "its log cut"])
def test_a_process_that_ends_after_a_loss_does_not_copy_a_spoilt_log_into_the_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / "spool.sqlite3"
    migrate(path)
    program = """
import sys
from pathlib import Path
from gateway.errors import SpoolUnavailable
from gateway.store.engines import Database
from tests.mishaps import MISHAPS
from tests.spool_samples import accept
spool = Database(Path(sys.argv[1]), patience_seconds=5)
for number in range(300):
    accept(spool, f"before {number}")
MISHAPS[sys.argv[2]].do(spool.path)
try:
    accept(spool, "after")
except SpoolUnavailable as error:
    spool.path.with_name("as it was").write_bytes(spool.path.read_bytes())
"""
    subprocess.run([sys.executable, "-c", program, path, name], capture_output=True, check=True)
    assert path.read_bytes() == path.with_name("as it was").read_bytes()


@pytest.mark.parametrize("content", [None, b"", "copy"], ids=["nothing", "an empty file", "a copy"])
def test_no_file_is_mixed_with_a_log_that_is_not_its_own(tmp_path: Path, content: bytes | str | None) -> None:
    path = tmp_path / "spool.sqlite3"
    migrate(path)
    mishaps.copied(path, tmp_path / "copy")
    mishaps.log_of(path).write_bytes(os.urandom(9000))
    path.unlink()
    if content is not None:
        path.write_bytes((tmp_path / "copy").read_bytes() if content == "copy" else b"")
    with pytest.raises(CommandError, match="log of another file"):
        migrations.migrate(path)
    mishaps.log_of(path).rename(tmp_path / "kept")
    migrations.migrate(path)


def test_a_spool_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "nowhere" / "spool.sqlite3", patience_seconds=0.1)) as spool:
        for work in (spool.ask, spool.tell):
            with pytest.raises(SpoolUnavailable, match=r"^spool file is gone$"):
                work(lambda run: run("count_events"))
    assert list(tmp_path.iterdir()) == []


def test_asking_for_the_schema_takes_no_lock_from_who_has_the_spool_open(spool: Database) -> None:
    spool.require_latest()
    subprocess.run([sys.executable, "-c", OTHERS_WORK, spool.path, "accept(spool, 'theirs')"], check=True)
    accept(spool, "ours")  # else the other one, as the last to close it, has taken the log away
    assert sorted(bodies(spool.path)) == ["request-first", "request-ours", "request-theirs"]


def test_who_only_reads_and_notices_first_lets_the_file_that_was_moved_have_what_its_log_has(spool: Database) -> None:
    spool.ask(lambda run: run("count_events"))
    mishaps.move(spool.path)
    with pytest.raises(SpoolUnavailable):
        spool.ask(lambda run: run("count_events"))
    alone = spool.path.with_name("alone")
    alone.write_bytes(spool.path.with_name(mishaps.ASIDE).joinpath(spool.path.name).read_bytes())
    assert bodies(alone) == ["request-first"]
