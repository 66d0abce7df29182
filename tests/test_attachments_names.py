"""Names of files: whatever comes, what goes out is harmless on any disk, in any header and to any eye."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from gateway.attachments import names
from gateway.inspection import filetypes
from gateway.inspection.structure import Trait
from tests.media_samples import PE, WORD, file, judged

PDF, PNG, TEXT, OCTETS = "application/pdf", "image/png", "text/plain", filetypes.OCTETS

ROWS = {
    "an honest name": ("report.pdf", PDF, "report.pdf", "report.pdf"),
    "dots within": ("v1.2 final.pdf", PDF, "v1.2 final.pdf", "v1.2 final.pdf"),
    "no extension": ("report", PDF, "report.pdf", "report.pdf"),
    "another extension": ("report.doc", PDF, "report.pdf", "report.pdf"),
    "in capitals": ("REPORT.PDF", PDF, "REPORT.pdf", "REPORT.pdf"),
    "two extensions": ("a.pdf.exe", PDF, "a.pdf", "a.pdf"),
    "a program's, and it is one": ("a.pdf.exe", PE, "a.bin", "a.bin"),
    "extensions hidden by blanks": ("a.pdf     .exe", PDF, "a.pdf", "a.pdf"),
    "an extension nobody knows": ("plan.skp", OCTETS, "plan.skp.bin", "plan.skp.bin"),
    "nothing but an extension": (".pdf", PDF, "pdf.pdf", "pdf.pdf"),
    "turned direction": ("a\u202efdp.exe", PNG, "afdp.png", "afdp.png"),
    "isolated direction": ("a\u2066b\u2069.pdf", PDF, "ab.pdf", "ab.pdf"),
    "NUL": ("a.pdf\x00.exe", PDF, "a.pdf", "a.pdf"),
    "CR and LF": ("a\r\nX-Evil: 1.pdf", PDF, "a X-Evil_ 1.pdf", "a X-Evil_ 1.pdf"),
    "line separator": ("a\u2028b.pdf", PDF, "a b.pdf", "a b.pdf"),
    "dots behind": ("a.exe...", PDF, "a.pdf", "a.pdf"),
    "blanks behind": ("a.exe  ", PDF, "a.pdf", "a.pdf"),
    "dots before": ("..hidden.pdf", PDF, "hidden.pdf", "hidden.pdf"),
    "dash before": ("-rf.txt", TEXT, "rf.txt", "rf.txt"),
    "two dots": ("..", PDF, "file.pdf", "file.pdf"),
    "up and away": ("../../etc/passwd", TEXT, "passwd.txt", "passwd.txt"),
    "Windows' path": (r"C:\Windows\system.ini", TEXT, "system.ini.txt", "system.ini.txt"),
    "slash behind": ("folder/", PDF, "folder.pdf", "folder.pdf"),
    "quotes": ("a\"b'c;d.pdf", PDF, "a_b_c_d.pdf", "a_b_c_d.pdf"),
    "percent": ("100%41.pdf", PDF, "100_41.pdf", "100_41.pdf"),
    "backslash alone": ("\\", PDF, "file.pdf", "file.pdf"),
    "Windows' device": ("con.pdf", PDF, "_con.pdf", "_con.pdf"),
    "Windows' device with more": ("COM1.tar.pdf", PDF, "_COM1.pdf", "_COM1.pdf"),
    "almost a device": ("console.pdf", PDF, "console.pdf", "console.pdf"),
    "empty": ("", PDF, "file.pdf", "file.pdf"),
    "blank": ("   ", PDF, "file.pdf", "file.pdf"),
    "accents": ("Übersicht für José.pdf", PDF, "Ubersicht fur Jose.pdf", "Übersicht für José.pdf"),
    "decomposed accents": ("Jose\u0301.pdf", PDF, "Jose.pdf", "José.pdf"),
    "accents kept apart by what nobody sees": ("Jose\u200d\u0301.pdf", PDF, "Jose.pdf", "José.pdf"),
    "a semicolon in disguise": ("a\u037eb.pdf", PDF, "a_b.pdf", "a_b.pdf"),
    "no Latin letter": ("報告.pdf", PDF, "file.pdf", "報告.pdf"),
    "some Latin letters": ("報告 2026.pdf", PDF, "2026.pdf", "報告 2026.pdf"),
    "a lone surrogate": ("a\ud800b.pdf", PDF, "ab.pdf", "ab.pdf"),
    "emoji": ("👋.png", PNG, "file.png", "👋.png"),
    "docx": ("letter.docx", WORD, "letter.docx", "letter.docx"),
}


@pytest.mark.parametrize(("given_name", "mime", "plain", "full"), ROWS.values(), ids=ROWS)
def test_a_name_becomes(given_name: str, mime: str, plain: str, full: str) -> None:
    assert names.safe_name(given_name, judged(file(mime))) == (plain, full)


def test_a_library_keeps_its_extension() -> None:
    assert names.safe_name("plugin.dll", judged(file(PE, Trait.LIBRARY))).utf8 == "plugin.dll"


@pytest.mark.parametrize("letter", ["a", "é", "報", "👋"])
def test_a_long_name_is_cut_in_whole_letters(letter: str) -> None:
    for length in (names.MOST_BYTES - 4, names.MOST_BYTES, 300, 100_000):
        found = names.safe_name(letter * length + ".pdf", judged(file(PDF)))
        size = len(found.utf8.encode())
        assert names.MOST_BYTES - len(letter.encode()) < size <= names.MOST_BYTES
        assert set(found.utf8.removesuffix(".pdf")) == {letter}
        assert len(found.ascii) <= names.MOST_BYTES


def test_the_header_has_both_names() -> None:
    said = names.disposition(names.safe_name("Übersicht (2).pdf", judged(file(PDF))))
    assert said == "attachment; filename=\"Ubersicht (2).pdf\"; filename*=UTF-8''%C3%9Cbersicht%20%282%29.pdf"


hostile = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\"'\\/;%.:*?<>| \r\n\x00\u202e\u200f\u2066\ufeff\x7f\x85~$`&#=,"),
        st.sampled_from("aA1é報"),
    ),
    max_size=80,
)
endings = st.sampled_from(["", ".exe", ".pdf", ".PDF.exe", " .exe", ".exe.", ".html", "\u202efdp.exe"])
types = st.sampled_from(sorted(filetypes.KNOWN)) | st.just("application/x-strange")


@given(st.builds(lambda stem, ending: stem + ending, hostile, endings), types)
@example("\u0338", PDF)
@example("a" * 2000 + "/b", PDF)
def test_whatever_the_name_what_goes_out_is_harmless(name: str, mime: str) -> None:
    verdict = judged(file(mime))
    found = names.safe_name(name, verdict)
    for said in found:
        stem = said.removesuffix(verdict.extension)
        assert said == stem + verdict.extension
        assert stem.strip(" .-") == stem != ""
        assert len(said.encode("utf-8")) <= names.MOST_BYTES
        assert not re.search(r"""[\\/"';:*?<>|%\r\n\x00]|\.\.$""", said)
        assert not [letter for letter in said if unicodedata.category(letter)[0] == "C"]
        assert not stem.lower().endswith((".exe", ".pdf", ".html", ".js"))
    assert re.fullmatch(r"[0-9A-Za-z ._()-]+", found.ascii)


@given(hostile, types)
def test_the_header_says_the_name_and_nothing_else(name: str, mime: str) -> None:
    found = names.safe_name(name, judged(file(mime)))
    said = names.disposition(found)
    assert re.fullmatch(r"[\x20-\x7e]+", said)
    kind, options = parse_options_header(said)
    assert (kind, options) == ("attachment", {"filename": found.utf8})
    plain, full = re.fullmatch(r"attachment; filename=\"([^\"]+)\"; filename\*=UTF-8''(\S+)", said).groups()
    assert (plain, unquote(full)) == found


@given(hostile, types)
def test_a_safe_name_stays_as_it_is(name: str, mime: str) -> None:
    verdict = judged(file(mime))
    once = names.safe_name(name, verdict)
    assert names.safe_name(once.utf8, verdict) == once
