"""Where the lines of the log go: into pipes, sockets and files whose readers stop, leave, and come back."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from subprocess import PIPE

import pytest

from gateway.outlet import Outlet, without_waiting
from tests.spool_samples import until

LINE = "x" * 99  # and its end
ROOM = 10_000
MANY = 5_000  # lines, more than a pipe and a socket hold
MANY_MORE = 15_000  # more than memory holds, too


def told(lost: Mapping[str, int]) -> str:
    return "lost " + " ".join(f"{kind}:{count}" for kind, count in sorted(lost.items()))


class Reader:
    """Takes so many bytes, and no more until it is told to."""

    def __init__(self) -> None:
        self.room: float = 0
        self.read = b""

    def write(self, data: bytes) -> int:
        if not self.room:
            raise BlockingIOError
        took = data[: int(min(self.room, len(data)))]
        self.room -= len(took)
        self.read += took
        return len(took)

    @property
    def lines(self) -> list[str]:
        return self.read.decode().splitlines()


@pytest.fixture
def reader() -> Iterator[Reader]:
    made = Reader()
    yield made
    made.room = float("inf")  # so that nobody waits for it at the end


def test_a_line_is_written_at_once(reader: Reader) -> None:
    reader.room = float("inf")
    Outlet(reader.write, told).put("one", "a")
    assert reader.read == b"one\n"


def test_lines_wait_for_their_reader_in_their_order_and_whole(reader: Reader) -> None:
    out = Outlet(reader.write, told)
    reader.room = 5
    for number in range(100):
        out.put(f"line {number}", "a")
    assert reader.read == b"line "
    reader.room = float("inf")
    until(lambda: len(reader.lines) == 100, "all lines")
    assert reader.lines == [f"line {number}" for number in range(100)]


def test_what_has_no_room_is_counted_by_kind_and_told_in_its_place(reader: Reader) -> None:
    out = Outlet(reader.write, told, room_bytes=ROOM)
    fit = ROOM // 100
    for _ in range(fit):
        out.put(LINE, "a")
    for kind in ("a", "b", "b"):
        out.put(LINE, kind)
    for room, line in ((1000, "before half of it has room"), (ROOM // 2, "after")):
        reader.room = room
        until(lambda: not reader.room, "some bytes are read")
        out.put(line, "b")
    reader.room = float("inf")
    until(lambda: "after" in reader.lines, "the last line")
    assert reader.lines == [LINE] * fit + ["lost a:1 b:3", "after"]


def test_what_was_lost_is_told_though_nothing_follows(reader: Reader) -> None:
    out = Outlet(reader.write, told, room_bytes=ROOM)
    for _ in range(ROOM // 100 + 1):
        out.put(LINE, "a")
    reader.room = float("inf")
    until(lambda: reader.lines[-1:] == ["lost a:1"], "what was lost")


def test_at_the_end_what_waits_is_written(reader: Reader) -> None:
    out = Outlet(reader.write, told)
    out.put("one", "a")
    reader.room = float("inf")
    out.close()
    assert reader.lines == ["one"]


def said_by_a_child(work: Callable[[int], None]) -> bytes:
    """What a forked process writes to the descriptor that `work` is given."""
    read, write = os.pipe()
    if not (pid := os.fork()):
        with contextlib.suppress(BaseException):
            work(write)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as heard:
        said = heard.read()
    os.waitpid(pid, 0)
    return said


def test_a_process_that_is_forked_does_not_tell_what_waits_in_its_parent(reader: Reader) -> None:
    out = Outlet(reader.write, told)
    out.put("of the parent", "a")

    def work(write: int) -> None:
        reader.room = float("inf")
        out.put("of the child", "a")
        os.write(write, reader.read)

    assert said_by_a_child(work) == b"of the child\n"


def test_many_threads_write_whole_lines(reader: Reader) -> None:
    reader.room = float("inf")
    out = Outlet(reader.write, told)
    writers = [threading.Thread(target=lambda: [out.put(LINE, "a") for _ in range(50)]) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert reader.lines == [LINE] * 400


# What is really behind a number


def pipe() -> tuple[int, int]:
    return os.pipe()


def stream() -> tuple[int, int]:
    ours, theirs = socket.socketpair()
    return theirs.detach(), ours.detach()


def terminal() -> tuple[int, int]:
    return os.openpty()


@contextlib.contextmanager
def behind(made: tuple[int, int]) -> Iterator[tuple[int, Outlet]]:
    """Who reads, and an outlet to him; in the end all that waits is taken."""
    read, write = made
    at_once, over = without_waiting(write), threading.Event()
    out = Outlet(lambda data: len(data) if over.is_set() else at_once(data), told, room_bytes=ROOM)
    yield read, out
    over.set()
    out.close()
    for descriptor in made:
        with contextlib.suppress(OSError):
            os.close(descriptor)


@pytest.mark.parametrize("make", [pipe, stream, terminal])
def test_a_reader_that_stops_holds_nobody_up_and_hears_what_it_missed(make: Callable[[], tuple[int, int]]) -> None:
    with behind(make()) as (read, out):
        for _ in range(MANY):
            out.put(LINE, "a")
        heard = b""
        while b"lost" not in heard or accounted_for(heard) < MANY:
            heard += os.read(read, 65536)
        assert accounted_for(heard) == MANY


def accounted_for(heard: bytes) -> int:
    """How many lines were heard, or told to be lost."""
    whole = heard.decode().rpartition("\n")[0].split()
    return sum(int(word[2:]) for word in whole if word.startswith("a:")) + whole.count(LINE)


@pytest.mark.parametrize("make", [pipe, stream])
def test_who_shares_a_pipe_with_us_waits_as_before(make: Callable[[], tuple[int, int]]) -> None:
    read, write = made = make()
    with behind(made):
        assert os.get_blocking(write)
        assert os.get_blocking(read)


def test_a_pipe_that_is_not_ours_to_open_is_written_without_waiting_all_the_same() -> None:
    def work(write: int) -> None:
        os.fchmod(write, 0)
        if os.geteuid() == 0:  # to whom all is open
            os.setuid(65534)
        without_waiting(write)
        os.write(write, b"waits" if os.get_blocking(write) else b"never waits")

    assert said_by_a_child(work) == b"never waits"


def test_a_file_is_written_where_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        file.write(b"before\n")
        file.flush()
        out = Outlet(without_waiting(file.fileno()), told)
        out.put("one", "a")
        os.write(file.fileno(), b"of another\n")
        out.put("two", "a")
    assert path.read_text() == "before\none\nof another\ntwo\n"


def nobody() -> tuple[int, int]:
    read, write = os.pipe()
    os.close(read)
    return os.open(os.devnull, os.O_RDONLY), write


def full_disk() -> tuple[int, int]:
    return os.open(os.devnull, os.O_RDONLY), os.open("/dev/full", os.O_WRONLY)


def closed() -> tuple[int, int]:
    read, write = os.pipe()
    os.close(write)
    return read, write


@pytest.mark.parametrize("make", [nobody, full_disk, closed])
def test_where_nothing_can_be_written_nothing_fails(make: Callable[[], tuple[int, int]]) -> None:
    with behind(make()) as (_, out):
        for _ in range(100):
            out.put(LINE, "a")


def test_who_writes_through_the_program_waits_for_no_reader_and_what_is_lost_is_told() -> None:
    with subprocess.Popen((sys.executable, "-m", "gateway.outlet"), stdin=PIPE, stdout=PIPE) as between:
        assert between.stdin is not None
        between.stdin.write(f"{LINE}\n".encode() * MANY_MORE)  # and nobody reads
        between.stdin.close()
        heard = list(between.stdout or ())
    told = [json.loads(line) for line in heard if line.startswith(b"{")]
    lost = sum(line["lines"]["edge"] for line in told)
    assert {(line["event"], line["process"]) for line in told} == {("lines lost", "nginx")}
    assert (len(heard) - len(told) + lost, lost > 1000, between.returncode) == (MANY_MORE, True, 0)
