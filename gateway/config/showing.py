"""Shows the settings as they were understood, with the secrets masked."""

from __future__ import annotations

import json
from typing import Any

from gateway.config.tables import Settings


def masked(settings: Settings) -> dict[str, Any]:
    """The settings by table and key as in the file, with units, and with stars for secrets."""
    dumped = settings.model_dump(exclude={"warnings"})
    accounts = [dict(account) for account in dumped.pop("accounts")]
    return dumped | {"account": accounts}


def rendered(settings: Settings) -> str:
    """The masked settings as TOML."""
    tables = masked(settings)
    accounts = tables.pop("account")
    parts = [_table(f"[{name}]", table) for name, table in tables.items()]
    return "\n".join(parts + [_table("[[account]]", account) for account in accounts])


def _table(header: str, table: dict[str, Any]) -> str:
    return "\n".join(
        [header, *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()), ""]
    )
