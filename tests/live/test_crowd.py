"""Many connections of few strangers: they cost nginx little, and take nobody else's place in the queue of a door."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from gateway.attachments import tokens
from gateway.doors import DOORS
from gateway.serving.nginx_conf import MOST_SPILLED
from sandbox import callbacks
from tests.live.house import HOST, House, family_of, opened

LINK = f"/media/{'a' * tokens.SHORTEST}/a.pdf"
NOTIFY = "/api/whatsapp/accounts/%d/notify"
LENGTH, CHUNKED = "content-length: 1048576", "transfer-encoding: chunked"
HALF, HALF_CHUNKED = b"x" * 2**18, b"80000\r\n" + b"x" * 2**18
KB_PER_CONNECTION = 128  # TLS takes a third of that
PATIENCE_SECONDS = 180
AT_A_TIME = 50  # connections that are being made: nginx waits for none of them for long
OFF = {"unknown_tokens_per_address": "off"}


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with opened(attachments={"token_keys": ["a key of some length"]}, limits=OFF) as made:
        yield made


class Crowd:
    """Connections that each say the same, from one of so many addresses, and again when they are answered."""

    def __init__(self, house: House, said: bytes, *, addresses: int, port: int) -> None:
        self._said, self._addresses, self._port = said, addresses, port
        self._tls = ssl.create_default_context(cafile=str(house.folder / "ca.pem"))
        self._gone = Event()
        self._turns = asyncio.Semaphore(AT_A_TIME)
        self.begun = 0
        self.answers: Counter[int] = Counter()

    def go(self) -> None:
        self._gone.set()

    async def stay(self, size: int) -> None:
        tasks = [asyncio.create_task(self._one(f"127.0.1.{number % self._addresses + 1}")) for number in range(size)]
        await asyncio.to_thread(self._gone.wait)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, source: str) -> None:
        async with self._turns:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self._port, ssl=self._tls, server_hostname=HOST, local_addr=(source, 0)
            )
        try:
            while True:
                writer.write(self._said)
                await writer.drain()
                self.begun += 1
                head = await reader.readuntil(b"\r\n\r\n")
                self.answers[int(head.split(b" ")[1])] += 1
                await reader.readexactly(int(re.findall(rb"(?i)content-length: ([0-9]+)", head)[0]))
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@contextlib.contextmanager
def crowd(house: House, said: bytes, *, size: int, addresses: int = 4, port: int = 0) -> Iterator[Crowd]:
    """One that has said it; it goes with the block."""
    made = Crowd(house, said, addresses=addresses, port=port or house.public_port)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(asyncio.run, made.stay(size))
        try:
            house.wait_for(lambda: made.begun >= size, seconds=PATIENCE_SECONDS)
            yield made
        finally:
            made.go()
            running.result()


def request(method: str, target: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", f"host: {HOST}", *headers, "", ""]).encode() + body


def nginx_kb(house: House) -> int:
    """What all processes of nginx hold, in kB, what they share counted once."""
    family = family_of(house.pid("nginx"))
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8") for pid in family]
    return sum(int(kb) for rollup in rollups for kb in re.findall(r"(?m)^Pss: +([0-9]+) kB", rollup))


FORGED = request("POST", NOTIFY % 7, "content-length: 2", body=b"{}")


def test_three_thousand_connections_of_four_addresses_take_no_place_of_a_right_callback(house: House) -> None:
    with crowd(house, FORGED, size=3000) as strangers:
        house.wait_for(lambda: strangers.answers[429] > 1000, seconds=PATIENCE_SECONDS)
        sinch = house.sinch(source_address="127.0.0.9")
        assert [sinch.send(callbacks.text(f"{number}")).status for number in range(100)] == [200] * 100
    assert strangers.answers.keys() == {401, 429}


def test_nor_of_who_fetches_a_file(house: House) -> None:
    with crowd(house, request("GET", LINK), size=2600) as strangers:
        house.wait_for(lambda: strangers.answers[429] > 1000, seconds=PATIENCE_SECONDS)
        assert {house.ask(LINK, method="GET").status for _ in range(50)} == {404}
    assert strangers.answers.keys() == {404, 429}


HALVES: dict[str, tuple[str, bytes]] = {
    "to a connector that does not exist": ("public", request("POST", NOTIFY % 999, LENGTH, body=HALF)),
    "to one that does": ("public", request("POST", NOTIFY % 7, LENGTH, body=HALF)),
    "announced alone": ("public", request("POST", NOTIFY % 7, LENGTH)),
    "in chunks": ("public", request("POST", NOTIFY % 7, CHUNKED, body=HALF_CHUNKED)),
    "to nowhere": ("public", request("POST", "/x", LENGTH, body=HALF)),
    "to a link": ("public", request("GET", LINK, CHUNKED, body=HALF_CHUNKED)),
    "to the office": ("ops", request("POST", "/readyz", LENGTH, body=HALF)),
    "headers": ("public", request("POST", NOTIFY % 7, "x: y")[:-4]),
}


@pytest.mark.parametrize(("door", "half"), HALVES.values(), ids=HALVES)
def test_half_a_request_is_held_in_small_buffers(house: House, door: str, half: bytes) -> None:
    before, size = nginx_kb(house), 150
    with crowd(house, half, size=size, port=house.ops_port if door == "ops" else house.public_port):
        assert house.sinch(source_address="127.0.0.9").send(callbacks.text("beside it")).status == 200
        assert nginx_kb(house) - before < size * KB_PER_CONNECTION


def test_bodies_that_wait_on_the_disk_are_limited_in_number(house: House) -> None:
    half = request("POST", NOTIFY % 7, CHUNKED, body=b"4\r\nabcd\r\n")
    size = MOST_SPILLED + 100
    with crowd(house, half, size=size, addresses=size // 100) as strangers:
        house.wait_for(lambda: strangers.answers[429] >= 100)
        assert house.ask(NOTIFY % 7, method="POST", body=b"x" * 20_000).status == 429
        assert house.sinch(source_address="127.0.0.9").send(callbacks.text("beside them")).status == 200


def test_whoever_comes_through_a_trusted_proxy_is_counted_by_its_own_address() -> None:
    server: dict[str, Any] = {"trusted_proxies": ["127.0.1.1"]}
    most = DOORS["ingress"].per_client
    with opened(server=server, limits=OFF) as house:

        def half(client: str) -> bytes:
            return request("POST", NOTIFY % 7, f"x-forwarded-for: {client}", "content-length: 9")

        with crowd(house, half("203.0.113.5"), size=most + 10, addresses=1) as strangers:
            house.wait_for(lambda: strangers.answers[429] >= 10)
            with crowd(house, half("203.0.113.6"), size=most, addresses=1) as others:
                assert others.answers == {}
                assert house.sinch(source_address="127.0.0.9").send(callbacks.text("beside them")).status == 200
