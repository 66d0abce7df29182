"""What a fetch costs the second door: the CPU of its processes and the time of an answer, from the vault and new.

`python -m bench.fetches --beside CHECKOUT` measures this checkout and another one in turn, with the same settings and
the same Python. The door is asked as nginx asks it, over its Unix socket, and names the file instead of sending it.
"""

from __future__ import annotations

import argparse
import contextlib
import http.server
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console

from bench import files, memory, report
from sandbox import child, setup
from sandbox.child import Child
from sandbox.setup import Setup

HERE = Path(__file__).parents[1]
ROUNDS = 3
AT_ONCE = 8
SIZE_BYTES = 20_000
WARM, COLD = 4000, 400  # fetches of one file; of as many files
NAMED = 'attachment; filename="offer.pdf"'


@dataclass(frozen=True)
class Cost:
    """Of one fetch."""

    cpu_us: float
    p50_ms: float


class _Motion(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = files.pdf(SIZE_BYTES, seed=int(self.path.split("/")[3]))
        self.send_response(200)
        for name, value in (("Content-Length", str(len(body))), ("Content-Disposition", NAMED)):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def _motion() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Motion) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beside", type=Path, required=True, help="another checkout, of an older release")
    checkouts = {"before": parser.parse_args().beside.resolve(), "now": HERE}
    found: dict[tuple[str, str], list[Cost]] = {}
    with _motion() as url:
        for _ in range(ROUNDS):
            for name, checkout in checkouts.items():
                with setup.built(motion_url=url, control_url="") as made, _served(made, checkout):
                    for what, cost in _measured(made).items():
                        found.setdefault((what, name), []).append(cost)
    _show(found, Console())
    return 0


@contextlib.contextmanager
def _served(made: Setup, checkout: Path) -> Iterator[None]:
    """A whole gateway of that checkout, which counts fetches and refuses none."""
    counted = ("FETCHES_PER_ATTACHMENT", "DOWNLOADS_PER_ADDRESS")
    limits = [f"MOTION_GATEWAY_LIMITS__{of}=1000000/second" for of in counted]
    command = ["env", f"--chdir={checkout}", *limits, *child.serve_command(made.state.config_file)]
    running = Child(command, made.state.log_file)
    try:
        running.wait_until_ready(made.state.ready_route())
        yield
    finally:
        running.stop()


def _measured(made: Setup) -> dict[str, Cost]:
    numbers = range(1, COLD + 1)
    _cost(made, [999_999] * AT_ONCE)  # whatever is made at the first fetch
    return {"new": _cost(made, numbers), "from the vault": _cost(made, [1] * WARM)}


def _cost(made: Setup, numbers: Sequence[int]) -> Cost:
    before = memory.cpu_seconds(made.folder, "attachments")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        times = list(pool.map(lambda number: _fetched(made, number), numbers))
    return Cost(1e6 * (memory.cpu_seconds(made.folder, "attachments") - before) / len(numbers), 1000 * median(times))


def _fetched(made: Setup, number: int) -> float:
    """Ask the door as nginx does; returns the seconds until its answer."""
    target = f"/api/attachments/{number}/download?token={made.state.proxy_token}"
    headers = "Host: x\r\nX-Real-IP: 192.0.2.1\r\nX-Request-Id: r\r\nX-Sendfile-Type: X-Accel-Redirect\r\n"
    with socket.socket(socket.AF_UNIX) as connection:
        began = time.perf_counter()
        connection.connect(str(made.folder / "state" / "run" / "attachments.sock"))
        connection.sendall(f"GET {target} HTTP/1.1\r\n{headers}\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
        seconds = time.perf_counter() - began
    if not answer.startswith(b"HTTP/1.1 200 ") or b"X-Accel-Redirect: " not in answer:
        sys.exit(f"attachment {number}: {answer[:200]!r}")
    return seconds


def _show(found: dict[tuple[str, str], list[Cost]], console: Console) -> None:
    made = report.table(f"A fetch, {AT_ONCE} at once, medians of {ROUNDS} rounds", "file", "", "CPU µs", "p50 ms")
    for (what, name), costs in sorted(found.items()):
        cpu, p50 = median(cost.cpu_us for cost in costs), median(cost.p50_ms for cost in costs)
        made.add_row(what, name, f"{cpu:.0f}", f"{p50:.1f}")
    console.print(made)


if __name__ == "__main__":
    sys.exit(main())
