"""The media of a message: whose file a link leads to; and of Motion's files, judged before they leave, links of ours.

Rule 1. A link leads to a file of Motion's by its path at Motion or at the gateway, or because the gateway minted it.
        The token of Motion's links is not asked for: whoever may use this door may send any attachment.
Rule 2. A link is minted for the bytes that were judged, and serves these bytes for as long as it lives.
Rule 3. What WhatsApp would refuse is refused at once, in the words of its verdict; on other channels its rules say
        nothing, and only the sizes of the settings count.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from dataclasses import dataclass, field
from urllib.parse import unquote

from gateway import printable
from gateway.attachments import content_disposition, tokens
from gateway.attachments.decision import Item, LinkClaim
from gateway.attachments.tokens import Grant, Purpose
from gateway.config import Account, Settings, addresses
from gateway.errors import NotFound, TooLarge, Unavailable
from gateway.inspection import verdicts
from gateway.inspection.rulebook import VerdictKind
from gateway.inspection.verdicts import Verdict
from gateway.motion import NUMBER
from gateway.outbound.message import Media, NewLink, Send
from gateway.outbound.message_fields import WHATSAPP
from gateway.outbound.record import Attached
from gateway.outbound.refusals import Refused
from gateway.phrases import Reason
from gateway.services import Services

MOST_FILES = 30  # of one message: a carousel has ten cards, each perhaps with a picture and a small one

_LINK = re.compile(
    r"(?i:(?P<scheme>https?))://(?P<host>[0-9A-Za-z_.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>(?:/[^?#]*)?)(?:\?[^#]*)?(?:#.*)?",
    re.DOTALL | re.ASCII,
)
_LOOSE = re.compile("^(?:https?:)?/*([^/?#]*)([^?#]*)")
_HOST_AND_PORT = re.compile("(?P<host>.*?)[.]*(?::0*(?P<port>[0-9]{0,5}))?", re.ASCII)
_MINTED = re.compile("/media/(?P<token>[^/]+)/[^/]*")
_PORTS = {"http": 80, "https": 443}


class Links:
    """Says where the links in messages lead, by the settings."""

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

    def claim(self, url: str, *, now: float) -> LinkClaim | None:
        """Say which attachment `url` leads to; None: it is neither Motion's nor ours.

        Raises NotFound: it opens nothing; or it is spelled so that some would take it for one of ours, and others not.
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
                return LinkClaim(attachment_id=found["id"])
        if host == self._ours:
            return self._minted(link["path"], now=now)
        self._require_foreign(url)  # Motion has other things too, and may be public
        return None

    def _require_foreign(self, url: str) -> None:
        """Raises NotFound for what a lenient reader would take for a link to a file of ours or Motion's."""
        host, port, path = _leniently(url)
        if port and port not in self._ports.get(host, ()):
            return
        if host == self._ours or (host == self._motions and any(one.fullmatch(path) for one in self._paths)):
            raise NotFound(Reason.NOWHERE)

    def _minted(self, path: str, *, now: float) -> LinkClaim:
        found = _MINTED.fullmatch(path)
        grant = tokens.open(found["token"] if found else "", keys=self._keys, now=now)
        return LinkClaim(attachment_id=grant.attachment_id, digest=grant.digest)


@dataclass(kw_only=True)
class Files:
    """Those of one message; `attached` grows with each that was looked at, the refused one included."""

    services: Services
    links: Links
    account: Account
    attached: list[Attached] = field(default_factory=list)
    _made: dict[tuple[LinkClaim, bool], NewLink] = field(default_factory=dict)

    def linked(self, send: Send, *, before: float) -> dict[str, NewLink]:
        """Make links of ours for the message's media that are Motion's, by their fields.

        Raises Refused, also where one is not ready `before` then.
        """
        found: dict[str, NewLink] = {}
        for media in send.media:
            claim = self._claim(media)
            if claim is not None:
                found[media.field] = self._linked(send, media, claim)
                self._require_time(media, before)
        return found

    def _require_time(self, media: Media, before: float) -> None:
        if self.services.clock.now() >= before:
            raise Refused("MEDIA_NOT_NOW", field=media.field, reason="it took too long")

    def _linked(self, send: Send, media: Media, claim: LinkClaim) -> NewLink:
        on_whatsapp = WHATSAPP in named_channels(send, media.channel, self.account)
        known = (claim, on_whatsapp)
        if known not in self._made:
            if len(self._made) == MOST_FILES:
                raise Refused("TOO_MANY_FILES", field=media.field, most=MOST_FILES)
            self._made[known] = self._link(claim, media, on_whatsapp=on_whatsapp)
        return self._made[known]

    def _link(self, claim: LinkClaim, media: Media, *, on_whatsapp: bool) -> NewLink:
        item = self._taken(claim, media)
        verdict = self._judged(item, media, on_whatsapp=on_whatsapp)
        name = content_disposition.safe_name(item.name, verdict.extension).utf8
        purpose = Purpose.MESSAGE if on_whatsapp else Purpose.ELSEWHERE
        return NewLink(url=self._minted(item, verdict, name, purpose, media), name=name)

    def _claim(self, media: Media) -> LinkClaim | None:
        """None where the link is left as it is. Raises Refused."""
        try:
            claim = self.links.claim(media.url, now=self.services.clock.now())
        except NotFound as error:
            if media.ours_only:
                return None  # it may be no link at all
            raise Refused("MEDIA_NOT_REACHABLE", field=media.field, reason=Reason.NOWHERE) from error
        if claim is None and not media.ours_only and self.services.settings.outbound.foreign_media == "refuse":
            raise Refused("FOREIGN_MEDIA_NOT_ALLOWED", field=media.field)
        return claim

    def _taken(self, claim: LinkClaim, media: Media) -> Item:
        try:
            return self.services.shelf.take(claim)
        except (NotFound, TooLarge, Unavailable) as error:
            raise self._not_had(claim, media, error) from error

    def _not_had(self, claim: LinkClaim, media: Media, error: NotFound | TooLarge | Unavailable) -> Refused:
        reason = error.reason.rpartition(": ")[2]
        if isinstance(error, Unavailable):
            refused = Refused("MEDIA_NOT_NOW", field=media.field, reason=reason)
        elif isinstance(error, TooLarge):
            whose = f"The file is {reason}."
            refused = Refused("MEDIA_TOO_LARGE", field=media.field, reason=whose, remedy=verdicts.SMALLER)
        else:
            refused = Refused("MEDIA_NOT_REACHABLE", field=media.field, reason=reason)
        self._note(media, claim.attachment_id, code=refused.code)
        return refused

    def _judged(self, item: Item, media: Media, *, on_whatsapp: bool) -> Verdict:
        settings = self.services.settings
        sizes = verdicts.limits_of(settings)
        if on_whatsapp:
            verdict = verdicts.judge(item.inspection, profile=settings.attachments.profile, limits=sizes)
        else:
            verdict = verdicts.elsewhere(item.inspection, limits=sizes)
        self._note(media, item.attachment_id, digest=item.digest.hex(), verdict=verdict.kind.value, code=verdict.code)
        if verdict.kind is VerdictKind.REFUSED:
            code = verdict.code or "BAD_REQUEST"  # a refusal has one: rule 2 of the rulebook
            raise Refused(code, field=media.field, reason=verdict.reason, remedy=verdict.remedy)
        return verdict

    def _minted(self, item: Item, verdict: Verdict, name: str, purpose: Purpose, media: Media) -> str:
        settings, now = self.services.settings, int(self.services.clock.now())
        grant = Grant(
            attachment_id=item.attachment_id,
            digest=item.digest,
            kind=verdict.kind,
            mime=verdict.mime,
            name=name,
            purpose=purpose,
            issued_at=max(now, item.revoked_before or 0),  # made after the revocation, if in the same second
            expires_at=now + settings.attachments.token_ttl,
        )
        try:
            self.services.shelf.hold(item.attachment_id, digest=item.digest, until=grant.expires_at)
        except NotFound as error:
            raise Refused("MEDIA_NOT_REACHABLE", field=media.field, reason="changed at Motion") from error
        except Unavailable as error:
            raise Refused("MEDIA_NOT_NOW", field=media.field, reason=error.reason) from error
        keys = [key.get_secret_value() for key in settings.attachments.token_keys]
        return settings.server.public_origin + tokens.path(tokens.mint(grant, keys=keys), name)

    def _note(
        self, media: Media, attachment_id: str, *, digest: str = "", verdict: str = "", code: str | None = None
    ) -> None:
        self.attached.append(
            Attached(field=media.field, attachment_id=attachment_id, digest=digest, verdict=verdict, code=code or "")
        )


def named_channels(send: Send, channel: str, account: Account) -> frozenset[str]:
    """Name those on which a part of a message may go out: its own, or the message's, or whichever the account has."""
    return frozenset({channel}) if channel else send.channels or frozenset(account.channels)


def _leniently(url: str) -> tuple[str, int, str]:
    """Host, port (0: none) and path, as the most lenient reader would find them (WHATWG's URL standard, and beyond)."""
    seen = printable.text(unicodedata.normalize("NFKC", unquote(url)), instead="").replace(" ", "")
    authority, path = _LOOSE.findall(seen.replace("\\", "/").replace("\u3002", ".").lower())[0]
    found = _HOST_AND_PORT.fullmatch(authority.rpartition("@")[2])
    host, port = found.groups("0") if found else ("", "0")
    return host, int(port or 0), posixpath.normpath(path)


def _pattern(path: str) -> re.Pattern[str]:
    before, _, after = path.partition("{id}")
    return re.compile(f"{re.escape(before)}(?P<id>{NUMBER}){re.escape(after)}/?")
