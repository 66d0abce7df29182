"""Whose file a media link leads to: one of Motion's attachments, by whatever way, or somebody else's.

A link to Motion's attachment is one to its path at Motion, or at the gateway with Motion's own token, or one that the
gateway minted. The token of Motion's links is not asked for: whoever may use this door may send any attachment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.config import Settings
from gateway.errors import NotFound
from gateway.media import source, tokens

_LINK = re.compile(
    r"(?i:(?P<scheme>https?))://(?P<authority>[^/?#@]*)(?P<path>(?:/[^?#]*)?)(?:\?[^#]*)?(?:#.*)?", re.DOTALL
)
_MINTED = re.compile("/media/(?P<token>[^/]+)/[^/]*")
_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, kw_only=True)
class Ours:
    """An attachment of Motion's; `digest`: only with these bytes."""

    attachment_id: str
    digest: bytes | None = None


class Nowhere(NotFound):
    """A link to the gateway itself that opens nothing."""


class Links:
    """What the links in messages look like, by the settings."""

    def __init__(self, settings: Settings) -> None:
        attachments, motion = settings.attachments, settings.motion
        self._ours = _authority(settings.server.public_origin)
        self._motions = _authority(motion.url)
        self._paths = [_pattern(attachments.public_path), _pattern(motion.attachment_path)]
        self._keys = [key.get_secret_value() for key in attachments.token_keys]

    def read(self, url: str, *, now: float) -> Ours | None:
        """The attachment that `url` leads to; None: it is neither Motion's nor ours. Raises Nowhere."""
        link = _LINK.fullmatch(url)
        if link is None:
            return None
        at = _authority(f"{link['scheme']}://{link['authority']}")
        if at not in (self._ours, self._motions):
            return None
        for pattern in self._paths:
            if found := pattern.fullmatch(link["path"]):
                return Ours(attachment_id=found["id"])
        if at == self._ours:
            return self._minted(link["path"], now=now)
        return None  # Motion has other things too, and may be public

    def _minted(self, path: str, *, now: float) -> Ours:
        found = _MINTED.fullmatch(path)
        try:
            grant = tokens.open(found["token"] if found else "", keys=self._keys, now=now)
        except NotFound as error:
            raise Nowhere(error.reason) from error
        return Ours(attachment_id=grant.attachment_id, digest=grant.digest)


def _authority(origin: str) -> str:
    """Host and port of an origin, in the one spelling in which they can be compared."""
    scheme, _, authority = origin.lower().partition("://")
    return authority if re.search(":[0-9]+$", authority) else authority + _PORTS[scheme]


def _pattern(path: str) -> re.Pattern[str]:
    before, _, after = path.partition("{id}")
    return re.compile(f"{re.escape(before)}(?P<id>{source.NUMBER}){re.escape(after)}/?")
