"""Reads secrets, from the settings or from the file that a `<key>_file` names.

1. The value of a secret stands in no error, warning or listing.
2. What a file holds is taken as it is, but for one newline at its end.
"""

from __future__ import annotations

import stat
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr
from pydantic_core import PydanticCustomError

from gateway.config.reading import malformed

SHORTEST_KEY = 16
LARGEST_FILE_BYTES = 65536

_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # Unicode categories that nobody sees on a screen
_TYPED_REMEDY = "copy it again, without blanks or line breaks around it"
_KEY_REMEDY = "write one made by: openssl rand -base64 33 | tr '+/' '-_'"


@dataclass(frozen=True)
class Hidden:
    """Marks a setting whose value is never shown and may come as `<key>_file`; `many` in a list."""

    many: bool = False


@dataclass(frozen=True)
class SecretFile:
    """What a secret's file held, and whether group or others may read it too."""

    text: str = field(repr=False)
    exposed: bool

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")


def secret(shortest: int = 1) -> Callable[[object], SecretStr]:
    """A reader of secrets of at least `shortest` characters."""

    def read(value: object) -> SecretStr:
        if not isinstance(value, str):
            raise malformed("must be a text in quotes", "write it in quotes")
        if any(unicodedata.category(character) in _UNSEEN for character in value):
            raise malformed("must not hold control characters", _TYPED_REMEDY)
        if value != value.strip():
            raise malformed("must not begin or end with a blank", _TYPED_REMEDY)
        if not value:
            raise malformed("must not be empty", "write it, or leave the key out")
        if len(value) < shortest:
            raise malformed(f"must have at least {shortest} characters", _KEY_REMEDY)
        return SecretStr(str(value))

    return read


def write(value: SecretStr | None) -> str:
    """Stars for a secret, and nothing for none."""
    return "***" if value else ""


def ending(number: str | None) -> str:
    """The end of a phone number: enough to know one's own by."""
    return f"…{number[-3:]}" if number else ""


def write_all(values: tuple[SecretStr, ...]) -> list[str]:
    return [write(value) for value in values]


def open_file(path: Path) -> SecretFile:
    """What the file at `path` holds; raises the error of `malformed` where that is no secret."""
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
        return malformed("names a file we may not read", "give it to the account the gateway runs as, with mode 600")
    return malformed("names a file that cannot be read", "check that file and the disk it lies on")
