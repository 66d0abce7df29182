"""PDF: whole, cut, going on, locked, and an archive as well."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inspection import content
from gateway.inspection import pdf as reader
from gateway.inspection.structure import Trait
from tests.container_samples import pack
from tests.document_samples import pdf, pdf_of_picture, pdf_updated

WHOLE = pdf()
ROWS: dict[str, tuple[bytes, frozenset[Trait]]] = {
    "whole": (WHOLE, frozenset()),
    "of pictures": (pdf_of_picture(), frozenset()),
    "updated": (pdf_updated(), frozenset()),
    "60 pages": (pdf(pages=60), frozenset()),
    "64 bytes behind": (WHOLE + b"x" * 64, frozenset()),
    "65 bytes behind": (WHOLE + b"x" * 65, frozenset({Trait.TRAILING})),
    "zeros behind": (WHOLE + bytes(60_000), frozenset()),
    "so many zeros that nobody looks": (WHOLE + bytes(70_000), frozenset({Trait.TRUNCATED})),
    "an archive behind": (WHOLE + pack([]), frozenset({Trait.ARCHIVE_WITHIN})),
    "an archive before its end": (WHOLE[:-7] + pack([]) + WHOLE[-60:], frozenset({Trait.ARCHIVE_WITHIN})),
    "locked": (pdf(password="x"), frozenset({Trait.ENCRYPTED})),
    "not locked, only so called": (WHOLE.replace(b"/Size", b"/EncryptMetadata true /Size"), frozenset()),
    "without its end": (WHOLE[: WHOLE.rindex(b"%%EOF")], frozenset({Trait.TRUNCATED})),
    "without a way to its table": (WHOLE.replace(b"startxref", b"startxxxx"), frozenset({Trait.TRUNCATED})),
    "a way too far from the end": (
        WHOLE[: WHOLE.rindex(b"%%EOF")] + b" " * 1024 + b"%%EOF",
        frozenset({Trait.TRUNCATED}),
    ),
    "a way to nowhere": (WHOLE.replace(b"startxref\n", b"startxref\n9"), frozenset()),
    "no object at all": (b"%PDF-1.4\nHello.\nstartxref\n5\n%%EOF", frozenset({Trait.BROKEN})),
    "no version": (WHOLE.replace(b"%PDF-1", b"%PDF-x"), frozenset({Trait.BROKEN})),
    "its magic alone": (b"%PDF-", frozenset({Trait.TRUNCATED})),
}


@pytest.mark.parametrize(("data", "traits"), ROWS.values(), ids=ROWS)
def test_a_pdf_has_its_traits_and_no_others(data: bytes, traits: frozenset[Trait]) -> None:
    found = reader.read(content.of_bytes(data))
    assert found
    assert (found.mime, found.traits) == ("application/pdf", traits)


def test_a_lock_is_seen_in_a_table_that_is_a_stream() -> None:
    start = b"%PDF-1.5\n"
    table = b"1 0 obj\n<< /Type /XRef /Encrypt 2 0 R >>\nstream\n" + b"x" * 90_000 + b"\nendstream\nendobj\n"
    found = reader.read(content.of_bytes(start + table + b"startxref\n%d\n%%%%EOF" % len(start)))
    assert found
    assert found.traits == {Trait.ENCRYPTED}


@pytest.mark.parametrize(
    "data", [b"", b"%PDF", b"%pdf-1.4", b" " + WHOLE, b"\x00" + WHOLE], ids=lambda data: repr(data[:6])
)
def test_what_does_not_begin_like_one_is_none(data: bytes) -> None:
    assert reader.read(content.of_bytes(data)) is None


@given(st.binary(max_size=300))
def test_any_bytes_behind_the_magic_are_read(data: bytes) -> None:
    reader.read(content.of_bytes(b"%PDF-" + data))
    reader.read(content.of_bytes(b"%PDF-1.4 startxref " + data + b"%%EOF"))
