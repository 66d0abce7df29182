"""Real files, from real encoders to the verdict."""

from __future__ import annotations

from collections.abc import Callable

from gateway.inspection import content, filetypes, inspector, verdicts
from gateway.inspection.rulebook import VerdictKind
from gateway.inspection.structure import Trait
from gateway.inspection.verdicts import Limits, Verdict
from tests import document_samples, picture_samples, recording_samples
from tests.media_samples import META
from tests.together import together

WHATSAPPS = {mime for mime in META if mime.startswith(("image/", "video/", "audio/"))}
# What WhatsApp itself does not take of its own types: "8-bit, RGB or RGBA", "H.264 and AAC, one track", 512 x 512.
NOT_WHATSAPPS = {
    Trait.PALETTE,
    Trait.DEEP,
    Trait.CMYK,
    Trait.NOT_512,
    Trait.FOREIGN_VIDEO,
    Trait.FOREIGN_AUDIO,
    Trait.SEVERAL_AUDIO,
    Trait.NO_INDEX,
    Trait.NO_TRACK,
    Trait.ENCRYPTED,
}
DAMAGED = {Trait.BROKEN, Trait.TRUNCATED, Trait.ARCHIVE_WITHIN, Trait.MARKUP_WITHIN, Trait.COSTLY, Trait.EMPTY}
HARM = {
    Trait.MACROS,
    Trait.DRESSED_UP,
    Trait.PROGRAM_WITHIN,
    Trait.BOMB,
    Trait.TEST_VIRUS,
    Trait.MARKUP_WITHIN,
    Trait.ARCHIVE_WITHIN,
}
MEDIA = {**picture_samples.PICTURES, **recording_samples.RECORDINGS}
TOO_LARGE = ("webp sticker, lossless", "webp 511 x 512, lossless")  # over the 100 KB of a sticker
GENUINE = {
    name: sample
    for name, sample in MEDIA.items()
    if sample.mime in WHATSAPPS and not sample.traits & (NOT_WHATSAPPS | DAMAGED) and name not in TOO_LARGE
}
ROOMY = Limits(motion_bytes=10**9, gateway_bytes=10**9)


def judged(data: bytes, profile: str, name: str = "") -> Verdict:
    return verdicts.judge(inspector.inspect(content.of_bytes(data), name=name), profile=profile, limits=ROOMY)


def test_each_of_whatsapps_types_comes_in_at_least_five_variants() -> None:
    counts = {mime: sum(sample.mime == mime for sample in GENUINE.values()) for mime in WHATSAPPS}
    assert {mime: count for mime, count in counts.items() if count < 5} == {}


@together("name", GENUINE)
@together("profile", ["meta-cloud", "xcally-observed"])
def test_a_genuine_picture_film_or_sound_is_native(name: str, profile: str) -> None:
    sample = GENUINE[name]
    verdict = judged(sample.data(), profile, f"file{sample.suffix}")
    assert (verdict.kind, verdict.mime) == (VerdictKind.NATIVE, sample.mime), verdict.reason


@together(("mime", "make"), document_samples.NATIVE.values(), ids=document_samples.NATIVE)
def test_a_genuine_document_is_native_under_meta_cloud(mime: str, make: Callable[[], bytes]) -> None:
    verdict = judged(make(), "meta-cloud")
    assert (verdict.kind, verdict.mime) == (VerdictKind.NATIVE, mime), verdict.reason


@together("name", MEDIA)
def test_no_picture_film_or_sound_is_refused_under_meta_cloud(name: str) -> None:
    verdict = judged(MEDIA[name].data(), "meta-cloud")
    assert verdict.kind is not VerdictKind.REFUSED or (name in TOO_LARGE and verdict.code == "MEDIA_TOO_LARGE")


@together("name", [name for name in MEDIA if name not in GENUINE])
def test_what_whatsapp_would_not_play_is_not_native(name: str) -> None:
    sample = MEDIA[name]
    assert judged(sample.data(), "meta-cloud").kind is not VerdictKind.NATIVE, sample.traits


HARMFUL = {
    name: make
    for name, (mime, traits, make) in document_samples.DANGERS.items()
    if HARM.intersection(traits) or filetypes.dangerous(mime)
}


@together("name", HARMFUL)
@together("profile", ["meta-cloud", "xcally-observed", "strict"])
def test_what_could_harm_is_native_nowhere(name: str, profile: str) -> None:
    assert judged(HARMFUL[name](), profile).kind is not VerdictKind.NATIVE
