"""Sends prepared callbacks at a fixed rate, whether or not the ones before are answered: an open loop.

A callback that finds every connection busy waits for one; its time counts from the moment when it was due.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.letters import Letter
from bench.site import Site

CONNECTIONS = 64
LATE_SECONDS = 20.0  # how long after the last one was due answers are waited for

_LENGTH = re.compile(rb"\r\ncontent-length: ([0-9]+)\r\n", re.IGNORECASE)


@dataclass(kw_only=True)
class Offer:
    """What became of the callbacks, by the status of the answer; 0: none."""

    rate: int
    sent: int
    accepted: set[str] = field(default_factory=set, repr=False)  # the nonces of those answered 200
    statuses: dict[int, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list, repr=False)  # in seconds, of those answered 200
    moments: list[float] = field(default_factory=list, repr=False)  # of these, when each was due: from the first one on
    seconds: float = 0.0  # from the first that was due to the last answer

    def note(self, letter: Letter, status: int, *, moment: float, seconds: float) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status == 200:
            self.accepted.add(letter.nonce)
            self.latencies.append(seconds)
            self.moments.append(moment)

    def percentile(self, share: float) -> float:
        """In milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[int(share * (len(ordered) - 1))] if ordered else 0.0

    def worst(self, count: int) -> list[tuple[float, float]]:
        """Of so many when they were due, in seconds, and how long they took, in milliseconds, in the order of time."""
        slowest = sorted(zip(self.latencies, self.moments, strict=True))[-count:]
        return sorted((moment, 1000 * seconds) for seconds, moment in slowest)


def send(site: Site, letters: Sequence[Letter], *, rate: int) -> Offer:
    """So many a second; returns when all are answered, or LATE_SECONDS after the last was due."""
    return asyncio.run(_send(site, letters, rate))


async def _send(site: Site, letters: Sequence[Letter], rate: int) -> Offer:
    offer = Offer(rate=rate, sent=len(letters))
    due: asyncio.Queue[tuple[float, Letter]] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    began = loop.time()
    senders = [asyncio.create_task(_serve(site, due, offer, began)) for _ in range(CONNECTIONS)]
    for number, letter in enumerate(letters):
        moment = began + number / rate
        if (early := moment - loop.time()) > 0:
            await asyncio.sleep(early)
        due.put_nowait((moment, letter))
    try:
        await asyncio.wait_for(due.join(), LATE_SECONDS)
    except TimeoutError:
        offer.statuses[0] = len(letters) - sum(offer.statuses.values())
    offer.seconds = loop.time() - began
    for sender in senders:
        sender.cancel()
    await asyncio.gather(*senders, return_exceptions=True)
    return offer


async def _serve(site: Site, due: asyncio.Queue[tuple[float, Letter]], offer: Offer, began: float) -> None:
    """One connection, opened again whenever it ends."""
    loop, wire = asyncio.get_running_loop(), None
    try:
        while True:
            moment, letter = await due.get()
            try:
                wire = wire or await _connect(site)
                status = await _exchange(*wire, letter.request)
            except (OSError, EOFError):
                status, wire = 0, None
            offer.note(letter, status, moment=moment - began, seconds=loop.time() - moment)
            due.task_done()
    finally:
        if wire:
            wire[1].close()


async def _connect(site: Site) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    route = site.sinch.route
    host, port = route.address
    way: dict[str, Any] = {"ssl": route.tls, "server_hostname": route.parts.hostname}
    return await asyncio.open_connection(host, port, **way)


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    await reader.readexactly(int(length[1]) if length else 0)
    if b"connection: close" in head.lower():
        writer.close()
        raise EOFError
    return int(head.split(b" ", 2)[1])
