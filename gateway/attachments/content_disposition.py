"""The Content-Disposition (RFC 6266), read where Motion sends one and made for each file that goes out.

1. Read, a name is whatever its sender likes it to be; it is only made text: one line that any database and any
   terminal takes.
2. Made, the verdict says the extension, and which ones of old names may stay instead. Known extensions of the old name
   are dropped, however many there are: `a.pdf.exe` that holds a PDF becomes `a.pdf`. What is packed alone keeps one
   that does not run: `a.tar.gz`.
3. Nothing that nobody sees, that turns the reading direction, or that is a path, a quote or a wildcard to anybody. The
   two joiners stay behind letters and signs of the scripts that are written with them: they change what is seen.
4. At most `MOST_BYTES` of UTF-8, so that a name fits into links and on any disk.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from gateway.inspection import filetypes

MOST_CHARACTERS = 255
_LONGEST_HEADER = 8192

_PARAMETER = re.compile(r';\s*(filename\*?)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.IGNORECASE | re.DOTALL)
_EXTENDED = re.compile(r"\s*([\w.-]{1,40})'[^']{0,40}'(.*)", re.DOTALL)  # RFC 8187: charset'language'value
_CHARSETS = {"utf-8": "utf-8", "iso-8859-1": "latin-1"}

MOST_BYTES = 120
NAMELESS = "file"

_LONGEST_NAME = 1024  # characters of the old name; a longer stem is cut anyway
_SEPARATORS = re.compile(r"[/\\]")
# What a file system, a shell, a header or a URL might take for something else.
_TAKEN = re.compile(r"""["'`<>:|?*;%&$#{}\[\]~^=,!@+]""")
_BLANKS = re.compile(r"\s+")
_NOT_ASCII_NAME = re.compile(r"[^0-9A-Za-z ._()-]+")
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(?![0-9A-Za-z_-])")
# RFC 8187, section 3.2.1: attr-char, beside letters and digits.
_ATTRIBUTE_CHARACTERS = "!#$&+-.^_`|~"


_JOINERS = "\u200c\u200d"
_FIRST_JOINED = "\u0590"  # Latin, Greek and Cyrillic, which stand before it, know no joiners


KEPT = 256  # names: a file that goes out does so to many


class SafeName(NamedTuple):
    """One name for old clients and for new ones."""

    ascii: str
    utf8: str


@dataclass(frozen=True)
class Promise:
    file: bool
    name: str  # "" if none was given


def read(header: str) -> Promise:
    """Tell what `header`, "" if there was none, promises. Never raises."""
    header = header[:_LONGEST_HEADER]
    given = {key.lower(): value for key, value in reversed(_PARAMETER.findall(header))}  # the first of each counts
    name = _extended(given.get("filename*", "")) or _unquoted(given.get("filename", ""))
    kind = header.partition(";")[0].strip().lower()
    return Promise(kind == "attachment" or name != "", name)


@lru_cache(maxsize=KEPT)
def safe_name(name: str, extension: str, *, kept: frozenset[str] = frozenset()) -> SafeName:
    """Make `name`, which may be anything, safe for a file with that extension, its dot included. Never raises.

    An ending in `kept` stays instead of the extension.
    """
    whole = _whole(name)
    ending = filetypes.ending(whole)
    if ending in kept:
        extension = ending
    if ending in (extension, *kept):
        whole = _trimmed(whole[: whole.rindex(".")])
        extension = _wrapped(whole, extension) + extension
    room = MOST_BYTES - len(extension)
    stem = _cut(_bare(whole), room) or NAMELESS
    return SafeName(ascii=_plain(stem, room) + extension, utf8=stem + extension)


def again(name: str) -> SafeName:
    """Spell a name that was made safe before for both kinds of clients, whatever the rules are by now. Never raises."""
    name = name.encode("utf-8", "replace").decode("utf-8")
    stem, dot, ending = name.rpartition(".")
    plain = _plain(stem, MOST_BYTES - len(dot + ending))
    return SafeName(ascii=plain + dot + _NOT_ASCII_NAME.sub("_", ending), utf8=name)


@lru_cache(maxsize=KEPT)
def write(name: SafeName) -> str:
    """Write the header: `filename` in ASCII for old clients, `filename*` in UTF-8 (RFC 8187) for all others.

    Always an attachment, never shown by the browser itself.
    """
    return f"attachment; filename=\"{name.ascii}\"; filename*=UTF-8''{quote(name.utf8, safe=_ATTRIBUTE_CHARACTERS)}"


def _extended(value: str) -> str:
    found = _EXTENDED.fullmatch(value.strip('" '))
    if not found or found[1].lower() not in _CHARSETS:
        return ""
    return _line(unquote_to_bytes(found[2]).decode(_CHARSETS[found[1].lower()], "replace"))


def _unquoted(value: str) -> str:
    value = value.strip()
    if value.startswith('"'):
        value = re.sub(r"\\(.)", r"\1", value.strip('"'), flags=re.DOTALL)
    return _line(_as_meant(value))


def _as_meant(value: str) -> str:
    """Read as UTF-8 what many write into headers, which are read as Latin-1."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _line(text: str) -> str:
    readable = text.encode("utf-8", "replace").decode("utf-8")
    return _joined(readable, str.isprintable)[:MOST_CHARACTERS].strip()


def _whole(name: str) -> str:
    """The last step of a path, of letters that everybody takes, with all its endings."""
    last = _SEPARATORS.split(name[:_LONGEST_NAME].rstrip("/\\"))[-1]
    blanks = "".join(" " if letter.isspace() else letter for letter in last)
    # Category C: control characters, what turns the direction, lone surrogates, what is not assigned.
    seen = _joined(blanks, lambda letter: not unicodedata.category(letter).startswith("C"))
    return _trimmed(_TAKEN.sub("_", unicodedata.normalize("NFC", seen)))


def _bare(stem: str) -> str:
    """Without the endings that it may not keep."""
    while (called := filetypes.called(stem)) and called.loses_its_ending:
        stem = _trimmed(stem[: stem.rindex(".")])
    return stem


def _wrapped(stem: str, extension: str) -> str:
    """The ending of the one file that is packed in there, such as `.tar`; "" if there is none, or it would run."""
    packer, inner = filetypes.called(extension), filetypes.called(stem)
    if packer is None or not packer.wraps or inner is None or inner.runnable:
        return ""
    return filetypes.ending(stem)


def _joined(text: str, stays: Callable[[str], bool]) -> str:
    """The letters that stay, with the joiners between them that are seen."""
    seen: list[str] = []
    for letter in text:
        if stays(letter) or (letter in _JOINERS and seen and seen[-1] >= _FIRST_JOINED and seen[-1] not in _JOINERS):
            seen.append(letter)
    return "".join(seen)


def _trimmed(stem: str) -> str:
    """Take dots, dashes and blanks off either end, and make no name that Windows keeps for its devices."""
    stem = _BLANKS.sub(" ", stem).strip(" .-")
    return f"_{stem}" if _DEVICES.match(stem) else stem


def _plain(stem: str, most_bytes: int) -> str:
    """Spell `stem` in ASCII: letters without their accents, and `_` for what has no place there."""
    letters = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    plain = _cut(_trimmed(_NOT_ASCII_NAME.sub("_", letters)), most_bytes)
    return plain if plain.strip("_") else NAMELESS


def _cut(stem: str, most_bytes: int) -> str:
    """Keep as much of `stem` as fits, in whole characters."""
    return stem.encode("utf-8")[:most_bytes].decode("utf-8", "ignore").rstrip(" .-")
