"""Settings: what the operator wrote, proved, typed and frozen, or every problem at once.

`load` is the entrance: it reads the file, and on top of it the environment, where `MOTION_GATEWAY_<TABLE>__<KEY>`
overrides a key. The tables and keys are a contract (docs/settings.md).
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.config import contradictions, problems, validation
from gateway.config.fields import EnvironmentText
from gateway.config.problems import Problem, Written
from gateway.config.tables import MANY, TABLES, Account, Settings, keys
from gateway.config.validation import PartialSettings
from gateway.errors import SettingsError

__all__ = [
    "TABLES",
    "Account",
    "Settings",
    "environment",
    "keys",
    "load",
    "masked",
    "read",
    "refused",
    "rendered",
    "secrets_file",
    "understand",
]

OF_SETTINGS = "The settings have"  # so many problems
VARIABLE_PREFIX = "MOTION_GATEWAY_"
RESERVED_VARIABLES = frozenset({"MOTION_GATEWAY_CONFIG", "MOTION_GATEWAY_DOOR"})

_PLACE = re.compile(r"at line ([0-9]+), column ([0-9]+)")


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read the settings in the file at `path`, with those of `environ` on top.

    Raises SettingsError, whose message lists every problem with its remedy.
    """
    return understand(_document(path), environ).model_copy(update={"file": str(path)})


def understand(document: Mapping[str, object], environ: Mapping[str, str]) -> Settings:
    """Understand a TOML document that was parsed already; raises as `load` does."""
    part = _part(document, environ)
    if part.problems:
        raise refused(part.problems)
    return part.settings.model_copy(update={"warnings": part.warnings})


def read(path: Path, environ: Mapping[str, str]) -> PartialSettings:
    """Read what can be understood of the file at `path`, and what is wrong with the rest.

    Raises SettingsError where the file cannot be read at all.
    """
    return _part(_document(path), environ)


def secrets_file(path: Path, account: Account) -> Path | None:
    """Name the file that an account's webhook secrets come from; None where they stand in the settings at `path`.

    Raises SettingsError where these cannot be read.
    """
    written: Any = _document(path).get("account", [])  # they were understood before
    named = [each.get("webhook_secrets_file") for each in written if each.get("connector_id") == account.connector_id]
    return Path(named[0]) if named and named[0] else None


def refused(found: Sequence[Problem], *, whose: str = OF_SETTINGS) -> SettingsError:
    """Make the error that tells all problems, people and programs."""
    return SettingsError(problems.message(found, whose=whose), [vars(problem) for problem in found])


def _part(document: Mapping[str, object], environ: Mapping[str, str]) -> PartialSettings:
    variables, misnamed = _variables(environ)
    part = validation.validate(document, variables)
    contradicting = [
        replace(problem, key=part.labels.get(problem.key, problem.key)) for problem in contradictions.find(part)
    ]
    found = (*part.problems, *misnamed, *contradicting)
    return replace(part, problems=found, warnings=(*part.warnings, *problems.warnings(part.settings)))


def environment() -> Mapping[str, str]:
    """Copy the process's environment; the one place that reads it."""
    return dict(os.environ)  # noqa: TID251 — this is its home


def masked(settings: Settings) -> dict[str, Any]:
    """Show the settings by table and key as in the file, with units, and with stars for secrets."""
    dumped = settings.model_dump(exclude={"warnings", "file"})
    return dumped | {name: [dict(row) for row in dumped.pop(field)] for name, field in MANY.items()}


def rendered(settings: Settings) -> str:
    """Write the masked settings as TOML."""
    tables = masked(settings)
    several = {name: tables.pop(name) for name in MANY}
    parts = [_table(f"[{name}]", table) for name, table in tables.items()]
    return "\n".join(parts + [_table(f"[[{name}]]", row) for name, rows in several.items() for row in rows])


def _table(header: str, table: dict[str, Any]) -> str:
    return "\n".join(
        [header, *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()), ""]
    )


def _variables(environ: Mapping[str, str]) -> tuple[dict[str, dict[str, Written]], list[Problem]]:
    """Read the settings in `environ`, by table and key, and the names it gets wrong; others are passed over."""
    found: dict[str, dict[str, Written]] = {}
    misnamed: list[Problem] = []
    for name in sorted(environ):
        if not name.startswith(VARIABLE_PREFIX) or name in RESERVED_VARIABLES:
            continue
        if problem := _misnamed(name):
            misnamed.append(problem)
            continue
        table, key = _named(name)
        shown = problems.shown(key, environ[name])
        found.setdefault(table, {})[key] = Written(EnvironmentText(environ[name]), f"{name} ({table}.{key})", shown)
    return found, misnamed


def _misnamed(name: str) -> Problem | None:
    table, key = _named(name)
    if table in MANY:
        wrong = f"sets {'an' if table == 'account' else 'a'} {table}"
        return Problem(problems.name(name), wrong, f"write {MANY[table]} into the settings file")
    if name == name.upper() and table in TABLES and key in keys(TABLES[table]):
        return None
    single = {table: model for table, model in TABLES.items() if table not in MANY}
    known = [f"{VARIABLE_PREFIX}{table}__{key}".upper() for table, model in single.items() for key in keys(model)]
    return Problem(problems.name(name), "names no setting", problems.remedy_for_variable(name, known))


def _named(name: str) -> tuple[str, str]:
    table, _, key = name.removeprefix(VARIABLE_PREFIX).lower().partition("__")
    return table, key


def _document(path: Path) -> Mapping[str, object]:
    text = _text(path)
    try:
        return tomllib.loads(text)
    # Without the cause: its text may repeat what stands in the file. A ValueError is also what
    # numbers of some thousand digits end in, and a RecursionError what deep brackets end in.
    except (ValueError, RecursionError) as error:
        place = _PLACE.search(str(error))
        where = f"line {place[1]}, column {place[2]}" if place else "the end, or at a number or bracket too long"
        raise _unusable(
            path,
            f"is not TOML at {where}",
            "look there for a missing quote or bracket, or for a key or table written twice",
        ) from None


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Without the cause: it holds the bytes of the file.
        raise _unusable(path, f"is not UTF-8 at byte {error.start}", "save it as UTF-8 text") from None
    except FileNotFoundError as error:
        raise _unusable(
            path,
            "does not exist",
            "write the settings there, or name another file with --config or MOTION_GATEWAY_CONFIG",
        ) from error
    except (OSError, ValueError) as error:
        raise _unusable(
            path,
            "cannot be read",
            "type `sudo` before the command; if that changes nothing, check its owner, mode and disk",
        ) from error


def _unusable(path: Path, complaint: str, remedy: str) -> SettingsError:
    """Make the error for the file as a whole: its path stands where else a key does."""
    return refused([Problem(problems.place(path), complaint, remedy)])
