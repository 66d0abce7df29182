"""Families of types: who agrees with whom, and who is dangerous."""

from __future__ import annotations

import pytest

from gateway.inspection import compound, families, markup, office, program, text
from tests.document_samples import DANGERS, DOCX, NATIVE
from tests.picture_samples import PICTURES
from tests.recording_samples import RECORDINGS

AGREEMENTS: dict[str, tuple[str, str, bool]] = {
    "the same": ("application/pdf", "application/pdf", True),
    "AAC as libmagic spells it": ("audio/aac", "audio/x-hx-aac-adts", True),
    "M4A as libmagic spells it": ("audio/mp4", "audio/x-m4a", True),
    "M4A of a general brand": ("audio/mp4", "video/mp4", True),
    "a film of Sony's": ("video/mp4", "audio/mp4", True),
    "a film of an unknown brand": ("video/mp4", families.UNKNOWN, True),
    "Opus": ("audio/ogg; codecs=opus", "audio/ogg", True),
    "WAV": ("audio/wav", "audio/x-wav", True),
    "a document as an archive": (DOCX, "application/zip", True),
    "a document unknown": (DOCX, families.UNKNOWN, True),
    "an old document": ("application/msword", "application/x-ole-storage", True),
    "an old document of another kind": ("application/msword", "application/CDFV2", True),
    "a table as text": ("text/csv", "text/plain", True),
    "text as a program's source": ("text/plain", "text/x-c", True),
    "text unknown": ("text/plain", families.UNKNOWN, False),
    "a picture as a page": ("image/jpeg", "text/html", False),
    "a picture as another": ("image/jpeg", "image/png", False),
    "a picture as text": ("image/gif", "text/plain", False),
    "a document as an old one": (DOCX, "application/msword", False),
    "a document as a program": (DOCX, "application/vnd.microsoft.portable-executable", False),
    "sound as what nobody here reads": ("audio/mpeg", "audio/flac", False),
    "text as a page": ("text/plain", "text/html", False),
    "text as a script": ("text/plain", "text/x-shellscript", False),
}


@pytest.mark.parametrize(("read", "opinion", "agree"), AGREEMENTS.values(), ids=AGREEMENTS)
def test_opinions_of_one_family_agree(read: str, opinion: str, agree: bool) -> None:  # noqa: FBT001
    assert families.contradict(read, opinion) is not agree


TOLD = {
    *(mime for mime, _ in NATIVE.values()),
    *(mime for mime, _, _ in DANGERS.values()),
    *(sample.mime for sample in (PICTURES | RECORDINGS).values()),
    *office.MAIN_PARTS.values(),
    *compound.STREAMS.values(),
    *program.STARTS.values(),
} - {families.UNKNOWN}


@pytest.mark.parametrize("mime", sorted(TOLD))
def test_every_type_that_a_reader_tells_has_a_family(mime: str) -> None:
    assert families.of(mime)


@pytest.mark.parametrize(
    "mime",
    [
        *(markup.HTML, markup.XHTML, markup.SVG, markup.XML, markup.HTA, markup.MHTML),
        *(program.SCRIPT, program.SHORTCUT, program.DESKTOP, program.IMAGE, *program.STARTS.values()),
        *("text/x-php", "application/x-sharedlib", "application/x-pie-executable", "application/xml"),
    ],
)
def test_programs_scripts_and_markup_are_dangerous(mime: str) -> None:
    assert families.dangerous(mime)


@pytest.mark.parametrize("mime", sorted({mime for mime, _ in NATIVE.values()} | {text.TABLE, text.RICH, "x/y"}))
def test_documents_are_not(mime: str) -> None:
    assert not families.dangerous(mime)


def test_no_type_is_of_two_families() -> None:
    listed = [mime for mimes in families.FAMILIES.values() for mime in mimes.split()]
    assert sorted(set(listed)) == sorted(listed)


@pytest.mark.parametrize(
    ("mime", "spelt"),
    [
        ("text/x-shellscript", program.SCRIPT),
        ("application/javascript", program.SCRIPT),
        ("application/x-mswinurl", "application/x-mswinurl"),
        ("application/xml", "text/xml"),
        ("application/x-empty", families.UNKNOWN),
        ("video/x-matroska", "video/x-matroska"),
    ],
)
def test_libmagics_word_is_spelt_our_way(mime: str, spelt: str) -> None:
    assert families.spelt(mime) == spelt
