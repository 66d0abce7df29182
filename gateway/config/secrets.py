"""Knows which settings are secrets, reads them from their files, gives each process its own, shows and compares them.

1. The value of a secret stands in no error, warning or listing.
2. What a file holds is taken as it is, but for one newline at its end.
3. A process that stands in no row of NEEDS does not start.
4. What was taken from a process is not there as if it had never been set: who opens it hears so, for a check that
   finds no password must not let everybody in.
5. What somebody shows is compared here, in a time that does not tell how much of it was right.
"""

from __future__ import annotations

import hmac
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic_core import PydanticCustomError

from gateway.config import tables
from gateway.config.fields import malformed
from gateway.config.tables import Settings, Table
from gateway.doors import DOORS
from gateway.errors import GatewayError, Unauthorized
from gateway.phrases import Reason

LARGEST_FILE_BYTES = 65536
_SCRYPT = "scrypt:32768:8:1"  # 32 MiB, as OWASP advises with this block size
NOBODYS = f"{_SCRYPT}${'nobody' * 3}${'0' * 128}"

# Process → the secret settings that it needs. The address of the counters may hold a password: the doors that count
# have it, and who counts nothing has the default.
# The spool's they all have: they all have the spool.
_SPOOL = frozenset({"spool.password"})
NEEDS = {
    **{door.name: door.secrets | _SPOOL for door in DOORS.values()},
    "courier": frozenset({"motion.proxy_password"}) | _SPOOL,
    "fetcher": frozenset({"sinch.proxy_password", "attachments.store_key_secret"}) | _SPOOL,
    **dict.fromkeys(("nginx", "serve", "migrate"), _SPOOL),
}
# What it needs beside with some settings alone: what says so of them.
NEEDS_WHERE = {
    ("courier", "account.webhook_secrets"): "signs_anew",
    ("courier", "attachments.token_keys"): "brings_through",
}


@dataclass(frozen=True)
class SecretFile:
    """What a secret's file held, and whether group or others may read it too."""

    text: str = field(repr=False)
    exposed: bool

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")


class Withheld(SecretStr):
    """In the place of a secret that this process has no business with."""

    def __init__(self, setting: str, process: str) -> None:
        super().__init__("")
        self._reason = f"{process} does not keep {setting}"

    def get_secret_value(self) -> str:
        """Refuse: raises GatewayError, always."""
        raise GatewayError(self._reason)

    def __len__(self) -> int:
        raise GatewayError(self._reason)

    def __bool__(self) -> bool:
        return True  # it is set; only not for us


def read_basic(header: str | None, *, reason: Reason) -> tuple[str, str]:
    """Hand back the user and the password that an Authorization header shows (RFC 7617).

    Raises Unauthorized with `reason` if it shows none.
    """
    from werkzeug.datastructures import Authorization  # only who hears or shows a password loads it

    try:
        shown = Authorization.from_header(header)
    except ValueError as error:  # letters beyond ASCII are no base64
        raise Unauthorized(reason) from error
    if shown is None or shown.type != "basic":
        raise Unauthorized(reason)
    return shown["username"] or "", shown["password"] or ""


def basic(username: str, password: str) -> tuple[str, str]:
    """Make the header that shows them, with its name."""
    from werkzeug.datastructures import Authorization

    return "Authorization", Authorization("basic", {"username": username, "password": password}).to_header()


def require_equal(given: str, *, expected: str, reason: Reason) -> None:
    """Prove that the caller knows a static secret. Raises Unauthorized with `reason`."""
    require_one_of(given, expected=(expected,), reason=reason)


def require_one_of(given: str, *, expected: Iterable[str], reason: Reason) -> None:
    """Prove that `given` is one of `expected`. Raises Unauthorized with `reason`."""
    shown = given.encode("utf-8", "surrogatepass")
    # A list, not a generator: every one is tried, so the time taken does not tell which one fitted.
    fits = [hmac.compare_digest(shown, one.encode("utf-8")) for one in expected]
    if not any(fits):
        raise Unauthorized(reason)


def hashed(password: str) -> str:
    """Make of a password what the settings hold of it: scrypt, with a salt of its own."""
    from werkzeug.security import generate_password_hash

    return generate_password_hash(password, _SCRYPT)


def is_password(shown: str, *, hashed: SecretStr | None) -> bool:
    """Tell whether `shown` is the password of that hash; it takes as long where there is none.

    HMAC fills a short key up with NULs (RFC 2104, 2): with some of them behind it a password would be the same one.
    """
    from werkzeug.security import check_password_hash

    return check_password_hash(hashed.get_secret_value() if hashed else NOBODYS, shown) and "\0" not in shown


def open_file(path: Path) -> SecretFile:
    """Read the file at `path`. Raises the error of `malformed` where that is no secret."""
    content, mode = _bytes(path)
    if len(content) > LARGEST_FILE_BYTES:
        raise malformed("names a file too large for a secret", "name the file that holds the secret alone")
    try:
        found = content.decode()
    except UnicodeDecodeError:
        # Without the cause: it holds the bytes of the secret.
        raise malformed("names a file that is not UTF-8", "save the secret as UTF-8 text") from None
    found = found.removesuffix("\n")
    if not found:
        raise malformed("names an empty file", "write the secret into that file")
    return SecretFile(found, exposed=bool(mode & (stat.S_IRWXG | stat.S_IRWXO)))


def secret_settings() -> frozenset[str]:
    """List every setting that is a secret or may hold one."""
    hidden = {f"{name}.{key}" for name, table in tables.TABLES.items() for key in tables.hidden(table)}
    return frozenset(hidden | {"limits.storage"})


def keep(settings: Settings, process: str) -> Settings:
    """Copy the settings without the secrets that `process`, one of NEEDS, does not need."""
    others = secret_settings() - NEEDS[process] - _needed_beside(settings, process)
    kept: dict[str, Any] = {
        name: _without(getattr(settings, name), name, others, process)
        for name in tables.TABLES
        if name not in tables.MANY
    }
    for name, rows in tables.MANY.items():
        kept[rows] = tuple(_without(row, name, others, process) for row in getattr(settings, rows))
    return settings.model_copy(update=kept)


def _needed_beside(settings: Settings, process: str) -> set[str]:
    return {secret for (name, secret), where in NEEDS_WHERE.items() if name == process and getattr(settings, where)}


def _bytes(path: Path) -> tuple[bytes, int]:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise malformed("names something other than a file", "name the file that holds the secret")
        with path.open("rb") as stream:
            return stream.read(LARGEST_FILE_BYTES + 1), mode
    except OSError as error:
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> PydanticCustomError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return malformed("names a file that does not exist", "write the secret into that file, or correct the path")
    if isinstance(error, PermissionError):
        return malformed(
            "names a file we may not read",
            "give it to the account the gateway runs as, with mode 600; to look, type `sudo` before the command",
        )
    return malformed("names a file that cannot be read", "check that file and the disk it lies on")


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
