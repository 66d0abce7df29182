"""A program: Sinch's own Python SDK does what it is told, a line of JSON each, and says in JSON what came of it.

The first line says whose client it is, and what this process's host makes of names, as /etc/hosts would.
"""

from __future__ import annotations

import json
import operator
import socket
import sys
from typing import Any

import sinch
from pydantic import BaseModel
from sinch.core.exceptions import SinchException
from sinch.core.pagination import Paginator


def main() -> None:
    """Answer one line after another, until there is none."""
    first = json.loads(sys.stdin.readline())
    _lead(first["hosts"])
    client = sinch.SinchClient(**first["client"])
    for name, origin in first["origins"].items():
        setattr(client.configuration, name, origin)
    for line in sys.stdin:
        print(json.dumps(_outcome(client, json.loads(line))), flush=True)


def _lead(hosts: dict[str, tuple[str, int]]) -> None:
    """Let these names lead there; a port only where Sinch's own is closed to who runs this."""
    look_up = socket.getaddrinfo

    def told(host: Any, port: Any, *more: Any, **how: Any) -> Any:
        return look_up(*hosts.get(host, (host, port)), *more, **how)

    socket.getaddrinfo = told


def _outcome(client: sinch.SinchClient, asked: dict[str, Any]) -> dict[str, Any]:
    client.configuration.project_id = asked["project_id"]
    call = operator.attrgetter(asked["call"])(client.conversation)
    try:
        return {"told": _plain(call(**asked["with"]))}
    except SinchException as error:
        name = f"{type(error).__module__}.{type(error).__name__}"
        return {"raised": name, "message": str(error), "status": error.response_status_code}


def _plain(result: Any) -> Any:
    if isinstance(result, Paginator):
        return [_plain(item) for item in result.iterator()]
    return result.model_dump(mode="json") if isinstance(result, BaseModel) else result


if __name__ == "__main__":
    main()
