"""Text: plain, tables of values, markup; read from the head, with a look at the tail.

Markup is what a browser would take for a page, a picture with scripts, or a mail with a page in it.

Rule 1. Byte order marks, blanks, comments and processing instructions are passed over; then the first element tells.
Rule 2. A beginning that could be an element is markup: nobody serves it as plain text.
"""

from __future__ import annotations

import codecs
import re
import zlib
from dataclasses import dataclass

from gateway.inspection import filetypes
from gateway.inspection.content import Content
from gateway.inspection.structure import Structure, Trait

PLAIN, TABLE = "text/plain", "text/csv"
HEAD_BYTES = 64 * 1024
TAIL_BYTES = 4096
MOST_LINES = 100  # of a table: enough to tell that it is one
SEPARATORS = tuple(re.compile(form) for form in (r",(?! )", r";(?! )", r"\t"))  # prose puts blanks behind its commas

# The test file that every virus scanner knows (eicar.org). In two pieces, or a scanner would take this one.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-" + b"STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
EICAR_WITHIN = 128

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

SHIFTED = "iso2022_kr"
_LATIN_SHARE = 0.35  # zeros, at least, of the bytes of a text in UTF-16 without a mark
WIDE = ("utf-16-le", "utf-16-be")
LEAST_WRITTEN = 8  # characters: fewer are so by accident
_SPACED = re.compile(rb"[\0\t\n\r -~]*")  # ASCII with zeros between
_WRITTEN_SHARE = 0.95
# ASCII, Latin-1, Greek to Cyrillic, Hebrew to Arabic, Thai, signs, kana, ideographs, Hangul: half of all there are.
_WRITTEN = re.compile(
    "[\t\n\r -~\xa0-\xff\u0370-\u04ff\u0590-\u06ff\u0e00-\u0e7f\u2010-\u2027"
    "\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7a3\uff00-\uffef]"
)
_CONTROL = re.compile(r"[\x00-\x06\x0e-\x19\x1c-\x1f\x7f\ufffd\ufffe\uffff]")
_QUOTED = re.compile(r'"[^"]*+"')
# A cell that begins like a formula: "=" and something, or another sign, a name, and a call or a command (OWASP, CSV
# injection). Prose that looks like it is rare, so it is told of any text: who opens it may take it for a table.
_FORMULA = re.compile(r'(?:^|[,;\t])[ "\']*+(?:=[^=,;\t\s]|[+@-][A-Za-z.]{1,40}[(|])', re.MULTILINE)

HTML, XHTML, SVG, XML = "text/html", "application/xhtml+xml", "image/svg+xml", "text/xml"
HTA, MHTML = "application/hta", "multipart/related"

# The elements that HTML knows and that stand at the beginning of a fragment. Any other root is XML.
HTML_ELEMENTS = (
    "a abbr address applet area article aside audio b base basefont bdo bgsound blink blockquote body br button canvas"
    " center cite code col dd del details dialog dir div dl dt em embed fieldset figure font footer form frame frameset"
    " h1 h2 h3 h4 h5 h6 head header hr html i iframe image img input ins isindex kbd keygen label layer legend li link"
    " main map marquee menu meta nav nobr noembed noframes noscript object ol option p param picture plaintext portal"
    " pre q s samp script section select slot small source span strike strong style sub sup table tbody td template"
    " textarea tfoot th thead title tr track tt u ul var video wbr xmp"
)
_HTML_ELEMENTS = frozenset(HTML_ELEMENTS.split())
FOREIGN_SPACES = ("http://www.w3.org/1999/xhtml", "http://www.w3.org/1999/XSL/Transform")

# Characters are repeated possessively, groups are not: Python 3.11.2, which is Debian's, loses count of what a group
# captures inside or behind a possessive one.
_PASSED = re.compile(r"(?:\s++|<!--.*?-->|<\?.*?>)*", re.DOTALL)
_DOCTYPE = re.compile(r"<!DOCTYPE\s++(?:[\w.-]++:)?([\w.-]++)[^>\[]*+(?:\[[^\]]*+\])?[^>]*+>", re.IGNORECASE)
_ELEMENT = re.compile(r"<(?:([A-Za-z_][\w.-]*+):)?([A-Za-z_][\w.-]*+)(?=[\s>/])([^<>]*+)")
_OPENING = re.compile(r"<[!?/][A-Za-z\[-]")
_HTA = re.compile(r"<hta:application", re.IGNORECASE)
_SVG = re.compile(r"<(?:[\w.-]{1,40}:)?svg[\s>]", re.IGNORECASE)
_MAIL = re.compile(
    r"(?:[A-Za-z][\w-]*+:[^\n]*+\n(?:[ \t][^\n]*+\n)*)*?(?:MIME-Version|Content-Type):\s*+[\w.]", re.IGNORECASE
)


@dataclass(frozen=True)
class _Text:
    head: str
    encoding: str
    whole: bool  # the head is all of it


def read(content: Content) -> Structure | None:
    """Tell text, and what kind of it; None of what is none. Raises TooCostly."""
    head = content.head(HEAD_BYTES)
    if not head:
        return None
    if head.startswith(b"\x1f\x8b"):
        return _packed_picture(head)
    text = _decode(head, whole=content.size_bytes <= HEAD_BYTES)
    if text is None or not _goes_on(content, text.encoding):
        return None
    marked = markup_kind(text.head)
    if marked:
        return Structure(mime=marked)
    traits = frozenset({Trait.FORMULA} if _FORMULA.search(text.head.lstrip("\ufeff")) else ())
    mime = _opening(text.head) or (TABLE if _is_table(text) else PLAIN)
    return Structure(mime=mime, traits=traits, details={"encoding": text.encoding})


def is_test_virus(content: Content) -> bool:
    """Look for EICAR in the first bytes. Raises TooCostly."""
    return EICAR in content.head(EICAR_WITHIN)


def _decode(head: bytes, *, whole: bool) -> _Text | None:
    """Read the text in the first encoding that fits; None if these bytes are none."""
    for encoding in _encodings(head):
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(head, whole)
        except UnicodeDecodeError:
            continue
        if not _CONTROL.search(text):
            return _Text(text, encoding, whole)
    return _decode_wide(head, whole=whole)


def _decode_wide(head: bytes, *, whole: bool) -> _Text | None:
    """Read what is UTF-16 without a mark and has few Latin letters, if any; None if that makes no text."""
    if _SPACED.fullmatch(head):
        return None
    for encoding in WIDE:
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(head, whole)
        except UnicodeDecodeError:
            continue
        written = len(_WRITTEN.findall(text))
        if written >= max(LEAST_WRITTEN, _WRITTEN_SHARE * len(text)) and not _CONTROL.search(text):
            return _Text(text, encoding, whole)
    return None


def _encodings(head: bytes) -> tuple[str, ...]:
    marked = tuple(encoding for mark, encoding in BYTE_ORDER_MARKS if head.startswith(mark))
    if marked:
        return marked
    # UTF-16 without a mark: what is Latin in it has a zero in every second byte.
    if b"\0" in head[:256]:
        odd, even = head[1:512:2].count(0), head[0:512:2].count(0)
        latin = max(odd, even) > len(head[:512]) * _LATIN_SHARE
        return (("utf-16-le",) if odd > even else ("utf-16-be",)) if latin else ()
    if b"\x1b$)C" in head:  # it shifts with control characters
        return (SHIFTED,)
    return ("utf-8", "latin-1")


def _goes_on(content: Content, encoding: str) -> bool:
    """Whether the tail is text too: an archive behind a page of text is not."""
    if content.size_bytes <= HEAD_BYTES:
        return True
    start = (content.size_bytes - TAIL_BYTES) & ~3
    tail = content.at(start, TAIL_BYTES + 4)
    if encoding in ("utf-8", "latin-1"):
        return not _CONTROL.search(tail.decode("latin-1"))
    return not _CONTROL.search(tail[: len(tail) & ~3].decode(encoding, "ignore"))


def _opening(text: str) -> str | None:
    """Tell what says by its first words what it is, such as a calendar."""
    beginning = text.lstrip("\ufeff \t\r\n")[:64].upper()
    openings = filetypes.load().openings
    return next((mime for words, mime in openings.items() if beginning.startswith(words)), None)


def _is_table(text: _Text) -> bool:
    """Look for several lines, each with the same number of one separator outside quotes."""
    lines = _QUOTED.sub("", text.head.lstrip("\ufeff")).splitlines()
    if not text.whole:
        lines = lines[:-1]
    lines = [line for line in lines[:MOST_LINES] if line.strip()]
    counts = [{len(separator.findall(line)) for line in lines} for separator in SEPARATORS]
    return len(lines) > 1 and any(len(count) == 1 and 0 not in count for count in counts)


def _packed_picture(head: bytes) -> Structure | None:
    """Tell SVGZ: gzip around markup."""
    try:
        data = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, HEAD_BYTES)
    except zlib.error:
        return None
    text = _decode(data, whole=False)
    marked = markup_kind(text.head) if text else None
    return Structure(mime=marked, details={"packed": "gzip"}) if marked else None


def markup_kind(text: str) -> str | None:
    """Tell what markup a file is that begins with `text`; None if it is none."""
    beginning = text.lstrip("\ufeff")
    at = _pass(beginning, 0)
    doctype = _DOCTYPE.match(beginning, at)
    root = _ELEMENT.match(beginning, _pass(beginning, doctype.end()) if doctype else at)
    if doctype or root or _OPENING.match(beginning, at) or beginning.lstrip().startswith(("<!--", "<?")):
        return _kind_by_root(beginning, doctype[1].lower() if doctype else "", root)
    return MHTML if _MAIL.match(beginning.lstrip()[:4096]) else None


def _kind_by_root(text: str, doctype: str, root: re.Match[str] | None) -> str:
    name = root[2].lower() if root else doctype
    if _HTA.search(text):
        return HTA
    if "svg" in (name, doctype):
        return SVG
    if root and any(space in root[3] for space in FOREIGN_SPACES):
        return XHTML
    if name in _HTML_ELEMENTS or doctype == "html":
        return HTML
    return SVG if _SVG.search(text) else XML


def _pass(text: str, at: int) -> int:
    found = _PASSED.match(text, at)
    return found.end() if found else at
