"""libmagic: its version, its slow inputs, its failures, and many threads at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import magic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inspection import content, inspector
from tests.document_samples import NATIVE, pdf
from tests.examples import costs_less


def opinion(data: bytes) -> str | None:
    return inspector.ask_libmagic(content.of_bytes(data))


def test_libmagic_is_of_a_version_whose_answers_are_in_our_tables() -> None:
    assert 541 <= magic.version() <= 548


def test_a_pdf_is_one() -> None:
    assert opinion(pdf()) == "application/pdf"


def test_what_libmagic_fails_on_is_no_opinion() -> None:
    with pytest.raises(magic.MagicException):
        magic.Magic(mime=True).from_buffer(b"ID3\3\0\0\0\0\0\0" * 60)
    assert opinion(b"ID3\3\0\0\0\0\0\0" * 60) is None


@pytest.mark.parametrize("blank", [b"\n", b" ", b"\r\n", b"\t \v\f"], ids=repr)
def test_a_page_behind_blanks_is_seen_and_soon(blank: bytes) -> None:
    data = (blank * 60_000)[:60_000] + b"<html><body>x</body></html>"
    assert opinion(data) == "text/html"
    assert costs_less(0.05, lambda: opinion(data))


def test_beyond_the_head_nothing_is_read() -> None:
    data = content.of_bytes(bytes(content.BUDGET_BYTES * 2))
    inspector.ask_libmagic(data)
    assert len(data.head(content.BUDGET_BYTES - inspector.HEAD_BYTES)) == content.BUDGET_BYTES - inspector.HEAD_BYTES


def test_eight_threads_get_the_answers_that_one_gets() -> None:
    files = [make() for _, make in NATIVE.values()] * 5
    alone = [opinion(data) for data in files]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(opinion, files)) == alone


@given(st.binary(max_size=500))
def test_any_bytes_have_an_opinion_or_none(data: bytes) -> None:
    found = opinion(data)
    assert found is None or "/" in found
