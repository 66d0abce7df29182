"""The inspection of whole files: genuine ones by whomever, what somebody might slip in, and any bytes at all."""

from __future__ import annotations

import random
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.inspection import content, inspector
from gateway.inspection.structure import Inspection, Trait
from tests.container_samples import Node, compound, members, pack
from tests.document_samples import (
    CSV,
    DANGERS,
    DOCX,
    EICAR,
    NATIVE,
    OTHERS,
    PROSE,
    TYPES,
    Danger,
    Maker,
    noise,
    pdf,
    word,
)
from tests.examples import examples, some
from tests.picture_samples import PICTURES, Sample
from tests.recording_samples import FOREIGNERS, RECORDINGS
from tests.together import together

MOST_SECONDS, MOST_BYTES = 0.1, 64 * 2**20
UNKNOWN, SCRIPT = "application/octet-stream", "text/x-script"


def inspect(data: bytes, name: str = "") -> Inspection:
    return inspector.inspect(content.of_bytes(data), name=name)


@pytest.mark.parametrize(("mime", "make"), NATIVE.values(), ids=NATIVE)
def test_a_genuine_document_is_told_and_nothing_is_held_against_it(mime: str, make: Maker) -> None:
    found = inspect(make())
    assert (found.mime, found.traits) == (mime, frozenset())


@together(("mime", "make"), OTHERS.values(), ids=OTHERS)
def test_other_harmless_files_are_told(mime: str, make: Maker) -> None:
    found = inspect(make())
    assert (found.mime, found.traits) == (mime, frozenset())


@together("danger", DANGERS.values(), ids=DANGERS)
def test_what_somebody_slips_in_is_seen(danger: Danger) -> None:
    mime, traits, make = danger
    found = inspect(make())
    assert found.mime == mime
    assert set(traits) <= found.traits


@pytest.mark.thorough
@together("sample", (PICTURES | RECORDINGS).values(), ids=PICTURES | RECORDINGS)
def test_libmagic_speaks_against_no_picture_sound_or_film_of_ours(sample: Sample) -> None:
    found = inspect(sample.data())
    assert found.mime == sample.mime
    assert Trait.DISPUTED not in found.traits


@pytest.mark.parametrize("make", FOREIGNERS.values(), ids=FOREIGNERS)
def test_what_no_reader_knows_has_libmagics_name_or_none(make: Maker) -> None:
    found = inspect(make())
    assert (found.reader, found.mime) in ((inspector.LIBMAGIC, found.opinion), ("transport", "video/mp2t"))


@pytest.mark.parametrize("type_of", sorted({mime for mime, _ in NATIVE.values()}))
def test_each_document_of_whatsapp_is_here_in_five_variants(type_of: str) -> None:
    assert sum(mime == type_of for mime, _ in NATIVE.values()) >= 5


DISPUTES: dict[str, tuple[bytes, str, bool]] = {
    "libmagic knows sound, no reader does": (b"\xff\xfb\x90\x64" + noise(4000), "audio/mpeg", True),
    "libmagic knows an archive, there is none": (b"PK\1\2" * 20, "application/zip", True),
    "text of one byte": (b"x", "text/plain", True),
    "text in a format of its own": (b"%!PS-Adobe-3.0\n/x 1 def\n" * 20, "text/plain", True),
    "text, and libmagic saw a language": (b"#include <stdio.h>\nint main(void) { return 0; }\n", "text/plain", False),
    "a letter": (b"From: Ann\nDate: Mon, 1 Jan 2024\nSubject: hello\n\nHello.\n", "text/plain", False),
    "text with a page in it": (b"Look at this: <html><body><script>alert(1)</script>", "text/html", True),
    "text with a script in it": (b"hi\nimport os\ndef f(x):\n    return 1\n", "text/x-script", True),
    "what nobody knows": (noise(4000), UNKNOWN, False),
}


@pytest.mark.parametrize(("data", "mime", "disputed"), DISPUTES.values(), ids=DISPUTES)
def test_only_two_opinions_of_different_families_are_a_dispute(data: bytes, mime: str, disputed: bool) -> None:  # noqa: FBT001
    found = inspect(data)
    assert (found.mime, Trait.DISPUTED in found.traits) == (mime, disputed)


LINES = b"a,b\n1,2\n"
NAMES: dict[str, tuple[bytes, str, str]] = {
    "a table that is called text": (LINES, "a.txt", "text/plain"),
    "text that is called a table": (b"one row\n", "A.CSV", CSV),
    "a table without a name": (LINES, "", CSV),
    "a table of another name": (LINES, "a.dat", CSV),
    "text that is called a picture": (b"hello there", "a.jpg", "text/plain"),
    "a document that is called a script": (pdf(), "a.vbs", "application/pdf"),
    "json that is called text": (b'{"a": 1}', "a.txt", "application/json"),
    "a script behind a document": (b'MsgBox "x"', "a.pdf.vbs", SCRIPT),
    "a script in capitals": (b"dir c:\\", "A.BAT", SCRIPT),
    "a script with dots and blanks behind": (b"dir c:\\", "a.bat. .", SCRIPT),
    "a script with letters that nobody sees": (b"dir c:\\", "a.bat\u200b\u202e\0", SCRIPT),
    "powershell": (b"Get-ChildItem", "a.ps1", SCRIPT),
    "javascript": (b"alert(1)", "a.js", SCRIPT),
    "hta": (b"alert(1)", "a.hta", SCRIPT),
    "python": (b"import os", "a.py", SCRIPT),
    "php": (b"echo 1;", "a.php", SCRIPT),
    "desktop": (b"Exec=sh", "a.desktop", SCRIPT),
    "json that is called a script": (b'{"a": 1}', "a.js", SCRIPT),
    "only an extension": (b"dir c:\\", ".bat", SCRIPT),
    "an extension that only ends like one": (b"dir c:\\", "acrobat", "text/plain"),
    "a very long name": (b"dir c:\\", "x" * 10_000 + ".bat", SCRIPT),
    "tabs": (b"a\tb\n1\t2\n", "a.tsv", "text/tab-separated-values"),
    "commas called tabs": (LINES, "a.tsv", "text/tab-separated-values"),
    "subtitles": (b"1\n00:00:01,000 --> 00:00:02,000\nHi\n", "a.srt", "application/x-subrip"),
    "a drawing": (b"  0\nSECTION\n  2\nHEADER\n", "a.dxf", "image/vnd.dxf"),
    "a calendar that is called one": (b"BEGIN:VCALENDAR\nEND:VCALENDAR\n", "a.ics", "text/calendar"),
    "a calendar without a name": (b"BEGIN:VCALENDAR\nEND:VCALENDAR\n", "", "text/calendar"),
    "words that are called a calendar": (b"hello there", "a.ics", "text/plain"),
    "words that are called a contact": (b"hello there", "a.vcf", "text/plain"),
    "a calendar that is called a script": (b"BEGIN:VCALENDAR\nEND:VCALENDAR\n", "a.vbs", SCRIPT),
    "bytes that are called a piece of a document": (noise(900), "a.shs", "application/x-ms-scrap"),
    "an object that is called so": (compound([Node("Contents", b"x")]), "a.shb", "application/x-ms-scrap"),
    "bytes that are called a way to a program": (noise(967), "a.pif", "application/x-dosexec"),
    "bytes that are called help": (noise(967), "a.hlp", "application/winhelp"),
    "help": (b"?_\3\0" + bytes(60), "a.txt", "application/winhelp"),
    "an encoded script": (b"#@~^FQAAAA==\x7f\x0btoNbG PES4V\xb6~AcAAA==^#~@\0", "a.vbe", SCRIPT),
    "an encoded script under another name": (b"#@~^FQAAAA==\x7f\x0btoNb^#~@\0", "a.txt", SCRIPT),
    "bytes that are called a script": (noise(900), "a.jse", SCRIPT),
    "bytes that are called a page": (noise(900), "a.html", "text/html"),
    "bytes that are called a picture": (noise(900), "a.jpg", UNKNOWN),
    "half of a letter": (b"hello there", "\ud800.txt", "text/plain"),
}


@together(("data", "name", "mime"), NAMES.values(), ids=NAMES)
def test_the_name_decides_only_what_kind_of_text_it_is(data: bytes, name: str, mime: str) -> None:
    assert inspect(data, name).mime == mime


ENCODED = {
    "Korean": ("cp949", "안녕하세요, 부탁드립니다. 회의는 월요일입니다.\n"),
    "Korean of Unix": ("euc_kr", "모레 회의가 있습니다. 가격표를 보내 주세요.\n"),
    "Korean of mails": ("iso2022_kr", "부탁드립니다. 감사합니다.\n"),
    "Korean of old": ("johab", "부탁드립니다. 감사합니다.\n"),
    "Chinese": ("gbk", "会议在星期一, 请带上数据。\n"),
    "Chinese of today": ("gb18030", "䶮先生: 会议在星期一。\n"),
    "Chinese of mails": ("hz", "会议在星期一。\n"),
    "Chinese of Taiwan": ("big5", "會議在星期一, 請帶上數據。\n"),
    "Japanese": ("shift_jis", "ご請求書をお送りいたします。\n"),
    "Japanese of Windows": ("cp932", "株式会社①の見積書です。\n"),
    "Japanese of Unix": ("euc_jp", "請求書をお送りいたします。\n"),
    "Japanese of mails": ("iso2022_jp", "請求書をお送りいたします。\n"),
    "Russian": ("cp1251", "ёлка стоит там, где день рождения СЫНА!\n"),
    "Russian of Unix": ("koi8_r", "Встреча в понедельник.\n"),
    "Russian of DOS": ("cp866", "Встреча в понедельник.\n"),
    "Thai": ("cp874", "ธันวาคม ประชุมวันจันทร์\n"),
    "Hebrew": ("cp1255", "כולם מוזמנים ביום שני\n"),
    "Arabic": ("cp1256", "لاجتماع يوم الاثنين\n"),
    "Greek": ("cp1253", "λοιπόν, η συνάντηση είναι τη Δευτέρα\n"),
    "French of DOS": ("cp437", "îles et forêts à vendre\n"),
    "Icelandic, a thorn first": ("latin-1", "það er fundur á mánudag\n"),
}
CUTS = range(0, 24, 2)


@together(("encoding", "prose"), ENCODED.values(), ids=ENCODED)
def test_text_is_text_in_every_encoding_whatever_its_first_letters_look_like(encoding: str, prose: str) -> None:
    for times, cut in (
        (1, 0),
        *((4, cut) for cut in CUTS if encoding.startswith(("cp9", "euc", "gb", "big5", "shift"))),
    ):
        found = inspect((prose * times)[cut // 2 :].encode(encoding), "a.txt")
        assert (found.mime, found.traits) == ("text/plain", frozenset()), (cut, found.opinion)


@together("letter", range(0x80, 0x100))
def test_any_letter_may_be_the_first_of_a_text(letter: int) -> None:
    if letter < 0xFE:  # a mark of UTF-16 begins so
        found = inspect(bytes([letter]) + "\xa1\xa2 \xb0\xcd! \xe4\xb8\xc7".encode("latin-1") * 5, "a.txt")
        assert (found.mime, found.traits) == ("text/plain", frozenset()), found.opinion


DOS_PROGRAMS = {
    "says hello": bytes.fromhex("b409ba0d01cd21cd20") + b"Hello$",
    "ends": bytes.fromhex("b8004ccd21"),
    "waits": bytes.fromhex("b80000cd16b8004ccd21"),
    "jumps": bytes.fromhex("e90001") + bytes(256) + bytes.fromhex("b8004ccd21"),
}


@pytest.mark.parametrize("data", DOS_PROGRAMS.values(), ids=DOS_PROGRAMS)
def test_a_program_for_dos_is_no_text(data: bytes) -> None:
    for name in ("a.com", "a.pif"):
        assert inspect(data, name).mime == "application/x-dosexec"
    assert inspect(data, "a.txt").mime != "text/plain"


def test_bytes_of_nobody_that_are_called_a_library_are_one() -> None:
    assert inspect(noise(900), "a.dll").traits == {Trait.LIBRARY}
    assert inspect(noise(900), "a.ocx").traits == frozenset()


def test_a_formula_is_told_whatever_the_name() -> None:
    assert Trait.FORMULA in inspect(b"+cmd|' /C calc'!A0\n", "a.csv").traits


def test_a_file_without_a_byte_is_empty() -> None:
    found = inspect(b"", "a.bat")
    assert (found.mime, found.traits, found.size_bytes) == (UNKNOWN, {Trait.EMPTY}, 0)


@pytest.mark.parametrize(("before", "seen"), [(0, True), (60, True), (61, False)])
def test_the_test_virus_is_looked_for_in_the_first_128_bytes(before: int, seen: bool) -> None:  # noqa: FBT001
    assert (Trait.TEST_VIRUS in inspect(bytes(before) + EICAR).traits) is seen


def test_who_asks_for_too_much_of_a_file_is_stopped_and_the_file_is_costly() -> None:
    data = pack([(f"{number}" + "x" * 200, b"") for number in range(10_000)])
    found = inspect(data)
    assert (found.traits, found.reader) == ({Trait.COSTLY}, "archive")
    assert found.mime in ("application/zip", found.opinion)  # some releases of libmagic see less of it than others


def test_a_type_that_libmagic_writes_in_capitals_is_told_in_small_letters() -> None:
    film = (
        b"\x47\x40\x00\x10" + bytes(184)
    ) * 3  # "video/MP2T" to all of its releases; "audio/AMR" is to those from 5.45
    assert inspector.ask_libmagic(content.of_bytes(film)) == "video/mp2t"


def test_an_inspection_tells_who_said_what() -> None:
    found = inspect(word())
    assert (found.mime, found.reader, found.opinion, found.size_bytes) == (DOCX, "archive", DOCX, len(word()))
    assert found.details == {"members": len(members(word()))}


@pytest.mark.thorough
def test_eight_threads_inspect_at_the_same_time() -> None:
    files = [make() for _, make in [*NATIVE.values()][:20]] * 10
    alone = [inspect(data) for data in files]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(inspect, files)) == alone


@given(st.binary(max_size=400), st.text(max_size=20))
def test_any_bytes_under_any_name_are_inspected(data: bytes, name: str) -> None:
    found = inspect(data, name)
    assert found.size_bytes == len(data)


@cache
def small() -> list[bytes]:
    made = [make() for _, make in NATIVE.values()] + [make() for _, _, make in DANGERS.values()]
    return [data for data in made if 0 < len(data) < 200_000]


genuine = st.deferred(lambda: st.sampled_from(small()))


@given(genuine, st.binary(max_size=2000))
def test_any_bytes_behind_a_genuine_beginning_are_inspected(start: bytes, data: bytes) -> None:
    inspect(start[:64] + data)


def mutated(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 12)):
        at = chance.randrange(len(changed))
        match chance.randrange(4):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                changed[at : at + 4] = chance.choice([b"\xff" * 4, bytes(4), b"\xfe\xff\xff\xff", b"\1\0\0\0"])
            case 2:
                del changed[at + 1 : at + chance.randint(1, 200)]
            case _:
                changed[at:at] = changed[at : at + chance.randint(1, 200)]
    return bytes(changed)


@settings(max_examples=examples(400), deadline=None)
@given(genuine, st.randoms(use_true_random=False))
def test_a_mutated_file_is_inspected(data: bytes, chance: random.Random) -> None:
    inspect(mutated(data, chance))


def test_no_mutated_file_turns_into_more_than_it_was() -> None:
    """A damaged program stays none of WhatsApp's documents, unless the damage is to what makes it one."""
    chance = random.Random(1)
    native = {mime for mime, _ in NATIVE.values()} - {"text/plain"}
    for mime, _, make in DANGERS.values():
        data = make()
        if mime not in native and len(data) < 200_000:
            found = [inspect(mutated(data, chance)) for _ in range(5)]
            assert [each.mime for each in found if each.mime in native and not each.traits] == []


def _types(xml: bytes) -> bytes:
    return pack([(TYPES, xml), ("_rels/.rels", xml), ("a", noise(9000))])


def _listed(count: int) -> bytes:
    return b"<a>" + b'<Override PartName="/a" ContentType="x"/>' * count + b"</a>"


HEAVY: dict[str, Maker] = {
    "16,000 members": lambda: pack([(f"word/{number}", b"") for number in range(16_000)]),
    "16,000 embedded": lambda: pack([(f"word/embeddings/{number}", b"x") for number in range(16_000)]),
    "XML, deep": lambda: _types(b"<a>" * 170_000),
    "XML, many parts": lambda: _types(_listed(9_999)),
    "XML, many attributes": lambda: _types(b"<a " + b" ".join(b'a%d=""' % n for n in range(50_000)) + b"/>"),
    "XML, one long attribute": lambda: _types(b'<a b="' + b"&#65;" * 100_000 + b'"/>'),
    "OLE, 900 storages": lambda: compound([Node(f"{number}", storage=True) for number in range(900)]),
    "OLE, many records": lambda: compound([Node("Workbook", b"\x85\0\0\0" * 20_000)]),
    "OLE, 6 MB of slides": lambda: compound([Node("PowerPoint Document", b"\xff\x03\x14" * 2_200_000)]),
    "blanks": lambda: b" \n" * 35_000,
    "line feeds": lambda: b"\n" * 70_000,
    "opening brackets": lambda: b"<" * 70_000,
    "comments": lambda: b"<!-- -->" * 9_000,
    "comments that do not end": lambda: b"<!--" * 17_000,
    "types that do not end": lambda: b"<!DOCTYPE a [" * 6_000,
    "lines of a header": lambda: b"a:\n b\n" * 12_000,
    "quotes": lambda: b'",' * 35_000,
    "signs of formulas": lambda: b"+aaaaaaaaaaaaaaaaaaaa" * 3_400,
    "tags of nothing": lambda: b"ID3\x03\0\0\0\0\0\0" * 7_000,
    "ends of archives": lambda: b"PK\5\6" * 17_000,
    "a text of 8 MB": lambda: PROSE.encode() * 80_000,
    "zeros": lambda: bytes(16 * 2**20),
    "PDF of slashes": lambda: _pdf_of(b"/" * 2**21),
    "PDF of streams": lambda: _pdf_of(b"stream\n" * 300_000),
    "PDF of names in numbers": lambda: _pdf_of(b"/a#41 " * 300_000),
    "PDF of objects in streams": lambda: _pdf_of(b"1 0 obj<</N 1/First 1>>stream\n<>\nendstream " * 50_000),
}


def _pdf_of(body: bytes) -> bytes:
    return pdf()[:-200] + body + pdf()[-200:]


def costs(data: bytes) -> tuple[float, int]:
    """Seconds of CPU, the better of two, and the most bytes of memory beyond the file itself."""
    seconds = []
    for _ in range(2):
        begun = time.process_time()
        inspect(data)
        seconds.append(time.process_time() - begun)
    tracemalloc.start()
    try:
        inspect(data)
        return min(seconds), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("make", some(HEAVY.values(), 8), ids=some(HEAVY, 8))
def test_no_file_takes_long_or_much_memory(make: Maker) -> None:
    data = make()
    seconds, memory = costs(data)
    print(f"{seconds * 1000:.1f} ms, {memory / 2**20:.1f} MB")
    assert seconds < MOST_SECONDS
    assert memory < MOST_BYTES


def test_no_mutated_file_takes_long() -> None:
    chance = random.Random(2)
    worst, which = 0.0, b""
    for _ in range(examples(1500)):
        data = mutated(chance.choice(small()), chance)
        begun = time.process_time()
        inspect(data)
        spent = time.process_time() - begun
        worst, which = max((worst, which), (spent, data[:16]))
    print(f"worst: {worst * 1000:.1f} ms of {which!r}")
    assert worst < MOST_SECONDS
