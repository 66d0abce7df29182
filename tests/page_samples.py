"""The operations page without sockets: its routes, and a browser's visits to it."""

from __future__ import annotations

import re
from typing import Any

from werkzeug.test import TestResponse

from gateway.page.routes import TABLES
from tests.door_samples import Door

VIEWS = tuple(view for rows in TABLES for view in rows)
SERVED = {(view.path, method) for view in VIEWS for method in (("POST",) if view.posted else ("GET", "HEAD"))}
PATHS = {re.sub("<(?:[a-z]+:)?(?:[a-z]+_)?([a-z]+)>", r"{\1}", view.path) for view in VIEWS}  # as `exposure` has them

HOST = "localhost:9443"
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "sec-fetch-site": "same-origin"}


def visit(door: Door, path: str, *, host: str = HOST, **headers: str) -> TestResponse:
    """What a browser gets at `path`."""
    return door.client.get(path, headers=BROWSER | {"host": host} | headers, base_url=f"https://{host}")


def token_of(page: TestResponse) -> str:
    """The token that the forms of a page carry."""
    found = re.search(r'name="form" value="([0-9a-f]+)"', page.text)
    assert found, page.text
    return found[1]


def post(
    door: Door,
    path: str,
    *,
    token: str | None = None,
    host: str = HOST,
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> TestResponse:
    """What a browser gets that posts a form; with the token of the page at `/`, where none is given."""
    shown = token_of(visit(door, "/", host=host)) if token is None else token
    told = BROWSER | {"host": host, "origin": f"https://{host}"} | (headers or {})
    return door.client.post(path, data={"form": shown} | fields, headers=told, base_url=f"https://{host}")
