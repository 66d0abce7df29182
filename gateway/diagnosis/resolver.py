"""Says whom the gateway calls, and asks this machine's resolver for addresses, for some seconds at most."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress

from gateway import clock
from gateway.config import Settings, addresses

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


def called(settings: Settings) -> Iterator[tuple[str, str]]:
    """Tell whom the gateway calls: the setting, and the host that is looked for, which of a proxy is its own."""
    tables_of: dict[str, tuple[str, ...]] = {"motion": ("url",)}
    if settings.attachments.store:
        yield "attachments.store_url", addresses.host(settings.attachments.store_url or "https://s3.amazonaws.com")
    if settings.server.has_outbound:
        tables_of["sinch"] = (*sorted({account.region for account in settings.accounts}), "auth")
    for name, keys in tables_of.items():
        table = getattr(settings, name)
        for key in ("proxy",) if table.proxy else keys:
            yield f"{name}.{key}", addresses.host(getattr(table, key))
