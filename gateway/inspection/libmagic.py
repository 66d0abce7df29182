"""libmagic's opinion: the first sieve, and a witness beside the structural readers.

Rule 1. One `Magic` for each thread, built under a lock: a shared one serialises, an unlocked one crashes.
Rule 2. It sees a bounded head in which long runs of blanks are short: its text rules are slow on them, and markup
        behind them goes unseen.
Rule 3. What it cannot tell is no opinion; it never stops an inspection.
"""

from __future__ import annotations

import re
import threading

import magic

from gateway.inspection.content import Content

HEAD_BYTES = 64 * 1024
LONGEST_RUN = 16

_RUN = re.compile(rb"([\t\n\v\f\r ]{%d})[\t\n\v\f\r ]++" % LONGEST_RUN)
_FORM = re.compile(r"[a-z0-9]{1,32}/[A-Za-z0-9.+_-]{1,128}")
_BUILDING = threading.Lock()


class _Of(threading.local):
    def __init__(self) -> None:
        with _BUILDING:
            self.magic = magic.Magic(mime=True)


_THREAD = _Of()


def opinion(content: Content) -> str | None:
    """The MIME type in libmagic's spelling; None if it has no opinion. Raises TooCostly."""
    try:
        said = _THREAD.magic.from_buffer(_RUN.sub(rb"\1", content.head(HEAD_BYTES)))
    except magic.MagicException:
        return None
    return said if _FORM.fullmatch(said) else None
