"""Reads what a Content-Disposition promises (RFC 6266): whether this is a file, and under which name.

The name is whatever the sender likes it to be, and is made safe where it is used (`names.safe_name`). Here it is only
made text: one line that any database and any terminal takes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from gateway import printable

MOST_CHARACTERS = 255
_LONGEST_READ = 8192

_PARAMETER = re.compile(r';\s*(filename\*?)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.IGNORECASE | re.DOTALL)
_EXTENDED = re.compile(r"\s*([\w.-]{1,40})'[^']{0,40}'(.*)", re.DOTALL)  # RFC 8187: charset'language'value
_CHARSETS = {"utf-8": "utf-8", "iso-8859-1": "latin-1"}


@dataclass(frozen=True)
class Promise:
    file: bool
    name: str  # "" if none was given


def read(header: str) -> Promise:
    """What `header`, "" if there was none, promises. Never raises."""
    header = header[:_LONGEST_READ]
    given = {key.lower(): value for key, value in reversed(_PARAMETER.findall(header))}  # the first of each counts
    name = _extended(given.get("filename*", "")) or _plain(given.get("filename", ""))
    kind = header.partition(";")[0].strip().lower()
    return Promise(kind == "attachment" or name != "", name)


def _extended(value: str) -> str:
    found = _EXTENDED.fullmatch(value.strip('" '))
    if not found or found[1].lower() not in _CHARSETS:
        return ""
    return _line(unquote_to_bytes(found[2]).decode(_CHARSETS[found[1].lower()], "replace"))


def _plain(value: str) -> str:
    value = value.strip()
    if value.startswith('"'):
        value = re.sub(r"\\(.)", r"\1", value.strip('"'), flags=re.DOTALL)
    return _line(_as_meant(value))


def _as_meant(value: str) -> str:
    """Headers are read as Latin-1; many write UTF-8 into them."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _line(text: str) -> str:
    readable = text.encode("utf-8", "replace").decode("utf-8")
    return printable.text(readable, instead="")[:MOST_CHARACTERS].strip()
