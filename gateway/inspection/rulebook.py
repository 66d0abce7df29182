"""The rules for WhatsApp, read strictly: `rules/whatsapp.toml` tells how they are written.

1. Every word is known: types, groups, traits, sources and codes. An error names the row.
2. A refusal has a code, and nothing else has one. Whatever is not native has a remedy.
3. A native row names its types, and none of them is what a machine would run.
4. The last row of every profile fits everything: there is a verdict on any file.
5. The rows for every profile stand above those of each.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, PlainValidator

from gateway import rules
from gateway.config import fields
from gateway.inspection import filetypes
from gateway.inspection.filetypes import Category
from gateway.inspection.structure import Trait
from gateway.rules import StrictTable

FILE = "whatsapp.toml"


class VerdictKind(StrEnum):
    """The three verdicts."""

    NATIVE = "native"
    LINK = "link"
    REFUSED = "refused"


Code = Literal["CHANNEL_FAILURE", "BAD_REQUEST", "MEDIA_TYPE_UNSUPPORTED", "MEDIA_TOO_LARGE", "ATTACHMENT_REJECTED"]
Text = Annotated[str, Field(min_length=1)]
Traits = frozenset[Trait]


class Limit(StrictTable):
    """The most that somebody takes of a category; `any_of` as in a row."""

    category: Category
    most: Annotated[int, PlainValidator(fields.size())]
    whose: Literal["WhatsApp", "Sinch"]
    source: Text
    any_of: Traits = frozenset()


class Remedies(StrictTable):
    """Those for media: "" where the row's own will do."""

    image: str = ""
    video: str = ""
    audio: str = ""


class Row(StrictTable):
    """What a rule asks of a file, whatever it says of it then; `types` with its groups spelled out."""

    name: Text
    reason: Text
    types: frozenset[str] = frozenset()
    categories: frozenset[Category] = frozenset()
    any_of: Traits = frozenset()
    none_of: Traits = frozenset()

    def asks_for(self, mime: str, traits: Traits) -> bool:
        """Tell whether a file of that type and with those traits is what this row asks for."""
        return (
            (not self.types or mime in self.types)
            and (not self.categories or filetypes.of(mime).category in self.categories)
            and (not self.any_of or bool(traits & self.any_of))
            and not traits & self.none_of
        )


class VerdictRule(Row):
    """One rule for WhatsApp."""

    verdict: VerdictKind
    source: Text
    too_large: Annotated[bool, Field(strict=True)] = False
    code: Code | None = None
    remedy: str = ""
    remedies: Remedies = Remedies()

    def fits(self, mime: str, traits: Traits, *, too_large: bool) -> bool:
        """Tell the same of one that is over the limit of its category, or is not."""
        return self.asks_for(mime, traits) and (too_large or not self.too_large)

    def remedy_of(self, mime: str) -> str:
        """Say what to do with a file of that type."""
        medium = mime.partition("/")[0]
        return next((str(remedy) for known, remedy in self.remedies if known == medium and remedy), self.remedy)

    @property
    def fits_everything(self) -> bool:
        return not (self.types or self.categories or self.any_of or self.none_of or self.too_large)


class _Profile(StrictTable):
    about: Text
    row: tuple[VerdictRule, ...]
    on_top_of: str = ""


class _Rules(StrictTable):
    sources: dict[str, Text]
    limit: tuple[Limit, ...]
    groups: dict[str, frozenset[str]]
    always: tuple[VerdictRule, ...]
    profile: dict[str, _Profile]


@dataclass(frozen=True)
class Rulebook:
    """All rules, proved: those that stand above every profile, and per profile its own, those it stands on included."""

    limits: tuple[Limit, ...]
    always: tuple[VerdictRule, ...]
    profiles: Mapping[str, tuple[VerdictRule, ...]]
    sources: Mapping[str, str]

    def limit(self, category: Category, traits: Traits) -> Limit:
        """Look up the limit for files of `category` with `traits`."""
        return next(
            limit for limit in self.limits if limit.category == category and (not limit.any_of or traits & limit.any_of)
        )


@functools.cache
def load() -> Rulebook:
    """Read the rules that this release ships. Raises SettingsError."""
    return understand(rules.read(FILE))


def understand(document: Mapping[str, Any]) -> Rulebook:
    """Prove the rules in a parsed document. Raises SettingsError, which lists every problem with its row."""
    file = rules.prove(document, _Rules, file=FILE)
    if problems := [*_problems(file)]:
        raise rules.wrong(FILE, problems)
    profiles = {name: tuple(_spelled(row, file) for row in _stacked(file, name)) for name in file.profile}
    always = tuple(_spelled(row, file) for row in file.always)
    if problems := [*_contradictions({name: always + stack for name, stack in profiles.items()})]:
        raise rules.wrong(FILE, problems)
    return Rulebook(file.limit, always, profiles, file.sources)


def _problems(file: _Rules) -> Iterator[str]:
    for limit in file.limit:
        if limit.source not in file.sources:
            yield f"limit of {limit.category}: there is no source '{limit.source}'"
    for category in get_args(Category):
        if not any(limit.category == category and not limit.any_of for limit in file.limit):
            yield f"limit of {category}: there is none without traits"
    for name, types in file.groups.items():
        yield from (f"group '{name}': there is no type '{mime}'" for mime in types - filetypes.load().by_mime.keys())
    for row in file.always:
        yield from (f"row '{row.name}' for every profile: {what}" for what in _problems_of_row(row, file))
    for name, profile in file.profile.items():
        if profile.on_top_of and (profile.on_top_of not in file.profile or file.profile[profile.on_top_of].on_top_of):
            yield f"profile '{name}': it can stand only on a profile that is there and stands on none"
        for row in profile.row:
            yield from (f"row '{row.name}' of '{name}': {what}" for what in _problems_of_row(row, file))


def _problems_of_row(row: VerdictRule, file: _Rules) -> Iterator[str]:
    yield from (
        f"there is no type or group '{word}'"
        for word in row.types - filetypes.load().by_mime.keys() - _groups(file).keys()
    )
    if row.source not in file.sources:
        yield f"there is no source '{row.source}'"
    refused = row.verdict is VerdictKind.REFUSED
    if refused != (row.code is not None):
        yield "a refusal has a code, and nothing else has one"
    if row.verdict is not VerdictKind.NATIVE and not row.remedy:
        yield "a refusal says what to do, and so does a link"


def _contradictions(profiles: Mapping[str, tuple[VerdictRule, ...]]) -> Iterator[str]:
    for name, stack in profiles.items():
        if not stack or not stack[-1].fits_everything:
            yield f"profile '{name}': its last row must fit everything"
        if len({row.name for row in stack}) < len(stack):
            yield f"profile '{name}': two rows have one name"
        for row in stack:
            if row.verdict is VerdictKind.NATIVE and (not row.types or row.types & filetypes.load().runnable):
                yield f"row '{row.name}' of '{name}': a native row names its types, and none that a machine would run"


def _stacked(file: _Rules, name: str) -> tuple[VerdictRule, ...]:
    profile = file.profile[name]
    return profile.row + (file.profile[profile.on_top_of].row if profile.on_top_of else ())


def _groups(file: _Rules) -> dict[str, frozenset[str]]:
    """Collect the groups of the file, and the families of dangerous types."""
    return {name: filetypes.load().group(name) for name in filetypes.DANGEROUS} | file.groups


def _spelled(row: VerdictRule, file: _Rules) -> VerdictRule:
    return row.model_copy(update={"types": spelled(row.types, _groups(file))})


def spelled(words: frozenset[str], groups: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Spell groups out into their types."""
    return frozenset(mime for word in words for mime in groups.get(word, {word}))
