"""The policy: a ruling on whatever a customer sends, and nothing that runs goes out as what runs."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from gateway import rules
from gateway.errors import SettingsError
from gateway.inbound import policy
from gateway.inbound.policy import Admission, Ruling
from gateway.inspection import content, filetypes, inspector
from gateway.inspection.structure import Trait
from gateway.inspection.text import EICAR
from gateway.phrases import Reason
from tests.media_samples import File, file
from tests.together import together

LET, MARK, HOLD = Admission.LET, Admission.MARK, Admission.HOLD
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
DOCM = "application/vnd.ms-word.document.macroEnabled.12"
EXE = "application/vnd.microsoft.portable-executable"

# A file, its name, what Sinch's host calls it; what becomes of it, and as what it goes out.
RULINGS: dict[str, tuple[File, str, str, Admission, str, str]] = {
    "picture": (file("image/jpeg"), "photo.jpg", "image/jpeg", LET, "image/jpeg", "photo.jpg"),
    "picture of another kind": (file("image/png"), "photo.jpg", "image/jpeg", LET, "image/png", "photo.png"),
    "voice note": (
        *(file(filetypes.OGG_OPUS), "", "audio/ogg", LET),
        *(filetypes.OGG_OPUS, "file.ogg"),
    ),
    "nameless film": (file("video/mp4"), "", "", LET, "video/mp4", "file.mp4"),
    "pdf": (file("application/pdf"), "Übersicht.pdf", "", LET, "application/pdf", "Übersicht.pdf"),
    "pdf that runs": (
        *(file("application/pdf", Trait.ACTIVE), "a.pdf", "", MARK),
        *("application/pdf", "a (script or files inside).pdf"),
    ),
    "document": (file(DOCX), "letter.docx", "", LET, DOCX, "letter.docx"),
    "macros": (file(DOCM, Trait.MACROS), "letter.docm", "", HOLD, DOCM, "letter.docm"),
    "macros within a plain name": (file(DOCX, Trait.MACROS), "letter.docx", "", HOLD, DOCX, "letter.docx"),
    "program": (file(EXE), "photo.jpg.exe", "", HOLD, filetypes.OCTETS, "photo.bin"),
    "library": (file(EXE, Trait.LIBRARY), "a.dll", "", HOLD, filetypes.OCTETS, "a.bin"),
    "jar": (file("application/java-archive"), "a.jar", "", HOLD, filetypes.OCTETS, "a.bin"),
    "program that only libmagic knows": (file("application/x-sharedlib"), "a", "", HOLD, filetypes.OCTETS, "a.bin"),
    "script": (file("text/x-script"), "a.vbs", "", HOLD, filetypes.OCTETS, "a.bin"),
    "page": (file("text/html"), "a.html", "", HOLD, filetypes.OCTETS, "a.bin"),
    "page that is called a picture": (file("text/html"), "a.jpg", "image/jpeg", HOLD, filetypes.OCTETS, "a.bin"),
    "drawing": (file("image/svg+xml"), "a.svg", "image/svg+xml", HOLD, filetypes.OCTETS, "a.bin"),
    "invoice in XML": (file("text/xml"), "a.xml", "text/xml", MARK, filetypes.OCTETS, "a (XML).bin"),
    "mail": (file("message/rfc822"), "a.eml", "", MARK, filetypes.OCTETS, "a (e-mail).bin"),
    "picture that is a page too": (file("image/gif", Trait.MARKUP_WITHIN), "a.gif", "", HOLD, "image/gif", "a.gif"),
    "picture that is an archive too": (
        *(file("image/jpeg", Trait.ARCHIVE_WITHIN), "a.jpg", "", HOLD),
        *("image/jpeg", "a.jpg"),
    ),
    "archive with a program": (
        *(file("application/zip", Trait.PROGRAM_WITHIN), "a.zip", "", HOLD),
        *("application/zip", "a.zip"),
    ),
    "archive with a password": (
        *(file("application/zip", Trait.ENCRYPTED), "a.zip", "", MARK),
        *("application/zip", "a (locked, not looked into).zip"),
    ),
    "text that is called a picture": (file("text/plain"), "a.jpg", "", HOLD, "text/plain", "a.txt"),
    "text that Sinch calls a film": (file("text/plain"), "", "video/mp4", HOLD, "text/plain", "file.txt"),
    "nobody knows, called a picture": (
        *(file(filetypes.OCTETS), "a.jpg", "image/jpeg", MARK),
        *(filetypes.OCTETS, "a (unknown type).jpg"),
    ),
    "nobody knows": (file(filetypes.OCTETS), "a.xyz", "", LET, filetypes.OCTETS, "a.xyz.bin"),
    "virus": (file("image/jpeg", Trait.VIRUS), "a.jpg", "", HOLD, "image/jpeg", "a.jpg"),
    "test virus": (file("text/plain", Trait.TEST_VIRUS), "a.txt", "", HOLD, "text/plain", "a.txt"),
    "not looked through": (file("video/mp4", Trait.UNSCANNED), "a.mp4", "", HOLD, "video/mp4", "a.mp4"),
    "text with what looks like one": (file("text/plain", Trait.FORMULA), "a.txt", "", LET, "text/plain", "a.txt"),
    "table with formulas": (file("text/csv", Trait.FORMULA), "a.csv", "", MARK, "text/csv", "a (formulas).csv"),
}


def document() -> dict[str, Any]:
    return copy.deepcopy(rules.read(policy.FILE))


@together(("sample", "name", "declared", "entry", "mime", "called"), RULINGS.values(), ids=RULINGS)
def test_what_becomes_of_a_file(
    sample: File, name: str, declared: str, entry: Admission, mime: str, called: str
) -> None:
    ruling = policy.judge(sample, name=name, declared=declared)
    assert (ruling.entry, ruling.mime, ruling.name) == (entry, mime, called)
    assert bool(ruling.remedy) is (entry is HOLD)


@together("mime", sorted(filetypes.load().runnable))
def test_whatever_runs_goes_out_as_octets_under_no_name_that_runs(mime: str) -> None:
    for ending in filetypes.of(mime).endings or (".exe",):
        ruling = policy.judge(file(mime), name=f"photo{ending}", declared=mime)
        assert (ruling.mime, ruling.name.endswith(".bin")) == (filetypes.OCTETS, True)
        assert ruling.entry is not LET


def test_a_long_name_has_room_for_its_mark() -> None:
    ruling = policy.judge(file("text/csv", Trait.FORMULA), name="ü" * 300 + ".csv")
    assert ruling.name.endswith("ü (formulas).csv")
    assert len(ruling.name.encode()) <= 120


def test_a_real_test_virus_is_held() -> None:
    assert policy.judge(inspector.inspect(content.of_bytes(EICAR))).row == "virus"


@together("trait", list(Trait))
def test_every_trait_is_asked_for_or_known_to_change_nothing(trait: Trait) -> None:
    asked = {word for row in policy.load() for word in row.any_of}
    told_to_whatsapp_alone = {
        *(Trait.EMPTY, Trait.TRAILING, Trait.PALETTE, Trait.DEEP, Trait.GREY, Trait.CMYK, Trait.ANIMATED),
        *(Trait.NOT_512, Trait.NO_INDEX, Trait.LATE_INDEX, Trait.FOREIGN_VIDEO, Trait.HIGH_WITH_B_FRAMES),
        *(Trait.FOREIGN_AUDIO, Trait.SEVERAL_AUDIO, Trait.NO_TRACK, Trait.LIBRARY),
    }
    assert (trait in asked) is not (trait in told_to_whatsapp_alone)


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "a type": ("page", {"types": ["text/htlm"]}, "row 'page': there is no type or group 'text/htlm'"),
    "a trait": ("macros", {"any_of": ["macro"]}, "row 'macros' any_of"),
    "a word": ("macros", {"fits": True}, "row 'macros' fits"),
    "an entry": ("macros", {"entry": "perhaps"}, "row 'macros' entry"),
    "a mark on what is held": ("macros", {"mark": "macros"}, "row 'macros': what is marked has a mark"),
    "a mark that no name takes": ("XML", {"mark": "a/b"}, "row 'XML' mark"),
    "no remedy": ("macros", {"remedy": ""}, "row 'macros': what is held says what to do"),
    "the last row": ("all else", {"runs": True}, "the last row must fit everything"),
}


@together(("name", "change", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_in_the_rules_is_told_with_its_row(name: str, change: dict[str, Any], said: str) -> None:
    changed = document()
    next(row for row in changed["row"] if row["name"] == name).update(change)
    with pytest.raises(SettingsError) as caught:
        policy.understand(changed)
    assert said in str(caught.value)


def test_the_note_tells_an_agent_why_and_whom_to_ask_and_is_plain() -> None:
    ruling: Ruling = policy.judge(file(EXE), name="a.exe")
    told = policy.note(ruling.row, reference="17/1")
    assert told.isascii()
    assert b"17/1" in told
    assert ruling.reason.encode() in told
    assert inspector.inspect(content.of_bytes(told), name=policy.NOTE_NAME).mime == policy.NOTE_MIME


@together(
    ("why", "told"),
    [
        ("program", "It is a program"),
        (Reason.SCANNER_AWAY, "Open it again later"),
        ("a row of tomorrow", "The rule for it is called: a row of tomorrow."),
    ],
)
def test_whatever_was_written_down_makes_a_note(why: str, told: str) -> None:
    assert told in policy.note(why, reference="17/1").decode("ascii")
