"""The Content-Disposition: what one promises, whoever wrote it; and the names of files that go out, harmless to all."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from gateway.attachments import content_disposition
from gateway.attachments.content_disposition import MOST_CHARACTERS, Promise
from gateway.inspection import filetypes
from gateway.inspection.structure import Trait
from tests.media_samples import PE, WORD, file, judged
from tests.together import together

# Read.

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


@together(("header", "file", "name"), HEADERS.values(), ids=HEADERS)
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
    assert all(letter.isprintable() or letter in "\u200c\u200d" for letter in name)
    assert name.encode("utf-8").decode("utf-8") == name


def test_a_header_made_to_be_slow_is_not() -> None:
    for part in ('; filename="\\', "; filename*=" + "x'" * 3, ";" + " " * 50, '"', "; filename=" + "\\" * 9):
        content_disposition.read("attachment" + part * 20_000)


# Made.

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


def extension(mime: str, *traits: Trait) -> str:
    return judged(file(mime, *traits)).extension


@together(("given_name", "mime", "plain", "full"), ROWS.values(), ids=ROWS)
def test_a_name_becomes(given_name: str, mime: str, plain: str, full: str) -> None:
    assert content_disposition.safe_name(given_name, extension(mime)) == (plain, full)


# What stays, by what the file is: its type, its name, and under which it is saved.
KEPT = {
    "a packed folder": ("application/gzip", "backup.tar.gz", "backup.tar.gz"),
    "a packed folder, in short": ("application/gzip", "backup.TGZ", "backup.tgz"),
    "another packer": ("application/x-xz", "backup.tar.xz", "backup.tar.xz"),
    "a packed table": ("application/gzip", "sales.csv.gz", "sales.csv.gz"),
    "a packed file of nobody": ("application/gzip", "scan.nii.gz", "scan.nii.gz"),
    "a packed program": ("application/gzip", "a.exe.gz", "a.gz"),
    "a packed folder behind a program": ("application/gzip", "a.exe.tar.gz", "a.tar.gz"),
    "a folder that is packed as another": ("application/zip", "backup.tar.gz", "backup.zip"),
    "a document with a password": ("application/encrypted", "secret.XLSX", "secret.xlsx"),
    "slides with a password": ("application/encrypted", "secret.pptx", "secret.pptx"),
    "a program with a password": ("application/encrypted", "secret.docx.exe", "secret.bin"),
    "a picture with a password": ("application/encrypted", "secret.jpg", "secret.bin"),
    "sound that nobody can read": (OCTETS, "song.mp3", "song.mp3"),
    "a film that nobody can read": (OCTETS, "film.mov", "film.mov"),
    "an archive that nobody can read": (OCTETS, "a.arj", "a.arj"),
    "a signed document": (OCTETS, "contract.pdf.p7m", "contract.pdf.p7m"),
    "a signed page": (OCTETS, "invoice.xml.p7m", "invoice.p7m"),
    "what would run": (OCTETS, "a.exe", "a.bin"),
    "what would run in disguise": (OCTETS, "a.e\u200dxe", "a.bin"),
    "a map": ("application/zip", "way.kmz", "way.kmz"),
    "a text of Hangul": ("application/x-ole-storage", "공문.hwp", "공문.hwp"),
    "a camera's film": ("video/mp2t", "00001.MTS", "00001.mts"),
    "a calendar of old": ("text/calendar", "day.vcs", "day.vcs"),
    "a calendar under another name": ("text/calendar", "day.pdf", "day.ics"),
    "a template": ("application/msword", "letter.dot", "letter.dot"),
    "sound of Windows": ("video/x-ms-asf", "song.wma", "song.wma"),
    "a photo": ("image/jpeg", "photo.jpeg", "photo.jpg"),
}


@together(("mime", "given_name", "saved"), KEPT.values(), ids=KEPT)
def test_an_ending_stays_on_which_bytes_and_name_agree(mime: str, given_name: str, saved: str) -> None:
    verdict = judged(file(mime), "meta-cloud")
    assert content_disposition.safe_name(given_name, verdict.extension, kept=verdict.kept).utf8 == saved


JOINED = {
    "an emoji of several": "👩\u200d💻 team.pdf",
    "a family": "👨\u200d👩\u200d👧.pdf",
    "a flag": "🏳\ufe0f\u200d🌈.pdf",
    "Persian": "می\u200cخواهم.pdf",
    "Devanagari": "क्\u200dष.pdf",
    "Bengali": "র\u200d্য.pdf",
    "Sinhala": "ශ්\u200dරී.pdf",
    "Malayalam, at the end": "അവന്\u200d.pdf",
}


@pytest.mark.parametrize("name", JOINED.values(), ids=JOINED)
def test_a_name_keeps_the_joiners_that_are_seen(name: str) -> None:
    header = f"attachment; filename*=UTF-8''{quote(name)}"
    read = content_disposition.read(header).name
    assert read == name
    assert content_disposition.safe_name(read, ".pdf").utf8 == name
    assert unquote(content_disposition.write(content_disposition.safe_name(read, ".pdf")).rpartition("''")[2]) == name


UNSEEN = {
    "in Latin": ("in\u200dvoice.pdf", "invoice.pdf"),
    "in an ending": ("a.p\u200cdf", "a.pdf"),
    "at the start": ("\u200dab.pdf", "ab.pdf"),
    "twice": ("می\u200c\u200c\u200dخواهم.pdf", "می\u200cخواهم.pdf"),
    "between a letter and its accent": ("Jose\u200d\u0301.pdf", "José.pdf"),
    "other marks that nobody sees": ("می\u200b\u2060\u202eخواهم.pdf", "میخواهم.pdf"),
}


@pytest.mark.parametrize(("name", "saved"), UNSEEN.values(), ids=UNSEEN)
def test_a_name_keeps_nothing_that_nobody_sees(name: str, saved: str) -> None:
    assert content_disposition.safe_name(name, ".pdf").utf8 == saved


def test_a_library_keeps_its_extension() -> None:
    assert content_disposition.safe_name("plugin.dll", extension(PE, Trait.LIBRARY)).utf8 == "plugin.dll"


@pytest.mark.parametrize("letter", ["a", "é", "報", "👋"])
def test_a_long_name_is_cut_in_whole_letters(letter: str) -> None:
    for length in (content_disposition.MOST_BYTES - 4, content_disposition.MOST_BYTES, 300, 100_000):
        found = content_disposition.safe_name(letter * length + ".pdf", extension(PDF))
        size = len(found.utf8.encode())
        assert content_disposition.MOST_BYTES - len(letter.encode()) < size <= content_disposition.MOST_BYTES
        assert set(found.utf8.removesuffix(".pdf")) == {letter}
        assert len(found.ascii) <= content_disposition.MOST_BYTES


def test_the_header_has_both_names() -> None:
    said = content_disposition.write(content_disposition.safe_name("Übersicht (2).pdf", extension(PDF)))
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
types = st.sampled_from(sorted(filetypes.load().by_mime)) | st.just("application/x-strange")


@given(st.builds(lambda stem, ending: stem + ending, hostile, endings), types)
@example("\u0338", PDF)
@example("a" * 2000 + "/b", PDF)
def test_whatever_the_name_what_goes_out_is_harmless(name: str, mime: str) -> None:
    verdict = judged(file(mime))
    found = content_disposition.safe_name(name, verdict.extension, kept=verdict.kept)
    extension = filetypes.ending(found.utf8)
    assert extension == verdict.extension or extension in verdict.kept
    for said in found:
        stem = said.removesuffix(extension)
        assert said == stem + extension
        assert stem.strip(" .-") == stem != ""
        assert len(said.encode("utf-8")) <= content_disposition.MOST_BYTES
        assert not re.search(r"""[\\/"';:*?<>|%\r\n\x00]|\.\.$""", said)
        assert not [
            letter for letter in said if unicodedata.category(letter)[0] == "C" and letter not in "\u200c\u200d"
        ]
        assert not stem.lower().endswith((".exe", ".pdf", ".html", ".js"))
    assert re.fullmatch(r"[0-9A-Za-z ._()-]+", found.ascii)


@given(hostile, types)
def test_the_header_says_the_name_and_nothing_else(name: str, mime: str) -> None:
    found = content_disposition.safe_name(name, extension(mime))
    said = content_disposition.write(found)
    assert re.fullmatch(r"[\x20-\x7e]+", said)
    kind, options = parse_options_header(said)
    assert (kind, options) == ("attachment", {"filename": found.utf8})
    plain, full = re.fullmatch(r"attachment; filename=\"([^\"]+)\"; filename\*=UTF-8''(\S+)", said).groups()
    assert (plain, unquote(full)) == found


@given(hostile, types)
def test_a_safe_name_stays_as_it_is(name: str, mime: str) -> None:
    verdict = judged(file(mime))
    once = content_disposition.safe_name(name, verdict.extension, kept=verdict.kept)
    assert content_disposition.safe_name(once.utf8, verdict.extension, kept=verdict.kept) == once
    assert content_disposition.again(once.utf8) == once


@given(hostile)
@example("\ud800")
def test_what_was_never_made_safe_is_no_danger_to_the_header(name: str) -> None:
    said = content_disposition.write(content_disposition.again(name))
    assert re.fullmatch(r"[\x20-\x7e]+", said)
    assert parse_options_header(said)[0] == "attachment"
    assert said.count('"') == 2
