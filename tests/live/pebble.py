"""Pebble, the authority that Let's Encrypt has made for tests, with a name server of its own: real processes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import certificates
from sandbox.connection import Request, Route, exchange
from sandbox.listener import reserve
from tests.live.house import PATIENCE_SECONDS
from tests.spool_samples import until

BLOCKED = "blocked.example.test"  # it signs no such name
EXTERNAL = {"kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"}
QUICK = {"PEBBLE_VA_NOSLEEP": "1"}


@dataclass(frozen=True)
class Pebble:
    """An authority, which looks for proofs at `http_port` of this machine, whatever the name."""

    folder: Path
    port: int
    management: int
    names: int  # the port at which its name server is told what to say

    @property
    def directory(self) -> str:
        return f"https://localhost:{self.port}/dir"

    @property
    def ca_file(self) -> Path:
        """What it shows itself is signed by."""
        return self.folder / "ca.pem"

    def at(self, path: str) -> str:
        """A URL of it where it is managed."""
        return f"https://localhost:{self.management}{path}"

    def root(self) -> bytes:
        """The root of what it signs: another one each time it is started."""
        route = Route(url=self.at("/roots/0"), ca_file=self.ca_file, timeout_seconds=PATIENCE_SECONDS)
        return exchange(route, Request(method="GET")).body

    def tell_names(self, deed: str, told: Mapping[str, Any]) -> None:
        """Have its name server answer otherwise: `deed` is a path of pebble-challtestsrv."""
        route = Route(url=f"http://127.0.0.1:{self.names}/{deed}", timeout_seconds=PATIENCE_SECONDS)
        assert exchange(route, Request(body=json.dumps(told).encode())).status == 200


@contextmanager
def pebble(folder: Path, *, http_port: int, external: bool = False, **ways: str) -> Iterator[Pebble]:
    """Run it; `external`: it wants accounts to be bound, by EXTERNAL. `ways`: its environment, of how it behaves."""
    folder.mkdir()
    own = certificates.issue(folder, "localhost", "127.0.0.1")
    with ExitStack() as stack:
        port, management, dns, names = (stack.enter_context(reserve()).getsockname()[1] for _ in range(4))
        told = {
            "listenAddress": f"127.0.0.1:{port}",
            "managementListenAddress": f"127.0.0.1:{management}",
            "certificate": str(own.certificate),
            "privateKey": str(own.private_key),
            "httpPort": http_port,
            "tlsPort": http_port,
            "ocspResponderURL": "",
            "domainBlocklist": [BLOCKED],
            "externalAccountBindingRequired": external,
            "externalAccountMACKeys": EXTERNAL if external else {},
        }
        (folder / "pebble.json").write_text(json.dumps({"pebble": told}), "utf-8")
        nobody = [word for way in ("http01", "https01", "tlsalpn01") for word in (f"-{way}", "")]
        at = ("-dns01", f"127.0.0.1:{dns}", "-management", f"127.0.0.1:{names}")
        addresses = ("-defaultIPv4", "127.0.0.1", "-defaultIPv6", "")
        stack.enter_context(_running(("pebble-challtestsrv", *at, *addresses, *nobody), folder / "names.log", {}))
        server = ("-config", str(folder / "pebble.json"), "-dnsserver", f"127.0.0.1:{dns}", "-strict")
        stack.enter_context(
            _running(("pebble", *server), folder / "pebble.log", QUICK | ways, "ACME directory available")
        )
        yield Pebble(folder, port, management, names)


@contextmanager
def _running(command: tuple[str, ...], log: Path, ways: Mapping[str, str], said: str = "") -> Iterator[None]:
    with log.open("wb") as heard:
        started = subprocess.Popen(command, stdout=heard, stderr=heard, env=os.environ | ways)
    try:
        until(lambda: said in log.read_text("utf-8", "replace") or started.poll() is not None, command[0])
        assert started.poll() is None, log.read_text("utf-8", "replace")
        yield
    finally:
        started.kill()
        started.wait()
