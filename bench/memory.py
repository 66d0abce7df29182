"""How much memory and CPU the processes of a gateway take (Linux: /proc)."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_KILOBYTES = re.compile(r"^(Pss|Rss): +([0-9]+) kB$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Of one process. PSS divides what several share among them."""

    part: str
    pid: int
    pss_mib: float
    rss_mib: float


def of(folder: Path) -> list[Memory]:
    """Of every process that was started with settings in `folder`, and of their children."""
    mark = str(folder)
    found: dict[int, str] = {}
    for process in Path("/proc").glob("[0-9]*"):
        words = _words(process)
        if any(mark in word for word in words):
            part = "nginx" if "nginx" in words[0] else words[-1]
            for pid in (int(process.name), *_children(process)):
                found[pid] = part
    return [memory for pid, part in sorted(found.items()) if (memory := _read(pid, part))]


def cpu_seconds(folder: Path, part: str) -> float:
    """What the processes of that part have used so far, user and system together."""
    pids = [one.pid for one in of(folder) if one.part == part]
    ticks = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13] for pid in pids]
    return sum(int(tick) for pair in ticks for tick in pair) / os.sysconf("SC_CLK_TCK")


def _words(process: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return (process / "cmdline").read_text("utf-8", errors="replace").rstrip("\0").split("\0")
    return []


def _children(process: Path) -> Iterator[int]:
    for task in process.glob("task/*/children"):
        with contextlib.suppress(OSError):
            yield from map(int, task.read_text().split())


def _read(pid: int, part: str) -> Memory | None:
    try:
        sizes = {
            name: int(size) / 1024 for name, size in _KILOBYTES.findall(Path(f"/proc/{pid}/smaps_rollup").read_text())
        }
    except OSError:  # it has ended, or is somebody else's
        return None
    return Memory(part=part, pid=pid, pss_mib=round(sizes["Pss"], 1), rss_mib=round(sizes["Rss"], 1))
