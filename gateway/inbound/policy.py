"""What becomes of a file that a customer sends in: `rules/inbound.toml`, read strictly, and what Motion gets instead.

1. Every word is known, and the last row fits everything: there is a ruling on any file. An error names the row.
2. What is marked has a mark, and what is held has a remedy; nothing else has either.
3. Its type and its ending are what its bytes say, whatever its sender or its name say. What a browser or a system would
   run is served as octets and saved as `.bin`: Motion may hand it to agents as it got it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from gateway import rules
from gateway.attachments import content_disposition
from gateway.inspection import filetypes, rulebook, structure, verdicts
from gateway.phrases import Reason
from gateway.rules import StrictTable

FILE = "inbound.toml"
NOTE_NAME, NOTE_MIME = "held back.txt", "text/plain"
MEDIA = ("image/", "video/", "audio/")
# Why a file could not be looked through, and is held until it was; and what an agent is told of it.
NOT_SCANNED = frozenset({Reason.SCANNER_AWAY, Reason.SCANNER_LATE, Reason.SCANNER_FAILED})
UNSCANNED = (
    "Nobody could look through it for viruses yet.",
    "Open it again later: it is here as soon as that was done.",
)
_Mark = Annotated[str, Field(max_length=30, pattern=r"^([0-9A-Za-z ,-]+)?$")]


class Admission(StrEnum):
    """What becomes of it."""

    LET = "let"
    MARK = "mark"
    HOLD = "hold"


class EntryRule(rulebook.Row):
    """One row; the file tells what each field says."""

    entry: Admission
    mark: _Mark = ""
    remedy: str = ""
    runs: filetypes.Switch = False
    said_media: filetypes.Switch = False

    def fits(self, inspection: verdicts.Inspected, *, said_media: bool) -> bool:
        """Tell whether it is what this row asks for; `said_media`: that it was said to be media, and is none."""
        return (
            self.asks_for(inspection.mime, inspection.traits)
            and (not self.runs or filetypes.of(inspection.mime).runnable or filetypes.dangerous(inspection.mime))
            and (said_media or not self.said_media)
        )


class EntryRules(StrictTable):
    """The whole table."""

    row: tuple[EntryRule, ...]


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What Motion gets of a file: `mime` and `name` are those it goes out with, once it does."""

    entry: Admission
    row: str  # the name of the rule
    mark: str  # "" where there is none
    reason: str  # a sentence
    remedy: str  # what an agent can do about one that is held: sentences
    mime: str
    name: str


@functools.cache
def load() -> tuple[EntryRule, ...]:
    """Read the rules that this release ships. Raises SettingsError."""
    return understand(rules.read(FILE))


def understand(document: Mapping[str, Any]) -> tuple[EntryRule, ...]:
    """Prove the rules in a parsed document. Raises SettingsError, which lists every problem with its row."""
    found = rules.prove(document, EntryRules, file=FILE)
    if problems := [*_problems(found.row)]:
        raise rules.wrong(FILE, problems)
    return tuple(row.model_copy(update={"types": rulebook.spelled(row.types, _groups())}) for row in found.row)


def judge(inspection: verdicts.Inspected, *, name: str = "", declared: str = "") -> Ruling:
    """Judge a file by its inspection; `name` and `declared` are what came with it: its name, and its Content-Type."""
    said_media = _is_no_media(inspection.mime, name, declared)
    row = next(row for row in load() if row.fits(inspection, said_media=said_media))
    return Ruling(
        entry=row.entry,
        row=row.name,
        mark=row.mark,
        reason=row.reason,
        remedy=row.remedy,
        mime=filetypes.of(inspection.mime).served,
        name=_name(inspection, name, row.mark),
    )


def words(why: str) -> tuple[str, str]:
    """Say why a file is held or marked, and what an agent can do about it, by what was written down of that.

    `why`: the name of a row, perhaps of another release; or a reason why it could not be looked through for viruses.
    """
    if why in NOT_SCANNED:
        return UNSCANNED
    row = next((row for row in load() if row.name == why), None)
    return (row.reason, row.remedy) if row else (f"The rule for it is called: {why}.", "")


def note(why: str, *, reference: str) -> bytes:
    """Write what an agent reads in place of a file that is held, in ASCII; `why` as in `words`.

    `reference`: by which the operator finds it, such as 17/1.
    """
    reason, remedy = words(why)
    lines = [
        "The customer sent a file, and it was held back.",
        "",
        f"Why: {reason}",
        *([f"What you can do: {remedy}"] if remedy else []),
        f"If you need it all the same, ask your administrator for the file {reference}.",
    ]
    return ("\r\n".join(lines) + "\r\n").encode("ascii", "replace")


def _is_no_media(mime: str, name: str, declared: str) -> bool:
    """Tell whether it was said to be a picture, film or sound, and is none."""
    called = filetypes.called(name)
    said = (declared.strip().lower(), called.mime if called else "")
    return not mime.startswith(MEDIA) and any(each.startswith(MEDIA) for each in said)


def _name(inspection: verdicts.Inspected, name: str, mark: str) -> str:
    """Make its name safe, with the ending of what it is and the mark before that."""
    library = structure.Trait.LIBRARY in inspection.traits
    extension = ".bin" if library else filetypes.of(inspection.mime).extension
    safe = content_disposition.safe_name(name, extension, kept=filetypes.kept(inspection.mime)).utf8
    if not mark:
        return safe
    stem, _, ending = safe.rpartition(".")
    room = content_disposition.MOST_BYTES - len(f" ({mark}).{ending}")
    return f"{stem.encode()[:room].decode('utf-8', 'ignore').rstrip(' .-')} ({mark}).{ending}"


def _groups() -> dict[str, frozenset[str]]:
    return {name: filetypes.load().group(name) for name in filetypes.DANGEROUS}


def _problems(found: tuple[EntryRule, ...]) -> Iterator[str]:
    for row in found:
        for word in sorted(row.types - filetypes.load().by_mime.keys() - filetypes.DANGEROUS):
            yield f"row '{row.name}': there is no type or group '{word}'"
        if bool(row.mark) is not (row.entry is Admission.MARK):
            yield f"row '{row.name}': what is marked has a mark, and nothing else has one"
        if bool(row.remedy) is not (row.entry is Admission.HOLD):
            yield f"row '{row.name}': what is held says what to do, and nothing else does"
    last = found[-1] if found else None
    if last is None or last.types or last.categories or last.any_of or last.none_of or last.runs or last.said_media:
        yield "the last row must fit everything"
