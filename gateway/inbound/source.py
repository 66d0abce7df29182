"""One file that a customer sent, from where Sinch says that it is: its bytes, or the reason why there are none.

The callback is signed by Sinch, and written by a customer: what stands in it is believed in nothing.

Rule 1. Hosts of `inbound.hosts` are asked and no other, by https. The name is compared as it is written: what some
        would read as another host, with a user, a backslash, a percent sign or a letter beyond ASCII, is none.
Rule 2. Whatever a name says, no address is connected to but a public one; what is looked at is what is connected to.
        One that is not public among several: none of them. A host that the settings write as an address, or as one of
        this machine, is taken at the operator's word. Through a proxy it is the proxy that looks names up.
Rule 3. A redirect is followed to where rules 1 and 2 allow, and three times.
Rule 4. All of it has one time, and no more bytes come than are allowed, whatever the answer says of itself.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urljoin

from gateway import PROGRAM, upstream
from gateway.attachments import content_disposition
from gateway.clock import steady
from gateway.config import Settings, addresses
from gateway.errors import NotFound, TooLarge, Unavailable, UpstreamError, UpstreamTimeout, UpstreamUnreachable
from gateway.motion import download
from gateway.phrases import Reason

MOST_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = (("Accept", "*/*"), ("Accept-Encoding", "identity"), ("User-Agent", PROGRAM))

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[0-9a-z._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>[/?][^#]*)?(?:#.*)?",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
_HOST = re.compile(r"(?P<scheme>http://)?(?P<any>\*\.)?(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>[0-9]+))?")
_ADDRESS = re.compile(r"[0-9.]+|\[.*\]")
_SAFE = "".join(map(chr, range(0x21, 0x7F)))  # of a target: all else is written with a percent sign

_PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")  # all that was ever given out to be reached
# What is not public, and what stands for another address: IANA's registries of special-purpose addresses, as of 2024,
# and Azure's own, which is among public ones. IPv4 within IPv6 (mapped, NAT64, …) is beyond 2000::/3; but for 6to4 and
# Teredo.
_CLOSED: tuple[addresses.Network, ...] = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
        *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"),
    )
)


@dataclass(frozen=True)
class MediaHost:
    """One row of `inbound.hosts`."""

    scheme: str
    host: str
    port: int
    below: bool  # all names that end with it
    trusted: bool  # its addresses are the operator's

    @classmethod
    def of(cls, written: str) -> MediaHost:
        """Take it from the settings, which have proved it."""
        found = _HOST.fullmatch(written)
        if found is None:
            raise ValueError("no host of media")
        scheme, host, below = "http" if found["scheme"] else "https", found["host"], bool(found["any"])
        port = int(found["port"] or (80 if found["scheme"] else 443))
        trusted = not below and bool(_ADDRESS.fullmatch(host) or addresses.is_loopback(host))
        return cls(scheme, host, port, below, trusted)

    def covers(self, place: MediaPlace) -> bool:
        """Tell whether files may be fetched from there."""
        there = (self.scheme, self.port) == (place.scheme, place.port)
        named = place.host.endswith(f".{self.host}") if self.below else place.host == self.host
        return there and named


@dataclass(frozen=True)
class MediaPlace:
    """Where a link leads: `host` in lower case, `target` as it is asked for."""

    scheme: str
    host: str
    port: int
    target: str
    trusted: bool = False

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


class MediaSource:
    """Fetches what links lead to. Safe to use from several threads. Making one opens no connection."""

    def __init__(self, settings: Settings) -> None:
        self._hosts = tuple(map(MediaHost.of, settings.inbound.hosts))
        self._most_bytes, self._timeout = settings.inbound.max_bytes, settings.inbound.timeout
        self._ca_file, self._proxy = settings.sinch.ca_file, upstream.proxy_of(settings.sinch)

    def of(self, url: str, *, admit: Callable[[int], None]) -> OneFile:
        """Give what a link leads to, by whatever id. `admit` is told its size first, and may raise."""
        return OneFile(self, url, admit)

    def fetch(self, url: str, write: Callable[[bytes], object], *, expect: Callable[[int], None]) -> download.Download:
        """Hand the bytes behind a link to `write`; before that their number to `expect`, 0 if nobody says.

        What was written counts only if this returns. Raises NotFound for what no other try will change, TooLarge,
        Unavailable, and what the two raise.
        """
        ends_at, place = steady() + self._timeout, self.proved(url)
        for _ in range(MOST_REDIRECTS + 1):
            try:
                with self._asked(place, ends_at) as answer:
                    if answer.status not in _REDIRECTS:
                        return self._received(answer, place, write, expect)
                    place = self.proved(_led_to(place, answer.headers.get("Location", "")))
            except UpstreamError as error:
                raise Unavailable(error.reason) from error
        raise Unavailable(Reason.MEDIA_REDIRECTED)

    def proved(self, url: str) -> MediaPlace:
        """Say where a link leads, if files may be fetched from there. Raises NotFound."""
        found = _URL.fullmatch(url)
        if not found or not url.isprintable():
            raise NotFound(Reason.MEDIA_LINK)
        scheme, target = found["scheme"].lower(), found["target"] or "/"
        port = int(found["port"] or (443 if scheme == "https" else 80))
        target = quote(target if target.startswith("/") else f"/{target}", safe=_SAFE)
        place = MediaPlace(scheme, found["host"].lower(), port, target)
        host = next((host for host in self._hosts if host.covers(place)), None)
        if host is None:
            raise NotFound(Reason.MEDIA_HOST)
        return replace(place, trusted=host.trusted)

    @contextmanager
    def _asked(self, place: MediaPlace, ends_at: float) -> Iterator[upstream.Stream]:
        """Ask there, by a connection of its own. Raises UpstreamError."""
        left = ends_at - steady()
        if left <= 0:
            raise UpstreamTimeout(Reason.NO_ANSWER)
        guard = None if place.trusted else require_public
        ways = {"ca_file": self._ca_file, "proxy": self._proxy, "guard": guard}
        there = upstream.Upstream(place.origin, connections=1, **ways)  # type: ignore[arg-type] # each its own
        try:
            with there.get(place.target, headers=_HEADERS, deadline_seconds=left) as answer:
                yield answer
        finally:
            there.close()

    def _received(
        self,
        answer: upstream.Stream,
        place: MediaPlace,
        write: Callable[[bytes], object],
        expect: Callable[[int], None],
    ) -> download.Download:
        _require_media(answer.status)
        over = TooLarge(Reason.MEDIA_TOO_LARGE)
        if (answer.length_bytes or 0) > self._most_bytes:
            raise over
        expect(answer.length_bytes or 0)
        came = download.received(answer, write, most_bytes=self._most_bytes, over=over)
        name = came.promise.name or _name_of(place)
        # What it is, and whether it is a page, `policy` says.
        return replace(came, promise=content_disposition.Promise(file=True, name=name), proved=True)


@dataclass
class OneFile:
    """What one link leads to, in the shape of a source of attachments; `declared`: the type that it was called."""

    source: MediaSource
    url: str
    admit: Callable[[int], None]
    declared: str = ""

    def fetch(
        self, _attachment_id: str, write: Callable[[bytes], object], *, expect: Callable[[int], None]
    ) -> download.Download:
        """Fetch it, whichever id it has; raises as `MediaSource.fetch` does."""

        def said(size_bytes: int) -> None:
            self.admit(size_bytes)
            expect(size_bytes)

        came = self.source.fetch(self.url, write, expect=said)
        self.declared = came.declared
        return came


def require_public(found: Sequence[str]) -> None:
    """Prove that all of these addresses are public. Raises UpstreamUnreachable."""
    if not found or not all(map(is_public, found)):
        raise UpstreamUnreachable(Reason.MEDIA_ADDRESS)


def is_public(address: str) -> bool:
    """Tell whether that address, as the system writes it, was given out to be reached from everywhere."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # with a zone it is of one link
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and (parsed.scope_id or parsed not in _PUBLIC_IPV6):
        return False
    return not any(parsed in network for network in _CLOSED if network.version == parsed.version)


def _led_to(place: MediaPlace, location: str) -> str:
    if not location:
        raise Unavailable(Reason.MEDIA_ODD)
    try:
        return urljoin(f"{place.origin}{place.target}", location)
    except ValueError as error:
        raise NotFound(Reason.MEDIA_LINK) from error


def _name_of(place: MediaPlace) -> str:
    """Take the last part of the path for a name, where it looks like that of a file."""
    last = unquote(place.target.partition("?")[0].rpartition("/")[2])
    return last if "." in last.strip(".") and last.isprintable() else ""


def _require_media(status: int) -> None:
    """Refuse any status but 200. Raises NotFound, Unavailable."""
    if status in (404, 410):
        raise NotFound(Reason.MEDIA_LOST)
    if status in (401, 403):
        raise Unavailable(Reason.MEDIA_FORBIDDEN)
    if status != 200:
        raise Unavailable(Reason.MEDIA_ODD)
