"""Measures one call out: to an nginx that answers 200 at once, over connections that stay open.

    python -m bench.upstream [--beside DIR] [--threads N] [--calls N] [--rounds N]

`--beside`: another checkout of the gateway, whose calls take turns with ours. A call's time is that of all of them,
divided by their number; nearly all of it is Python, of which there is one at a time however many the threads are.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console

from bench import report
from gateway import clock, paths

HERE = Path(__file__).parent.parent
OPEN_SECONDS = 10.0

_NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path {folder}/bodies;
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 200 "{{}}"; }}
    }}
}}
"""
# Of this tree and of older ones: what it calls has been there since the first release.
_CALLER = """\
import json, resource, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from gateway.upstream import Upstream

origin, threads, calls = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
made = Upstream(origin, connections=threads)
headers = [("Content-Type", "application/json"), ("User-Agent", "bench"), ("X-Request-Id", "0" * 32)]

def call(number):
    for _ in range(number):
        assert made.post("/notify?token=x", body=b"x" * 1000, headers=headers, deadline_seconds=20).status == 200

def spent():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.monotonic(), used.ru_utime + used.ru_stime

with ThreadPoolExecutor(threads) as pool:
    list(pool.map(call, [20] * threads))
    before = spent()
    list(pool.map(call, [calls // threads] * threads))
    wall, cpu = (after - was for after, was in zip(spent(), before))
print(json.dumps([1e6 * wall / (calls // threads * threads), 1e6 * cpu / (calls // threads * threads)]))
"""


@dataclass(frozen=True, kw_only=True)
class Call:
    """What one took, in microseconds."""

    tree: str
    wall: float
    cpu: float


def measure(trees: list[Path], *, threads: int, calls: int, rounds: int) -> list[Call]:
    with _nginx() as origin:
        return [_of(tree, origin, threads, calls) for _ in range(rounds) for tree in trees]


@contextmanager
def _nginx() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = int(server.getsockname()[1])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=port), "utf-8")
        program = [paths.program("nginx"), "-e", "stderr", "-p", name, "-c", str(folder / "nginx.conf")]
        with subprocess.Popen(program) as nginx:
            _wait_until_open(port)
            yield f"http://127.0.0.1:{port}"
            nginx.terminate()


def _wait_until_open(port: int) -> None:
    deadline = clock.steady() + OPEN_SECONDS
    while clock.steady() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        clock.pause(0.05)
    raise RuntimeError(f"nginx was not open within {OPEN_SECONDS:g} s")


def _of(tree: Path, origin: str, threads: int, calls: int) -> Call:
    command = [sys.executable, "-c", _CALLER, origin, str(threads), str(calls)]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=True)
    wall, cpu = json.loads(done.stdout)
    return Call(tree=tree.name, wall=wall, cpu=cpu)


def show(found: list[Call], console: Console) -> None:
    table = report.table("One call out", "tree", "wall µs", "CPU µs", "spread of wall")
    for tree in dict.fromkeys(call.tree for call in found):
        walls = [call.wall for call in found if call.tree == tree]
        cpu = median(call.cpu for call in found if call.tree == tree)
        table.add_row(tree, f"{median(walls):.0f}", f"{cpu:.0f}", f"{min(walls):.0f} to {max(walls):.0f}")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.upstream", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--beside", type=Path, help="another checkout of the gateway")
    parser.add_argument("--threads", type=int, default=16, help="that call at the same time (default 16)")
    parser.add_argument("--calls", type=int, default=8000, help="of a round (default 8000)")
    parser.add_argument("--rounds", type=int, default=5, help="how often all take turns (default 5)")
    told = parser.parse_args()
    trees = [HERE] if told.beside is None else [told.beside.resolve(), HERE]
    show(measure(trees, threads=told.threads, calls=told.calls, rounds=told.rounds), Console())


if __name__ == "__main__":
    main()
