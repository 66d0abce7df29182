"""Callbacks for the tests of the spool, and a way to wait for what another thread does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from gateway.callbacks import events
from gateway.spool.database import Database
from gateway.spool.intake import Callback


def callback(
    message: str = "m1", *, contact: str = "c1", text: str = "hello", connector: int = 7, **changes: Any
) -> Callback:
    """The inbound message `message`; `text` makes it other bytes. Not signed unless `nonce` says so.

    `identity` names it by channel identity where `contact` is empty; all else are columns of Callback.
    """
    content = {"id": message, "contact_id": contact, "text": text}
    if identity := changes.pop("identity", ""):
        content["channel_identity"] = {"channel": "WHATSAPP", "identity": identity}
    body = json.dumps({"app_id": "app-1", "message": content}).encode()
    right: dict[str, Any] = {
        "connector_id": connector,
        "event": events.read(body, connector_id=connector),
        "body": body,
        "headers": (("content-type", "application/json"),),
        "query": "",
        "request_id": f"request-{message}",
        "address": "192.0.2.1",
    }
    return Callback(**(right | changes))


def rows(database: Database, table: sa.Table) -> list[sa.Row[Any]]:
    """Everything in a table, in the order it came in."""
    return list(database.read(lambda connection: connection.execute(sa.select(table)).all()))


def until(condition: Callable[[], object], what: str, deadline_seconds: float = 10) -> None:
    """Wait for what only looking can tell. Raises AssertionError, naming `what`, at the deadline."""
    end = time.monotonic() + deadline_seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {deadline_seconds} s"
        pause.wait(0.002)
