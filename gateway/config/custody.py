"""Leaves each process the secrets that it needs, and takes the others from it.

Rule 1. A process that stands in no row of NEEDS does not start.
Rule 2. What was taken is not there as if it had never been set: who opens it hears so, for a check that
        finds no password must not let everybody in.
"""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from gateway.config import tables
from gateway.config.tables import Settings, Table
from gateway.errors import GatewayError

# Process → the secret settings that it needs. The address of the counters may hold a password: the doors that count
# have it, and who counts nothing has the default.
NEEDS: dict[str, frozenset[str]] = {
    "ingress": frozenset({"account.webhook_secrets", "account.receive_token", "limits.storage"}),
    "attachments": frozenset(
        {
            "motion.password",
            "motion.api_key",
            "attachments.proxy_token",
            "attachments.token_keys",
            "limits.storage",
        }
    ),
    "outbound": frozenset(
        {
            "motion.password",
            "motion.api_key",
            "attachments.token_keys",
            "outbound.gateway_key",
            "account.key_secret",
            "limits.storage",
        }
    ),
    "ops": frozenset({"ops.password"}),
    "courier": frozenset(),
    "nginx": frozenset(),
    "serve": frozenset(),
    "migrate": frozenset(),
}


class Withheld(SecretStr):
    """In the place of a secret that this process has no business with."""

    def __init__(self, setting: str, process: str) -> None:
        super().__init__("")
        self._reason = f"{process} does not keep {setting}"

    def get_secret_value(self) -> str:
        """Raises GatewayError, always."""
        raise GatewayError(self._reason)

    def __len__(self) -> int:
        raise GatewayError(self._reason)

    def __bool__(self) -> bool:
        return True  # it is set; only not for us


def secret_settings() -> frozenset[str]:
    """Every setting that is a secret or may hold one."""
    hidden = {f"{name}.{key}" for name, table in tables.TABLES.items() for key in tables.hidden(table)}
    return frozenset(hidden | {"limits.storage"})


def keep(settings: Settings, process: str) -> Settings:
    """The settings without the secrets that `process`, one of NEEDS, does not need."""
    others = secret_settings() - NEEDS[process]
    kept: dict[str, Any] = {
        name: _without(getattr(settings, name), name, others, process) for name in tables.TABLES if name != "account"
    }
    accounts = tuple(_without(account, "account", others, process) for account in settings.accounts)
    return settings.model_copy(update={**kept, "accounts": accounts})


def _without(table: Table, name: str, others: frozenset[str], process: str) -> Table:
    taken = {
        key: _emptied(getattr(table, key), field.default, Withheld(f"{name}.{key}", process))
        for key, field in type(table).model_fields.items()
        if f"{name}.{key}" in others
    }
    return table.model_copy(update=taken)


def _emptied(value: object, default: object, withheld: Withheld) -> object:
    if isinstance(value, SecretStr):
        return withheld
    if isinstance(value, tuple) and value:
        return (withheld,)
    return default  # there was none; or it is the address of the counters
