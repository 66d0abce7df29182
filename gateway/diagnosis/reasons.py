"""What a code means, who acts, what to do and whether to try again.

A code is one of a delivery report (its code, sub code or channel code) or of an answer of Sinch's, with its row in
`rules/reasons.toml`; or one of the outbound door's own, with its row in `rules/refusals.toml`. Of a code with a row in
both, the first tells.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from gateway import rules
from gateway.outbound import refusals

FILE = "reasons.toml"
OURS = "gateway"  # the source of what this gateway refuses
MOST_NEAR = 3
ALIKE = 0.8  # as difflib counts

_FACTS = (
    (r": \{[a-z]+\}", ""),
    (r"\{[a-z]+\}", "…"),
    ("…[.]", "…"),
)  # of the case, in a refusal's words, and what instead
Words = Annotated[str, Field(min_length=1)]


class Meaning(rules.StrictTable):
    """What one code means. `vague`: a code beside it may say more."""

    code: Annotated[str, Field(pattern=r"^([A-Z_]{3,60}|[0-9]{3,6})$")]
    sentence: Words
    who: rules.Who
    remedy: Words
    retry: rules.Retry
    source: str
    vague: bool = False


class _Table(rules.StrictTable):
    who: dict[rules.Who, Words]
    retry: dict[rules.Retry, Words]
    sources: dict[str, Words]
    reason: tuple[Meaning, ...]


def explain(code: str, sub_code: str | None = None, channel_code: str | None = None) -> Meaning | None:
    """Explain a code, or the code beside it that says more; None if none of them is known. Case does not matter."""
    found = [row for given in (sub_code, code, channel_code) if (row := known().get(spelled(given or "")))]
    telling = [row for row in found if not row.vague]
    return next(iter(telling), known().get(spelled(code)) or next(iter(found), None))


def facts(meaning: Meaning) -> Iterator[tuple[str, str]]:
    """Tell it in words, each with its title."""
    table = _table()
    yield "meaning", meaning.sentence
    yield "who acts", table.who[meaning.who]
    yield "what to do", meaning.remedy
    yield "try again", table.retry[meaning.retry]
    yield "source", table.sources[meaning.source]


def grouped() -> Iterator[tuple[str, list[Meaning]]]:
    """Every code, by who acts, in words."""
    for who, words in _table().who.items():
        yield words, [row for row in known().values() if row.who == who]


def near(code: str) -> list[str]:
    """The known codes that may have been meant: alike, or with a word that is alike."""
    parts = {part for name in known() for part in name.split("_")}
    word = next(iter(difflib.get_close_matches(spelled(code), parts, n=1, cutoff=ALIKE)), spelled(code))
    within = [name for name in known() if word and word in name]
    alike = difflib.get_close_matches(spelled(code), known(), n=MOST_NEAR)
    return list(dict.fromkeys([*alike, *within]))[:MOST_NEAR]


def spelled(code: str) -> str:
    """Spell a code as the tables do."""
    return re.sub(r"[\s-]+", "_", code.strip()).upper()


@functools.cache
def known() -> dict[str, Meaning]:
    """Every code that is known. Raises SettingsError if a table is wrong."""
    told = {row.code: row for row in _table().reason}
    return told | {code: _refused(row) for code, row in refusals.rows().items() if code not in told}


@functools.cache
def _table() -> _Table:
    return rules.prove(rules.read(FILE), _Table, file=FILE)


def _refused(row: refusals.Refusal) -> Meaning:
    says, remedy = row.says, row.remedy
    for fact, instead in _FACTS:
        says, remedy = re.sub(fact, instead, says), re.sub(fact, instead, remedy)
    return Meaning(code=row.code, sentence=says, who=row.who, remedy=remedy, retry=row.retry, source=OURS)
