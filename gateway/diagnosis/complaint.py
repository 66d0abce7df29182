"""What doctor complains of: rows of `rules/complaints.toml`, each filled with the facts of a case; and how it looks.

A check is a small function that yields complaints. What it looks at it may not change, and nothing that it says holds a
secret, a body or a phone number.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from gateway import printable, rules
from gateway.config import Settings
from gateway.config.validation import PartialSettings
from gateway.errors import REMEDIES, SpoolUnavailable
from gateway.store.engines import Database, load, opened

if TYPE_CHECKING:  # the operations page words complaints, and looks at no certificate
    from gateway.certs.findings import CertificateFinding

FILE = "complaints.toml"
SECONDS = 8.0  # that a check may take where its row says nothing else
BLINDING = ("doctor.other_account",)  # with one of these, whatever else is seen is true of the caller alone
PATIENCE_SECONDS = 2.0  # with who writes to the spool


class Level(StrEnum):
    """How bad it is, from well to worst."""

    FINE = "fine"
    NOTE = "note"  # nothing has to be done
    WARNING = "warning"  # something will go wrong, or goes wrong for some
    FAULT = "fault"

    @property
    def weight(self) -> int:
        """Give what levels are compared by."""
        return [*Level].index(self)


@dataclass(frozen=True)
class Complaint:
    """Something that is not well: `id` stays the same from release to release, `about` names a connector or a file."""

    id: str
    level: Level
    sentence: str
    remedy: str
    about: str = ""


class Words(rules.StrictTable):
    """One row: what is said of a complaint, with names in braces for the facts of a case."""

    id: str
    level: Level
    says: str
    remedy: str
    behind: tuple[str, ...] = ()


class _Rows(rules.StrictTable):
    complaint: tuple[Words, ...]


@functools.cache
def rows() -> dict[str, Words]:
    """Give every row, by its id."""
    return {row.id: row for row in rules.prove(rules.read(FILE), _Rows, file=FILE).complaint}


def complain(identifier: str, *, about: object = "", level: Level | None = None, **facts: object) -> Complaint:
    """Fill a row with the facts of a case; `about`: a connector, a process, a setting; `level`: not the row's."""
    row = rows()[identifier]
    told = {name: printable.text(str(fact)).rstrip(".") for name, fact in (facts | {"about": about}).items()}
    sentence, remedy = (text.format(**told) for text in (row.says, row.remedy))
    return Complaint(row.id, level or row.level, _begun(sentence), _begun(remedy), str(about))


def of_certificate(finding: CertificateFinding, *, setting: str, level: Level) -> Complaint:
    """Make a complaint of what was found of a certificate: it has its words already."""
    return Complaint(finding.id, level, f"{setting}: {finding.sentence}.", finding.hint or "Renew it.", setting)


def unusable(reason: str) -> Complaint:
    """Say why the spool cannot be used, for a reason that the store gives."""
    said, _, mends = reason.partition("; ")  # some have their remedy with them
    remedy = REMEDIES.get(reason, mends)  # type: ignore[call-overload]
    return complain("spool.unavailable", reason=said, remedy=remedy or "look it up in docs/logs.md")


def of_check(name: str, outcome: str, remedy: str) -> Complaint:
    """Make a complaint of a check of `/readyz` that fails: of a process that is away, or of the spool."""
    if name == "spool":
        return unusable(outcome)
    identifier = "gateway.draining" if name == "drain" else "gateway.process_away"
    return complain(identifier, about=name, outcome=outcome, remedy=_begun(remedy))


def unexplained(said: Collection[Complaint]) -> list[Complaint]:
    """Leave out what others of them explain; the worst first."""
    ids = {each.id for each in said}
    left = [each for each in said if each.id not in rows() or ids.isdisjoint(rows()[each.id].behind)]
    return sorted(left, key=lambda each: -each.level.weight)


@dataclass(frozen=True)
class Context:
    """What checks look at: the settings as far as they are understood, the spool, and what time it is."""

    part: PartialSettings
    now: float  # epoch seconds
    opened: Database | None = None  # by whoever looks
    _one_looks: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.part.knows("spool.url"):  # checks go on in threads of their own
            load(self.part.settings)

    @property
    def settings(self) -> Settings:
        return self.part.settings

    @property
    def spool(self) -> Database:
        """Give the spool. Raises SpoolUnavailable where its schema is not that of this release: nobody need ask it."""
        with self._one_looks:
            found = self._found
        if isinstance(found, SpoolUnavailable):
            raise SpoolUnavailable(found.reason)
        return found

    @functools.cached_property
    def _found(self) -> Database | SpoolUnavailable:
        """The spool, or why it cannot be used: whoever would ask for it too hears of that at once."""
        spool = self.opened or opened(self.settings, patience_seconds=PATIENCE_SECONDS)
        try:
            spool.require_latest()
        except SpoolUnavailable as error:
            return error
        return spool

    def ask(self, statement: str, **values: object) -> list[Any]:
        """Ask the spool, by the name of a statement. Raises SpoolUnavailable."""
        return self.spool.ask(lambda run: run(statement, **values))


Find = Callable[[Context], Iterator[Complaint]]


@dataclass(frozen=True)
class Probe:
    """One look: at what, the settings it relies on, how, and how long it may take."""

    id: str
    what: str  # in words, as the line of progress has it
    needs: tuple[str, ...]
    find: Find
    seconds: float = SECONDS


def _begun(sentence: str) -> str:
    """Begin it as sentences begin, but for a name, and end a question as one."""
    word, sentence = sentence.partition(" ")[0], sentence.replace("?.", "?")
    return sentence if "." in word or "_" in word else sentence[:1].upper() + sentence[1:]
