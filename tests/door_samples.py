"""Doors with hand-made services: a client of one, and callbacks that are signed for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType
from typing import Any

import pytest
import structlog
from flask.testing import FlaskClient
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.test import TestResponse

from gateway import app, errors, telemetry
from gateway.doors import DOORS
from gateway.services import Services
from gateway.store import schema
from gateway.store.engines import Database
from sandbox import signing
from tests.service_samples import NOW, HandClock, services
from tests.spool_samples import rows

SECRET = "a webhook secret of some length"
NOTIFY = "/api/whatsapp/accounts/7/notify"
ADDRESS = "192.0.2.1"

Log = Callable[[], list[dict[str, Any]]]


def message(name: str = "m1", **content: Any) -> bytes:
    """The body of the inbound message `name`."""
    return json.dumps({"app_id": "app-1", "message": {"id": name, "contact_id": "c1"} | content}).encode()


def signed(body: bytes, *, secret: str = SECRET, nonce: str | None = None, timestamp: int = int(NOW)) -> dict[str, str]:
    """The headers that Sinch and nginx would send with `body`."""
    signature = signing.sign(body, secret, nonce or signing.ulid(NOW), timestamp)
    return {"content-type": "application/json", "x-request-id": "r-1", "x-real-ip": ADDRESS, **signature}


class _Compiled(BytecodeCache):
    """Templates that one application of this process has compiled, for the next."""

    def __init__(self) -> None:
        self._codes: dict[str, CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get(bucket.key)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._codes[bucket.key] = bucket.code


TEMPLATES = _Compiled()


@dataclass
class Door:
    """An application of one door, called without sockets."""

    services: Services
    clock: HandClock
    client: FlaskClient

    def post(
        self, body: bytes | None = None, headers: Mapping[str, str] | None = None, *, path: str = NOTIFY
    ) -> TestResponse:
        """Post a callback; fresh and rightly signed, where nothing else is said."""
        given = message() if body is None else body
        return self.client.post(path, data=given, headers=signed(given) if headers is None else headers)

    @property
    def events(self) -> list[Any]:
        return rows(self.services.spool, schema.event)


@contextmanager
def opened(spool: Database, *, door: str = "ingress", **tables: Any) -> Iterator[Door]:
    """The application of `door` with the settings of `config_samples.settings(**tables)`."""
    clock = HandClock()
    shared = services(spool, clock=clock, **tables)
    application = app.create_app(shared, door=door)
    application.jinja_env.bytecode_cache = TEMPLATES
    yield Door(shared, clock, application.test_client())


def assert_refused(answer: TestResponse, status: int, *, door: str = "ingress") -> None:
    """Every refusal of a status is the same, whoever asks and whatever the reason."""
    assert (answer.status_code, answer.data) == (status, errors.body(status))
    expected = {"Content-Type": "application/json", "Content-Length": str(len(answer.data)), **DOORS[door].headers}
    if status in (429, 503):
        expected["Retry-After"] = "5"
    if status == 401 and door == "ops":
        expected["WWW-Authenticate"] = 'Basic realm="Motion Gateway", charset="UTF-8"'
    assert dict(answer.headers) == expected


@contextmanager
def logged(capfd: pytest.CaptureFixture[str], process: str) -> Iterator[Log]:
    """What `process` logs, read as often as one likes."""
    telemetry.configure(process)
    lines: list[str] = []

    def read() -> list[dict[str, Any]]:
        # What another thread writes while pytest empties its file begins behind as many NULs as were in it before.
        lines.append(capfd.readouterr().err.replace("\0", ""))
        return [json.loads(line) for line in "".join(lines).split("\n")[:-1]]

    yield read
    structlog.reset_defaults()
