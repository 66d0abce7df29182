"""What becomes of a fetched file at WhatsApp: shown as such, sent as a link, or not sent, with Sinch's reason.

The rows are what Meta's and Sinch's pages say of pictures, videos, sounds and stickers, and what XCALLY's manual saw
happen to the rest. Unconfirmed, and our choice: what is said of an answer 413 or 415 of the server that has the file,
of a missing Content-Length, and of content that is not what its type says.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from sandbox.connection import Answer
from sandbox.fetching import Fetched

How = Literal["native", "link", "refused"]

_MB = 1_000_000
_NAME = re.compile(r'filename="([^"]*)"')


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """How the message went. `kind` is that of a native one; `reason` and the rest are those of a delivery report."""

    how: How
    kind: str = ""
    reason: str = ""
    sub_code: str = "UNSPECIFIED_SUB_CODE"
    description: str = ""

    @property
    def words(self) -> str:
        """The outcome in few words."""
        return {"native": f"native as {self.kind}", "link": "as a link", "refused": self.reason}[self.how]


@dataclass(frozen=True, kw_only=True)
class Native:
    """A kind that WhatsApp shows: how large it may be, how its content begins (`.` is any byte), what it must hold."""

    kind: str
    most_bytes: int
    begins: bytes
    holds: bytes = b""

    def rendering(self, content: bytes) -> Rendering:
        if len(content) > self.most_bytes:
            return _refused("MEDIA_TOO_LARGE", f"over {self.most_bytes} bytes")
        if re.match(self.begins, content, re.DOTALL) is None or self.holds not in content:
            return _refused("MEDIA_TYPE_UNSUPPORTED", "the content is not of the type that was said")
        return Rendering(how="native", kind=self.kind)


def _refused(reason: str, description: str, *, sub_code: str = "UNSPECIFIED_SUB_CODE") -> Rendering:
    return Rendering(how="refused", reason=reason, description=description, sub_code=sub_code)


LINK = Rendering(how="link")
_FAILURE = _refused("CHANNEL_FAILURE", "the channel did not take the media")
_BAD = _refused("BAD_REQUEST", "the media was not accepted")
_UNSUPPORTED = _refused("MEDIA_TYPE_UNSUPPORTED", "the type is none of WhatsApp's")
_MOST_OF_A_LINK = 100 * _MB

_VIDEO = Native(kind="video", most_bytes=16 * _MB, begins=rb"....ftyp", holds=b"avc1")
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

# By type, without blanks: with its parameters if there is such a row, else without. All else goes as a link.
BY_TYPE: dict[str, Native | Rendering] = {
    "image/jpeg": Native(kind="image", most_bytes=5 * _MB, begins=rb"\xff\xd8\xff"),
    "image/png": Native(kind="image", most_bytes=5 * _MB, begins=rb"\x89PNG\r\n\x1a\n"),
    "video/mp4": _VIDEO,
    "video/3gpp": _VIDEO,
    "audio/aac": Native(kind="audio", most_bytes=16 * _MB, begins=rb"ID3|ADIF|\xff[\xf0-\xf9]"),
    "audio/amr": Native(kind="audio", most_bytes=16 * _MB, begins=rb"#!AMR"),
    "audio/mpeg": Native(kind="audio", most_bytes=16 * _MB, begins=rb"ID3|\xff[\xe2-\xff]"),
    "audio/mp4": Native(kind="audio", most_bytes=16 * _MB, begins=rb"....ftyp"),
    "audio/ogg;codecs=opus": Native(kind="audio", most_bytes=16 * _MB, begins=rb"OggS", holds=b"OpusHead"),
    "audio/ogg": _UNSUPPORTED,
    "audio/opus": _UNSUPPORTED,
    "image/webp": Native(kind="sticker", most_bytes=_MB // 10, begins=rb"RIFF....WEBP"),
    "image/gif": _FAILURE,
    "application/msword": _FAILURE,
    "audio/wav": _BAD,
    "audio/x-wav": _BAD,
    _WORD: _UNSUPPORTED,
}
# A program's type is that of a DLL too: the name tells them apart.
PROGRAMS = frozenset({"application/vnd.microsoft.portable-executable", "application/x-dosexec"})
BY_STATUS = {413: "MEDIA_TOO_LARGE", 415: "CHANNEL_FAILURE"}  # all others: MEDIA_NOT_REACHABLE


def judge(fetched: Fetched) -> Rendering:
    """What Sinch will say of a message with this link."""
    answer, content = fetched.decisive, fetched.content
    if content is None:
        said = f"http code {answer.status}" if answer.status else answer.error
        code = BY_STATUS.get(answer.status or 0, "MEDIA_NOT_REACHABLE")
        return _refused(code, f"downloading the media failed with {said}")
    if fetched.contradictions:
        return _refused("CHANNEL_FAILURE", "; ".join(fetched.contradictions))
    if answer.header("content-length") is None:
        return _refused("MEDIA_NOT_REACHABLE", "the server does not say how long the media is")
    return _of_type(answer, content, fetched.link)


def _of_type(answer: Answer, content: bytes, link: str) -> Rendering:
    said = "".join((answer.header("content-type") or "").lower().split())
    plain = said.partition(";")[0]
    if not plain:
        return _refused("MEDIA_TYPE_UNSUPPORTED", "the server says no type", sub_code="MEDIA_TYPE_UNDETERMINED")
    if plain in PROGRAMS:
        return LINK if name(answer, link).lower().endswith(".dll") else _BAD
    row = BY_TYPE.get(said) or BY_TYPE.get(plain) or LINK
    if isinstance(row, Native):
        return row.rendering(content)
    too_large = row is LINK and len(content) > _MOST_OF_A_LINK
    return _refused("MEDIA_TOO_LARGE", f"over {_MOST_OF_A_LINK} bytes") if too_large else row


def name(answer: Answer, link: str) -> str:
    """The file's name: what the server says, else the end of the link's path."""
    said = _NAME.search(answer.header("content-disposition") or "")
    return said[1] if said else posixpath.basename(unquote(urlsplit(link).path))
