"""May this link open that attachment, is its file here, was it tried: one decision on what is known, without a look.

1. A link that has ended opens nothing. A minted link ends with a revocation after it was minted; Motion's own with any,
   and `link_ttl` after its first fetch.
2. What is here is served. A token opens the bytes that it was minted for and no others; while a link to some bytes
   lives, others are not even asked for.
3. That a file is not there is told only to who asked before Motion was asked: it may have come into being since. What
   failed otherwise is not tried again for `REMEMBERED_SECONDS`: then whoever was told to come again comes again. But
   the gateway itself, for whom an agent waits, tries again what failed before it came.
4. What another release has inspected is inspected anew, unless the link was granted what it serves.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway import __version__
from gateway.attachments.tokens import Grant, Purpose
from gateway.errors import RETRY_AFTER_SECONDS, GatewayError, NotFound, TooLarge, Unavailable
from gateway.inspection.structure import Inspection
from gateway.phrases import Reason

REMEMBERED_SECONDS = {
    Unavailable.status: RETRY_AFTER_SECONDS,
    TooLarge.status: 60,  # it does not shrink, and each try costs as much as we take
}

_REFUSALS: dict[int, type[GatewayError]] = {error.status: error for error in (NotFound, TooLarge, Unavailable)}


def revocation(now: float) -> int:
    """Tell the second before which every link was made that there is: what `revoked_before` is to be."""
    return int(now) + 1


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why the last try to acquire it failed. `digest`: of the bytes that were wanted; None: of any.

    `at`: when it had failed; of what was not there, when Motion was asked.
    """

    reason: str
    status: int
    digest: bytes | None
    at: float


@dataclass(frozen=True, kw_only=True)
class KnownAttachment:
    """What is known of an attachment; of one that nobody has asked for, nothing but its id. Times are epoch seconds."""

    attachment_id: str
    digest: bytes | None = None  # SHA-256; None: never acquired, or forgotten
    size_bytes: int = 0
    name: str = ""  # that Motion gave it, whatever it is made of
    inspection: Inspection | None = None
    inspected_by: str = ""  # the release
    acquired_at: float | None = None
    stored: bool = False  # the vault has its file
    live_until: float = 0.0  # the end of the last link that is known
    first_fetched_at: float | None = None  # by the link that Motion built
    last_fetched_at: float | None = None
    fetches: int = 0
    revoked_before: int | None = None  # what was minted before that second opens nothing
    failure: Failure | None = None

    @property
    def used_at(self) -> float:
        """When something happened to it last; 0.0 where nothing ever did."""
        failed_at = self.failure.at if self.failure else 0.0
        return max(self.acquired_at or 0.0, self.last_fetched_at or 0.0, failed_at)


@dataclass(frozen=True, kw_only=True)
class Item:
    """An attachment whose file is in the vault."""

    attachment_id: str
    digest: bytes  # SHA-256
    size_bytes: int
    inspection: Inspection
    name: str  # that Motion gave it, whatever it is made of; "" if none
    first_fetched_at: float | None  # by the link that Motion built
    revoked_before: int | None  # tokens minted before that second open nothing

    @classmethod
    def of(cls, record: KnownAttachment, digest: bytes, seen: Inspection) -> Item:
        """Gather what is known of one that has these bytes, in which that was seen."""
        return cls(
            attachment_id=record.attachment_id,
            digest=digest,
            size_bytes=record.size_bytes,
            inspection=seen,
            name=record.name,
            first_fetched_at=record.first_fetched_at,
            revoked_before=record.revoked_before,
        )


@dataclass(frozen=True, kw_only=True)
class LinkClaim:
    """Who asks for which attachment: a minted link, the one that Motion built, or, with neither, the gateway itself."""

    attachment_id: str
    digest: bytes | None = None  # only with these bytes
    grant: Grant | None = None  # of a minted link
    link_ttl: int | None = None  # of Motion's: how many seconds it lives from its first fetch

    @property
    def ours(self) -> bool:
        """Tell whether the gateway itself asks, for an agent's message."""
        return self.grant is None and self.link_ttl is None

    @property
    def customers(self) -> bool:
        """Tell whether it is for a file that a customer sent in, of which Motion has none."""
        return self.grant is not None and self.grant.purpose is Purpose.INBOUND

    @property
    def granted(self) -> bool:
        """Tell whether the link says by itself as what the file goes out."""
        return self.grant is not None and self.grant.kind is not None


@dataclass(frozen=True, kw_only=True)
class Serve:
    """The file is here. `seen`: what its inspection found; None: it is to be inspected anew."""

    record: KnownAttachment
    digest: bytes
    seen: Inspection | None


@dataclass(frozen=True, kw_only=True)
class Acquire:
    """The file must be had from Motion. `wanted`: the bytes that it must have; None: any."""

    record: KnownAttachment
    wanted: bytes | None


@dataclass(frozen=True)
class Refuse:
    error: type[GatewayError]
    reason: str


def by_token(grant: Grant) -> LinkClaim:
    """Make the claim of a minted link."""
    return LinkClaim(attachment_id=grant.attachment_id, digest=grant.digest, grant=grant)


def decide(
    record: KnownAttachment | None, claim: LinkClaim, now: float, *, asked_at: float | None = None
) -> Serve | Acquire | Refuse:
    """Say what `claim` gets of the attachment that `record` tells of; None: nothing is known of it.

    `record.stored` is the truth of the disk, not only of the register. `asked_at`: when the claim came, if it has
    waited; None: now.
    """
    known = record or KnownAttachment(attachment_id=claim.attachment_id)
    if ended := _ended(known, claim, now):
        return Refuse(NotFound, ended)
    if known.digest and known.stored and claim.digest in (None, known.digest):
        ours = known.inspected_by == __version__ or claim.granted
        return Serve(record=known, digest=known.digest, seen=known.inspection if ours else None)
    wanted = known.digest if known.digest and known.live_until > now else claim.digest
    if claim.digest and wanted != claim.digest:
        return Refuse(NotFound, Reason.OTHER_BYTES)
    failure = known.failure
    if (
        failure
        and failure.digest == wanted
        and _counts(failure, claim, now, asked_at=now if asked_at is None else asked_at)
    ):
        return Refuse(_REFUSALS[failure.status], failure.reason)
    return Acquire(record=known, wanted=wanted)


def _ended(known: KnownAttachment, claim: LinkClaim, now: float) -> str:
    """Tell why its link opens nothing any more; "" as long as it lives."""
    if claim.ours:
        return ""
    if known.revoked_before is not None and (claim.grant is None or claim.grant.issued_at < known.revoked_before):
        return Reason.LINK_REVOKED
    begun = known.first_fetched_at
    over = claim.link_ttl is not None and begun is not None and now - begun >= claim.link_ttl
    return Reason.LINK_EXPIRED if over else ""


def _counts(failure: Failure, claim: LinkClaim, now: float, *, asked_at: float) -> bool:
    """Tell whether it says something to who asked then; one from the future is not believed."""
    if asked_at <= failure.at <= now:
        return True  # he has waited for that very try
    seconds = 0 if claim.ours and failure.status != TooLarge.status else REMEMBERED_SECONDS.get(failure.status, 0)
    return failure.at <= now < failure.at + seconds
