"""The second door with hand-made services, and links to the files on its shelf."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from gateway import app
from gateway.attachments import tokens
from gateway.attachments.decision import Item
from gateway.attachments.tokens import Grant, Purpose
from gateway.doors import NGINX, SENDER, VAULT_LOCATION
from gateway.inspection.rulebook import VerdictKind
from gateway.store.engines import Database
from tests.door_samples import ADDRESS
from tests.service_samples import NOW, HandClock, services
from tests.shelf_samples import HandShelf

PROXY_TOKEN = "proxy-token-of-the-tests"
KEY = "a key of the tests, long enough"
LINKS = {"proxy_token": PROXY_TOKEN, "token_keys": [KEY]}
JPEG = "12"  # the attachment that most tests ask for


def proxied(attachment_id: str = JPEG, *, query: str = f"token={PROXY_TOKEN}") -> str:
    """The link that Motion builds, without its origin."""
    return f"/api/attachments/{attachment_id}/download?{query}"


def grant(item: Item, **changes: Any) -> Grant:
    """What a minted link to `item` allows for an hour, where nothing else is said."""
    usual = Grant(
        attachment_id=item.attachment_id,
        digest=item.digest,
        kind=VerdictKind.NATIVE,
        mime="image/jpeg",
        name="grüße.jpg",
        purpose=Purpose.MESSAGE,
        issued_at=int(NOW),
        expires_at=int(NOW) + 3600,
    )
    return dataclasses.replace(usual, **changes)


def minted(given: Grant, *, key: str = KEY) -> str:
    return tokens.path(tokens.mint(given, keys=[key]), given.name)


def minted_before(given: Grant) -> str:
    """A link to the same as an older release made it: its token does not say the verdict."""
    head = struct.pack(">cQ32s", given.purpose[:1].encode(), given.expires_at, given.digest)
    texts = "\0".join((given.attachment_id, given.mime, given.name)).encode()
    sealed = tokens._fernet(KEY).encrypt_at_time(head + texts, given.issued_at)
    return tokens.path(sealed.decode().rstrip("="), given.name)


@dataclass
class FileDoor:
    """The door, called without sockets."""

    shelf: HandShelf
    clock: HandClock
    client: FlaskClient
    behind_nginx: bool = False  # which is played here: it sends the file that the door names

    def ask(self, link: str, *, method: str = "GET", address: str = ADDRESS, **headers: str) -> TestResponse:
        """A request through nginx; what is asked with headers, or otherwise than by GET, the door sends itself."""
        given = {"x-real-ip": address, "x-request-id": "r-1"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        if self.behind_nginx and method == "GET" and not headers:
            given[SENDER] = NGINX
        answer = self.client.open(link, method=method, headers=given, buffered=True)
        if given.get(SENDER) and (place := answer.headers.pop(NGINX, None)):
            answer.set_data((self.shelf.folder / place.removeprefix(f"{VAULT_LOCATION}/")).read_bytes())
        return answer


@contextmanager
def opened(spool: Database, *, behind_nginx: bool = False, **tables: Any) -> Iterator[FileDoor]:
    """The door with both kinds of links, unless the settings of `config_samples.settings(**tables)` say otherwise."""
    clock = HandClock()
    tables["attachments"] = LINKS | tables.get("attachments", {})
    shared = services(spool, clock=clock, **tables)
    shelf = HandShelf(spool.path.parent / "vault", clock)
    door = app.create_app(dataclasses.replace(shared, shelf=shelf), door="attachments")
    yield FileDoor(shelf, clock, door.test_client(), behind_nginx)
