"""Texts: in every encoding, against bytes that are none; tables and formulas, and prose that is neither."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inspection import content, text
from gateway.inspection.structure import Structure, Trait
from gateway.inspection.text import PLAIN, TABLE
from tests.document_samples import PROSE
from tests.together import together


def read(data: bytes) -> Structure | None:
    return text.read(content.of_bytes(data))


def mime(data: bytes) -> str | None:
    found = read(data)
    return found.mime if found else None


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252"]


@together("times", [1, 3000], ids=["short", "long"])
@together("encoding", ENCODINGS)
def test_prose_is_plain_text_in_every_encoding(encoding: str, times: int) -> None:
    assert mime((PROSE * times).encode(encoding)) == PLAIN


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_page_is_a_page_in_every_encoding(encoding: str) -> None:
    assert mime(("\n" * 9 + "<html>" + PROSE).encode(encoding)) == "text/html"


@pytest.mark.parametrize("cut", range(4))
def test_a_letter_on_the_edge_of_what_is_read_does_no_harm(cut: int) -> None:
    assert mime(b"x" * (text.HEAD_BYTES - cut) + "漢字👋".encode() * 9) == PLAIN


CONTROLS = {
    0x07: True,
    0x08: True,
    0x09: True,
    0x0D: True,
    0x0E: False,
    0x19: False,
    0x1A: True,
    0x1B: True,
    0x1C: False,
}


@together(("control", "is_text"), {**CONTROLS, 0x01: False, 0x1F: False, 0x7F: False}.items())
def test_control_characters_are_no_text(control: int, is_text: bool) -> None:  # noqa: FBT001
    assert (mime(b"some words " + bytes([control]) + b" more words") == PLAIN) is is_text


NO_TEXTS = {
    "nothing": b"",
    "zeros": bytes(100),
    "few zeros": b"words\0words and more words and so on",
    "zeros in every fourth place": b"\1\0\0a" * 30,
    "a mark and half a letter": b"\xff\xfe\0",
    "a mark and a lone surrogate": b"\xff\xfe\0\xd8x\0",
    "an archive far behind": b"x" * 100_000 + bytes(3) + b"x" * 1000,
}


@pytest.mark.parametrize("data", NO_TEXTS.values(), ids=NO_TEXTS)
def test_what_holds_other_bytes_is_none(data: bytes) -> None:
    assert read(data) is None


TABLES: dict[str, tuple[str, str]] = {
    "commas": ("a,b\n1,2\n", TABLE),
    "semicolons": ("a;b\n1;2", TABLE),
    "tabs": ("a\tb\r\n1\t2\r\n", TABLE),
    "blank lines between": ("a,b\n\n1,2\n\n", TABLE),
    "empty cells": (",,\n,,\n", TABLE),
    "quoted lines": ('a,"b\nc"\n1,2\n', TABLE),
    "one row": ("a,b\n", PLAIN),
    "ragged": ("a,b\n1,2,3\n", PLAIN),
    "one column": ("a\nb\n", PLAIN),
    "prose with commas": ("Dear Ann,\nyes, we can.\nBest, Bob\n", PLAIN),
}


@pytest.mark.parametrize(("rows", "kind"), TABLES.values(), ids=TABLES)
def test_rows_of_one_length_are_a_table(rows: str, kind: str) -> None:
    assert mime(rows.encode()) == kind
    assert mime(rows.encode("utf-16")) == kind


OPENINGS = {
    "a calendar": ("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n", "text/calendar"),
    "a calendar in small letters": ("begin:vcalendar\nend:vcalendar\n", "text/calendar"),
    "a contact": ("BEGIN:VCARD\nVERSION:3.0\nFN:José\nEND:VCARD\n", "text/vcard"),
    "a contact behind a line feed": ("\r\nBEGIN:VCARD\nFN:Ann\nEND:VCARD\n", "text/vcard"),
    "subtitles": ("WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n", "text/vtt"),
    "a key": ("-----BEGIN PGP MESSAGE-----\n\nabc\n", "application/pgp-encrypted"),
    "a model": ("ISO-10303-21;\nHEADER;\n", "model/step"),
    "words about one": ("The file begins with BEGIN:VCARD.\n", PLAIN),
}


@together("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@together(("words", "kind"), OPENINGS.values(), ids=OPENINGS)
def test_some_texts_say_by_their_first_words_what_they_are(words: str, kind: str, encoding: str) -> None:
    assert mime(words.encode(encoding)) == kind


def test_a_line_on_the_edge_of_what_is_read_makes_no_table_ragged() -> None:
    assert mime((b",".join([b"x" * 300] * 10) + b"\n") * 100) == TABLE


FORMULAS: dict[str, tuple[str, bool]] = {
    "a link": ('=HYPERLINK("http://a","b")', True),
    "a sum": ("=1+1", True),
    "in a second cell": ("a,=A1", True),
    "behind a semicolon": ("a;=A1", True),
    "behind a tab": ("a\t=A1", True),
    "quoted": ('a,"=A1"', True),
    "behind a blank": ("a, =A1", True),
    "in a second line": ("a,b\n=A1,c", True),
    "plus": ("+cmd|' /C calc'!A0", True),
    "minus": ("-HYPERLINK(1)", True),
    "at": ("@SUM(1)", True),
    "a number below zero": ("-1,-2", False),
    "a phone number": ("+39021111", False),
    "a rule": ("=====", False),
    "an equation": ("a = b", False),
    "a list": ("- see (below)", False),
    "a name": ("@ann, hello", False),
}


@together(("cells", "runs"), FORMULAS.values(), ids=FORMULAS)
def test_a_cell_that_a_spreadsheet_would_run_is_a_formula(cells: str, runs: bool) -> None:  # noqa: FBT001
    found = read(cells.encode())
    assert found
    assert (Trait.FORMULA in found.traits) is runs


WIDE_TEXTS = {
    "Chinese": "今天天气很好。我们去公园散步吧。",
    "Japanese": "こんにちは、世界。\r\nお元気ですか",
    "Korean": "안녕하세요, 주문하신 상품이 도착했습니다.",
    "Russian": "Здравствуйте, ваш заказ готов.",
    "Arabic": "مرحبا بكم في المتجر",
    "Chinese, and an emoji": "今天天气很好。我们去公园散步吧。今天天气很好。👋",
}


@together("times", [1, 5000])
@together("encoding", ["utf-16-le", "utf-16-be"])
@together("words", WIDE_TEXTS.values(), ids=WIDE_TEXTS)
def test_a_text_of_other_letters_needs_no_mark(words: str, encoding: str, times: int) -> None:
    found = read((words * times).encode(encoding))
    assert found
    assert (found.mime, found.details) == (PLAIN, {"encoding": encoding})


def test_a_page_of_other_letters_is_a_page_without_a_mark() -> None:
    page = "<html><script>alert(1)</script>" + WIDE_TEXTS["Chinese"] * 20
    assert {mime(page.encode(encoding)) for encoding in ("utf-16-le", "utf-16-be")} == {"text/html"}


NO_WIDE_TEXTS = {
    "too few letters": "\u0431" * 7,
    "a zero at its end": WIDE_TEXTS["Chinese"] + "\0",
    "a letter that is none": WIDE_TEXTS["Japanese"] + "\uffff",
    "letters of every kind": "\u0431\u1234\ua000\u2800" * 9,
}


@pytest.mark.parametrize("words", NO_WIDE_TEXTS.values(), ids=NO_WIDE_TEXTS)
def test_what_only_looks_like_it_is_none(words: str) -> None:
    assert mime(words.encode("utf-16-le")) is None
    assert mime(b"abc\0" * 20) is None


@pytest.mark.parametrize(("inner", "kind"), [("<svg>", "image/svg+xml"), ("<html>", "text/html"), ("words", None)])
def test_gzip_is_looked_into_for_markup(inner: str, kind: str | None) -> None:
    packed = gzip.compress(inner.encode())
    assert mime(packed) == kind
    assert mime(packed[:-8]) == kind


def test_broken_gzip_is_none() -> None:
    assert read(b"\x1f\x8b" + b"x" * 50) is None


@pytest.mark.parametrize(("before", "seen"), [(0, True), (60, True), (61, False)])
def test_the_test_virus_stands_in_the_first_128_bytes(before: int, seen: bool) -> None:  # noqa: FBT001
    assert text.is_test_virus(content.of_bytes(b" " * before + text.EICAR)) is seen


@given(st.text(min_size=1, max_size=200), st.binary(max_size=200))
def test_any_text_and_any_bytes_are_read(words: str, data: bytes) -> None:
    read(words.encode("utf-8", "replace"))
    read(words.encode("utf-16", "replace"))
    read(data)
