"""A file that an agent attaches, as the simulated Motion describes it, and the link that Motion makes of it.

The form of the link is that of a vendor's sample of 2018 (`<proxy>/…/attachments/<id>/download?token=<proxy token>`);
that the WhatsApp connector of today builds the same one is unconfirmed, and so is what the real Motion writes into
Content-Type and Content-Disposition: here the name's ending decides, as in most web frameworks.
"""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass, field
from urllib.parse import quote

from sandbox.reply import Reply

UNKNOWN_TYPE = "application/octet-stream"

_TYPES = mimetypes.MimeTypes()  # Python's own table, not the machine's
_TYPES.add_type("audio/ogg", ".ogg")
_QUOTED = str.maketrans({'"': "_", "\\": "_"})


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """One file at Motion."""

    attachment_id: int
    name: str
    content: bytes = field(repr=False)

    @property
    def content_type(self) -> str:
        """What Motion says that it is: it goes by the name alone."""
        return type_of(self.name)

    @property
    def reply(self) -> Reply:
        """Motion's answer when nothing is wrong."""
        headers = (("content-type", self.content_type), ("content-disposition", disposition(self.name)))
        return Reply(bare=True, headers=headers).saying(self.content)


def type_of(name: str) -> str:
    """The type that goes with a name's ending."""
    return _TYPES.guess_type(name)[0] or UNKNOWN_TYPE


def shown_as(content_type: str) -> str:
    """How a page shows a file of that type: as `image`, `audio` or `video`, or as a `link`."""
    family, _, form = content_type.lower().partition("/")
    return family if family in ("audio", "video") or (family == "image" and not form.startswith("svg")) else "link"


def disposition(name: str) -> str:
    """Content-Disposition with the name in both forms of RFC 6266, the second one only where it is needed."""
    plain = name.encode("ascii", "replace").decode().replace("?", "_").translate(_QUOTED)
    extended = f"; filename*=UTF-8''{quote(name, safe='')}" if plain != name else ""
    return f'attachment; filename="{plain}"{extended}'


def path(attachment_id: int) -> str:
    """Where an attachment is fetched, at Motion and at the proxy alike."""
    return f"/api/attachments/{attachment_id}/download"


def link(proxy_url: str, attachment_id: int, *, token: str) -> str:
    """What Motion sends to Sinch instead of the file."""
    return f"{proxy_url}{path(attachment_id)}?token={quote(token, safe='')}"
