"""What the ops door's answers take while much is kept: `/readyz`, and the scrape of `/metrics`.

    python -m bench.office [--kept N,N] [--waiting N] [--files N]

A spool is filled with N delivered events, N that wait and N files in the vault's register, and the door of a whole
gateway is asked by its socket, again and again, with pauses: most of its answers are found anew. Ends with status 1 if
an answer is none, never because of a time.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import sys
import time
from pathlib import Path
from statistics import median

from rich.console import Console

from bench import report, site
from gateway import clock, lock, paths
from gateway.doors import DOORS
from gateway.store import sqlite
from sandbox.listener import reserve

ASKED = 15
PAUSE_SECONDS = 0.5
_NUMBERS = "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?)"
_EVENTS = """
INSERT INTO event (connector_id, state, kind, key, original, lane, contact_id, identity, request_id, address, headers,
    query, body, body_digest, accepted_at, repeats, tries, failures, deaths, outcome, settled_at)
SELECT 7, ?, 'MESSAGE_INBOUND', randomblob(32), TRUE, '7:contact ' || n % 50000, 'contact ' || n % 50000, '',
    hex(randomblob(16)), '192.0.2.1', '[]', '', randomblob(700), randomblob(32), ? + n, 0, 1, 0, 0, '200', ? FROM number
"""
_LANES = """
INSERT INTO lane (lane, first_event, due_at) SELECT lane, min(id), 1e12 FROM event WHERE state = 'pending' GROUP BY lane
"""
_FILES = """
INSERT INTO attachment (attachment_id, digest, size_bytes, name, inspected_by, stored, live_until, fetches, failure,
    failure_status) SELECT n, randomblob(32), 200000, 'offer.pdf', '', TRUE, 0.0, 1, '', 0 FROM number
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.office", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kept", default="500000,1000000", help="delivered events, one measurement each")
    parser.add_argument("--waiting", type=int, default=1000, help="events that wait for Motion (default 1000)")
    parser.add_argument("--files", type=int, default=20_000, help="files in the vault (default 20000)")
    options = parser.parse_args()
    made = report.table("The ops door", "events kept", "asked for", "first ms", "median ms", "longest ms", "bytes")
    for kept in map(int, options.kept.split(",")):
        for target, (times, size) in _measured(kept, options.waiting, options.files).items():
            figures = (f"{1000 * seconds:.1f}" for seconds in (times[0], median(times), max(times)))
            made.add_row(f"{kept:,}", target, *figures, str(size))
    Console().print(made)
    return 0


def _measured(kept: int, waiting: int, files: int) -> dict[str, tuple[list[float], int]]:
    with reserve() as motion, site.built(motion_port=motion.getsockname()[1]) as place:
        _fill(paths.spool(place.settings), kept=kept, waiting=waiting, files=files)
        doors = [door.name for door in DOORS.values() if door.is_wanted(place.settings)]
        # Nothing is delivered: what waits goes on waiting.
        with lock.only_one(paths.lock(place.settings, "courier"), "courier"), place.running(*doors):
            deadline = clock.steady() + site.START_SECONDS
            while not all(paths.socket(place.settings, door).exists() for door in doors):
                if clock.steady() > deadline:
                    sys.exit("the doors did not open")
                clock.pause(0.1)
            door = paths.socket(place.settings, "ops")
            return {target: _asked(door, target) for target in ("/readyz", "/metrics")}


def _fill(spool: Path, *, kept: int, waiting: int, files: int) -> None:
    now = clock.WallClock().now()
    with contextlib.closing(sqlite.connect(spool, patience_seconds=site.PATIENCE_SECONDS)) as connection:
        connection.execute(_NUMBERS + _EVENTS, (kept, "delivered", now - kept - waiting, now))
        connection.execute(_NUMBERS + _EVENTS, (waiting, "pending", now - waiting, None))
        connection.execute(_LANES)
        connection.execute(_NUMBERS + _FILES, (files,))


def _asked(door: Path, target: str) -> tuple[list[float], int]:
    times, size = [], 0
    for _ in range(ASKED):
        began = time.perf_counter()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(door))
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        times.append(time.perf_counter() - began)
        size = len(answer)
        if b"pending" not in answer:
            sys.exit(f"{target}: {answer[:300]!r}")
        clock.pause(PAUSE_SECONDS)
    return times, size


if __name__ == "__main__":
    sys.exit(main())
