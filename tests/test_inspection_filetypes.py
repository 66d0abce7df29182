"""The table of types: who agrees with whom, who is dangerous, and every wrong word is told with its row."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from gateway import rules
from gateway.errors import SettingsError
from gateway.inspection import compound, filetypes, office, program, rich, text
from gateway.inspection.filetypes import FileType
from tests.document_samples import DANGERS, DOCX, NATIVE
from tests.picture_samples import PICTURES
from tests.recording_samples import RECORDINGS
from tests.together import together

Change = Callable[[dict[str, Any]], object]

AGREEMENTS: dict[str, tuple[str, str, bool]] = {
    "the same": ("application/pdf", "application/pdf", True),
    "AAC as libmagic spells it": ("audio/aac", "audio/x-hx-aac-adts", True),
    "M4A as libmagic spells it": ("audio/mp4", "audio/x-m4a", True),
    "M4A of a general brand": ("audio/mp4", "video/mp4", True),
    "a film of Sony's": ("video/mp4", "audio/mp4", True),
    "a film of an unknown brand": ("video/mp4", filetypes.OCTETS, True),
    "Opus": ("audio/ogg; codecs=opus", "audio/ogg", True),
    "WAV": ("audio/wav", "audio/x-wav", True),
    "a document as an archive": (DOCX, "application/zip", True),
    "a document unknown": (DOCX, filetypes.OCTETS, True),
    "an old document": ("application/msword", "application/x-ole-storage", True),
    "an old document of another kind": ("application/msword", "application/CDFV2", True),
    "a table as text": ("text/csv", "text/plain", True),
    "text as a program's source": ("text/plain", "text/x-c", True),
    "text unknown": ("text/plain", filetypes.OCTETS, False),
    "a picture as a page": ("image/jpeg", "text/html", False),
    "a picture as another": ("image/jpeg", "image/png", False),
    "a picture as text": ("image/gif", "text/plain", False),
    "a document as an old one": (DOCX, "application/msword", False),
    "a document as a program": (DOCX, "application/vnd.microsoft.portable-executable", False),
    "sound as what nobody here reads": ("audio/mpeg", "audio/flac", False),
    "text as a page": ("text/plain", "text/html", False),
    "text as a script": ("text/plain", "text/x-shellscript", False),
}


@together(("read", "opinion", "agree"), AGREEMENTS.values(), ids=AGREEMENTS)
def test_opinions_of_one_family_agree(read: str, opinion: str, agree: bool) -> None:  # noqa: FBT001
    assert filetypes.contradict(read, opinion) is not agree


TOLD = {
    *(mime for mime, _ in NATIVE.values()),
    *(mime for mime, _, _ in DANGERS.values()),
    *(sample.mime for sample in (PICTURES | RECORDINGS).values()),
    *office.MAIN_PARTS.values(),
    *compound.STREAMS.values(),
    *program.STARTS.values(),
} - {filetypes.OCTETS}


@together("mime", sorted(TOLD))
def test_every_type_that_a_reader_tells_has_a_family(mime: str) -> None:
    assert filetypes.family(mime)


@together(
    "mime",
    [
        *(text.HTML, text.XHTML, text.SVG, text.XML, text.HTA, text.MHTML),
        *(program.SCRIPT, program.SHORTCUT, program.DESKTOP, program.IMAGE, *program.STARTS.values()),
        *("text/x-php", "application/x-sharedlib", "application/x-pie-executable", "application/xml"),
    ],
)
def test_programs_scripts_and_markup_are_dangerous(mime: str) -> None:
    assert filetypes.dangerous(mime)


@pytest.mark.parametrize("mime", sorted({mime for mime, _ in NATIVE.values()} | {text.TABLE, rich.MIME, "x/y"}))
def test_documents_are_not(mime: str) -> None:
    assert not filetypes.dangerous(mime)


@pytest.mark.parametrize(
    ("mime", "spelt"),
    [
        ("text/x-shellscript", program.SCRIPT),
        ("application/javascript", program.SCRIPT),
        ("application/x-mswinurl", "application/x-mswinurl"),
        ("application/xml", "text/xml"),
        ("application/x-empty", filetypes.OCTETS),
        ("video/x-matroska", "video/x-matroska"),
    ],
)
def test_libmagics_word_is_spelt_our_way(mime: str, spelt: str) -> None:
    assert filetypes.spelt(mime) == spelt


UNTRUSTED = sorted(filetypes.load().runnable)


@together("mime", UNTRUSTED)
def test_what_runs_is_served_as_octets_and_saved_as_bin(mime: str) -> None:
    assert (filetypes.of(mime).served, filetypes.of(mime).extension) == (filetypes.OCTETS, ".bin")


@together("row", filetypes.load().types, ids=lambda row: row.mime)
def test_a_type_is_saved_under_the_first_of_its_endings(row: FileType) -> None:
    told = filetypes.of(row.mime)
    assert told == row
    assert told.extension == (row.endings[0] if row.served == row.mime else ".bin")


CALLED: dict[str, tuple[str, str | None]] = {
    "an ending": ("a.jpeg", "image/jpeg"),
    "in capitals": ("A.JPEG", "image/jpeg"),
    "the last one": ("a.jpeg.png", "image/png"),
    "nothing but an ending": (".png", "image/png"),
    "dots and blanks behind": ("a.png. .", "image/png"),
    "letters that nobody sees": ("a.pn\u200bg\u202e\0", "image/png"),
    "of two types the one that WhatsApp knows": ("a.3gp", "video/3gpp"),
    "an ending that nobody knows": ("a.skp", None),
    "an ending without its dot": ("png", None),
    "no ending": ("a.", None),
    "nothing": ("", None),
    "dots alone": ("...", None),
    "a long name": ("x" * 10_000 + ".png", "image/png"),
    "a long ending": ("a.png" + "x" * 10_000, None),
    "half of a letter": ("\ud800.png", "image/png"),
}


@together(("name", "mime"), CALLED.values(), ids=CALLED)
def test_a_name_calls_a_file_by_its_last_ending(name: str, mime: str | None) -> None:
    called = filetypes.called(name)
    assert (called.mime if called else None) == mime


def told(code: str) -> str:
    """What an interpreter of its own prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_who_judges_no_file_loads_nothing_of_this() -> None:
    loaded = told(
        "import sys, gateway.ingress.routes, gateway.diagnosis.routes,"
        " gateway.delivery.courier, gateway.motion.notify;"
        "print(*(name for name in sys.modules if name.startswith(('gateway.inspection', 'magic'))))"
    )
    assert loaded == ""


def test_who_only_looks_into_the_register_loads_no_reader_and_reads_no_table() -> None:
    loaded = told(
        "import sys, gateway.attachments.register; from gateway.inspection import filetypes;"
        "print('magic' in sys.modules, 'gateway.inspection.inspector' in sys.modules,"
        " filetypes.load.cache_info().misses)"
    )
    assert loaded == "False False 0"


def row(changed: dict[str, Any], mime: str) -> dict[str, Any]:
    [found] = [found for found in changed["types"] if found["mime"] == mime]
    return found


def refusal(change: Change) -> str:
    changed = copy.deepcopy(rules.read(filetypes.FILE))
    change(changed)
    with pytest.raises(SettingsError) as caught:
        filetypes.understand(changed)
    return str(caught.value)


PE, JPEG, SCRIPT = "application/vnd.microsoft.portable-executable", "image/jpeg", "text/x-script"
WRONG: dict[str, tuple[Change, str]] = {
    "an unknown key": (lambda d: row(d, JPEG).update(ending=".jpg"), "types 'image/jpeg' ending: Extra"),
    "an unknown category": (lambda d: row(d, JPEG).update(category="poem"), "types 'image/jpeg' category: "),
    "a switch that is text": (lambda d: row(d, JPEG).update(packs="yes"), "types 'image/jpeg' packs: "),
    "endings that are no list": (lambda d: row(d, JPEG).update(endings=".jpg"), "types 'image/jpeg' endings: "),
    "a type to be served as another": (
        lambda d: row(d, JPEG).update(served_as="text/html"),
        "'image/jpeg' served_as: ",
    ),
    "a row without a type": (lambda d: row(d, JPEG).pop("mime"), "types 0 mime: Field required"),
    "a table too many": (lambda d: d.update(extra={}), "extra: "),
    "a type that is none": (
        lambda d: row(d, JPEG).update(mime="image/JPEG!"),
        "type 'image/JPEG!': is no type: write it as in 'image/png'",
    ),
    "an unknown family": (
        lambda d: row(d, JPEG).update(family="flim"),
        "type 'image/jpeg': there is no family 'flim': write one that is there, or add it",
    ),
    "an ending without its dot": (
        lambda d: row(d, JPEG).update(endings=["jpg"]),
        "type 'image/jpeg': 'jpg' is no ending: write it in small letters and with its dot",
    ),
    "an ending in capitals": (lambda d: row(d, JPEG).update(endings=[".JPG"]), "'.JPG' is no ending"),
    "two endings in one": (lambda d: row(d, JPEG).update(endings=[".tar.gz"]), "'.tar.gz' is no ending"),
    "an ending twice in a row": (
        lambda d: row(d, JPEG)["endings"].append(".jpg"),
        "type 'image/jpeg': '.jpg' stands in two places",
    ),
    "a dangerous ending of two types": (
        lambda d: row(d, SCRIPT)["endings"].append(".exe"),
        f"type '{PE}': '.exe' stands in two places",
    ),
    "a dangerous ending of a harmless type": (
        lambda d: row(d, JPEG)["endings"].append(".vbs"),
        "type 'text/x-script': '.vbs' stands in two places",
    ),
    "a harmless type without an ending": (
        lambda d: row(d, JPEG).pop("endings"),
        "type 'image/jpeg': is saved under its first ending: give it one",
    ),
    "a type in two rows": (lambda d: d["types"].append(dict(row(d, JPEG))), "'image/jpeg' stands in two places"),
    "a spelling that has a row": (
        lambda d: row(d, JPEG).update(spellings=["image/png"]),
        "'image/png' stands in two places: leave it in one",
    ),
    "a word of two families": (
        lambda d: d["family"]["ogg"]["also"].append("audio/x-wav"),
        "'audio/x-wav' stands in two places: leave it in one",
    ),
    "a beginning of two families": (
        lambda d: d["family"]["ole"].update(beginnings=["text/"]),
        "'text/…' stands in two places",
    ),
    "what runs anyway": (lambda d: row(d, PE).update(runs=True), f"type '{PE}': all types of the family program run"),
    "a program in a category": (
        lambda d: row(d, PE).update(category="image"),
        f"type '{PE}': what runs is served as octets and trusted in nothing",
    ),
    "a program whose name is trusted": (lambda d: row(d, PE).update(no_page=True), f"type '{PE}': what runs"),
    "no type for what nobody knows": (
        lambda d: d["types"].remove(row(d, "application/octet-stream")),
        "there is no type 'application/octet-stream', which stands for all that nobody knows: add it",
    ),
    "no scripts": (lambda d: d["family"].pop("script"), "there is no family 'script': add it"),
}


@together(("change", "problem"), WRONG.values(), ids=WRONG)
def test_the_types_are_refused_for(change: Change, problem: str) -> None:
    assert problem in refusal(change)


def test_all_that_is_wrong_is_told_at_once() -> None:
    def change(changed: dict[str, Any]) -> None:
        row(changed, JPEG)["family"] = "flim"
        row(changed, PE)["endings"] = ["EXE"]

    problems = refusal(change)
    assert problems.startswith("rules/files.toml is wrong.\n  type 'image/jpeg': there is no family 'flim'")
    assert f"\n  type '{PE}': 'EXE' is no ending" in problems
