"""Whose a link is: Motion's, ours or somebody else's; and which texts would give Motion's away.

Rule 1. A link is read in one way: a scheme, `://`, perhaps a user, a host in ASCII, perhaps a port (RFC 3986). What is
        spelled otherwise passes as somebody else's only where nobody could read our name, or Motion's, in it.
Rule 2. A link leads to a file of Motion's by its path at Motion or at the gateway, or because the gateway minted it.
        The token of Motion's links is not asked for: whoever may use this door may send any attachment.
Rule 3. That token opens every attachment. So no text leaves that holds it, or a link of ours with any such token,
        in whatever spelling.
Rule 4. Whatever is looked at costs time by its length, and no more; and no link is longer than `LONGEST_LINK`.
"""

from __future__ import annotations

import functools
import html
import ipaddress
import posixpath
import re
import socket
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import unquote

from gateway.attachments import tokens
from gateway.attachments.decision import LinkClaim
from gateway.config import Settings, addresses
from gateway.errors import NotFound
from gateway.motion import NUMBER
from gateway.phrases import Reason

LONGEST_LINK = 8192  # characters; what servers take as the first line of a request

_LINK = re.compile(
    r"(?i:(?P<scheme>https?))://(?:(?P<user>[0-9A-Za-z._~!$&'()*+,;=:%-]*)@)?"
    r"(?P<host>[0-9A-Za-z_.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{0,9}))?"
    r"(?P<path>(?:/[^?#]*)?)(?:\?[^#]*)?(?:#.*)?",
    re.DOTALL | re.ASCII,
)
_PORT = re.compile("[1-9][0-9]{0,4}")
_NUMBERS = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+)){0,3}")
_MINTED = re.compile("/media/(?P<token>[^/]+)/[^/]*")
_PORTS = {"http": 80, "https": 443}
# What follows the path of a link in a text, up to where the sentence goes on.
_SIGNS = "[0-9A-Za-z%._~=&+/:@!$'()*,;?-]*"
_REST = rf"/?(?![0-9A-Za-z_%/-])(?:\?{_SIGNS})?(?:#{_SIGNS})?(?<![.,:;!?)'*_~])"

_DECODINGS = 3  # an escape may hold an escape
_ESCAPED = re.compile(r"(?<!\\)\\++(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))")
_REFERENCES = re.compile(r"(?:&(?:#[0-9]{1,7}+|#[xX][0-9a-fA-F]{1,6}+|[A-Za-z]{2,31}+);?)+")  # HTML, 13.2.5.72
_PERCENT = re.compile("(?:%[0-9a-fA-F]{2})+")  # `unquote` takes ten times as long for a long run of them
_GAP = re.compile(r"[\x00-\x1f\x7f]+|(?<!\\)\\++[tnr]")  # browsers leave these out of a link


class Mention(NamedTuple):
    """A link to a file of Motion's within a text, and where it stands."""

    start: int
    end: int
    claim: LinkClaim


class Links:
    """Says where links lead, by the settings."""

    def __init__(self, settings: Settings) -> None:
        attachments, motion, public = settings.attachments, settings.motion.url, settings.server.public_origin
        self._ours, self._motions = _host(addresses.host(public)), _host(addresses.host(motion))
        # Whatever is written there leads to the one that is in use: port 80 sends on to the other.
        self._ports = {
            self._motions: {addresses.port(motion), *_PORTS.values()},
            self._ours: {addresses.port(public), *_PORTS.values()},
        }
        paths = [_path(attachments.public_path), _path(settings.motion.attachment_path)]
        self._paths = [re.compile(f"{path}/?") for path in paths]
        self._keys = [key.get_secret_value() for key in attachments.token_keys]
        names = "|".join(map(re.escape, self._ports))
        self._named = re.compile(rf"(?<![0-9a-z_-])(?:{names})(?![0-9a-z_-])")
        self._mentioned = re.compile(rf"(?i:https?://(?:{names}))(?::[0-9]{{1,5}})?(?:{'|'.join(paths)}){_REST}")
        token = attachments.proxy_token
        self._token = _seen(token.get_secret_value(), keep=self._ours) if token else ""
        self._giveaway = re.compile(
            rf"(?<![0-9a-z_-]){re.escape(self._ours)}\.*(?::[0-9]*)?{paths[0].lower()}"
            rf'[^\s"]{{0,256}}?[?&;]{attachments.token_parameter.lower()}='
        )

    def claim(self, url: str, *, now: float) -> LinkClaim | None:
        """Say which attachment `url` leads to; None: it is neither Motion's nor ours.

        Raises NotFound: it opens nothing; or it is spelled so that some would take it for one of ours, and others not.
        """
        if len(url) > LONGEST_LINK:
            raise NotFound(Reason.NOWHERE)
        link = _LINK.fullmatch(url)
        if link is None:
            self._require_nameless(url)
            return None
        host, port = _host(link["host"]), int(link["port"] or _PORTS[link["scheme"].lower()])
        if port not in self._ports.get(host, ()):
            return None
        if link["user"] is not None or host != link["host"].lower() or not _PORT.fullmatch(link["port"] or "1"):
            raise NotFound(Reason.NOWHERE)
        return self._at_home(host, link["path"], now=now)

    def mentions(self, text: str) -> Iterator[Mention]:
        """Find the links to files of Motion's in a text, where they are spelled as they should be."""
        for found in self._mentioned.finditer(text):
            numbers = [number for number in found.groups() if number]
            yield Mention(found.start(), found.end(), LinkClaim(attachment_id=numbers[0]))

    def gives_away(self, text: str) -> bool:
        """Whether somebody could read in it the token of Motion's links, or a link of ours with one."""
        read = _unescaped(text)
        for gap in ("", " ") if _GAP.search(read) else ("",):
            seen = _resolved(_plain(read, gap), self._ours)
            if (self._token and self._token in seen) or self._giveaway.search(seen):
                return True
        return False

    def _at_home(self, host: str, path: str, *, now: float) -> LinkClaim | None:
        """The file behind a path of ours or Motion's. Raises NotFound as `claim` does."""
        for pattern in self._paths:
            if found := pattern.fullmatch(path):
                return LinkClaim(attachment_id=found[1])
        if host == self._ours:
            minted = _MINTED.fullmatch(path)
            grant = tokens.open(minted["token"] if minted else "", keys=self._keys, now=now)
            return LinkClaim(attachment_id=grant.attachment_id, digest=grant.digest)
        resolved = posixpath.normpath(unquote(path).replace("\\", "/"))
        if any(pattern.fullmatch(resolved) for pattern in self._paths):
            raise NotFound(Reason.NOWHERE)
        return None  # Motion has other things too, and may be public

    def _require_nameless(self, url: str) -> None:
        """Raises NotFound for what is no link, where some reader might find our host or Motion's in it."""
        if self._named.search(_seen(url, keep=self._ours)):
            raise NotFound(Reason.NOWHERE)


def _host(written: str) -> str:
    """The one spelling of a host: lower case, no dot at its end, addresses as they are usually written."""
    host = written.lower().rstrip(".")
    with suppress(ValueError, OSError):
        if host.startswith("["):
            address = ipaddress.IPv6Address(host[1:-1])
            return str(address.ipv4_mapped or f"[{address}]")
        if _NUMBERS.fullmatch(host):
            return socket.inet_ntoa(socket.inet_aton(host))  # 10.7, 0x0a000007 and 167772167 are 10.0.0.7
    return host


def _path(path: str) -> str:
    before, _, after = path.partition("{id}")
    return f"{re.escape(before)}({NUMBER}){re.escape(after)}"


def _seen(text: str, *, keep: str) -> str:
    """How the most lenient reader sees a text: unescaped, in ASCII and lower case, with paths resolved.

    What leaves no trace in ASCII is not there: no invisible character hides anything. `keep`: a host that no `..`
    takes away.
    """
    return _resolved(_plain(_unescaped(text), ""), keep)


def _unescaped(text: str) -> str:
    for _ in range(_DECODINGS):
        before, text = text, _ESCAPED.sub(lambda found: chr(int(found[1] or found[2], 16)), text)
        text = _REFERENCES.sub(lambda found: html.unescape(found[0]), text)
        text = _PERCENT.sub(lambda found: bytes.fromhex(found[0].replace("%", "")).decode("utf-8", "replace"), text)
        if text == before:
            break
    return text


def _plain(text: str, gap: str) -> str:
    """`gap`: in place of line ends, tabs and whatever else is none of a link's characters."""
    text = _GAP.sub(gap, text)
    if not text.isascii():
        text = text.translate(_in_ascii()).encode("ascii", "ignore").decode("ascii")
    return text.lower().replace("\\", "/")


@functools.cache
def _in_ascii() -> dict[int, str]:
    """What compatibility makes of single characters (NFKC, as IDNA does); and what parts the labels of a host."""
    wider = {number: unicodedata.normalize("NFKC", chr(number)) for number in range(0x80, 0x20000)}  # beyond is none
    return {number: text for number, text in wider.items() if text.isascii()} | dict.fromkeys((0x3002, 0xFF61), ".")


def _resolved(text: str, keep: str) -> str:
    """The text without empty parts, `.` and `..` between slashes; `..` takes no part with `keep` or a quote in it."""
    if "//" not in text and "/." not in text:
        return text
    parts: list[str] = []
    for part in text.split("/"):
        if part == "..":
            if parts and '"' not in parts[-1] and (not keep or keep not in parts[-1]):
                parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
