"""The spool's database: writers that share a commit, and what is left when something goes wrong."""

from __future__ import annotations

import collections
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import NotFound, SpoolUnavailable
from gateway.ingress import intake
from gateway.lock import RightOfWay
from gateway.store import Run, migrations, schema
from gateway.store.embedded import WAY, WAY_SECONDS
from gateway.store.engines import Database
from gateway.store.pool import LARGE_LOG_BYTES
from gateway.store.sqlite import LOG_BYTES
from tests.spool_samples import NOW, callback, insert, locked, migrate, rows, until, words

WRITERS = 8


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A spool in which the tests write words: each is a nonce, and there once."""
    opened = Database(tmp_path / "words.sqlite3", patience_seconds=0.2)
    migrate(opened.path)
    yield opened
    opened.close()


@contextmanager
def burst(database: Database, *works: Callable[[Run], Any]) -> Iterator[list[Future[Any]]]:
    """Writers that all wait while another one is at it; it ends when the block does."""
    held, let_go = threading.Event(), threading.Event()

    def hold(_run: Run) -> None:
        held.set()
        assert let_go.wait(60)

    with ThreadPoolExecutor(len(works) + 1) as pool:
        holder = pool.submit(database.tell, hold)
        try:
            assert held.wait(60)
            futures = []
            for number, work in enumerate(works, start=1):
                futures.append(pool.submit(database.tell, work))
                until(lambda number=number: len(database._queue.waiting) == number, "the writer stands in the queue")
            yield futures
        finally:
            let_go.set()
        holder.result(60)


@pytest.mark.both_engines
def test_writers_at_the_same_time_each_get_their_own_result(spool: Database) -> None:
    wanted = [f"word {number}" for number in range(200)]
    with ThreadPoolExecutor(WRITERS) as pool:
        assert list(pool.map(lambda word: spool.tell(insert(word)), wanted)) == wanted
    assert words(spool) == set(wanted)


@pytest.mark.both_engines
@pytest.mark.parametrize("error", [KeyError("nobody planned for it"), None], ids=["of its own", "of the database"])
def test_those_beside_a_work_that_raises_are_done_once_more_and_once_is_what_stays(
    spool: Database, error: Exception | None
) -> None:
    done = []

    def line_up(lane: str) -> Callable[[Run], str]:
        def work(run: Run) -> str:
            done.append(lane)
            run("line_up", lane=lane, event_id=len(done))
            return lane

        return work

    def fail(run: Run) -> None:
        line_up("bad")(run)
        if error is not None:
            raise error
        run("line_up", lane=None, event_id=9)

    works = [line_up("before"), fail, line_up("after")]
    with burst(spool, *works) as (before, failing, after):
        pass
    assert (before.result(60), after.result(60)) == ("before", "after")
    assert type(failing.exception(60)) is (SpoolUnavailable if error is None else KeyError)
    assert {row.lane for row in rows(spool, schema.lane)} == {"before", "after"}
    assert done == ["before", "bad", "before", "bad", "after"]


@pytest.mark.both_engines
@pytest.mark.parametrize("error", [KeyError("nobody planned for it"), None], ids=["of its own", "of the database"])
def test_a_work_alone_that_raises_takes_all_of_it_back(spool: Database, error: Exception | None) -> None:
    def fail(run: Run) -> None:
        run("line_up", lane="bad", event_id=1)
        if error is not None:
            raise error
        run("line_up", lane=None, event_id=1)

    with pytest.raises(SpoolUnavailable if error is None else KeyError):
        spool.tell(fail)
    spool.tell(lambda run: run("line_up", lane="good", event_id=2))
    assert [row.lane for row in rows(spool, schema.lane)] == ["good"]


@pytest.mark.both_engines
def test_a_reader_sees_one_instant(spool: Database) -> None:
    def work(run: Run) -> list[Any]:
        before = run("count_events")
        intake.accept(spool, callback(), now=NOW)
        return [before, run("count_events")]

    assert spool.ask(work) == [[], []]
    assert spool.ask(lambda run: run("count_events")) == [("pending", 1)]


def test_who_only_names_statements_loads_neither_sqlalchemy_nor_alembic_nor_the_other_engine(spool: Database) -> None:
    program = """
import sys
from pathlib import Path
from gateway.delivery import claims, recovery
from gateway.ingress import intake
from gateway.store import retention
from gateway.store.engines import Database
spool = Database(Path(sys.argv[1]), patience_seconds=1)
spool.require_latest()
recovery.start(spool, "", now=1, longest_wait_seconds=1)
for taken in claims.claim(spool, due_by=2, now=2, most=9, lease_seconds=9):
    claims.delivered(spool, taken, outcome="200", now=3)
retention.purge(spool, retention.Retention(1, 1, 1), now=2)
print(*(name for name in ("sqlalchemy", "alembic", "flask", "psycopg") if name in sys.modules))
"""
    intake.accept(spool, callback(), now=1)
    done = subprocess.run([sys.executable, "-c", program, spool.path], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("\n", "")
    assert [row.state for row in rows(spool, schema.event)] == ["delivered"]


@pytest.mark.both_engines
def test_writers_that_wait_share_one_transaction(spool: Database) -> None:
    transactions = []

    def work(run: Run) -> None:
        transactions.append(run)

    with burst(spool, *[work] * WRITERS):
        pass
    assert len(transactions) == WRITERS
    assert len(set(transactions)) == 1


@pytest.mark.both_engines
@pytest.mark.parametrize(
    ("error", "seen"),
    [
        pytest.param(NotFound("none of ours"), NotFound, id="an error of ours"),
        pytest.param(KeyError("nobody planned for it"), KeyError, id="an error nobody planned for"),
        pytest.param(None, SpoolUnavailable, id="a statement that the database refuses"),
    ],
)
def test_a_writer_whose_work_raises_takes_back_its_own_work_alone(
    spool: Database, error: Exception | None, seen: type[Exception]
) -> None:
    def fail(run: Run) -> None:
        insert("bad")(run)
        if error is not None:
            raise error
        insert("bad")(run)

    with burst(spool, insert("before"), fail, insert("after")) as (before, failing, after):
        pass
    assert before.result(60) == "before"
    assert after.result(60) == "after"
    assert type(failing.exception(60)) is seen
    assert words(spool) == {"before", "after"}


@pytest.mark.both_engines
def test_an_interrupted_writer_tells_its_neighbours_that_nothing_was_written(spool: Database) -> None:
    class Interrupted(BaseException):
        pass

    def interrupt(_run: Run) -> None:
        raise Interrupted

    with burst(spool, interrupt, insert("neighbour")) as futures:
        pass
    told = [type(future.exception(60)) for future in futures]
    assert SpoolUnavailable in told  # whoever of the two led, nobody takes it for written
    assert type(None) not in told
    assert words(spool) == set()


def test_a_write_is_seen_by_other_connections_once_it_returned(database: Database) -> None:
    database.tell(insert("word"))
    with closing(sqlite3.connect(database.path)) as other:
        assert other.execute("SELECT nonce FROM nonce").fetchall() == [("word",)]


def test_a_locked_spool_is_unavailable_once_patience_is_over_and_works_again_afterwards(database: Database) -> None:
    with locked(database.path):
        began = time.monotonic()
        with pytest.raises(SpoolUnavailable, match=r"^spool locked$"):
            database.tell(insert("word"))
        assert time.monotonic() - began >= 0.2
        assert words(database) == set()  # readers do not wait
    assert database.tell(insert("word")) == "word"


def test_who_reads_before_it_writes_waits_for_others_who_do(database: Database) -> None:
    def count(run: Run) -> None:
        known = len(run("due_lanes", due_by=1.0, now=1.0, excepted="[]", most=1000))
        run("line_up", lane=f"lane {known}", event_id=1)

    def count_often(path: Path) -> None:
        with closing(Database(path, patience_seconds=10)) as process:  # for each its own, as for processes
            collections.deque(process.tell(count) for _ in range(100))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(count_often, [database.path] * 2))
    assert {row.lane for row in rows(database, schema.lane)} == {f"lane {number}" for number in range(200)}


def test_a_lock_that_ends_in_time_is_waited_for(database: Database) -> None:
    patient = Database(database.path, patience_seconds=10)
    with closing(patient), ThreadPoolExecutor(1) as pool:
        with locked(database.path):
            writing = pool.submit(patient.tell, insert("word"))
            until(patient._writer.locked, "the writer is at it")
        assert writing.result(60) == "word"


def test_another_process_that_writes_nearly_all_the_time_keeps_nobody_out(database: Database) -> None:
    held, over = threading.Event(), threading.Event()

    def hog() -> None:
        with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
            while not over.wait(0.005):  # as long is the spool free
                other.execute("BEGIN IMMEDIATE")
                held.set()
                over.wait(0.06)
                held.clear()
                other.execute("COMMIT")

    with ThreadPoolExecutor(1) as pool, closing(Database(database.path, patience_seconds=0.4)) as patient:
        busy = pool.submit(hog)
        try:
            for number in range(10):
                assert held.wait(60)
                patient.tell(insert(str(number)))
        finally:
            over.set()
        busy.result()
    assert len(words(database)) == 10


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of one megabyte: nothing else has no room at all for whoever writes to it, at any moment.

    Where nobody may mount one the limit on a file's size, below, stands in.
    """
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("we may not mount a disk here")
    yield folder
    subprocess.run(["umount", folder], check=True)


AMOUNTS = pytest.mark.parametrize("rows", [1, 400], ids=["at the commit", "in the middle of a transaction"])


@AMOUNTS
def test_a_full_disk_is_told_and_leaves_nothing_half_written(disk: Path, rows: int) -> None:
    ballast = disk / "ballast"
    ballast.write_bytes(b"\0" * 100_000)
    migrations.migrate(disk / "words.sqlite3")
    with closing(Database(disk / "words.sqlite3", patience_seconds=0.2)) as database:
        acknowledged = write_until_full(database, rows=rows)
        assert words(database) == acknowledged
        ballast.unlink()
        assert database.tell(insert("room again")) == "room again"
        assert words(database) == {*acknowledged, "room again"}
        with closing(sqlite3.connect(database.path)) as other:
            assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def write_until_full(database: Database, *, rows: int) -> set[str]:
    acknowledged: set[str] = set()

    def write_batch(number: int) -> None:
        batch = [f"{number}.{row}." + "x" * 10_000 for row in range(rows)]
        database.tell(lambda run: [insert(word)(run) for word in batch])
        acknowledged.update(batch)

    with pytest.raises(SpoolUnavailable, match=r"^spool disk full$"):
        collections.deque(map(write_batch, range(100)))
    return acknowledged


def test_a_full_disk_leaves_all_callbacks_that_were_taken_in_and_no_other(disk: Path) -> None:
    ballast = disk / "ballast"
    ballast.write_bytes(b"\0" * 100_000)
    taken_in: list[str] = []
    migrations.migrate(disk / "spool.sqlite3")
    with closing(Database(disk / "spool.sqlite3", patience_seconds=0.2)) as spool:

        def take_in(name: str) -> None:
            intake.accept(spool, callback(name, contact=name, text="x" * 5000, nonce=f"nonce {name}"), now=1)
            taken_in.append(f"request-{name}")

        def take_in_all(writer: int) -> None:
            with pytest.raises(SpoolUnavailable, match=r"^spool disk full$"):
                collections.deque(map(take_in, (f"{writer}.{number}" for number in range(1000))))

        with ThreadPoolExecutor(WRITERS) as pool:
            collections.deque(pool.map(take_in_all, range(WRITERS)))
        assert {row.request_id for row in rows(spool, schema.event)} == set(taken_in)
        assert len(rows(spool, schema.nonce)) == len(rows(spool, schema.lane)) == len(taken_in) > 0
        ballast.unlink()
        intake.accept(spool, callback("room again"), now=1)
        with closing(sqlite3.connect(spool.path)) as other:
            assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@AMOUNTS
def test_a_file_at_its_largest_size_is_a_full_disk(database: Database, rows: int) -> None:
    database.tell(insert("first"))
    database._engine._writing.execute("PRAGMA max_page_count = 80")
    acknowledged = write_until_full(database, rows=rows)
    assert bool(acknowledged) is (rows == 1)
    assert words(database) == {"first", *acknowledged}


def test_a_file_that_is_full_in_the_middle_of_a_shared_transaction_is_full_for_whom_it_is_too_small_alone(
    database: Database,
) -> None:
    database.tell(insert("first"))
    database._engine._writing.execute("PRAGMA max_page_count = 80")

    def insert_much(run: Run) -> None:
        for number in range(400):
            insert(f"{number}" + "x" * 10_000)(run)

    with burst(database, insert("before"), insert_much, insert("after")) as futures:
        pass
    told = [future.exception(60) for future in futures]
    assert [str(error) for error in told] == ["None", "spool disk full", "None"]
    assert words(database) == {"first", "before", "after"}
    assert database.tell(insert("small")) == "small"


def test_what_was_committed_survives_the_sudden_death_of_the_writer(database: Database) -> None:
    program = """
import sys
from pathlib import Path
from gateway.store.engines import Database
database = Database(Path(sys.argv[1]), patience_seconds=1)
for number in range(1_000_000):
    word = {"connector_id": 7, "nonce": f"word {number}", "body_digest": b"", "event_id": 1, "seen_at": 1.0}
    database.tell(lambda run: run("insert_nonce", **word))
    print(word["nonce"], flush=True)
"""
    writer = subprocess.Popen([sys.executable, "-c", program, database.path], stdout=subprocess.PIPE, text=True)
    with writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline().strip() for _ in range(50)]
        writer.send_signal(signal.SIGKILL)
        told += writer.stdout.read().splitlines()
    assert words(database) >= set(told)
    assert len(words(database)) <= len(told) + 1  # at the most the one it was about to tell
    assert database.tell(insert("goes on")) == "goes on"


NO_DATABASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "dir": (Path.mkdir, "spool failed"),
    "text": (lambda path: path.write_bytes(b"no database" * 100), "spool damaged"),
}


@pytest.mark.parametrize(("make", "told"), NO_DATABASES.values(), ids=NO_DATABASES)
def test_what_is_no_database_is_an_unavailable_spool(tmp_path: Path, make: Callable[[Path], object], told: str) -> None:
    path = tmp_path / "spool.sqlite3"
    make(path)
    with closing(Database(path, patience_seconds=0.1)) as database:
        for use in (database.ask, database.tell):
            with pytest.raises(SpoolUnavailable, match=f"^{told}$"):
                use(lambda run: run("count_events"))
        with pytest.raises(SpoolUnavailable, match=f"^{told}$"):
            database.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())
        with pytest.raises(SpoolUnavailable, match=f"^{told}$"):
            database.glance("count_events")
        with pytest.raises(SpoolUnavailable, match=f"^{told}$"):
            database.rewrite()


def test_no_parameter_reaches_the_text_of_an_exception(database: Database) -> None:
    secret = "".join(["hun", "ter", "2"])
    database.tell(insert(secret))
    with pytest.raises(SpoolUnavailable) as caught:
        database.tell(insert(secret))
    told = "".join(traceback.format_exception(caught.value))
    assert "UNIQUE constraint failed" in told  # it is the chain with all its causes
    assert secret not in told


def test_rewriting_leaves_no_trace_of_what_was_deleted(database: Database) -> None:
    database.tell(insert("first"))
    database._engine._writing.execute("PRAGMA secure_delete=OFF")  # it shall not depend on that
    for number in range(300):
        database.tell(insert(f"gone {number} " * (number % 40 + 1)))
    database.tell(lambda run: run("purge_nonces", before=2.0, most=1000))
    database.rewrite()
    for path in (database.path, database.path.with_name("words.sqlite3-wal")):
        assert b"gone" not in path.read_bytes()


def test_rewriting_says_so_when_a_reader_keeps_it_from_emptying_the_log(database: Database) -> None:
    database.tell(insert("gone"))
    with closing(sqlite3.connect(database.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM nonce").fetchall()
        with pytest.raises(SpoolUnavailable, match=r"^spool locked$"):
            database.rewrite()
        reader.execute("ROLLBACK")
    database.rewrite()


def test_the_first_door_goes_before_others_that_have_waited_as_long(database: Database) -> None:
    way, order = RightOfWay(database.path.with_name(WAY)), list[str]()

    def noted(word: str) -> Callable[[Run], str]:
        return lambda run: order.append(word) or insert(word)(run)

    with (
        closing(way),
        closing(sqlite3.connect(database.path, isolation_level=None)) as writer,
        closing(Database(database.path, patience_seconds=60)) as other,
        closing(Database(database.path, patience_seconds=60, first=True)) as door,
        ThreadPoolExecutor(2) as pool,
    ):
        writer.execute("BEGIN IMMEDIATE")
        doors = pool.submit(door.tell, noted("door"))
        until(way.is_claimed, "the first door waits")
        others = pool.submit(other.tell, noted("other"))
        writer.execute("ROLLBACK")
        assert (doors.result(60), others.result(60)) == ("door", "other")
    assert order == ["door", "other"]


def test_who_waits_for_the_first_door_takes_its_chance_after_a_second(database: Database) -> None:
    way = RightOfWay(database.path.with_name(WAY))
    with way.claimed():
        began = time.monotonic()
        assert database.tell(insert("word")) == "word"
        assert time.monotonic() - began >= WAY_SECONDS
    way.close()


@pytest.mark.thorough
def test_the_log_that_a_long_reader_has_let_grow_is_told_and_shrinks_once_it_has_gone(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    log = database.path.with_name("words.sqlite3-wal")
    with closing(sqlite3.connect(database.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM nonce").fetchall()
        for number in range(3):
            database.tell(insert(f"{number}" + "x" * 50_000_000))
        assert database.large_log_bytes == log.stat().st_size > LARGE_LOG_BYTES
        assert "".join(capsys.readouterr()).count("spool-log-large") == 1
        reader.execute("ROLLBACK")
    database.tell(insert("copied back"))
    database.tell(insert("begun anew"))
    assert log.stat().st_size <= LOG_BYTES
    database.tell(insert("and again"))
    assert database.large_log_bytes == 0
