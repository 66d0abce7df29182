"""Sends prepared callbacks as fast as they are answered, over TLS connections that stay open: wrk, and its report."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 32
WRK = "/usr/bin/wrk"
SCRIPT = Path(__file__).with_name("wrk.lua")
DRAIN_SECONDS = 2  # for what is in flight at the end


@dataclass(frozen=True, kw_only=True)
class Load:
    """What became of it. `broken`: connections that ended or timed out before an answer."""

    sent: int
    answered: int  # with 2xx
    refused: int
    broken: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        return self.answered / self.seconds


def start(
    url: str,
    letters: Path,
    *,
    seconds: float,
    cycle: bool = False,
    connections: int = CONNECTIONS,
    address: str = "127.0.0.1",
) -> subprocess.Popen[str]:
    """Send each letter once, or round and round; `finish` waits for it. `address`: where the host of `url` is."""
    # One thread: each would send all letters by itself.
    way = [
        "-t1",
        f"-c{connections}",
        f"-d{int(seconds) + DRAIN_SECONDS}s",
        f"-T{DRAIN_SECONDS + 30}s",
        "-s",
        str(SCRIPT),
    ]
    told = [str(letters), str(seconds), str(connections), "cycle" if cycle else "once"]
    command = [WRK, *way, url, "--", *told]
    environment = {"BENCH_ADDRESS": address}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def finish(running: subprocess.Popen[str]) -> Load:
    """The report, when all that was sent is answered. Raises RuntimeError with its last words where it has none."""
    said, _ = running.communicate()
    try:
        return Load(**json.loads(said.splitlines()[-1]))
    except (ValueError, IndexError, TypeError) as error:
        raise RuntimeError(f"wrk did not report: {said[-500:]}") from error
