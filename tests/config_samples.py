"""Settings documents for tests: the smallest one that is right, and changes to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from gateway import config
from gateway.errors import SettingsError

ABSENT = object()


def account(**changes: Any) -> dict[str, Any]:
    """An account table; a key changed to ABSENT is left out."""
    right = {
        "connector_id": 7,
        "name": "Support",
        "region": "eu",
        "project_id": "project-1",
        "app_id": "app-1",
        "webhook_secrets": ["a webhook secret of some length"],
    }
    return {key: value for key, value in (right | changes).items() if value is not ABSENT}


def document(**tables: Any) -> dict[str, Any]:
    """The smallest settings that are right, with `tables` on top, key by key; `account` as a whole."""
    right: dict[str, Any] = {
        "server": {"public_url": "https://gateway.example.com"},
        "motion": {"url": "https://motion.internal"},
        "account": [account()],
    }
    for name, table in tables.items():
        both_tables = isinstance(table, dict) and isinstance(right.get(name), dict)
        right[name] = right[name] | table if both_tables else table
    return {
        name: {key: value for key, value in table.items() if value is not ABSENT} if isinstance(table, dict) else table
        for name, table in right.items()
        if table is not ABSENT
    }


def settings(environ: Mapping[str, str] | None = None, **tables: Any) -> config.Settings:
    """The settings understood from `document(**tables)`."""
    return config.understand(document(**tables), environ or {})


def refusal(environ: Mapping[str, str] | None = None, **tables: Any) -> str:
    """The message with which `document(**tables)` is refused."""
    with pytest.raises(SettingsError) as caught:
        settings(environ, **tables)
    return str(caught.value)


def problems(message: str) -> dict[str, str]:
    """The problems of a message: what is said about each key, its value and remedy included."""
    lines = message.splitlines()[2:]
    return {
        head.split(" = ")[0].split(" (")[0].strip(): f"{head.strip()} {body.strip()}"
        for head, body in zip(lines[::2], lines[1::2], strict=True)
    }
