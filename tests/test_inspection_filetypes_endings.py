"""Every dangerous ending, wherever it stands: of a file alone, of a member of an archive, in the middle of a name."""

from __future__ import annotations

import re

import pytest

from gateway.attachments import content_disposition
from gateway.inspection import content, filetypes, inspector, verdicts
from gateway.inspection.rulebook import VerdictKind
from gateway.inspection.structure import Trait
from gateway.inspection.verdicts import Verdict
from tests.container_samples import Packing, pack, with_member
from tests.document_samples import PROSE, pdf, word
from tests.media_samples import ROOMY
from tests.together import together

# What has ever been dangerous here stays so: to take one out of the table is to take it out of here, and to say why.
KNOWN = re.findall(
    r"\S+",
    """
.ahk .apk .app .applescript .application .asp .aspx .au3 .bash .bat .cab .cgi .chm .class .cmd .com .command .cpl .csh
.deb .desktop .dex .dll .dmg .ear .elf .eml .exe .hlp .hta .htm .html .img .inf .iqy .iso .jar .jnlp .js .jse .jsp .lnk
.lua .mht .mhtml .mjs .msc .msi .msp .phar .php .phtml .pif .pl .ps1 .psd1 .psm1 .py .pyw .rb .reg .rpm .scf .scr .sct
.settingcontent-ms .sh .shtml .slk .svg .svgz .sys .url .vbe .vbs .vhd .war .wasm .wsc .wsf .wsh .xht .xhtml .xml .zsh
""",
)
ENDINGS = sorted({*KNOWN, *(ending for ending, row in filetypes.load().by_ending.items() if row.runnable)})
TEXT = PROSE.encode()
MARKUP = [
    ending for ending, row in filetypes.load().by_ending.items() if row.runnable and row.family == filetypes.MARKUP
]


def strict(data: bytes, name: str) -> Verdict:
    return verdicts.judge(inspector.inspect(content.of_bytes(data), name=name), profile="strict", limits=ROOMY)


def traits(data: bytes) -> frozenset[Trait]:
    return inspector.inspect(content.of_bytes(data)).traits


@together("ending", KNOWN)
def test_it_stands_in_the_table_and_its_type_runs(ending: str) -> None:
    called = filetypes.called(f"a{ending}")
    assert called
    assert called.runnable


@together("ending", ENDINGS)
def test_alone_it_makes_text_something_that_strict_refuses(ending: str) -> None:
    for name in (f"a{ending}", f"invoice.pdf{ending.upper()}", f"a{ending}. ."):
        found = inspector.inspect(content.of_bytes(TEXT), name=name)
        assert found.mime in filetypes.load().runnable
        assert strict(TEXT, name).kind is VerdictKind.REFUSED
    assert strict(TEXT, f"a{ending}zz").kind is VerdictKind.NATIVE


@together("ending", ENDINGS)
def test_in_an_archive_it_is_something_to_run(ending: str) -> None:
    for name in (f"a{ending}", f"b/A{ending.upper()}", f"a{ending}\u200b", f"a{ending}. "):
        data = pack([("read me.txt", TEXT), (name, TEXT)], Packing(flags=0x800))
        assert Trait.PROGRAM_WITHIN in traits(data)
        assert strict(data, "a.zip").kind is VerdictKind.REFUSED
    assert Trait.PROGRAM_WITHIN not in traits(pack([(f"a{ending}zz", TEXT)]))


@together("ending", ENDINGS)
def test_in_a_name_that_goes_out_it_stands_nowhere(ending: str) -> None:
    for name in (f"a{ending}", f"a{ending}.txt", f"a.txt{ending.upper()}.pdf", f"a{ending} .pdf{ending}"):
        assert content_disposition.safe_name(name, ".txt").utf8 == "a.txt"
    assert content_disposition.safe_name(f"a{ending}zz.pdf", ".pdf").utf8 == f"a{ending}zz.pdf"


@together("ending", ENDINGS)
def test_in_a_document_pages_are_its_own_and_all_else_is_something_to_run(ending: str) -> None:
    found = traits(with_member(word(), f"word/a{ending}", TEXT))
    assert (Trait.PROGRAM_WITHIN in found) is (ending not in MARKUP)


@together("ending", ENDINGS)
def test_bytes_that_show_what_they_are_are_that_under_any_name(ending: str) -> None:
    assert inspector.inspect(content.of_bytes(pdf()), name=f"a{ending}").mime == "application/pdf"


NAMES = {
    "a page": ("a.html", "text/html"),
    "a drawing": ("a.svg", "image/svg+xml"),
    "a mail": ("a.eml", "message/rfc822"),
    "a program": ("a.exe", "text/x-script"),
    "an archive": ("a.jar", "text/x-script"),
    "a script": ("a.vbs", "text/x-script"),
    "an application in HTML": ("a.hta", "text/x-script"),
}


@pytest.mark.parametrize(("name", "mime"), NAMES.values(), ids=NAMES)
def test_text_that_a_name_makes_run_is_a_page_a_mail_or_else_a_script(name: str, mime: str) -> None:
    found = inspector.inspect(content.of_bytes(TEXT), name=name)
    assert (found.mime, found.reader) == (mime, inspector.NAME)
