"""Links of ours in the place of Sinch's, to files that customers send in, for accounts that have them come through.

Rule 1. Our link stands where there is a file to be had by it, or a note about one that is held back. Every other link
        stays as Sinch wrote it, and a finding says why.
Rule 2. A link is for Motion, at the private address. It lives for `inbound.keep`, and the vault keeps its file so long.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

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

    def look(self, taken: claims.Claim) -> arrivals.Contents | None:
        """Say what is known of the files in an event; None where that cannot be read, and we are to stop."""
        comes_through = taken.connector_id in self._accounts and events.names_files(taken.kind)
        links = places.find(taken.body) if comes_through else ()
        if not links:
            return arrivals.AS_IT_CAME
        found: list[arrivals.KnownFiles] = []
        self._patiently(lambda: found.append(arrivals.of_event(self._spool, taken.event_id)), forever=True)
        return self._contents(taken, links, found[0]) if found else None

    def _contents(
        self, taken: claims.Claim, links: tuple[places.InboundLink, ...], known: arrivals.KnownFiles
    ) -> arrivals.Contents:
        by_number = {file.number: file for file in known.files}
        here = {link: by_number[at] for at, link in enumerate(links, 1) if at in by_number and by_number[at].is_here}
        states = {file.state for file in known.files if not file.is_here}
        late = known.unsettled and len(here) + len(states & {arrivals.FAILED}) < len(links)
        found = [Finding.MEDIA_LATE] * late + [Finding.MEDIA_FAILED] * bool(states - {arrivals.WAITING})
        return arrivals.Contents(
            waits_until=taken.accepted_at + self._inbound.wait if known.unsettled else 0.0,
            findings=tuple(found),
            replaced=partial(self._replaced, taken.body, here) if here else None,
        )

    def _replaced(self, body: bytes, here: Mapping[places.InboundLink, arrivals.InboundFile], now: float) -> bytes:
        return places.replaced(body, {link: self._linked(file, now) for link, file in here.items()})

    def _linked(self, file: arrivals.InboundFile, now: float) -> str:
        digest, until, held = file.digest or b"", int(now) + self._inbound.keep, file.state == arrivals.HELD
        keep = partial(self._register.held, file.attachment_id, digest=digest, until=until, now=now)
        self._patiently(keep, forever=True)
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
