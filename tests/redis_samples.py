"""Real redis-servers: one alone, one with a replica and a Sentinel, and a cluster."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from gateway.errors import TooManyRequests
from gateway.limits import Limiter
from gateway.phrases import Reason
from sandbox.listener import reserve
from tests.spool_samples import until

TWO = "2/hour"
PASSWORD = "a password: of @ Redis"
_SLOTS = 16384
_OPENED = ("Ready to accept connections", "Sentinel ID is")


class Redis:
    """A real redis-server on a port of its own, which can be killed and come back."""

    def __init__(self, *options: str, arguments: tuple[str, ...] = ()) -> None:
        """`options` as on its command line; `arguments` come before all others: a file, and what only it takes."""
        self._held = reserve()
        self.port = self._held.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"
        plain = ("--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--dir", "/")
        self._command = ("redis-server", *(arguments or plain), *options)
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [word.replace("PORT", str(self.port)) for word in self._command]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert any(said in line for line in self.process.stdout for said in _OPENED)

    def ask(self, *words: object) -> str:
        """What it answers to a command."""
        asked = ("redis-cli", "-p", str(self.port), "--no-auth-warning", "-a", PASSWORD, *map(str, words))
        return subprocess.run(asked, check=True, capture_output=True, text=True).stdout

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.communicate(timeout=60)

    def close(self) -> None:
        """End it, and give its port back."""
        self.kill()
        self._held.close()


def allowed(limiter: Limiter, whose: str = "a", *, what: str = Reason.CALLS, of: int = 4) -> int:
    """How many of so many calls are let through."""
    passed = 0
    for _ in range(of):
        with suppress(TooManyRequests):
            limiter.require(TWO, what, whose)
            passed += 1
    return passed


@dataclass(frozen=True)
class Watched:
    """A Redis with a password, its replica, and the Sentinel that makes that one the first when it dies."""

    first: Redis
    replica: Redis
    url: str  # of a Sentinel that is not there, and of that one


@contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """Start them; the replica has all that the first one has."""
    secret = ("--requirepass", PASSWORD, "--masterauth", PASSWORD)
    with ExitStack() as stack:
        first = stack.enter_context(_running(Redis(*secret)))
        following = ("--replicaof", f"127.0.0.1 {first.port}", "--repl-diskless-sync-delay", "0")
        replica = stack.enter_context(_running(Redis(*secret, *following)))
        until(lambda: "master_link_status:up" in replica.ask("info", "replication"), "a replica that follows")
        nobody = stack.enter_context(reserve())
        sentinel = stack.enter_context(_running(_sentinel(folder, first)))
        until(lambda: "num-slaves\n1" in sentinel.ask("sentinel", "master", "counts"), "a Sentinel that knows both")
        places = f"127.0.0.1:{nobody.getsockname()[1]},127.0.0.1:{sentinel.port}"
        yield Watched(first, replica, f"redis+sentinel://:{quote(PASSWORD, safe='')}@{places}/counts")


@contextmanager
def clustered(folder: Path, *, nodes: int = 3) -> Iterator[list[Redis]]:
    """Start a cluster without replicas, in which each has its part of the slots."""
    with ExitStack() as stack:
        several = [stack.enter_context(_running(_of_a_cluster(stack, folder, number))) for number in range(nodes)]
        for number, each in enumerate(several):
            each.ask("cluster", "addslotsrange", number * _SLOTS // nodes, (number + 1) * _SLOTS // nodes - 1)
            each.ask("cluster", "set-config-epoch", number + 1)
            bus = several[0].ask("config", "get", "cluster-port").split()[1]
            each.ask("cluster", "meet", "127.0.0.1", several[0].port, bus)
        until(lambda: all("cluster_state:ok" in each.ask("cluster", "info") for each in several), "a cluster")
        yield several


@contextmanager
def _running(server: Redis) -> Iterator[Redis]:
    try:
        yield server
    finally:
        server.close()


def _sentinel(folder: Path, first: Redis) -> Redis:
    file = folder / "sentinel.conf"
    told = (f"monitor counts 127.0.0.1 {first.port} 1", f'auth-pass counts "{PASSWORD}"')
    quick = ("down-after-milliseconds counts 300", "failover-timeout counts 3000")
    lines = ("bind 127.0.0.1", f"dir {folder}", *(f"sentinel {line}" for line in (*told, *quick)))
    file.write_text("\n".join(lines), "utf-8")
    return Redis("--port", "PORT", arguments=(str(file), "--sentinel"))


def _of_a_cluster(stack: ExitStack, folder: Path, number: int) -> Redis:
    bus = stack.enter_context(reserve())
    own = ("--cluster-config-file", str(folder / f"nodes-{number}.conf"), "--cluster-port", str(bus.getsockname()[1]))
    return Redis("--requirepass", PASSWORD, "--cluster-enabled", "yes", *own)
