"""Reads the settings out of the environment: `MOTION_GATEWAY_<TABLE>__<KEY>` overrides the file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.config import problems, suggestions, tables
from gateway.config.entries import Entry
from gateway.config.fields import Text
from gateway.config.problems import Problem

PREFIX = "MOTION_GATEWAY_"
RESERVED = frozenset({"MOTION_GATEWAY_CONFIG", "MOTION_GATEWAY_DOOR"})


@dataclass(frozen=True)
class Overrides:
    """What the environment says: entries by table and key, and the names it gets wrong."""

    entries: Mapping[str, Mapping[str, Entry]]
    problems: tuple[Problem, ...]


def environment() -> Mapping[str, str]:
    """A copy of the process's environment; the one place that reads it."""
    return dict(os.environ)  # noqa: TID251 — this is its home


def read(environ: Mapping[str, str]) -> Overrides:
    """The settings in `environ`; names of others are passed over."""
    names = sorted(name for name in environ if name.startswith(PREFIX) and name not in RESERVED)
    problems = {name: problem for name in names if (problem := _problem(name))}
    entries: dict[str, dict[str, Entry]] = {}
    for name in names:
        if name not in problems:
            table, key = _parts(name)
            entries.setdefault(table, {})[key] = _entry(name, environ[name])
    return Overrides(entries, tuple(problems.values()))


def _entry(name: str, value: str) -> Entry:
    table, key = _parts(name)
    return Entry(Text(value), f"{name} ({table}.{key})", problems.shown(key, value))


def _parts(name: str) -> tuple[str, str]:
    table, _, key = name.removeprefix(PREFIX).lower().partition("__")
    return table, key


def _problem(name: str) -> Problem | None:
    table, key = _parts(name)
    if table == "account":
        return Problem(problems.name(name), "sets an account", "write accounts into the settings file")
    if name == name.upper() and table in tables.TABLES and key in tables.keys(tables.TABLES[table]):
        return None
    return Problem(problems.name(name), "names no setting", suggestions.variable(name, _known()))


def _known() -> tuple[str, ...]:
    return tuple(
        f"{PREFIX}{table}__{key}".upper()
        for table, model in tables.TABLES.items()
        if table != "account"
        for key in tables.keys(model)
    )
