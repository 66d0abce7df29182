"""What a Content-Disposition promises, whoever wrote it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.attachments import content_disposition
from gateway.attachments.content_disposition import MOST_CHARACTERS, Promise

HEADERS = {
    "nothing": ("", False, ""),
    "inline": ("inline", False, ""),
    "attachment": ("attachment", True, ""),
    "in capitals": ("ATTACHMENT; FILENAME=a.pdf", True, "a.pdf"),
    "a token": ("attachment; filename=a.pdf", True, "a.pdf"),
    "quoted": ('attachment; filename="my file.pdf"', True, "my file.pdf"),
    "quotes in quotes": (r'attachment; filename="a \"b\" \\c.pdf"', True, r'a "b" \c.pdf'),
    "a semicolon in quotes": ('attachment; filename="a;b.pdf"; size=3', True, "a;b.pdf"),
    "inline with a name": ('inline; filename="a.pdf"', True, "a.pdf"),
    "extended": ("attachment; filename*=UTF-8''na%C3%AFve.pdf", True, "na\u00efve.pdf"),
    "extended in Latin-1": ("attachment; filename*=iso-8859-1'de'%FCber.pdf", True, "\u00fcber.pdf"),
    "both, the extended one last": ("attachment; filename=b.pdf; filename*=UTF-8''%C3%A9.pdf", True, "\u00e9.pdf"),
    "both, the extended one first": ("attachment; filename*=UTF-8''%C3%A9.pdf; filename=b.pdf", True, "\u00e9.pdf"),
    "an extended one that nobody reads": ("attachment; filename*=KOI8-R''%C3.pdf; filename=b.pdf", True, "b.pdf"),
    "an extended one without quotes": ("attachment; filename*=a.pdf; filename=b.pdf", True, "b.pdf"),
    "bytes that are not UTF-8": ("attachment; filename*=UTF-8''%FF%FE.pdf", True, "\ufffd\ufffd.pdf"),
    "raw UTF-8": ('attachment; filename="\u00c3\u00a9.pdf"', True, "\u00e9.pdf"),
    "raw Latin-1": ('attachment; filename="\u00e9.pdf"', True, "\u00e9.pdf"),
    "twice": ("attachment; filename=a.pdf; filename=b.pdf", True, "a.pdf"),
    "an open quote": ('attachment; filename="a.pdf', True, "a.pdf"),
    "no name": ('attachment; filename=""', True, ""),
    "line breaks": ("attachment; filename*=UTF-8''a%0D%0AX-Forged:%201.pdf", True, "aX-Forged: 1.pdf"),
    "NUL": ("attachment; filename*=UTF-8''a%00.pdf", True, "a.pdf"),
    "what turns the direction": ("attachment; filename*=UTF-8''a%E2%80%AEfdp.exe", True, "afdp.exe"),
    "a path": ('attachment; filename="../../etc/passwd"', True, "../../etc/passwd"),
    "no parameter at all": (";;;==;", False, ""),
}


@pytest.mark.parametrize(("header", "file", "name"), HEADERS.values(), ids=HEADERS)
def test_a_header_is_read_with(header: str, name: str, *, file: bool) -> None:
    assert content_disposition.read(header) == Promise(file, name)


@pytest.mark.parametrize(
    ("length", "kept"), [(MOST_CHARACTERS, MOST_CHARACTERS), (MOST_CHARACTERS + 1, MOST_CHARACTERS)]
)
def test_a_name_is_cut(length: int, kept: int) -> None:
    assert content_disposition.read(f"attachment; filename={'a' * length}").name == "a" * kept


@given(st.text() | st.text("filename*=;\"\\' UTF-8%C3%A9").map(lambda rest: f"attachment; {rest}"))
def test_any_header_makes_a_name_that_a_database_and_a_terminal_take(header: str) -> None:
    name = content_disposition.read(header).name
    assert len(name) <= MOST_CHARACTERS
    assert all(letter.isprintable() for letter in name)
    assert name.encode("utf-8").decode("utf-8") == name


def test_a_header_made_to_be_slow_is_not() -> None:
    for part in ('; filename="\\', "; filename*=" + "x'" * 3, ";" + " " * 50, '"', "; filename=" + "\\" * 9):
        content_disposition.read("attachment" + part * 20_000)
