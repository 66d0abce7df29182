"""Links of ours in the place of Sinch's, to files that customers send in, for accounts that have them come through.

Rule 1. Our link stands where there is a file to be had by it, or a note about one that is held back. Every other link
        stays as Sinch wrote it, and a finding says why.
Rule 2. A link is for Motion, at the private address. It lives for `inbound.keep`, and the vault keeps its file so long.
"""

from __future__ import annotations

from gateway.attachments import register, tokens
from gateway.config import Settings
from gateway.delivery import claims, trouble
from gateway.inbound import arrivals, places, policy
from gateway.ingress import events
from gateway.inspection.rulebook import VerdictKind
from gateway.phrases import Finding
from gateway.store.engines import Database


class Enclosures:
    """Safe to use from several threads. Making one opens nothing."""

    def __init__(self, settings: Settings, spool: Database, *, patiently: trouble.Patiently) -> None:
        self._spool, self._patiently = spool, patiently
        self._origin, self._inbound = settings.server.outbound_origin, settings.inbound
        self._register = register.Register.of(settings, spool)
        self._keys = [key.get_secret_value() for key in settings.attachments.token_keys]
        through = (account for account in settings.accounts if settings.media_of(account) == "through")
        self._accounts = {account.connector_id for account in through}

    def look(self, taken: claims.Claim, *, now: float) -> arrivals.Contents | None:
        """Say what is known of the files in an event; None where that cannot be read, and we are to stop."""
        comes_through = taken.connector_id in self._accounts and events.names_files(taken.kind)
        links = places.find(taken.body) if comes_through else ()
        if not links:
            return arrivals.AS_IT_CAME
        found: list[arrivals.Contents] = []
        self._patiently(lambda: found.append(self._contents(taken, links, now)), forever=True)
        return found[0] if found else None

    def _contents(self, taken: claims.Claim, links: tuple[places.InboundLink, ...], now: float) -> arrivals.Contents:
        """Read what is known of the files, and make the links. Raises SpoolUnavailable."""
        known, ends_at = arrivals.of_event(self._spool, taken.event_id), taken.accepted_at + self._inbound.wait
        if known.unsettled and now < ends_at:
            return arrivals.Contents(waits_until=ends_at)
        had = {file.number: file for file in known.files if self._is_had(file)}
        here = {link: self._linked(had[number], now) for number, link in enumerate(links, 1) if number in had}
        states = [file.state for file in known.files if file.number not in had]
        failed = len(states) - states.count(arrivals.WAITING)
        late = known.unsettled and len(here) + failed < len(links)
        found = [Finding.MEDIA_LATE] * late + [Finding.MEDIA_FAILED] * bool(failed)
        return arrivals.Contents(findings=tuple(found), body=places.replaced(taken.body, here) if here else None)

    def _is_had(self, file: arrivals.InboundFile) -> bool:
        """Tell whether there is something to link to: no vault keeps a file for longer than it was promised."""
        if not file.is_here or file.digest is None or file.state == arrivals.HELD:
            return file.is_here
        known = self._register.find(file.attachment_id)
        return known is not None and (known.stored or bool(self._register.places(file.digest)))

    def _linked(self, file: arrivals.InboundFile, now: float) -> str:
        digest, until, held = file.digest or b"", int(now) + self._inbound.keep, file.state == arrivals.HELD
        self._register.held(file.attachment_id, digest=digest, until=until, now=now)
        grant = tokens.Grant(
            attachment_id=file.attachment_id,
            digest=digest,
            kind=VerdictKind.NATIVE,
            mime=policy.NOTE_MIME if held else file.mime,
            name=policy.NOTE_NAME if held else file.name,
            purpose=tokens.Purpose.INBOUND,
            issued_at=int(now),
            expires_at=until,
        )
        return self._origin + tokens.path(tokens.mint(grant, keys=self._keys), grant.name)
