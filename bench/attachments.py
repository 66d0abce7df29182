"""Measures the second door side by side with nginx serving the same files by itself, and passing them on from Motion.

    python -m bench.attachments [--seconds N] [--rounds N] [--json]

Ends with status 1 if an answer was not 200 or the bytes were others, never because of a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

from rich.console import Console

from bench import files, inspection, load, memory, report, site
from bench.files import Files
from bench.load import Load
from bench.memory import Memory
from bench.site import Site
from sandbox.connection import Request
from sandbox.listener import reserve

NOBODYS = 999_999  # which the door knows not to be there, once it is open
CONNECTIONS = 8
SIZES = {"100 kB": 100_000, "1 MB": 1_000_000, "16 MB": 16_000_000}
COLD = {"100 kB": 100, "1 MB": 60, "16 MB": 12}  # files that nobody has asked for before
COLD_SECONDS = 6.0  # more than they take
SLOW_CLIENTS, SLOW_SIZE, SLOW_SECONDS, SLOW_CHUNK = 100, 100_000_000, 8.0, 65_536


@dataclasses.dataclass(frozen=True, kw_only=True)
class Round:
    """The same file from nginx's disk, through nginx from Motion, and from the gateway; then files new to it."""

    size: str
    disk: Load
    passed: Load
    warm: Load
    cold: Load


@dataclasses.dataclass
class Bench:
    gateway: Site
    files: Files
    seconds: float
    next_id: int = 1
    wrong: list[str] = dataclasses.field(default_factory=list)

    def round(self, size: str) -> Round:
        [known] = numbers = self._made(1, SIZES[size])
        self._require_same(known)
        fresh = self._made(COLD[size], SIZES[size])
        return Round(
            size=size,
            disk=self._load(self.files.url, [f"/disk/{known}/download" for known in numbers]),
            passed=self._load(self.files.url, [f"/motion/{known}/download" for known in numbers]),
            warm=self._load(self._public, [self.link(known) for known in numbers]),
            cold=self._load(self._public, [self.link(number) for number in fresh], once=True),
        )

    def slow(self) -> tuple[list[Memory], list[Memory]]:
        """The memory before, and while the slow ones fetch."""
        [large] = self._made(1, SLOW_SIZE)
        self._require_same(large)
        return memory.of(self.gateway.folder), asyncio.run(_slowly(self.gateway, self.link(large)))

    def link(self, number: int) -> str:
        settings = self.gateway.settings.attachments
        assert settings.proxy_token is not None  # noqa: S101 - the setup sets it
        token = quote(settings.proxy_token.get_secret_value(), safe="")
        return f"{settings.public_path.replace('{id}', str(number))}?{settings.token_parameter}={token}"

    @property
    def _public(self) -> str:
        return self.gateway.setup.state.public_url

    def _made(self, count: int, size_bytes: int) -> list[int]:
        numbers = [*range(self.next_id, self.next_id + count)]
        self.next_id += count
        self.files.make(numbers, size_bytes=size_bytes)
        return numbers

    def _require_same(self, number: int) -> None:
        answer = self.gateway.sinch.request(Request(method="GET", target=self.link(number)))
        stored = (self.files.folder / str(number) / "download").read_bytes()
        if answer.status != 200 or hashlib.sha256(answer.body).digest() != hashlib.sha256(stored).digest():
            self.wrong.append(f"attachment {number}: status {answer.status}, {len(answer.body)} bytes")

    def _load(self, url: str, targets: Sequence[str], *, once: bool = False) -> Load:
        host = self.gateway.settings.server.public_host
        asked = [f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() for target in targets]
        path = _written(self.gateway.folder / "asked", asked)
        seconds = COLD_SECONDS if once else self.seconds
        found = load.finish(load.start(url, path, seconds=seconds, cycle=not once, connections=CONNECTIONS))
        if found.refused or found.broken or (once and found.answered < len(targets) - CONNECTIONS):
            self.wrong.append(f"{targets[0].partition('?')[0]}: {found}")
        return found


async def _slowly(gateway: Site, target: str) -> list[Memory]:
    """Clients that read a little of it every now and then; the memory of the gateway meanwhile."""
    clients = [asyncio.create_task(_sip(gateway, target)) for _ in range(SLOW_CLIENTS)]
    await asyncio.sleep(SLOW_SECONDS)
    found = memory.of(gateway.folder)
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    return found


async def _sip(gateway: Site, target: str) -> None:
    route = gateway.sinch.route
    host, port = route.address
    way: dict[str, Any] = {"ssl": route.tls, "server_hostname": route.parts.hostname, "limit": SLOW_CHUNK}
    reader, writer = await asyncio.open_connection(host, port, **way)
    try:
        writer.write(f"GET {target} HTTP/1.1\r\nHost: {route.parts.hostname}\r\n\r\n".encode())
        while await reader.read(SLOW_CHUNK):
            await asyncio.sleep(0.5)
    finally:
        writer.close()


def _written(path: Path, requests: Sequence[bytes]) -> Path:
    path.write_bytes(b"".join(b"%8d" % len(request) + request for request in requests))
    return path


def main() -> int:
    options = report.options("bench.attachments", __doc__ or "", seconds=3.0, rounds=2)
    with contextlib.ExitStack() as stack:
        port, motion_port = (stack.enter_context(reserve()).getsockname()[1] for _ in range(2))
        gateway = stack.enter_context(site.built(motion_port=motion_port))
        served = stack.enter_context(files.served(gateway, port=port, motion_port=motion_port))
        stack.enter_context(gateway.running("ops", "attachments", "ingress", "nginx"))
        bench = Bench(gateway, served, options.seconds)
        gateway.wait_until_open(Request(method="GET", target=bench.link(NOBODYS)), answers=(404,))
        rounds = [bench.round(size) for _ in range(options.rounds) for size in SIZES]
        idle, slow = bench.slow()
    kinds = inspection.by_type()
    if options.json:
        plain = {
            "rounds": rounds,
            "memory": {"idle": idle, "slow clients": slow},
            "inspections": kinds,
            "wrong": bench.wrong,
        }
        print(json.dumps(plain, indent=2, default=dataclasses.asdict))  # noqa: T201 - it is the answer
    else:
        _show(rounds, (idle, slow), kinds, bench.wrong, Console())
    return 1 if bench.wrong else 0


def _show(
    rounds: Sequence[Round],
    memories: tuple[Sequence[Memory], Sequence[Memory]],
    kinds: Sequence[inspection.Inspected],
    wrong: Sequence[str],
    console: Console,
) -> None:
    table = report.table(
        "Files through TLS, median of the rounds", "size", "from", "files/s", "MB/s", "p99 ms", "of disk", "of passing"
    )
    for size, size_bytes in SIZES.items():
        turns = [turn for turn in rounds if turn.size == size]
        for name, field in (("disk", "disk"), ("Motion", "passed"), ("gateway", "warm"), ("… new files", "cold")):
            loads = [getattr(turn, field) for turn in turns]
            rate = median(found.per_second for found in loads)
            share = median(getattr(turn, field).per_second / turn.disk.per_second for turn in turns)
            late = median(found.p99_ms for found in loads)
            passing = median(getattr(turn, field).per_second / turn.passed.per_second for turn in turns)
            shares = (f"{share:.2f}", f"{passing:.2f}")
            table.add_row(size, name, f"{rate:.1f}", f"{rate * size_bytes / 1e6:.0f}", f"{late:.1f}", *shares)
    console.print(table)
    idle, slow = memories
    console.print(report.memory_table(idle, title="Memory before, MiB"))
    console.print(report.memory_table(slow, title=f"Memory while {SLOW_CLIENTS} slow clients fetch 100 MB each, MiB"))
    times = report.table("Time of an inspection", "type", "files", "median ms", "most ms")
    for kind in kinds:
        times.add_row(kind.mime, str(kind.files), f"{kind.median_ms:.2f}", f"{kind.most_ms:.2f}")
    console.print(times)
    console.print("\n".join(wrong) or "All bytes were right.")


if __name__ == "__main__":
    sys.exit(main())
