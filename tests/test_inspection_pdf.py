"""PDF: whole, cut, going on, locked, and an archive as well."""

from __future__ import annotations

import base64
import io
import tarfile
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inspection import content, inspector
from gateway.inspection import pdf as reader
from gateway.inspection.rulebook import VerdictKind
from gateway.inspection.structure import Structure, Trait
from tests.container_samples import pack
from tests.document_samples import pdf, pdf_of_picture, pdf_updated
from tests.media_samples import judged
from tests.together import together

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


@together(("data", "traits"), ROWS.values(), ids=ROWS)
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


BEFORE = {
    "a line feed": b"\n",
    "blanks": b" " * 20,
    "a thousand of them": b"\r\n" * 500,
    "a mark of the encoding": b"\xef\xbb\xbf",
    "the mark and a line feed": b"\xef\xbb\xbf\r\n",
    "zeros": bytes(100),
    "as far in as it may": bytes(1019),
    "what a web server says": b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n\r\n",
    "what a printer is told": b"\x1b%-12345X@PJL\r\n@PJL ENTER LANGUAGE=PDF\r\n",
    "the head of an old Macintosh": b"\0\5a.pdf" + bytes(121),
    "rubbish": b"\1\2\3\4" * 3,
    "a sentence": b"Dear all, see this.\n",
}


@together("before", BEFORE.values(), ids=BEFORE)
def test_something_may_stand_before_it(before: bytes) -> None:
    for data in (pdf(), pdf_updated(), pdf_of_picture()):
        whole = inspector.inspect(content.of_bytes(before + data), name="factura.pdf")
        assert (whole.mime, whole.traits) == ("application/pdf", frozenset())


def test_places_may_be_counted_from_the_header_or_from_the_start_of_the_file() -> None:
    data, before = pdf(), b"\n" * 7
    at = int(data[data.rindex(b"startxref") :].split()[1])
    moved = data.replace(b"startxref\n%d" % at, b"startxref\n%d" % (at + 7))
    assert reader.read_further_in(content.of_bytes(before + moved)) == Structure(mime="application/pdf")


NOT_BEHIND = {
    "too far in": bytes(1020) + pdf(),
    "a text that speaks of it": b"A PDF begins with %PDF-1.7 and ends with %%EOF, they say.\n",
    "a text with half of one": b"Look: " + pdf(compressed=False)[:-300],
    "nothing": b"",
}


@pytest.mark.parametrize("data", NOT_BEHIND.values(), ids=NOT_BEHIND)
def test_what_only_names_it_is_none(data: bytes) -> None:
    assert reader.read_further_in(content.of_bytes(data)) is None


def test_half_of_one_behind_blanks_is_one_that_is_cut() -> None:
    found = inspector.inspect(content.of_bytes(b"\n" + pdf()[:-300]))
    assert (found.mime, found.traits) == ("application/pdf", {Trait.TRUNCATED})


def test_what_printed_a_warning_before_it_is_told() -> None:
    warning = b"<br />\n<b>Warning</b>: x in <b>/a.php</b><br />\n"
    assert inspector.inspect(content.of_bytes(warning + pdf())).traits == {Trait.MARKUP_WITHIN}


def packed_alone(kind: str) -> bytes:
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a.pdf", pdf())
    else:
        with tarfile.open(fileobj=file, mode="w") as tape:
            told = tarfile.TarInfo("a.pdf")
            told.size = len(pdf())
            tape.addfile(told, io.BytesIO(pdf()))
    return file.getvalue()


@pytest.mark.parametrize(("kind", "mime"), [("zip", "application/zip"), ("tar", "application/x-tar")])
def test_an_archive_that_holds_one_is_an_archive(kind: str, mime: str) -> None:
    assert inspector.inspect(content.of_bytes(packed_alone(kind))).mime == mime


def read(data: bytes) -> Structure:
    found = reader.read(content.of_bytes(data))
    assert found
    return found


def with_object(body: bytes) -> bytes:
    return WHOLE.replace(b"trailer", b"99 0 obj\n" + body + b"\nendobj\ntrailer", 1)


def packed(
    objects: bytes, *, filters: bytes = b"/FlateDecode", data: bytes | None = None, kind: bytes = b"/ObjStm"
) -> bytes:
    """A stream of objects, as newer PDFs keep them."""
    body = zlib.compress(objects) if data is None else data
    head = b"<< /Type %s /N 1 /First 5 /Filter %s /Length %d >>\nstream\r\n" % (kind, filters, len(body))
    return with_object(head + body + b"\nendstream")


def lzw(data: bytes) -> bytes:
    """Pack as PDF does: codes grow one early."""
    table = {bytes([code]): code for code in range(256)}
    bits, word, width = f"{256:09b}", b"", 9
    for byte in data:
        longer = word + bytes([byte])
        if longer in table:
            word = longer
            continue
        bits += f"{table[word]:0{width}b}"
        table[longer] = len(table) + 2
        width = (len(table) + 2).bit_length()
        word = bytes([byte])
    bits += f"{table[word]:0{width}b}{257:0{width}b}"
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def predicted(data: bytes, kind: int) -> bytes:
    """A stream of objects in rows of 8: of each what it has more than the one above, or than what is left of it."""
    rows = [data[at : at + 8].ljust(8) for at in range(0, len(data), 8)]
    if kind == 2:
        made = b"".join(bytes((a - b) % 256 for a, b in zip(row, b"\0" + row, strict=False)) for row in rows)
    else:
        aboves = [bytes(8), *rows]
        made = b"".join(
            b"\2" + bytes((a - b) % 256 for a, b in zip(row, above, strict=True))
            for row, above in zip(rows, aboves, strict=False)
        )
    parameters = f"/FlateDecode /DecodeParms << /Predictor {kind} /Columns 8 >>".encode()
    return packed(b"", filters=parameters, data=zlib.compress(made))


def stored(words: bytes, hidden: bytes) -> bytes:
    """Packed so that the words can be read as they are, and what follows cannot."""
    plain = zlib.compressobj(0)
    first = plain.compress(words) + plain.flush(zlib.Z_FULL_FLUSH)
    return first + zlib.compressobj(9, zlib.DEFLATED, -15).compress(b"") + _deflated(hidden)


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


SCRIPT = b"98 0 << /S /JavaScript /JS (app.alert(1)) >>"
ACTIVE = {
    "JavaScript": with_object(b"<< /S /JavaScript /JS (app.alert(1)) >>"),
    "in numbers": with_object(b"<< /S /#4aava#53cript /JS (app.alert(1)) >>"),
    "in numbers alone": with_object(b"<</S/#4A#61#76#61#53#63#72#69#70#74>>"),
    "a program": with_object(b"<< /S /Launch /F (cmd.exe) >>"),
    "a program in numbers": with_object(b"<</S/L#61unch/F(cmd.exe)>>"),
    "a file": with_object(b"<< /Type /EmbeddedFile /Length 0 >>"),
    "a list of files": with_object(b"<< /Names << /EmbeddedFiles 5 0 R >> >>"),
    "a file that only its place tells": with_object(b"<< /Type /Filespec /F (a.exe) /EF << /F 5 0 R >> >>"),
    "one elsewhere": with_object(b"<< /F (a.exe) /EF 12 0 R >>"),
    "one in numbers": with_object(b"<< /F (a.exe) /#45F<</F 5 0 R>> >>"),
    "a note with a file": with_object(b"<< /Subtype /FileAttachment /FS 5 0 R >>"),
    "rich media": with_object(b"<< /Subtype /RichMedia >>"),
    "a form of its own": with_object(b"<< /XFA [(template) 9 0 R] >>"),
    "a PDF in it": with_object(b"<< /S /GoToE >>"),
    "in a stream of objects": packed(SCRIPT),
    "in one, in numbers": packed(b"98 0 << /S /Java#53cript >>"),
    "in one whose type is written in numbers": packed(SCRIPT, kind=b"/Obj#53tm", filters=b"/Flate#44ecode"),
    "in one of hexadecimal digits": packed(b"", filters=b"/ASCIIHexDecode", data=SCRIPT.hex().encode() + b">"),
    "in one packed twice": packed(
        b"", filters=b"[/ASCIIHexDecode /FlateDecode]", data=zlib.compress(SCRIPT).hex().encode() + b">"
    ),
    "in one of 85 letters": packed(b"", filters=b"/ASCII85Decode", data=base64.a85encode(SCRIPT) + b"~>"),
    "in one of an encoding as old as LZW": packed(b"", filters=b"/LZWDecode", data=lzw(SCRIPT * 40)),
    "in one of runs": packed(b"", filters=b"/RunLengthDecode", data=bytes([len(SCRIPT) - 1]) + SCRIPT + b"\x80"),
    "in one whose filter is shortened": packed(b"", filters=b"/Fl", data=zlib.compress(SCRIPT)),
    "in one packed thrice": packed(
        b"", filters=b"[ /A85/AHx\n/Fl ]", data=base64.a85encode(zlib.compress(SCRIPT).hex().encode() + b">") + b"~>"
    ),
    "in one of rows as in PNG": predicted(SCRIPT, 12),
    "in one of rows as in TIFF": predicted(SCRIPT, 2),
    "in one that seems to end before": packed(b"", data=stored(b"1 0 2 9 endstream endobj ", SCRIPT)),
    "in one that is cut": packed(b"", data=zlib.compress(SCRIPT * 9)[:-6]),
    "in one with words that are none": packed(SCRIPT, kind=b"/ObjStm /X (1 0 obj) % 2 0 obj\n /Y ((endobj) obj)"),
    "in one with a long dictionary": packed(SCRIPT, kind=b"/ObjStm /X <" + b"20" * 1500 + b">"),
    "behind line feeds": b"\n\n" + with_object(b"<< /S /Launch >>"),
}


@together("data", ACTIVE.values(), ids=ACTIVE)
def test_what_does_more_than_be_read_is_told(data: bytes) -> None:
    found = inspector.inspect(content.of_bytes(data))
    assert (found.mime, found.traits) == ("application/pdf", {Trait.ACTIVE})
    assert judged(found, "strict").kind is VerdictKind.REFUSED
    assert judged(found, "meta-cloud").kind is VerdictKind.NATIVE


CALM = {
    "objects": packed(b"98 0 << /Type /Catalog >>"),
    "a state of a drawing": with_object(b"<< /ExtGState << /EF0 5 0 R /EF /x >> >>"),
    "a name that only begins so": with_object(b"<< /Launcher /JavaScripts /XFAce >>"),
    "a name in numbers": with_object(b"<< /Name#20of#20it >>"),
    "a link": with_object(b"<< /S /URI /URI (https://example.com/) >>"),
    "words": with_object(b"<< /Title (JavaScript and Launch) >>"),
}


@pytest.mark.parametrize("data", CALM.values(), ids=CALM)
def test_what_is_only_read_has_no_trait(data: bytes) -> None:
    assert read(data).traits == frozenset()


OPAQUE = {
    "an unknown filter": packed(b"", filters=b"/JBIG2Decode", data=b"x"),
    "a filter that is told elsewhere": packed(b"", filters=b"97 0 R", data=zlib.compress(SCRIPT)),
    "a filter of another time": packed(b"", filters=b"/LZWDecode", data=b"x" * 99),
    "a dictionary without an end": packed(SCRIPT, kind=b"/ObjStm /X <" + b"20" * 4000 + b">"),
    "rows that are told elsewhere": packed(
        b"", filters=b"/FlateDecode /DecodeParms 97 0 R", data=zlib.compress(SCRIPT)
    ),
    "a filter that does not fit": packed(b"", data=b"x"),
    "too much in it": packed(bytes(5 * 2**20)),
    "too large": WHOLE[:-200] + b"%" * (12 * 2**20) + b"\n" + WHOLE[-200:],
}


@pytest.mark.parametrize("data", OPAQUE.values(), ids=OPAQUE)
def test_what_cannot_be_looked_through_is_a_link_under_strict(data: bytes) -> None:
    found = inspector.inspect(content.of_bytes(data))
    assert Trait.OPAQUE in found.traits
    assert judged(found, "strict").kind is not VerdictKind.NATIVE


PAGE = b"<html><script>alert(1)</script></html>"
PADDINGS = {
    "nothing": b"",
    "blanks": b" " * 3000,
    "zeros": bytes(70_000),
    "form feeds": b"\f\v" * 2000,
    "ones": b"\xff" * 3000,
    "a comment": b"%" + b"x" * 3000 + b"\n",
    "a hundred thousand letters": b"x" * 100_000,
    "a million zeros": bytes(1_000_000),
}


@pytest.mark.parametrize("padding", PADDINGS.values(), ids=PADDINGS)
def test_no_padding_hides_a_page_behind_it(padding: bytes) -> None:
    for page in (PAGE, PAGE.decode().encode("utf-16-le")):
        assert Trait.MARKUP_WITHIN in read(WHOLE + padding + page).traits
