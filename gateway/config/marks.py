"""Marks of what must be equal on all nodes that share a spool: they tell whether it is, and give no secret away.

Rule 1. The spool is read by others than the gateway: in a backup, on a standby. So a mark is keyed with the password of
        the database, which stands in no database; the mark of that password itself is keyed with nothing.
Rule 2. A mark of a secret is two bytes of scrypt. Whoever has the spool and that password, or the marks where there is
        none, learns sixteen bits of each secret and no more, however long he counts: of 65,536 guesses one fits by
        chance, and only the gateway itself can tell which is right. Two secrets that differ have the same mark once in
        65,536 times.
Rule 3. What is compared are secrets and settings that somebody outside would see differ. Which a node may have for
        itself, such as certificates, ports and its own way to Motion and Sinch, is not.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from gateway.config import secrets, tables

KEY = "spool.password"
_MARK_BYTES = 2
_SCRYPT: dict[str, Any] = {"n": 2**13, "r": 8, "p": 1, "maxmem": 2**25}  # 8 MiB, some 40 ms


class Key(NamedTuple):
    """What a mark is of: a setting, and of which account or user where there are several."""

    setting: str
    about: str = ""

    def __str__(self) -> str:
        return f"{self.setting} of {self.about}" if self.about else self.setting


class Alike(NamedTuple):
    """A setting that must be equal everywhere, and what happens while it is not; `door` says what is no secret."""

    setting: str
    meaning: str
    door: str = ""


ALIKE = (
    Alike(KEY, "they cannot be compared by what they share: give all nodes one user and password of the database"),
    Alike("server.public_url", "Sinch and phones reach one of them by a name that it does not know", door="ingress"),
    Alike("account.app_id", "callbacks of that account are refused by one of them", door="ingress"),
    Alike("account.webhook_secrets", "callbacks that one of them takes are refused by the other"),
    Alike("account.receive_token", "callbacks that one of them takes are refused by the other"),
    Alike("attachments.proxy_token", "Motion's links to files are answered 404 by one of them"),
    Alike("attachments.token_keys", "links to files that one of them has minted are answered 404 by the other"),
    Alike("attachments.public_path", "Motion's links to files are answered 404 by one of them", door="attachments"),
    Alike("inbound.media", "some files of customers are fetched, and others are not", door="ingress"),
    Alike("motion.sign", "Motion gets what is late signed anew by one of them alone", door="ingress"),
    Alike("attachments.profile", "a file that one of them lets through is refused by the other", door="attachments"),
    Alike("attachments.store", "a link that one of them has minted may have no file at the other", door="attachments"),
    Alike(
        "attachments.store_url", "a link that one of them has minted may have no file at the other", door="attachments"
    ),
    Alike("outbound.gateway_key", "calls of Motion's that one of them takes are refused by the other"),
    Alike("user.password_hash", "whoever signs in to the page of one of them is signed out by the other"),
)
MEANINGS = {row.setting: row.meaning for row in ALIKE}


def made(settings: tables.Settings, door: str) -> dict[Key, str]:
    """Make the marks of what that door works with, with its own settings."""
    return {
        Key(row.setting, about): _mark(value, Key(row.setting, about), settings)
        for row in ALIKE
        if row.setting in secrets.NEEDS[door] or row.door == door
        for about, value in _values(settings, row.setting)
    }


def _values(settings: tables.Settings, setting: str) -> list[tuple[str, Any]]:
    """Give each value that there is of a setting, and whose it is."""
    name, _, key = setting.partition(".")
    if name not in tables.MANY:
        found = [("", getattr(getattr(settings, name), key))]
    else:
        rows = getattr(settings, tables.MANY[name])
        found = [(str(getattr(row, "connector_id", getattr(row, "name", ""))), getattr(row, key)) for row in rows]
    return [(about, value) for about, value in found if value]


def _mark(value: object, key: Key, settings: tables.Settings) -> str:
    if isinstance(value, str):  # no secret
        return hashlib.sha256(value.encode()).hexdigest()[:16]
    several: Any = value if isinstance(value, tuple) else (value,)
    told = "\n".join(sorted(one.get_secret_value() for one in several)).encode("utf-8", "surrogatepass")
    password = settings.spool.password
    keyed = b"" if key.setting == KEY or password is None else password.get_secret_value().encode()
    salt = hashlib.blake2b(str(key).encode(), key=hashlib.sha256(keyed).digest()).digest()
    return hashlib.scrypt(told, salt=salt, dklen=_MARK_BYTES, **_SCRYPT).hex()
