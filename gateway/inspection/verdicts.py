"""What becomes of a file at WhatsApp: native, link or refused, by the rows of a profile.

1. The limits of our own settings come first: what is over them is refused, whatever it is.
2. Then the first row that fits decides. What is over a limit of that as which it would go out is refused: of its
   category, if WhatsApp gets it as such; of a document, if the customer gets a link to it.
3. The Content-Type decides how Sinch sends a file. So a picture, film or sound that shall be a link is served as
   application/octet-stream: under its own type it would be tried as native, and fail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gateway.config import Settings, fields
from gateway.inspection import filetypes, rulebook
from gateway.inspection.rulebook import VerdictKind, VerdictRule
from gateway.inspection.structure import Trait

SMALLER = "Make the file smaller or send it in parts, or use another channel such as email."
_MEDIA = ("image/", "video/", "audio/")
_NOUNS: dict[filetypes.Category, str] = {
    "image": "a picture",
    "video": "a video",
    "audio": "a sound",
    "sticker": "a sticker",
    "document": "a document",
}


class Inspected(Protocol):
    """What a verdict asks of an inspection."""

    @property
    def mime(self) -> str: ...
    @property
    def traits(self) -> frozenset[Trait]: ...
    @property
    def size_bytes(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The sizes in the settings: `motion.max_attachment` and `attachments.max_bytes`."""

    motion_bytes: int
    gateway_bytes: int


def limits_of(settings: Settings) -> Limits:
    return Limits(motion_bytes=settings.motion.max_attachment, gateway_bytes=settings.attachments.max_bytes)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`mime` is the Content-Type to serve; `code` is what WhatsApp or Sinch would have answered to a refused file."""

    kind: VerdictKind
    mime: str
    extension: str  # with its dot
    kept: frozenset[str]  # endings that a name keeps instead of it
    category: filetypes.Category
    code: str | None
    reason: str  # why: a sentence
    remedy: str  # what an agent can do: sentences; "" where nothing needs to be done
    row: str  # the name of the rule


def judge(inspection: Inspected, *, profile: str, limits: Limits) -> Verdict:
    """Judge a file by `profile`. Raises SettingsError if the rules themselves are wrong."""
    rules = rulebook.load()
    over = _over_settings(inspection.size_bytes, limits)
    if over:
        return _too_large(inspection, over)
    category = filetypes.of(inspection.mime).category
    too_large = inspection.size_bytes > rules.limit(category, inspection.traits).most
    rows = (*rules.always, *rules.profiles[profile])
    row = next(row for row in rows if row.fits(inspection.mime, inspection.traits, too_large=too_large))
    goes_as = category if row.verdict is VerdictKind.NATIVE else "document"
    limit = rules.limit(goes_as, inspection.traits)
    if inspection.size_bytes > limit.most and row.verdict is not VerdictKind.REFUSED:
        most = fields.write_size(limit.most)
        return _too_large(inspection, f"{limit.whose} takes {_NOUNS[goes_as]} up to {most}")
    return _verdict(inspection, row)


def elsewhere(inspection: Inspected, *, limits: Limits) -> Verdict:
    """Judge a file for another channel than WhatsApp, whose rules we do not know: it is served as what it is.

    Only the sizes of the settings count, and the rows of every profile. Raises SettingsError as `judge` does.
    """
    over = _over_settings(inspection.size_bytes, limits)
    if over:
        return _too_large(inspection, over)
    for row in rulebook.load().always:
        if row.fits(inspection.mime, inspection.traits, too_large=False):
            return _verdict(inspection, row)
    found = filetypes.of(inspection.mime)
    return Verdict(
        kind=VerdictKind.NATIVE,
        mime=found.served,
        extension=_extension(inspection),
        kept=filetypes.kept(inspection.mime),
        category=found.category,
        code=None,
        reason="The rules of WhatsApp do not count on this channel.",
        remedy="",
        row="another channel",
    )


def _over_settings(size_bytes: int, limits: Limits) -> str:
    """Say whose limit a file is over, Motion's first; "" if it is over none."""
    if size_bytes > limits.motion_bytes:
        return f"Motion takes attachments up to {fields.write_size(limits.motion_bytes)} (motion.max_attachment)"
    if size_bytes > limits.gateway_bytes:
        return f"The gateway takes files up to {fields.write_size(limits.gateway_bytes)} (attachments.max_bytes)"
    return ""


def _too_large(inspection: Inspected, whose: str) -> Verdict:
    found = filetypes.of(inspection.mime)
    return Verdict(
        kind=VerdictKind.REFUSED,
        mime=_served(inspection.mime, VerdictKind.REFUSED),
        extension=_extension(inspection),
        kept=filetypes.kept(inspection.mime),
        category=found.category,
        code="MEDIA_TOO_LARGE",
        reason=f"{whose}, and this file has {inspection.size_bytes:,} bytes.",
        remedy=SMALLER,
        row="too large",
    )


def _verdict(inspection: Inspected, row: VerdictRule) -> Verdict:
    return Verdict(
        kind=row.verdict,
        mime=_served(inspection.mime, row.verdict),
        extension=_extension(inspection),
        kept=filetypes.kept(inspection.mime),
        category=filetypes.of(inspection.mime).category,
        code=row.code,
        reason=row.reason,
        remedy=row.remedy_of(inspection.mime),
        row=row.name,
    )


def _served(mime: str, kind: VerdictKind) -> str:
    if kind is not VerdictKind.NATIVE and mime.startswith(_MEDIA):
        return filetypes.OCTETS
    return filetypes.of(mime).served


def _extension(inspection: Inspected) -> str:
    return (
        filetypes.LIBRARY_EXTENSION if Trait.LIBRARY in inspection.traits else filetypes.of(inspection.mime).extension
    )
