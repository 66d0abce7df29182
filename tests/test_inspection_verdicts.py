"""Verdicts: each row of XCALLY's table, each case of a careful gateway, and every edge of every size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inspection import filetypes, rulebook, verdicts
from gateway.inspection.rulebook import VerdictKind, VerdictRule
from gateway.inspection.structure import Trait
from gateway.inspection.verdicts import Limits
from tests.media_samples import MB, META, PE, ROOMY, SHEET, WORD, File, file, judged
from tests.together import together

NATIVE, LINK, REFUSED = VerdictKind.NATIVE, VerdictKind.LINK, VerdictKind.REFUSED
TYPES = filetypes.load()
NAMED = {*TYPES.by_mime, *TYPES.families}  # all that the table names
PROFILES = sorted(rulebook.load().profiles)

files = st.builds(
    File,
    mime=st.sampled_from(sorted(NAMED)) | st.text(max_size=40),
    traits=st.frozensets(st.sampled_from(list(Trait)), max_size=4),
    size_bytes=st.integers(0, 2000 * MB),
)

# XCALLY's manual, "Supported attachment", row by row; and what it says of .docx and of all else.
OBSERVED = {
    "CSV": ("text/csv", (), LINK, None),
    "DOC": ("application/msword", (), REFUSED, "CHANNEL_FAILURE"),
    "GIF": ("image/gif", (), REFUSED, "CHANNEL_FAILURE"),
    "JPG": ("image/jpeg", (), NATIVE, None),
    "MP3": ("audio/mpeg", (), NATIVE, None),
    "MP4": ("video/mp4", (), NATIVE, None),
    "PDF": ("application/pdf", (), LINK, None),
    "PNG": ("image/png", (), NATIVE, None),
    "WAV": ("audio/wav", (), REFUSED, "BAD_REQUEST"),
    "DLL": (PE, (Trait.LIBRARY,), LINK, None),
    "EXE": (PE, (), REFUSED, "BAD_REQUEST"),
    "EXE of DOS": ("application/x-dosexec", (), REFUSED, "BAD_REQUEST"),
    "DOCX": (WORD, (), REFUSED, "MEDIA_TYPE_UNSUPPORTED"),
    "XLSX": (SHEET, (), LINK, None),
    "XLS": ("application/vnd.ms-excel", (), LINK, None),
    "TXT": ("text/plain", (), LINK, None),
    "ZIP": ("application/zip", (), LINK, None),
    "HTML": ("text/html", (), LINK, None),
    "nothing we know": ("application/x-strange", (), LINK, None),
    "GIF, animated": ("image/gif", (Trait.ANIMATED,), REFUSED, "CHANNEL_FAILURE"),
    "sticker": ("image/webp", (), NATIVE, None),
    "M4A": ("audio/mp4", (), NATIVE, None),
    "H.265": ("video/mp4", (Trait.FOREIGN_VIDEO,), LINK, None),
}


@together(("mime", "traits", "kind", "code"), OBSERVED.values(), ids=OBSERVED)
def test_what_xcally_has_observed(mime: str, traits: tuple[Trait, ...], kind: VerdictKind, code: str | None) -> None:
    verdict = judged(file(mime, *traits), "xcally-observed")
    assert (verdict.kind, verdict.code) == (kind, code)


@together("mime", META)
def test_what_meta_lists_is_native_under_meta_cloud_and_under_strict(mime: str) -> None:
    assert judged(file(mime), "meta-cloud").kind is NATIVE
    assert judged(file(mime), "strict").kind is NATIVE


@together("mime", sorted(NAMED - set(META)))
def test_what_meta_does_not_list_is_a_link_under_meta_cloud(mime: str) -> None:
    assert judged(file(mime), "meta-cloud").kind is LINK


ODD_BUT_FINE = {
    "moov behind mdat": ("video/mp4", Trait.LATE_INDEX),
    "H.264 High with B-frames": ("video/mp4", Trait.HIGH_WITH_B_FRAMES),
    "photo with a film behind it": ("image/jpeg", Trait.TRAILING),
    "grey scan": ("image/jpeg", Trait.GREY),
    "PDF that may not be printed": ("application/pdf", Trait.ENCRYPTED),
    "moving PNG": ("image/png", Trait.ANIMATED),
    "moving sticker": ("image/webp", Trait.ANIMATED),
}


@pytest.mark.parametrize(("mime", "trait"), ODD_BUT_FINE.values(), ids=ODD_BUT_FINE)
def test_a_genuine_file_with_a_peculiarity_stays_native_under_meta_cloud(mime: str, trait: Trait) -> None:
    assert judged(file(mime, trait), "meta-cloud").kind is NATIVE


NOT_NATIVE = {
    "Ogg without Opus": ("audio/ogg", ()),
    "H.265, MPEG-4 ASP": ("video/mp4", (Trait.FOREIGN_VIDEO,)),
    "film with MP3 sound": ("video/mp4", (Trait.FOREIGN_AUDIO,)),
    "two sound tracks": ("video/mp4", (Trait.SEVERAL_AUDIO,)),
    "no moov": ("video/mp4", (Trait.NO_INDEX,)),
    "no track": ("video/mp4", (Trait.NO_TRACK,)),
    "M4A with ALAC": ("audio/mp4", (Trait.FOREIGN_AUDIO,)),
    "docx with macros": (WORD, (Trait.MACROS,)),
    "doc with macros": ("application/msword", (Trait.MACROS,)),
    "docx with a program": (WORD, (Trait.PROGRAM_WITHIN,)),
    "xls with a password": ("application/vnd.ms-excel", (Trait.ENCRYPTED,)),
    "ZIP dressed as docx": (WORD, (Trait.DRESSED_UP,)),
    "HTML behind JPEG's first bytes": ("image/jpeg", (Trait.MARKUP_WITHIN,)),
    "JPEG that is a ZIP": ("image/jpeg", (Trait.ARCHIVE_WITHIN,)),
    "16-bit PNG": ("image/png", (Trait.DEEP,)),
    "palette PNG": ("image/png", (Trait.PALETTE,)),
    "CMYK JPEG": ("image/jpeg", (Trait.CMYK,)),
    "sticker of another size": ("image/webp", (Trait.NOT_512,)),
    "empty": ("text/plain", (Trait.EMPTY,)),
    "half a picture": ("image/jpeg", (Trait.TRUNCATED,)),
    "EICAR": ("text/plain", (Trait.TEST_VIRUS,)),
    "not read to its end": ("application/pdf", (Trait.COSTLY,)),
}


@together(("mime", "traits"), NOT_NATIVE.values(), ids=NOT_NATIVE)
@together("profile", PROFILES)
def test_never_native(profile: str, mime: str, traits: tuple[Trait, ...]) -> None:
    assert judged(file(mime, *traits), profile).kind is not NATIVE


# What a careful gateway does, case by case.
CAREFUL = {
    "picture with bytes behind its end": ("image/jpeg", (Trait.TRAILING,), LINK),
    "film with bytes behind its end": ("video/mp4", (Trait.TRAILING,), LINK),
    "GIFAR": ("image/gif", (Trait.ARCHIVE_WITHIN,), LINK),
    "PNG and ZIP": ("image/png", (Trait.ARCHIVE_WITHIN,), LINK),
    "PDF and JAR": ("application/pdf", (Trait.ARCHIVE_WITHIN,), LINK),
    "ZIP": ("application/zip", (), LINK),
    "JAR": ("application/java-archive", (), REFUSED),
    "APK": ("application/vnd.android.package-archive", (), REFUSED),
    "docx with macros": (WORD, (Trait.MACROS,), REFUSED),
    "docm": ("application/vnd.ms-word.document.macroEnabled.12", (Trait.MACROS,), REFUSED),
    "program in a docx": (WORD, (Trait.PROGRAM_WITHIN,), REFUSED),
    "program in a ZIP": ("application/zip", (Trait.PROGRAM_WITHIN,), REFUSED),
    "encrypted docx": ("application/encrypted", (Trait.ENCRYPTED,), LINK),
    "encrypted ZIP": ("application/zip", (Trait.ENCRYPTED,), LINK),
    "encrypted PDF": ("application/pdf", (Trait.ENCRYPTED,), LINK),
    "magic and a foreign body": ("image/jpeg", (Trait.BROKEN,), REFUSED),
    "magic and HTML": ("image/gif", (Trait.MARKUP_WITHIN,), REFUSED),
    "HTML": ("text/html", (), REFUSED),
    "XHTML": ("application/xhtml+xml", (), REFUSED),
    "SVG": ("image/svg+xml", (), REFUSED),
    "XML": ("text/xml", (), REFUSED),
    "MHTML": ("multipart/related", (), REFUSED),
    "mail": ("message/rfc822", (), REFUSED),
    "HTA": ("application/hta", (), REFUSED),
    "text with tags further down": ("text/plain", (), NATIVE),
    "EICAR": ("text/plain", (Trait.TEST_VIRUS,), REFUSED),
    "ZIP bomb": ("application/zip", (Trait.BOMB,), REFUSED),
    "EXE": (PE, (), REFUSED),
    "DLL": (PE, (Trait.LIBRARY,), REFUSED),
    "ELF": ("application/x-executable", (), REFUSED),
    "Mach-O": ("application/x-mach-binary", (), REFUSED),
    "shortcut": ("application/x-ms-shortcut", (), REFUSED),
    "shortcut to a URL": ("application/x-mswinurl", (), REFUSED),
    "MSI": ("application/x-msi", (), REFUSED),
    "CAB": ("application/vnd.ms-cab-compressed", (), REFUSED),
    "ISO": ("application/x-iso9660-image", (), REFUSED),
    "CHM": ("application/vnd.ms-htmlhelp", (), REFUSED),
    "script": ("text/x-script", (), REFUSED),
    "RTF": ("application/rtf", (), LINK),
    "JSON": ("application/json", (), LINK),
    "octets": ("application/octet-stream", (), LINK),
    "of no known type": ("application/x-strange", (), LINK),
    "empty": ("application/octet-stream", (Trait.EMPTY,), REFUSED),
    "truncated": ("application/pdf", (Trait.TRUNCATED,), REFUSED),
    "ZIP dressed as docx": ("application/zip", (Trait.DRESSED_UP,), REFUSED),
    "no moov": ("video/mp4", (Trait.NO_INDEX,), LINK),
    "H.265": ("video/mp4", (Trait.FOREIGN_VIDEO,), LINK),
    "H.264 that some telephones do not play": ("video/mp4", (Trait.HIGH_WITH_B_FRAMES,), LINK),
    "a film whose index stands behind": ("video/3gpp", (Trait.LATE_INDEX,), LINK),
    "a sound whose index stands behind": ("audio/mp4", (Trait.LATE_INDEX,), NATIVE),
    "H.263 and AMR": ("video/3gpp", (Trait.FOREIGN_VIDEO, Trait.FOREIGN_AUDIO), LINK),
    "two sound tracks": ("video/mp4", (Trait.SEVERAL_AUDIO,), LINK),
    "16-bit PNG": ("image/png", (Trait.DEEP,), LINK),
    "palette PNG": ("image/png", (Trait.PALETTE,), LINK),
    "grey JPEG": ("image/jpeg", (Trait.GREY,), LINK),
    "CMYK JPEG": ("image/jpeg", (Trait.CMYK,), LINK),
    "sticker not 512 x 512": ("image/webp", (Trait.NOT_512,), LINK),
    "CSV": ("text/csv", (), LINK),
    "CSV with a formula": ("text/csv", (Trait.FORMULA,), LINK),
    "GIF": ("image/gif", (), LINK),
    "WAV": ("audio/wav", (), LINK),
}


@together(("mime", "traits", "kind"), CAREFUL.values(), ids=CAREFUL)
def test_what_a_careful_gateway_does(mime: str, traits: tuple[Trait, ...], kind: VerdictKind) -> None:
    verdict = judged(file(mime, *traits), "strict")
    assert verdict.kind is kind
    assert verdict.code == ("ATTACHMENT_REJECTED" if kind is REFUSED else None)


@together("mime", sorted(TYPES.runnable))
def test_what_a_machine_would_run_is_refused_under_strict_and_native_nowhere(mime: str) -> None:
    assert judged(file(mime), "strict").kind is REFUSED
    assert {judged(file(mime), profile).kind for profile in PROFILES} <= {LINK, REFUSED}


@given(files, st.sampled_from(PROFILES))
def test_there_is_a_verdict_on_everything_and_what_could_harm_is_never_native(sample: File, profile: str) -> None:
    verdict = judged(sample, profile)
    assert (verdict.code is not None) == (verdict.kind is REFUSED)
    assert bool(verdict.remedy) or verdict.kind is NATIVE
    assert verdict.reason.endswith(".")
    assert verdict.mime in TYPES.by_mime
    assert verdict.mime not in TYPES.runnable
    if verdict.kind is NATIVE:
        assert sample.mime in META
        assert verdict.mime == sample.mime
        harmful = {Trait.MACROS, Trait.TEST_VIRUS, Trait.MARKUP_WITHIN, Trait.ARCHIVE_WITHIN, Trait.DRESSED_UP}
        assert not sample.traits & harmful


SIZES = {
    "image": ("image/jpeg", (), 5 * MB, "WhatsApp takes a picture up to 5MB"),
    "video": ("video/mp4", (), 16 * MB, "WhatsApp takes a video up to 16MB"),
    "audio": ("audio/mpeg", (), 16 * MB, "WhatsApp takes a sound up to 16MB"),
    "document": ("application/pdf", (), 100 * MB, "Sinch takes a document up to 100MB"),
    "what is on no list": ("application/zip", (), 100 * MB, "Sinch takes a document up to 100MB"),
    "sticker": ("image/webp", (), 100_000, "WhatsApp takes a sticker up to 100kB"),
    "animated sticker": ("image/webp", (Trait.ANIMATED,), 500_000, "WhatsApp takes a sticker up to 500kB"),
    "film that is a link": ("video/mp4", (Trait.FOREIGN_VIDEO,), 100 * MB, "Sinch takes a document up to 100MB"),
    "picture that is a link": ("image/webp", (Trait.NOT_512,), 100 * MB, "Sinch takes a document up to 100MB"),
    "sound that is a link": ("audio/ogg", (), 100 * MB, "Sinch takes a document up to 100MB"),
    "photo of a telephone": ("image/heic", (), 100 * MB, "Sinch takes a document up to 100MB"),
}


@together("profile", ["meta-cloud", "xcally-observed"])
@together(("mime", "traits", "most", "whose"), SIZES.values(), ids=SIZES)
def test_over_the_size_of_its_category_a_file_is_refused(
    mime: str, traits: tuple[Trait, ...], most: int, whose: str, profile: str
) -> None:
    assert judged(file(mime, *traits, size_bytes=most), profile).kind is not REFUSED
    verdict = judged(file(mime, *traits, size_bytes=most + 1), profile)
    assert (verdict.kind, verdict.code) == (REFUSED, "MEDIA_TOO_LARGE")
    assert verdict.reason == f"{whose}, and this file has {most + 1:,} bytes."
    assert verdict.remedy


STRICT_SIZES = {
    "image": ("image/png", 5 * MB, LINK, NATIVE),
    "sticker": ("image/webp", 100_000, LINK, NATIVE),
    "video": ("video/mp4", 16 * MB, REFUSED, NATIVE),
    "zip": ("application/zip", 100 * MB, REFUSED, LINK),
}


@pytest.mark.parametrize(("mime", "most", "over", "within"), STRICT_SIZES.values(), ids=STRICT_SIZES)
def test_strict_makes_a_link_of_a_picture_or_sticker_that_is_too_large(
    mime: str, most: int, over: VerdictKind, within: VerdictKind
) -> None:
    assert judged(file(mime, size_bytes=most), "strict").kind is within
    assert judged(file(mime, size_bytes=most + 1), "strict").kind is over


LINKS_OF_ANY_SIZE = {
    "a picture in WebP": ("image/webp", Trait.NOT_512, 394_000),
    "a moving picture in WebP": ("image/webp", Trait.NOT_512, 4 * MB),
    "a film in H.265": ("video/mp4", Trait.FOREIGN_VIDEO, 20 * MB),
    "a film with two sounds": ("video/3gpp", Trait.SEVERAL_AUDIO, 20 * MB),
    "a sound in ALAC": ("audio/mp4", Trait.FOREIGN_AUDIO, 30 * MB),
    "a picture of 16 bits": ("image/png", Trait.DEEP, 9 * MB),
    "a picture that is an archive": ("image/jpeg", Trait.ARCHIVE_WITHIN, 9 * MB),
    "a sticker that is an archive": ("image/webp", Trait.ARCHIVE_WITHIN, 900_000),
}


@together("profile", PROFILES)
@together(("mime", "trait", "size"), LINKS_OF_ANY_SIZE.values(), ids=LINKS_OF_ANY_SIZE)
def test_what_goes_out_as_a_link_knows_no_size_but_that_of_links(
    mime: str, trait: Trait, size: int, profile: str
) -> None:
    assert judged(file(mime, trait, size_bytes=size), profile).kind is LINK
    assert judged(file(mime, trait, size_bytes=100 * MB + 1), profile).code == "MEDIA_TOO_LARGE" or profile == "strict"


def test_what_smaller_would_not_help_is_not_told_to_become_smaller() -> None:
    assert judged(file("image/webp", Trait.NOT_512, size_bytes=394_000), "strict").row == "sticker of another size"
    assert judged(file("image/webp", size_bytes=394_000), "strict").row == "picture or sticker too large"


@pytest.mark.parametrize("profile", PROFILES)
def test_an_empty_file_is_refused_in_words(profile: str) -> None:
    verdict = judged(file(filetypes.OCTETS, Trait.EMPTY, size_bytes=0), profile)
    assert (verdict.kind, verdict.code) == (REFUSED, "ATTACHMENT_REJECTED")
    assert verdict.reason == "The file is empty: it has 0 bytes."
    assert verdict.remedy


def test_an_empty_file_is_refused_on_other_channels_too_and_a_file_of_one_byte_nowhere() -> None:
    assert verdicts.elsewhere(file(filetypes.OCTETS, Trait.EMPTY, size_bytes=0), limits=ROOMY).row == "empty"
    assert verdicts.elsewhere(file("text/plain", size_bytes=1), limits=ROOMY).kind is NATIVE
    assert {judged(file("text/plain", size_bytes=1), profile).kind for profile in PROFILES} == {NATIVE, LINK}


SAVED_AS = {
    "image/heic": "JPEG",
    "image/heif": "JPEG",
    "image/avif": "JPEG",
    "image/tiff": "JPEG",
    "image/x-of-a-camera": "JPEG",
    "video/quicktime": "MP4",
    "video/webm": "MP4",
    "video/x-matroska": "MP4",
    "video/mp2t": "MP4",
    "audio/flac": "MP3",
    "audio/x-aiff": "MP3",
    "application/zip": "send what is in it",
}


@together("profile", PROFILES)
@together(("mime", "word"), SAVED_AS.items(), ids=SAVED_AS)
def test_a_link_says_as_what_the_file_would_be_seen_in_the_chat(mime: str, word: str, profile: str) -> None:
    verdict = judged(file(mime), profile)
    assert verdict.kind is LINK
    assert word in verdict.remedy


def test_what_is_refused_for_what_it_is_stays_so_when_it_is_too_large_as_well() -> None:
    assert judged(file("image/gif", size_bytes=200 * MB)).code == "CHANNEL_FAILURE"
    assert judged(file("image/jpeg", Trait.TEST_VIRUS, size_bytes=6 * MB), "strict").row == "test virus"


SETTINGS = {
    "Motion's": (Limits(motion_bytes=25 * MB, gateway_bytes=100 * MB), 25 * MB, "Motion takes attachments up to 25MB"),
    "ours": (Limits(motion_bytes=25 * MB, gateway_bytes=2 * MB), 2 * MB, "The gateway takes files up to 2MB"),
    "Motion's first": (Limits(motion_bytes=2 * MB, gateway_bytes=MB), 2 * MB, "Motion takes attachments up to 2MB"),
    "in powers of two": (
        Limits(motion_bytes=2**20, gateway_bytes=MB * 9),
        2**20,
        "Motion takes attachments up to 1MiB",
    ),
}


@together(("limits", "most", "whose"), SETTINGS.values(), ids=SETTINGS)
@together("profile", PROFILES)
def test_over_a_limit_of_the_settings_everything_is_refused_and_motion_is_named_first(
    limits: Limits, most: int, whose: str, profile: str
) -> None:
    verdict = judged(file("application/pdf", size_bytes=most + 1), profile, limits)
    assert (verdict.kind, verdict.code) == (REFUSED, "MEDIA_TOO_LARGE")
    assert verdict.reason.startswith(f"{whose} (")
    assert not judged(file("application/pdf", size_bytes=most), profile, limits).reason.startswith(whose)


# As the type to serve, and the extension to save under.
SERVED = {
    "as it is": ("image/jpeg", (), "image/jpeg", ".jpg"),
    "with its parameter": ("audio/ogg; codecs=opus", (), "audio/ogg; codecs=opus", ".ogg"),
    "text, without any": ("text/plain", (), "text/plain", ".txt"),
    "a link that is no medium": ("application/pdf", (), "application/pdf", ".pdf"),
    "a film that shall be a link": ("video/mp4", (Trait.FOREIGN_VIDEO,), "application/octet-stream", ".mp4"),
    "Ogg that shall be a link": ("audio/ogg", (), "application/octet-stream", ".ogg"),
    "a refused picture": ("image/gif", (), "application/octet-stream", ".gif"),
    "not known": ("application/x-strange", (), "application/octet-stream", ".bin"),
    "HTML": ("text/html", (), "application/octet-stream", ".bin"),
    "SVG": ("image/svg+xml", (), "application/octet-stream", ".bin"),
    "XML": ("text/xml", (), "application/octet-stream", ".bin"),
    "script": ("text/x-script", (), "application/octet-stream", ".bin"),
    "program": (PE, (), "application/octet-stream", ".bin"),
    "library": (PE, (Trait.LIBRARY,), "application/octet-stream", ".dll"),
}


@together(("mime", "traits", "served", "extension"), SERVED.values(), ids=SERVED)
def test_a_file_is_served(mime: str, traits: tuple[Trait, ...], served: str, extension: str) -> None:
    verdict = judged(file(mime, *traits))
    assert (verdict.mime, verdict.extension) == (served, extension)


def test_no_type_that_a_browser_runs_is_ever_served() -> None:
    served = {found.served for found in TYPES.types}
    assert served & TYPES.runnable == set()
    assert not [mime for mime in served if mime.endswith(("html", "+xml", "/xml", "script"))]


def reaching(row: VerdictRule) -> File:
    """A file that asks for this row: of the first of its types, with the first of its traits, too large if need be."""
    mime = min(row.types, default="application/x-strange")
    if not row.types and row.categories:
        mime = min(found.mime for found in TYPES.types if found.category in row.categories)
    traits = frozenset(sorted(row.any_of)[:1])
    return File(mime, traits, 6 * MB if row.too_large else 1000)


def own_rows() -> list[tuple[str, VerdictRule]]:
    """The rows that each profile brings. Those it stands on may be out of reach there."""
    ground = rulebook.load().profiles["meta-cloud"]
    return [
        (profile, row)
        for profile, stack in rulebook.load().profiles.items()
        for row in stack
        if profile == "meta-cloud" or row not in ground
    ]


@together(("profile", "row"), own_rows(), ids=[f"{name}: {row.name}" for name, row in own_rows()])
def test_every_row_is_reached(profile: str, row: VerdictRule) -> None:
    assert judged(reaching(row), profile).row == row.name
