"""What stands where a file's own structure no longer speaks for it: after its end, or after it broke off."""

from __future__ import annotations

import re

from gateway.inspection.content import Content
from gateway.inspection.structure import Trait

TOLERATED_BYTES = 64  # a line feed or a tag that some tool left there
SNIFFED_BYTES = 1445  # as far as browsers look: WHATWG MIME Sniffing 5.2, "resource header"
ARCHIVE_TAIL_BYTES = 22 + 65_535  # a ZIP ends with its end record, whose comment is no longer (APPNOTE 4.3.16)
ARCHIVE_END = b"PK\x05\x06"

_MARKUP = re.compile(
    rb"<(?:!doctype|!--|\?xml|\?php|%|"
    rb"(?:html|head|body|title|script|style|svg|iframe|img|object|form|meta|link|h1|div|font|table|a|b|br|p)[\s/>])",
    re.IGNORECASE,
)


def of_whole(content: Content, *, end: int) -> frozenset[Trait]:
    """What is peculiar about a file whose structure holds, and ends at `end`."""
    found = _archive(content)
    if content.size_bytes - end > TOLERATED_BYTES:
        found |= {Trait.TRAILING}
    return found | _markup(content, end)


def of_broken(content: Content, *traits: Trait) -> frozenset[Trait]:
    """The same for one whose structure does not hold: `traits` say how."""
    return frozenset(traits) | _archive(content) | _markup(content, 0)


def _archive(content: Content) -> frozenset[Trait]:
    return frozenset({Trait.ARCHIVE_WITHIN} if ARCHIVE_END in content.tail(ARCHIVE_TAIL_BYTES) else ())


def _markup(content: Content, offset: int) -> frozenset[Trait]:
    # Without its zeros, UTF-16 reads like ASCII.
    text = content.at(offset, SNIFFED_BYTES).replace(b"\0", b"")
    return frozenset({Trait.MARKUP_WITHIN} if _MARKUP.search(text) else ())
