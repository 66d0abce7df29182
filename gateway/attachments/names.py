"""File names made anew: a safe stem of the old one, and the extension of what the file is.

1. The extension comes from the verdict alone. Known extensions of the old name are dropped, however many there are:
   `a.pdf.exe` that holds a PDF becomes `a.pdf`.
2. Nothing that nobody sees, that turns the reading direction, or that is a path, a quote or a wildcard to anybody.
3. At most `MOST_BYTES` of UTF-8, so that a name fits into links and on any disk.

Sent as RFC 6266 says: `filename` in ASCII for old clients, `filename*` in UTF-8 (RFC 8187) for all others.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple
from urllib.parse import quote

from gateway.inspection import filetypes
from gateway.inspection.verdicts import Verdict

MOST_BYTES = 120
NAMELESS = "file"

_LONGEST_READ = 1024  # characters of the old name; a longer stem is cut anyway
_SEPARATORS = re.compile(r"[/\\]")
# What a file system, a shell, a header or a URL might take for something else.
_TAKEN = re.compile(r"""["'`<>:|?*;%&$#{}\[\]~^=,!@+]""")
_BLANKS = re.compile(r"\s+")
_NOT_ASCII_NAME = re.compile(r"[^0-9A-Za-z ._()-]+")
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(?![0-9A-Za-z_-])")
# RFC 8187, section 3.2.1: attr-char, beside letters and digits.
_ATTRIBUTE_CHARACTERS = "!#$&+-.^_`|~"

# What a system, a browser or an office program runs by its name.
_RUNNING = (
    ".exe .com .scr .pif .cpl .sys .dll .msi .msp .msc .lnk .url .scf .reg .chm .hlp .jar .apk .class .dex .wasm .app"
    " .bat .cmd .ps1 .vbs .vbe .js .mjs .jse .wsf .wsh .hta .sh .bash .py .pyw .pl .php .rb .lua .desktop .command"
    " .html .htm .xhtml .xht .shtml .svg .svgz .xml .mht .mhtml .eml .iso .img .cab .dmg .deb .rpm .jnlp"
)
_EXTENSIONS = frozenset(
    {found.extension for found in filetypes.KNOWN.values()}
    | {filetypes.LIBRARY_EXTENSION, ".jpeg", ".tiff", ".oga", ".opus", ".text", ".tgz"}
    | set(_RUNNING.split())
)


class SafeName(NamedTuple):
    """One name for old clients and for new ones."""

    ascii: str
    utf8: str


def safe_name(name: str, verdict: Verdict) -> SafeName:
    """`name`, which may be anything, made safe for a file with that verdict. Never raises."""
    room = MOST_BYTES - len(verdict.extension)
    stem = _cut(_stem(name), room) or NAMELESS
    return SafeName(ascii=_plain(stem, room) + verdict.extension, utf8=stem + verdict.extension)


def disposition(name: SafeName) -> str:
    """The Content-Disposition: always an attachment, never shown by the browser itself."""
    return f"attachment; filename=\"{name.ascii}\"; filename*=UTF-8''{quote(name.utf8, safe=_ATTRIBUTE_CHARACTERS)}"


def _stem(name: str) -> str:
    last = _SEPARATORS.split(name[:_LONGEST_READ].rstrip("/\\"))[-1]
    blanks = "".join(" " if letter.isspace() else letter for letter in last)
    # Category C: control characters, what turns the direction, lone surrogates, what is not assigned.
    seen = "".join(letter for letter in blanks if not unicodedata.category(letter).startswith("C"))
    stem = _trimmed(_TAKEN.sub("_", unicodedata.normalize("NFC", seen)))
    while (dot := stem.rfind(".")) >= 0 and stem[dot:].lower() in _EXTENSIONS:
        stem = _trimmed(stem[:dot])
    return stem


def _trimmed(stem: str) -> str:
    """Without dots, dashes and blanks at either end, and no name that Windows keeps for its devices."""
    stem = _BLANKS.sub(" ", stem).strip(" .-")
    return f"_{stem}" if _DEVICES.match(stem) else stem


def _plain(stem: str, most_bytes: int) -> str:
    """`stem` in ASCII: letters without their accents, and `_` for what has no place there."""
    letters = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    plain = _cut(_trimmed(_NOT_ASCII_NAME.sub("_", letters)), most_bytes)
    return plain if plain.strip("_") else NAMELESS


def _cut(stem: str, most_bytes: int) -> str:
    """As much of `stem` as fits, in whole characters."""
    return stem.encode("utf-8")[:most_bytes].decode("utf-8", "ignore").rstrip(" .-")
