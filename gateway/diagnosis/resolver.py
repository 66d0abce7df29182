"""Asks this machine's resolver for addresses, and does not wait for one that gives no answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from contextlib import suppress

from gateway import clock

SECONDS = 3.0


def ask(hosts: Iterable[str]) -> dict[str, list[str]]:
    """Find the addresses of hosts, all at once and for `SECONDS` at most; who has none is left out."""
    known: dict[str, list[str]] = {}

    def look(host: str) -> None:
        with suppress(OSError, UnicodeError):
            known[host] = sorted({str(row[4][0]) for row in socket.getaddrinfo(host.strip("[]"), None)})

    asking = [threading.Thread(target=look, args=(host,), daemon=True) for host in {*hosts}]
    for thread in asking:
        thread.start()
    until = clock.steady() + SECONDS
    for thread in asking:
        thread.join(max(0.0, until - clock.steady()))
    return known.copy()
