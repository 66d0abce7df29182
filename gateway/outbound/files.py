"""The files of a message, judged before they leave: links of ours in place of Motion's.

Rule 1. A link is minted for the bytes that were judged, and serves these bytes for as long as it lives.
Rule 2. What WhatsApp would refuse is refused at once, in the words of its verdict; on other channels its rules say
        nothing, and only the sizes of the settings count.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from gateway import metrics
from gateway.attachments import content_disposition, tokens
from gateway.attachments.decision import Item, LinkClaim
from gateway.attachments.tokens import Grant, Purpose
from gateway.config import Account
from gateway.errors import NotFound, TooLarge, Unavailable
from gateway.inspection import verdicts
from gateway.inspection.rulebook import VerdictKind
from gateway.inspection.verdicts import Verdict
from gateway.outbound import document, message
from gateway.outbound.links import Links, Mention
from gateway.outbound.message import Media, NewLink, Send
from gateway.outbound.message_fields import WHATSAPP
from gateway.outbound.record import Attached
from gateway.outbound.refusals import Refused
from gateway.phrases import Reason
from gateway.services import Services

MOST_FILES = 30  # of one message: a carousel has ten cards, each perhaps with a picture and a small one


@dataclass(kw_only=True)
class Files:
    """Those of one message; `attached` grows with each that was looked at, the refused one included."""

    services: Services
    links: Links
    account: Account
    attached: list[Attached] = field(default_factory=list)
    _made: dict[tuple[LinkClaim, bool], NewLink] = field(default_factory=dict)

    def body(self, send: Send, *, correlation_id: str, before: float) -> bytes:
        """The message as it leaves: with links of ours alone, in texts that still fit with them.

        Raises Refused, also where a file is not ready `before` then.
        """
        body = send.rewritten(self.linked(send, before=before), correlation_id=correlation_id)
        cleared = self.cleared(body, before=before)
        if cleared is not body:
            require_fits(message.parse(cleared), self.account)
        return cleared

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

    def cleared(self, body: bytes, *, before: float) -> bytes:
        """Hand back the body with links of ours in place of Motion's in every string that is left.

        Raises Refused as `linked` does; and where one stays, spelled so that only some would read it.
        """
        if not self.links.gives_away(body.decode("utf-8")):
            return body
        root = document.parse(body)
        edits = [
            self._mention(node, one, before)
            for node in root.strings()
            for one in self.links.mentions(node.string or "")
        ]
        changed = document.replaced(root.text, edits)
        require_clear(self.links, changed.encode("utf-8"))
        return changed.encode("utf-8")

    def _mention(self, node: document.Node, mention: Mention, before: float) -> document.Edit:
        media = Media(field=node.path, url="", channel="", ours_only=True)
        link = self._linked_as(mention.claim, media, on_whatsapp=False)
        self._require_time(media, before)
        return node.replacing(mention.start, mention.end, link.url)

    def _require_time(self, media: Media, before: float) -> None:
        if self.services.clock.now() >= before:
            raise Refused("MEDIA_NOT_NOW", field=media.field, reason="it took too long")

    def _linked(self, send: Send, media: Media, claim: LinkClaim) -> NewLink:
        on_whatsapp = WHATSAPP in named_channels(send, media.channel, self.account)
        return self._linked_as(claim, media, on_whatsapp=on_whatsapp)

    def _linked_as(self, claim: LinkClaim, media: Media, *, on_whatsapp: bool) -> NewLink:
        known = (claim, on_whatsapp)
        if known not in self._made:
            if len(self._made) == MOST_FILES:
                raise Refused("TOO_MANY_FILES", field=media.field, most=MOST_FILES)
            self._made[known] = self._link(claim, media, on_whatsapp=on_whatsapp)
        return self._made[known]

    def _link(self, claim: LinkClaim, media: Media, *, on_whatsapp: bool) -> NewLink:
        item = self._taken(claim, media)
        verdict = self._judged(item, media, on_whatsapp=on_whatsapp)
        name = content_disposition.safe_name(item.name, verdict.extension, kept=verdict.kept).utf8
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
        metrics.count(metrics.VERDICTS, verdict.kind.value)
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


def require_clear_headers(links: Links, headers: Sequence[tuple[str, str]]) -> None:
    """Prove the same of the headers of any call. Raises Refused: OWN_LINK_NOT_ALLOWED, with the header's name."""
    for name, value in headers:
        if links.gives_away(value):
            raise Refused("OWN_LINK_NOT_ALLOWED", field=name)


def require_clear(links: Links, body: bytes) -> None:
    """Prove that nothing in the body of any call gives Motion's links away.

    Raises Refused: OWN_LINK_NOT_ALLOWED, with the field, where the body has fields.
    """
    if not links.gives_away(body.decode("utf-8", "replace")):
        return
    field_name = ""
    with suppress(Refused):  # it need not be a document
        strings = document.parse(body).strings()
        field_name = next((node.path for node in strings if links.gives_away(node.string or "")), "")
    raise Refused("OWN_LINK_NOT_ALLOWED", field=field_name)


def require_fits(send: Send, account: Account) -> None:
    """Prove that WhatsApp takes the texts and parts of a message that may go there. Raises Refused."""
    message.require_fits(send, channels=named_channels(send, "", account))


def named_channels(send: Send, channel: str, account: Account) -> frozenset[str]:
    """Name those on which a part of a message may go out: its own, or the message's, or whichever the account has."""
    return frozenset({channel}) if channel else send.channels or frozenset(account.channels)
