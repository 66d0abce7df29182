"""What a code means, who acts, what to do and whether to try again.

A code is one of a delivery report (its code, sub code or channel code) or of an answer of Sinch's, a status of
Motion's, a phrase or a finding of ours: rows of `rules/reasons.toml`. What this gateway refuses by itself has its words
in `rules/refusals.toml` and `rules/turned_away.toml`, trouble with the spool in `phrases`. Of a code with a row in
several, the first tells.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from gateway import rules
from gateway.errors import REMEDIES
from gateway.outbound import refusals
from gateway.phrases import Reason
from gateway.sinch import Effect

FILE = "reasons.toml"
FATE_UNKNOWN = refusals.UNKNOWN_FATES[Effect.SEND]  # whatever Sinch said: it may have been sent
NOTHING_FINER = "UNSPECIFIED_SUB_CODE"
MOST_NEAR = 3
UNKNOWN = "not known here: neither XCALLY's, Sinch's nor Meta's list has it, nor is it this gateway's own"
LOOK_BESIDE = "read the description beside it, and the other codes; else give Sinch's support the message id"
ALIKE = 0.8  # as difflib counts

# Of the case, in a refusal's words, and what stands for it where no case is told.
_FACTS = ((r": \{[a-z]+\}", ""), (r"\{[a-z]+\}", "…"), ("…[.]", "…"))
_TURNED_AWAY = {
    "ingress": "A callback was turned away",
    "edge": "nginx turned a request away before the public door",
    "attachments": "A request for a file was turned away",
    "outbound": "A call of Motion's came to nothing",
    "ops": "A request to the ops door was turned away",
}
Words = Annotated[str, Field(min_length=1)]


class Meaning(rules.StrictTable):
    """What one code means. `vague`: a code beside it may say more."""

    code: Words
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
    beside = "" if sub_code == NOTHING_FINER else sub_code
    found = [row for given in (beside, code, channel_code) if (row := _row(given or ""))]
    telling = [row for row in found if not row.vague]
    return next(iter(telling), _row(code) or next(iter(found), None))


def of_refusal(code: str, *, sentence: str = "", remedy: str = "") -> Meaning | None:
    """Explain a code with which this gateway has refused: by its own row who acts, by what it said the rest.

    Where a file could not be had, and the sentence ends with the cause, by that.
    """
    cause = sentence.rstrip(".").rpartition(": ")[2] if code.startswith("MEDIA_NOT_") else ""
    if nearer := known().get(spelled(f"{code}: {cause}" if cause else ""), known().get(spelled(cause))):
        return nearer
    meaning, row = explain(code), refusals.rows().get(code)
    if meaning is None or row is None:
        return meaning
    said = {"sentence": sentence or meaning.sentence, "remedy": remedy or meaning.remedy}
    return meaning.model_copy(update={"who": row.who, "retry": row.retry, **said})


def of_outcome(code: str, outcome: str, words: str = "") -> Meaning | None:
    """Explain the code of a message to Sinch with such an outcome: where its fate is unknown, that comes first.

    `words`: what was said of it.
    """
    if outcome == "refused":
        return of_refusal(code, sentence=words)
    return explain(FATE_UNKNOWN if outcome == "unknown" else code)


def of_motion(outcome: str) -> Meaning:
    """Explain what Motion made of a callback: its status, or why there was none; one without a row as its kind."""
    kind = f"status {outcome[0]}xx" if outcome[:3].isdecimal() else Reason.CONNECTION_BROKEN
    return explain(outcome) or known().get(spelled(kind)) or known()[spelled(Reason.CONNECTION_BROKEN)]


def of_turned_away(door: str, reason: str) -> Meaning | None:
    """Explain why a door turned somebody away: by its own row, for another one may say the same of something else."""
    return _turned_away().get((door, reason)) or explain(reason)


def facts(meaning: Meaning) -> Iterator[tuple[str, str]]:
    """Tell it in words, each with its title."""
    table = _table()
    yield "meaning", meaning.sentence
    yield "who acts", table.who[meaning.who]
    yield "what to do", meaning.remedy
    yield "try again", table.retry[meaning.retry]
    yield "source", table.sources[meaning.source]


def of_unknown(code: str, *, title: str = "reason") -> Iterator[tuple[str, str]]:
    """Tell what is said of a code that nobody here knows."""
    yield title, code
    yield "meaning", UNKNOWN
    yield "what to do", LOOK_BESIDE


def who(name: rules.Who) -> str:
    """Say in words who acts."""
    return _table().who[name]


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
    return [known()[name].code for name in dict.fromkeys([*alike, *within])][:MOST_NEAR]


def spelled(code: str) -> str:
    """Spell a code as `known` does: capitals, with one line between words."""
    return re.sub(r"[^0-9A-Z]+", "_", code.upper()).strip("_")


@functools.cache
def known() -> dict[str, Meaning]:
    """Every code that is known, by its spelling. Raises SettingsError if a table is wrong."""
    told: dict[str, Meaning] = {}
    for row in (*_table().reason, *_refused(), *_turned_away().values(), *_of_the_spool()):
        told.setdefault(spelled(row.code), row)
    return told


@functools.cache
def _table() -> _Table:
    return rules.prove(rules.read(FILE), _Table, file=FILE)


def _row(code: str) -> Meaning | None:
    """Find the row of a code; of an outcome such as "404: retry_for is over" that of what came first."""
    (first, _, last), phrase = code.rpartition(": "), code.partition(";")[0]
    tried = (*map(spelled, (phrase, f"status {code}", first, f"status {first}", last)),)
    return next((known()[name] for name in tried if name in known()), None)


def _refused() -> Iterator[Meaning]:
    for code, row in refusals.rows().items():
        says, remedy = row.says, row.remedy
        for fact, instead in _FACTS:
            says, remedy = re.sub(fact, instead, says), re.sub(fact, instead, remedy)
        yield Meaning(code=code, sentence=says, who=row.who, remedy=remedy, retry=row.retry, source="gateway")


@functools.cache
def _turned_away() -> dict[tuple[str, str], Meaning]:
    """What has a remedy there, by its door and reason."""
    rows = rules.read("turned_away.toml")["turned_away"]
    told = ((row["door"], row["reason"], row["remedy"]) for row in rows if "remedy" in row)
    return {
        (door, reason): _ours(reason, f"{_TURNED_AWAY[door]}: {reason}.", remedy, "turned_away")
        for door, reason, remedy in told
    }


def _of_the_spool() -> Iterator[Meaning]:
    for code, remedy in REMEDIES.items():
        said = f"The gateway cannot use its spool: {code}."
        yield _ours(code, said, f"{remedy[:1].upper()}{remedy[1:]}.", "log")


def _ours(code: str, sentence: str, remedy: str, source: str) -> Meaning:
    return Meaning(code=code, sentence=sentence, who="operator", remedy=remedy, retry="none", source=source)
