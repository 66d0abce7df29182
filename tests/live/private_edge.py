"""nginx before a private door of the tests, which hears exactly what nginx passes on and answers as it is told."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import config, paths
from gateway.config.listeners import SINCH_NAMES, SINCH_NAMES_PORT
from gateway.serving import nginx, nginx_conf
from sandbox.child import Child
from sandbox.connection import Answer, Request, Route, exchange
from sandbox.listener import Listener, reserve
from tests.live.house import PATIENCE_SECONDS, House, opened
from tests.peer_samples import raw_request

NAME = "gateway.internal"  # of the pages
PORT = 8444
EU, US, AUTH = SINCH_NAMES.values()
MOTION, STRANGER = "127.0.0.1", "127.0.0.9"
ADDRESS = "the address"  # of whichever edge is asked, as a name or as a host
# Each edge has an address with a port 443 of its own; so have those of whoever else runs these tests on this machine.
_ADDRESSES = (str(ipaddress.ip_address("127.0.0.0") + (os.getpid() << 8) % 2**24 + last) for last in range(1, 255))
KEYS = {"token_keys": ["a key of the private edge"]}
LOG = "nginx.log"

Reply = Callable[[socket.socket, bytes], None]


def echo(connection: socket.socket, heard: bytes) -> None:
    """Say what was heard."""
    head, _, body = heard.partition(b"\r\n\r\n")
    line, *headers = head.decode("latin-1").split("\r\n")
    method, target, _ = line.split(" ")
    told = {"method": method, "target": target, "headers": [h.split(": ", 1) for h in headers], "bytes": len(body)}
    answer(200, json.dumps(told).encode())(connection, heard)


def answer(status: int, body: bytes = b"", **headers: str) -> Reply:
    """A reply with this status; underscores of the names stand for hyphens."""
    pairs = {name.replace("_", "-"): value for name, value in headers.items()} | {"Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in pairs.items())

    def reply(connection: socket.socket, heard: bytes) -> None:
        del heard
        connection.sendall(f"HTTP/1.1 {status} Told\r\n{head}\r\n".encode() + body)

    return reply


class Door:
    """Listens where nginx looks for the door."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._listener = Listener(self._serve, host=str(path))
        self.reply: Reply = echo
        self.heard: list[bytes] = []
        self.open()

    def open(self) -> None:
        self._listener.open()
        self._path.chmod(0o777)

    def close(self) -> None:
        self._listener.release()

    def _serve(self, connection: socket.socket) -> None:
        if heard := raw_request(connection):
            self.heard.append(heard)
            self.reply(connection, heard)


@dataclass
class Edge:
    """What a test needs of it."""

    house: House
    door: Door
    address: str
    port: int
    sinch_port: int
    ca: Path

    def ask(
        self,
        target: str = "/eu/v1/projects/p/messages",
        *,
        name: str = NAME,
        source: str = MOTION,
        **request: Any,
    ) -> Answer:
        """A request over a connection for `name` (an address: without one), with any Host."""
        place, name = self.place(name), name.replace(ADDRESS, self.address)
        if request.get("host") == ADDRESS:
            request["host"] = self.address
        way: dict[str, Any] = {"connect_to": place, "source_address": source, "timeout_seconds": PATIENCE_SECONDS}
        route = Route(url=f"https://{name}:{place[1]}/", ca_file=self.ca, **way)
        return exchange(route, Request(target=target, **{"method": "GET", **request}))

    def place(self, name: str | None) -> tuple[str, int]:
        """Where a name leads to."""
        return self.address, self.sinch_port if name in SINCH_NAMES.values() else self.port

    def told(self, answer: Answer) -> dict[str, Any]:
        """What the echoing door has heard."""
        assert answer.status == 200, answer
        found: dict[str, Any] = json.loads(answer.body)
        return found

    @property
    def log(self) -> str:
        return (self.house.folder / LOG).read_text("utf-8")

    def lines(self, **fields: object) -> list[dict[str, Any]]:
        """nginx's lines in our form that have these fields."""
        whole, _end, _being_written = self.log.rpartition("\n")
        lines = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
        return [line for line in lines if all(line.get(name) == value for name, value in fields.items())]


def own_address() -> str:
    """One of this machine's that nobody else listens on."""
    return next(_ADDRESSES)


@contextlib.contextmanager
def furnished(**server: Any) -> Iterator[House]:
    """A house with a private door, and a certificate of `certs private-ca` for all of its names; nothing runs yet."""
    address = own_address()
    with opened(started=False, attachments=KEYS) as house, reserve(address, PORT):
        ca = house.folder / "private-ca"
        house.command("certs", "private-ca", "--dir", str(ca), NAME, address, *SINCH_NAMES.values())
        leaf = ca / "leaves" / NAME
        house.tables["server"] |= {
            "outbound_address": address,
            "outbound_port": PORT,
            "outbound_clients": [MOTION],
            "outbound_names": [NAME],
            "outbound_certificate": str(leaf / "fullchain.pem"),
            "outbound_private_key": str(leaf / "privkey.pem"),
            **server,
        }
        house.write_settings()
        yield house


@contextlib.contextmanager
def standing(changes: Mapping[str, str] | None = None, **server: Any) -> Iterator[Edge]:
    """nginx with the configuration of such a house, some of its words changed, before a door that echoes."""
    with furnished(sinch_names=True, **server) as house, sinch_port(house) as port:
        settings = config.load(house.config, {})
        address = settings.server.outbound_address
        path = nginx_conf.write(settings)
        text = path.read_text("utf-8")
        moved = {f"listen {address}:{SINCH_NAMES_PORT} ": f"listen {address}:{port} "}
        for old, new in {**moved, **(changes or {})}.items():
            assert old in text
            text = text.replace(old, new)
        path.write_text(text, "utf-8")
        house.children.append(Child(nginx.command(settings), house.folder / LOG))
        door = Door(paths.socket(settings, "outbound"))
        ca = house.folder / "private-ca" / "ca.pem"
        built = Edge(house, door, address, settings.server.outbound_port, port, ca)
        try:
            house.wait_for(lambda: (house.folder / LOG).exists() and built.ask("/").status == 200)
            door.heard.clear()
            yield built
        finally:
            door.close()


@contextlib.contextmanager
def sinch_port(house: House) -> Iterator[int]:
    """443, as it is; another one for those who may not open that."""
    address = house.tables["server"]["outbound_address"]
    try:
        held = reserve(address, SINCH_NAMES_PORT)
    except PermissionError:
        held = reserve(address)
    with held:
        yield held.getsockname()[1]
