"""Files as an inspection tells of them, for tests that judge without any bytes."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.inspection import verdicts
from gateway.inspection.structure import Trait
from gateway.inspection.verdicts import Limits, Verdict

MB = 1_000_000
ROOMY = Limits(motion_bytes=1000 * MB, gateway_bytes=1000 * MB)
WORD, SHEET, SLIDES = (
    f"application/vnd.openxmlformats-officedocument.{kind}"
    for kind in ("wordprocessingml.document", "spreadsheetml.sheet", "presentationml.presentation")
)
# All that Meta lists.
META = [
    "image/jpeg",
    "image/png",
    "video/mp4",
    "video/3gpp",
    "audio/aac",
    "audio/amr",
    "audio/mpeg",
    "audio/mp4",
    "audio/ogg; codecs=opus",
    "text/plain",
    "application/pdf",
    "application/msword",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    WORD,
    SHEET,
    SLIDES,
    "image/webp",
]
PE = "application/vnd.microsoft.portable-executable"


@dataclass(frozen=True)
class File:
    mime: str
    traits: frozenset[Trait] = frozenset()
    size_bytes: int = 1000


def file(mime: str, *traits: Trait, size_bytes: int = 1000) -> File:
    return File(mime, frozenset(traits), size_bytes)


def judged(sample: File, profile: str = "xcally-observed", limits: Limits = ROOMY) -> Verdict:
    return verdicts.judge(sample, profile=profile, limits=limits)
