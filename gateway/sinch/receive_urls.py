"""The URLs to which Sinch posts callbacks: that of an account, and those that stand in webhooks."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, quote, urlsplit

from gateway.config import Account, addresses, tables

PATH = re.compile(r"/api/whatsapp/accounts/([^/]{1,40})/notify/?")

_PORTS = {"https": 443, "http": 80}


def ours(server: tables.ServerSettings, account: Account, *, reveal: bool) -> str:
    """Write where Sinch sends the callbacks of `account`; its token as stars unless `reveal`."""
    url = f"{server.public_origin}{addresses.receive_path(account.connector_id)}"
    if not account.receive_token:
        return url
    token = quote(account.receive_token.get_secret_value(), safe="") if reveal else "***"
    return f"{url}?token={token}"


def parts(url: str) -> SplitResult | None:
    """Take a URL of http or https apart; None where it is none."""
    try:
        found = urlsplit(url)
        _ = found.port  # read now: it may be none
    except ValueError:
        return None
    return found if found.scheme in _PORTS and found.hostname else None


def place(found: SplitResult) -> tuple[object, ...]:
    """Say what two spellings of one URL have in common."""
    return found.scheme, found.hostname, port(found), found.path, found.query


def port(found: SplitResult) -> int:
    return found.port or _PORTS[found.scheme]


def shown(url: str) -> str:
    """Write a URL without user, password and query: they may be secret."""
    found = parts(url)
    if found is None:
        return "(no URL)"
    return f"{found.scheme}://{found.netloc.rpartition('@')[2]}{found.path}{'?***' if found.query else ''}"
