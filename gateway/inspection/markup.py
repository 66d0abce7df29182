"""Markup by its beginning: what a browser would take for a page, a picture with scripts, or a mail with a page in it.

Rule 1. Byte order marks, blanks, comments and processing instructions are passed over; then the first element tells.
Rule 2. A beginning that could be an element is markup: nobody serves it as plain text.
"""

from __future__ import annotations

import re

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


def kind(text: str) -> str | None:
    """What markup a file is that begins with `text`; None if it is none."""
    beginning = text.lstrip("\ufeff")
    at = _pass(beginning, 0)
    doctype = _DOCTYPE.match(beginning, at)
    root = _ELEMENT.match(beginning, _pass(beginning, doctype.end()) if doctype else at)
    if doctype or root or _OPENING.match(beginning, at) or beginning.lstrip().startswith(("<!--", "<?")):
        return _told(beginning, doctype[1].lower() if doctype else "", root)
    return MHTML if _MAIL.match(beginning.lstrip()[:4096]) else None


def _told(text: str, doctype: str, root: re.Match[str] | None) -> str:
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
