"""What is wrong with the settings, told so that the operator can put it right.

1. A problem names its key, shows the value where that can be no secret, and says what to write.
2. The values of secrets, phone numbers and unknown keys are never shown; of others only those whose look
   says that they hold no password, and never whole lists and tables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway import printable

LONGEST_SHOWN = 80

_PLAIN_URL = re.compile(r"[0-9A-Za-z+.-]*://[0-9A-Za-z.\[\]_-]*(:[0-9]*)?(/[0-9A-Za-z._~/-]*)?")
_SECRET_NAME = re.compile(r"secret|password|token|key|phone")
_NO_SECRET = {"token_ttl", "unknown_tokens_per_address"}


@dataclass(frozen=True)
class Problem:
    """One thing to put right: `key` as the operator wrote it, `shown` the value, or None."""

    key: str
    complaint: str
    remedy: str
    shown: str | None = None

    def __str__(self) -> str:
        equals = "" if self.shown is None else f" = {self.shown}"
        return f"  {self.key}{equals}\n      {self.complaint} → {self.remedy}"


def message(found: Sequence[Problem]) -> str:
    """All problems in one text."""
    count = "1 problem" if len(found) == 1 else f"{len(found)} problems"
    return "\n".join([f"The settings have {count}; nothing was started.", "", *map(str, found)])


def shown(key: str, value: object) -> str | None:
    """`value` of the known setting `key` as a message may show it, or None."""
    if _SECRET_NAME.search(key) and key not in _NO_SECRET:
        return None
    if isinstance(value, str):
        return None if _may_hide_a_password(value) else json.dumps(_short(value), ensure_ascii=False)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 64 else "a very large number"
    return str(value) if isinstance(value, float) else None


def name(key: str) -> str:
    """A name out of the file or the environment, safe to print."""
    return _short(printable.text(key))


def _may_hide_a_password(value: str) -> bool:
    if not value.isprintable() or any(mark in value for mark in "@?#"):
        return True
    return "//" in value and not _PLAIN_URL.fullmatch(value)


def _short(value: str) -> str:
    return value if len(value) <= LONGEST_SHOWN else f"{value[:LONGEST_SHOWN]}…"
