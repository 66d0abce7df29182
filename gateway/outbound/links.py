"""Whose file a media link leads to: one of Motion's attachments, by whatever way, or somebody else's.

A link to Motion's attachment is one to its path at Motion, or at the gateway with Motion's own token, or one that the
gateway minted. The token of Motion's links is not asked for: whoever may use this door may send any attachment.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote

from gateway import printable
from gateway.attachments import tokens
from gateway.config import Settings, addresses
from gateway.errors import NotFound
from gateway.motion import download

_LINK = re.compile(
    r"(?i:(?P<scheme>https?))://(?P<host>[0-9A-Za-z_.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>(?:/[^?#]*)?)(?:\?[^#]*)?(?:#.*)?",
    re.DOTALL | re.ASCII,
)
_LOOSE = re.compile("^(?:https?:)?/*([^/?#]*)([^?#]*)")
_HOST_AND_PORT = re.compile("(?P<host>.*?)[.]*(?::0*(?P<port>[0-9]{0,5}))?", re.ASCII)
_MINTED = re.compile("/media/(?P<token>[^/]+)/[^/]*")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True)
class LinkedFile:
    """An attachment of Motion's; `digest`: only with these bytes."""

    attachment_id: str
    digest: bytes | None = None


class Nowhere(NotFound):
    """A link to the gateway itself that opens nothing."""


class Links:
    """What the links in messages look like, by the settings."""

    def __init__(self, settings: Settings) -> None:
        attachments, motion, public = settings.attachments, settings.motion.url, settings.server.public_origin
        self._ours, self._motions = addresses.host(public), addresses.host(motion)
        # Whatever is written there leads to the one that is in use: port 80 sends on to the other.
        self._ports = {
            self._motions: {addresses.port(motion), *_PORTS.values()},
            self._ours: {addresses.port(public), *_PORTS.values()},
        }
        self._paths = [_pattern(attachments.public_path), _pattern(settings.motion.attachment_path)]
        self._keys = [key.get_secret_value() for key in attachments.token_keys]

    def file(self, url: str, *, now: float) -> LinkedFile | None:
        """Find the attachment that `url` leads to; None: it is neither Motion's nor ours.

        Raises Nowhere: it opens nothing; or it is spelled so that some would take it for one of ours, and others not.
        """
        link = _LINK.fullmatch(url)
        if link is None or link["host"].lower() not in self._ports:
            self._require_foreign(url)
            return None
        host, port = link["host"].lower(), int(link["port"] or _PORTS[link["scheme"].lower()])
        if port not in self._ports[host]:
            return None
        for pattern in self._paths:
            if found := pattern.fullmatch(link["path"]):
                return LinkedFile(attachment_id=found["id"])
        if host == self._ours:
            return self._minted(link["path"], now=now)
        self._require_foreign(url)  # Motion has other things too, and may be public
        return None

    def _require_foreign(self, url: str) -> None:
        """Raises Nowhere for what a lenient reader would take for a link to a file of ours or Motion's."""
        host, port, path = _leniently(url)
        if port and port not in self._ports.get(host, ()):
            return
        if host == self._ours or (host == self._motions and any(one.fullmatch(path) for one in self._paths)):
            raise Nowhere("link misspelled")

    def _minted(self, path: str, *, now: float) -> LinkedFile:
        found = _MINTED.fullmatch(path)
        try:
            grant = tokens.open(found["token"] if found else "", keys=self._keys, now=now)
        except NotFound as error:
            raise Nowhere(error.reason) from error
        return LinkedFile(attachment_id=grant.attachment_id, digest=grant.digest)


def _leniently(url: str) -> tuple[str, int, str]:
    """Host, port (0: none) and path, as the most lenient reader would find them (WHATWG's URL standard, and beyond)."""
    seen = printable.text(unicodedata.normalize("NFKC", unquote(url)), instead="").replace(" ", "")
    authority, path = _LOOSE.findall(seen.replace("\\", "/").replace("\u3002", ".").lower())[0]
    found = _HOST_AND_PORT.fullmatch(authority.rpartition("@")[2])
    host, port = found.groups("0") if found else ("", "0")
    return host, int(port or 0), posixpath.normpath(path)


def _pattern(path: str) -> re.Pattern[str]:
    before, _, after = path.partition("{id}")
    return re.compile(f"{re.escape(before)}(?P<id>{download.NUMBER}){re.escape(after)}/?")
