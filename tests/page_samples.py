"""The operations page without sockets: its routes, and a browser's visits to it."""

from __future__ import annotations

import re
import secrets
from typing import Any

from werkzeug.test import TestResponse

from gateway.page import COOKIE, sessions
from gateway.page.views import VIEWS
from tests.door_samples import Door

SERVED = {(view.path, method) for view in VIEWS for method in (("POST",) if view.posted else ("GET", "HEAD"))}
PATHS = {re.sub("<(?:[a-z]+:)?(?:[a-z]+_)?([a-z]+)>", r"{\1}", view.path) for view in VIEWS}  # as `exposure` has them

HOST = "localhost:9443"
PASSWORD = "correct horse battery"
HASH = (  # of it; made once, for that takes a tenth of a second
    "scrypt:32768:8:1$UJHeH9saMRE1HrnY$bcd2d61a0a1c62ebe0c3c5daecd2fd754bb3dcc731"
    "82902e589b8fa24b29ee3a3ed467d89a22c211a63d107cc050a4fc181a7a2f9d8046e935fb1eaedbcf658d"
)
ANNA = {"name": "anna", "role": "operator", "password_hash": HASH, "reveal": True}
BOB = {"name": "bob", "role": "support", "password_hash": HASH}
USERS = [ANNA, BOB]
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "sec-fetch-site": "same-origin"}


def visit(door: Door, path: str, *, host: str = HOST, **headers: str) -> TestResponse:
    """What a browser gets at `path`."""
    return door.client.get(path, headers=BROWSER | {"host": host} | headers, base_url=f"https://{host}")


def token_of(page: TestResponse) -> str:
    """The token that the forms of a page carry."""
    found = re.search(r'name="form" value="([0-9a-f]+)"', page.text)
    assert found, page.text
    return found[1]


def sign_in(door: Door, name: str = "anna") -> str:
    """Let the client have a session of a user, without the form; its token."""
    token = secrets.token_urlsafe(32)
    user = next(user for user in door.services.settings.users if user.name == name)
    door.services.spool.tell(lambda run: sessions.begin(run, token, user, now=door.clock.now()))
    door.client.set_cookie(COOKIE, token, domain="localhost", secure=True)
    return token


def post(
    door: Door,
    path: str,
    *,
    token: str | None = None,
    host: str = HOST,
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> TestResponse:
    """What a browser gets that posts a form; with the token of the form to sign in, where none is given.

    All forms of a session have one token, and that page draws one for whoever comes.
    """
    shown = token_of(visit(door, "/sign-in", host=host)) if token is None else token
    told = BROWSER | {"host": host, "origin": f"https://{host}"} | (headers or {})
    return door.client.post(path, data={"form": shown} | fields, headers=told, base_url=f"https://{host}")
