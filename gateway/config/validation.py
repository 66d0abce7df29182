"""Validates what was written, table by table, and keeps whatever of it is right.

Each table is read by itself, and a key that fails is left out and remembered, so that one mistake
hides no other: neither in another table nor between the keys that are right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from gateway.config import addresses, kinds, problems, secrets, tables
from gateway.config.problems import Problem, Written


@dataclass(frozen=True)
class PartialSettings:
    """Settings with stand-ins for what failed; `failed` holds the full keys of those."""

    settings: tables.Settings
    failed: frozenset[str]
    labels: Mapping[str, str]
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]

    def knows(self, *keys: str) -> bool:
        """Tell whether none of `keys` is a stand-in."""
        return self.failed.isdisjoint(keys)


@dataclass(frozen=True)
class _Part:
    """One table, read."""

    where: str
    table: tables.Table
    failed: frozenset[str]
    labels: Mapping[str, str]
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Secret:
    """One secret, typed or fetched from its file; without an entry where that failed."""

    entry: Written | None = None
    problem: Problem | None = None
    warning: str | None = None


def validate(document: Mapping[str, object], variables: Mapping[str, Mapping[str, Written]]) -> PartialSettings:
    """Understand whatever can be of `document` with `variables`, by table and key, on top of it.

    Raises nothing: what is wrong stands in the problems of what it hands back.
    """
    singles = {
        name: _part(name, name, document.get(name, {}), variables.get(name, {}))
        for name in tables.TABLES
        if name not in tables.MANY
    }
    many = {name: _rows(name, document.get(name, [])) for name in tables.MANY}
    parts = (*singles.values(), *(part for rows, _ in many.values() for part in rows))
    found = tables.Settings.model_validate(
        {name: part.table for name, part in singles.items()}
        | {tables.MANY[name]: tuple(part.table for part in rows) for name, (rows, _) in many.items()}
    )
    return PartialSettings(
        settings=found,
        failed=frozenset(f"{part.where}.{key}" for part in parts for key in part.failed),
        labels={f"{part.where}.{key}": label for part in parts for key, label in part.labels.items()},
        problems=(
            *_unknown_tables(document),
            *(problem for part in parts for problem in part.problems),
            *(problem for _, problems_ in many.values() for problem in problems_),
        ),
        warnings=tuple(warning for part in parts for warning in part.warnings),
    )


def _unknown_tables(document: Iterable[str]) -> list[Problem]:
    return [
        Problem(problems.name(key), "is not a table of the settings", problems.remedy_for_table(key))
        for key in document
        if key not in tables.TABLES
    ]


def _rows(name: str, raw: object) -> tuple[list[_Part], list[Problem]]:
    if not isinstance(raw, list):
        return [], [Problem(name, "must be a list of tables", f"write [[{name}]] with two brackets")]
    if name == "account" and not raw:
        return [], [Problem("account", "is missing", "write [[account]] for each WhatsApp account of Motion")]
    return [_part(name, f"{name}[{index}]", item, {}) for index, item in enumerate(raw)], []


def _part(name: str, where: str, raw: object, replacing: Mapping[str, Written]) -> _Part:
    model = tables.TABLES[name]
    if not isinstance(raw, Mapping):
        problem = Problem(where, "must be a table", f"write [{name}] on a line of its own and the keys below it")
        stand_in = _part(name, where, tables.examples(model), replacing)
        return replace(stand_in, failed=frozenset(model.model_fields), problems=(problem, *stand_in.problems))
    written = _overridden(_of_file(where, raw), replacing, model)
    opened = {key: _secret(key, mark, written) for key, mark in tables.hidden(model).items()}
    typed = {key: entry for key, entry in written.items() if key not in _file_keys(model)}
    return _validated(name, where, typed, opened)


def _of_file(where: str, raw: Mapping[str, object]) -> dict[str, Written]:
    """Take what stands in one table of the file; `where` is its name as the operator sees it."""
    return {
        key: Written(value, f"{where}.{problems.name(key)}", problems.shown(key, value)) for key, value in raw.items()
    }


def _overridden(
    written: dict[str, Written], replacing: Mapping[str, Written], model: type[tables.Table]
) -> dict[str, Written]:
    """Lay the environment on top of the file; a secret there replaces both of its spellings here. None is shown."""
    hidden = tables.hidden(model)
    spellings = {key: {key, f"{key}_file"} for key in hidden}
    replaced = {key for pair in spellings.values() if pair & replacing.keys() for key in pair}
    merged = {key: entry for key, entry in written.items() if key not in replaced} | dict(replacing)
    return {key: replace(entry, shown=None) if key in hidden else entry for key, entry in merged.items()}


def _file_keys(model: type[tables.Table]) -> set[str]:
    return {f"{key}_file" for key in tables.hidden(model)}


def _secret(key: str, mark: kinds.Hidden, written: Mapping[str, Written]) -> _Secret:
    typed, named = written.get(key), written.get(f"{key}_file")
    if named is None or not named.is_set:
        return _Secret(typed)
    if typed is not None and typed.is_set:
        return _Secret(problem=Problem(named.label, f"stands beside {typed.label}", "write one of the two"))
    # What is no path may be the secret itself, written under the wrong key.
    place = problems.name(named.value) if isinstance(named.value, str) and named.value.startswith("/") else None
    try:
        path = addresses.file(named.value)
        found = secrets.open_file(path)
    except PydanticCustomError as error:
        return _Secret(problem=_malformed(named.label, place, error.context))
    warning = f"{named.label} = {place}: others may read that file; give it mode 600" if found.exposed else None
    return _Secret(Written(found.lines if mark.many else found.text, named.label, place), warning=warning)


def _validated(name: str, where: str, typed: Mapping[str, Written], opened: Mapping[str, _Secret]) -> _Part:
    model = tables.TABLES[name]
    unread = {key for key, secret in opened.items() if secret.problem}
    given = {**typed, **{key: secret.entry for key, secret in opened.items() if secret.entry}}
    given = {key: entry for key, entry in given.items() if key not in unread}
    table, faults = _model(model, {key: entry.value for key, entry in given.items()})
    return _Part(
        where=where,
        table=table,
        failed=frozenset({str(fault["loc"][0]) for fault in faults} | unread),
        labels={key: entry.label for key, entry in given.items()},
        problems=(
            *(secret.problem for secret in opened.values() if secret.problem),
            *(_problem(name, where, fault, given) for fault in faults),
        ),
        warnings=tuple(secret.warning for secret in opened.values() if secret.warning),
    )


def _model(model: type[tables.Table], values: Mapping[str, object]) -> tuple[tables.Table, Sequence[ErrorDetails]]:
    """Make the table of `values`, with stand-ins for those that fail, and what is wrong with them."""
    try:
        return model.model_validate(values), ()
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
    failed = {fault["loc"][0] for fault in faults}
    examples = {key: example for key, example in tables.examples(model).items() if key in failed}
    return model.model_validate({key: value for key, value in values.items() if key not in failed} | examples), faults


def _problem(name: str, where: str, fault: ErrorDetails, given: Mapping[str, Written]) -> Problem:
    key = str(fault["loc"][0])
    if fault["type"] == "missing":
        return Problem(f"{where}.{key}", "is missing", f"write {_line(key, tables.examples(tables.TABLES[name])[key])}")
    entry = given[key]
    if fault["type"] == "extra_forbidden":
        return Problem(entry.label, "is not known", problems.remedy_for_key(key, name))
    if len(fault["loc"]) > 1 and isinstance(entry.value, Sequence):
        index = int(fault["loc"][1])
        item = entry.shown or problems.shown(key, entry.value[index])
        return _malformed(f"{entry.label}[{index}]", item, fault.get("ctx"))
    return _malformed(entry.label, entry.shown, fault.get("ctx"))


def _malformed(label: str, shown: str | None, context: Mapping[str, object] | None) -> Problem:
    words = context or {}
    return Problem(
        label,
        str(words.get("complaint", "is malformed")),
        str(words.get("remedy", "see docs/settings.md")),
        shown,
    )


def _line(key: str, example: str | int) -> str:
    return f'{key} = "{example}"' if isinstance(example, str) else f"{key} = {example}"
