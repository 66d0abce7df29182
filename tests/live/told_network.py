"""A program: a link is followed on a machine where names lead as it is told, and connections are noted and refused.

`python -m tests.live.told_network CONFIG URL ANSWER…`: each lookup has the next answer, addresses with commas between,
and the last one again and again. Says in JSON what was looked up, what was connected to, and what came of it.
"""

from __future__ import annotations

import itertools
import json
import socket
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Follow the link once."""
    url, answers = sys.argv[2], sys.argv[3:]
    looked, connected = list[str](), list[str]()
    told = itertools.chain(answers, itertools.repeat(answers[-1]))

    def look_up(host: str, port: int, *_: object, **__: object) -> list[tuple[Any, ...]]:
        looked.append(host)
        found = next(told).split(",")
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in found]
        return [
            (family, socket.SOCK_STREAM, 0, "", (address, port))
            for family, address in zip(families, found, strict=True)
        ]

    class Refusing(socket.socket):
        def connect(self, address: Any, /) -> None:
            connected.append(address[0])
            raise ConnectionRefusedError

    socket.getaddrinfo, socket.socket = look_up, Refusing  # type: ignore[assignment, misc] # this machine's, and no other's
    from gateway import config  # not above: its sockets are then made of that one
    from gateway.errors import GatewayError
    from gateway.inbound.source import MediaSource

    try:
        MediaSource(config.load(Path(sys.argv[1]), {})).fetch(url, lambda _chunk: None, expect=lambda _size: None)
        outcome = "fetched"
    except GatewayError as error:
        outcome = str(error.reason)
    print(json.dumps({"looked": looked, "connected": connected, "outcome": outcome}))


if __name__ == "__main__":
    main()
