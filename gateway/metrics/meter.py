"""The files in which processes keep their counts: in the form of prometheus_client, whose collector adds them up.

Rule 1. A file is named after the part and the first number that no living process of it has: so there are as many as
        processes at a time, however often they are started, and whoever has the number next goes on counting. No count
        goes back.
Rule 2. A file has all of its room from the start: to write where the disk has none would end the process (SIGBUS).
        What finds no room is counted in memory alone.
Rule 3. A gauge is told for as long as the process lives that has said it.
"""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.utils import floatToGoString

from gateway import clock, lock, paths
from gateway.metrics import BOUNDS, COUNTER, GAUGE, HISTOGRAM, SHAPE, Measure, Number

MOST_PROCESSES = 1000  # of a part, at the same time
FILE_BYTES = 2**18  # some 1,500 numbers
LEAST_FREE_BYTES, LEAST_FREE_FILES = 2**24, 100  # or none is made: a start on a full disk needs what is left for more
# How a file's name begins; of a gauge that several have said, the last counts.
_PREFIXES = {COUNTER: "counter", HISTOGRAM: "histogram", GAUGE: "gauge_mostrecent"}
_BROKEN = (OSError, ValueError, RuntimeError, struct.error)  # of a file that is none, or has lost a part


class _NoRoomLeft(Exception):
    """A file takes no new numbers."""


class _File(MmapedDict):
    """One that does not grow."""

    def _init_value(self, key: str) -> None:
        if self._used + len(key.encode()) + 48 > self._capacity:
            raise _NoRoomLeft
        super()._init_value(key)


class Meter:
    """The files of one process. Used by one thread at a time."""

    def __init__(self, folder: Path, part: str) -> None:
        """Take the first free number of that part. Raises OSError."""
        self._held = ExitStack()
        names = (f"{part}-{number}" for number in range(MOST_PROCESSES))
        self._name = next(name for name in names if self._take(folder, name))
        self._folder = folder
        self._files: dict[str, _File | None] = {}
        _path(folder, GAUGE, self._name).unlink(missing_ok=True)

    def numbers(self, metric: Measure, labels: Sequence[str]) -> list[Number]:
        """Find what the numbers of one row with these labels have come to, and what keeps them from now on."""
        return [self._number(metric.kind, key) for key in _keys(metric, labels)]

    def close(self) -> None:
        """Let go of the files and of the number."""
        for file in self._files.values():
            if file:
                file.close()
        self._held.close()

    def _take(self, folder: Path, name: str) -> bool:
        try:
            self._held.enter_context(lock.held(_path(folder, COUNTER, name), patience_seconds=0.0))
        except BlockingIOError:
            return False
        return True

    def _number(self, kind: str, key: str) -> Number:
        if kind not in self._files:
            self._files[kind] = _opened(_path(self._folder, kind, self._name))
        file = self._files[kind]
        if file is None:
            return Number()
        try:
            value, _ = file.read_value(key)
        except _NoRoomLeft:
            return Number()
        return Number(value, partial(_put, file, key) if kind == GAUGE else partial(_write, file, key))


def opened(folder: Path, part: str, *, least_bytes: int = LEAST_FREE_BYTES) -> Meter | None:
    """Take up the counts of a part in `folder`; None where the disk does not let us. Other releases' go.

    `least_bytes`: how much room must be left for others where there are none of that part yet.
    """
    try:
        if not (_path(folder / SHAPE, COUNTER, f"{part}-0").exists() or _has_room(folder, least_bytes)):
            return None
        (folder / SHAPE).mkdir(mode=0o700, parents=True, exist_ok=True)
        for other in folder.iterdir():
            if other.name != SHAPE:
                shutil.rmtree(other, ignore_errors=True)
        return Meter(folder / SHAPE, part)
    except OSError:
        return None


def collected(folder: Path) -> list[Metric]:
    """Add up what all processes have counted. What cannot be read is left out."""
    files = [str(path) for path in sorted((folder / SHAPE).glob("*.db")) if _tells(path)]
    try:
        return list(MultiProcessCollector.merge(files))
    except _BROKEN:
        return list(MultiProcessCollector.merge([file for file in files if _is_whole(file)]))


def living(folder: Path) -> list[str]:
    """Name the part of each process that keeps its counts there."""
    held = [path for path in sorted((folder / SHAPE).glob("counter_*.db")) if lock.is_held(path)]
    return [path.stem.partition("_")[2].rpartition("-")[0] for path in held]


def _path(folder: Path, kind: str, name: str) -> Path:
    return folder / f"{_PREFIXES[kind]}_{name}.db"


def _keys(metric: Measure, labels: Sequence[str]) -> Iterator[str]:
    """Give the keys of its numbers, as the collector understands them: of a histogram its sum is the last."""
    family, names, values = metric.family, [*metric.labels], [*labels]
    if metric.kind == HISTOGRAM:
        for bound in BOUNDS:
            yield mmap_key(family, f"{family}_bucket", [*names, "le"], [*values, floatToGoString(bound)], "")
        yield mmap_key(family, f"{family}_sum", names, values, "")
    else:
        yield mmap_key(family, family + ("_total" if metric.kind == COUNTER else ""), names, values, "")


def _has_room(folder: Path, least_bytes: int = LEAST_FREE_BYTES) -> bool:
    there = next(part for part in (folder, *folder.parents) if part.exists())
    return not paths.lacks_room(there, least_bytes, LEAST_FREE_FILES)


def _opened(path: Path) -> _File | None:
    """Open a file, begun anew where it is none yet, or broken; None where there is no room for it."""
    try:
        with path.open("ab") as file:
            if file.tell() != FILE_BYTES or not _is_whole(str(path)):
                if not _has_room(path.parent):
                    return None
                file.truncate(0)  # and not removed: whoever has its number holds the lock on it
                os.posix_fallocate(file.fileno(), 0, FILE_BYTES)
        return _File(str(path))
    except OSError:
        return None


def _write(file: _File, key: str, value: float) -> None:
    file.write_value(key, value, 0.0)


def _put(file: _File, key: str, value: float) -> None:
    file.write_value(key, value, clock.WallClock().now())


def _tells(path: Path) -> bool:
    """Tell whether what is in it counts: of a gauge, whether its process lives."""
    kind, _, rest = path.name.partition("_")
    return kind != GAUGE or lock.is_held(path.with_name(f"{_PREFIXES[COUNTER]}_{rest.partition('_')[2]}"))


def _is_whole(file: str) -> bool:
    try:
        MultiProcessCollector.merge([file])
    except _BROKEN:
        return False
    return True
