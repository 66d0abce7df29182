"""The third door with hand-made services, Motion's files on a hand-made shelf, and a Sinch that does as it is told."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from gateway import app
from gateway.outbound import refusals
from gateway.services import Services
from gateway.sinch.client import Sinch
from gateway.store import schema
from gateway.store.engines import Database
from tests import config_samples
from tests.door_samples import ADDRESS
from tests.peer_samples import Behaviour, Peer, answers, listens_on
from tests.service_samples import HandClock, services
from tests.shelf_samples import HandShelf
from tests.spool_samples import folder_of, rows
from tests.token_samples import KEY as SINCH_KEY
from tests.token_samples import Auth

KEY = "a key of the tests, long enough"
GATEWAY_KEY = "a gateway key of the tests"
PROJECT, APP = "project-1", "app-1"
SEND = f"/eu/v1/projects/{PROJECT}/messages:send"
MESSAGE_ID = "01JQ8VD5T7V9X1Z3B5D7F9H1KE"
ACCEPTED = answers(
    json.dumps({"message_id": MESSAGE_ID, "accepted_time": "2026-11-22T10:00:00Z"}).encode(),
    "Content-Type: application/json",
    then=listens_on,
)
TEXT = {"text_message": {"text": "Buenos días"}}
AUTHORIZATION = "Bearer of-motion"


def sending(message: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """The body of a send to one contact; a text, where nothing else is said."""
    usual = {"app_id": APP, "recipient": {"contact_id": "contact-1"}, "message": TEXT if message is None else message}
    return {name: value for name, value in (usual | more).items() if value is not None}


def media(url: str) -> dict[str, Any]:
    return {"media_message": {"url": url}}


def link(attachment_id: str = "12") -> str:
    """As Motion builds it."""
    return f"https://gateway.example.com/api/attachments/{attachment_id}/download?token=whatever"


@dataclass
class CallDoor:
    """The door, called without sockets; `sinch` hears what comes out."""

    services: Services
    shelf: HandShelf
    clock: HandClock
    client: FlaskClient
    sinch: Peer
    auth: Peer

    def call(
        self,
        target: str = SEND,
        *,
        method: str = "POST",
        body: bytes | dict[str, Any] | None = None,
        authorization: str | None = AUTHORIZATION,
        **headers: str,
    ) -> TestResponse:
        """A call through nginx; a text message, where nothing else is said."""
        said = sending() if body is None and target == SEND else body
        given = {"x-real-ip": ADDRESS, "x-request-id": "r-1", "content-type": "application/json"}
        given |= {"authorization": authorization} if authorization else {}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = json.dumps(said).encode() if isinstance(said, dict) else said
        return self.client.open(target, method=method, data=data, headers=given)

    @property
    def heard(self) -> list[bytes]:
        """The bodies that Sinch heard."""
        return [request.partition(b"\r\n\r\n")[2] for request in self.sinch.requests]

    @property
    def sends(self) -> list[Any]:
        return rows(self.services.spool, schema.send)


@contextmanager
def opened(spool: Database, behaviour: Behaviour = ACCEPTED, **tables: Any) -> Iterator[CallDoor]:
    """The door with the settings of `config_samples.settings(**tables)`, before a Sinch that behaves so."""
    clock = HandClock()
    with ExitStack() as stack:
        sinch, auth = (
            stack.enter_context(closing(Peer(does, host="127.0.0.1", tls=None))) for does in (behaviour, Auth())
        )
        origins = dict.fromkeys(("eu", "us"), f"http://127.0.0.1:{sinch.port}")
        tables["sinch"] = origins | {"auth": f"http://127.0.0.1:{auth.port}"}
        tables["attachments"] = {"token_keys": [KEY]} | tables.get("attachments", {})
        made = services(spool, clock=clock, **tables)
        shelf = HandShelf(folder_of(spool) / "vault", clock)
        caller = stack.enter_context(
            closing(Sinch(made.settings.sinch, clock=clock, pause=lambda _seconds: None, deadline_seconds=1))
        )
        made = dataclasses.replace(made, shelf=shelf, sinch=caller)
        client = app.create_app(made, door="outbound").test_client()
        yield CallDoor(made, shelf, clock, client, sinch, auth)


class _Faulty:
    def call(self, *_: object) -> None:
        raise ZeroDivisionError


def without_sinch(door: CallDoor) -> CallDoor:
    """The same door, which fails in a way that nobody planned for as soon as it turns to Sinch."""
    made = dataclasses.replace(door.services, sinch=_Faulty())  # type: ignore[arg-type]
    return dataclasses.replace(door, client=app.create_app(made, door="outbound").test_client())


def assert_refused(answer: TestResponse, code: str, *, field: str = "") -> dict[str, Any]:
    """A refusal of ours, in Sinch's form and with every header; returns its error."""
    row = refusals.rows()[code]
    error: dict[str, Any] = json.loads(answer.data)["error"]
    assert (answer.status_code, answer.headers[refusals.HEADER]) == (row.status, code), error
    assert error["message"].startswith(f"{code}: ")
    assert [error["details"][0][name] for name in ("reason", "domain")] == [code, "motion-gateway"]
    assert error["details"][0]["metadata"].get("field", "") == field
    assert answer.headers["Content-Type"] == "application/json"
    assert ("Retry-After" in answer.headers) == (row.status in (429, 503))
    return error


def vaulted(**account: Any) -> dict[str, Any]:
    """Settings with which the gateway keeps Sinch's keys."""
    return {
        "outbound": {"vault_credentials": True, "gateway_key": GATEWAY_KEY},
        "account": [config_samples.account(**SINCH_KEY | account)],
    }
