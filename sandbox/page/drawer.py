"""Files at hand: the drawer of what an agent may attach, the pocket of what a customer may send; good ones and bad."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.scenarios import attachment

_COMMENT_BYTES = 65_533  # the most that one comment of a JPEG holds
_TOO_LARGE_BYTES = 5_200_000  # more than WhatsApp takes of a picture
_HTML = b"<!doctype html><html><body><script>alert('it ran')</script></body></html>\n"


@dataclass(frozen=True, kw_only=True)
class Paper:
    """One of them; `good` where WhatsApp takes it, or an agent may well open it."""

    name: str
    words: str
    good: bool
    make: Callable[[], bytes]

    @property
    def key(self) -> str:
        """What the form says for it."""
        return self.name


def _sample(name: str, words: str, *, called: str = "", good: bool) -> Paper:
    return Paper(name=called or name, words=words, good=good, make=lambda: attachment.sample(name).content)


def _too_large() -> bytes:
    """A picture that every program shows, with comments as many as make it too large."""
    start, rest = _picture()[:2], _picture()[2:]
    comment = b"\xff\xfe" + (_COMMENT_BYTES + 2).to_bytes(2) + b" " * _COMMENT_BYTES
    return start + comment * (_TOO_LARGE_BYTES // len(comment) + 1) + rest


def _picture() -> bytes:
    return attachment.sample("picture.jpg").content


def _program() -> bytes:
    """The head of a program for Windows, as far as programs know it by."""
    head = b"MZ".ljust(60, b"\0") + (64).to_bytes(4, "little")
    return head + b"PE\0\0" + b"\x64\x86\x01\0" + bytes(12) + b"\xf0\0\x22\0" + b"\x0b\x02" + bytes(510)


DRAWER = (
    _sample("picture.jpg", "a picture: shown as such", good=True),
    _sample("voice.ogg", "a voice note: played in the chat", good=True),
    _sample("invoice.pdf", "a PDF: arrives as a link", good=True),
    _sample("invoice.pdf", "a PDF with a name of many scripts", called="فاتورة 請求書 <b>счёт<b>.pdf", good=True),
    _sample("wave.gif", "a GIF: WhatsApp has none", good=False),
    _sample("letter.doc", "a Word file of before 2007", good=False),
    Paper(name="holiday.jpg", words="a program, called a picture", good=False, make=_program),
    Paper(name="photo.jpg", words="a page with a script, called a picture", good=False, make=lambda: _HTML),
    Paper(name="poster.jpg", words="a picture of 5.2 MB: too large", good=False, make=_too_large),
    Paper(name="empty.pdf", words="a PDF with nothing in it", good=False, make=bytes),
)
POCKET = (
    _sample("picture.jpg", "a picture", good=True),
    _sample("voice.ogg", "a voice note", good=True),
    _sample("invoice.pdf", "a PDF", good=True),
    Paper(name="holiday.jpg", words="a program, called a picture", good=False, make=_program),
    Paper(name="photo.jpg", words="a page with a script, called a picture", good=False, make=lambda: _HTML),
)
BY_KEY = {paper.key: paper for paper in (*DRAWER, *POCKET)}
