"""What lies beside the engines: statements, each by its name (`sqlite.sql`, and what is said otherwise); revisions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from operator import itemgetter
from pathlib import Path

from gateway.phrases import Reason

ALL = "sqlite"  # has every one, with its why
# What stands behind the revision of a spool that nobody may serve from: `moving`.
MOVED, MOVING = " moved", " moving"

_GREATEST = ("greatest(", "max(")  # of several values: as PostgreSQL calls it, and as SQLite does
_NAME = re.compile(r"^-- name: ([a-z_]+)\n", re.MULTILINE)
_COMMENT = re.compile(r"--.*")
_VALUE, _ID = re.compile(r":([a-z_]+)"), "RETURNING id"

# Puts values in the places of a statement.
Given = Callable[[Mapping[str, object]], Sequence[object]]


@cache
def statements(engine: str) -> Mapping[str, str]:
    """Give those of an engine, without the comments that say why. One that is empty there is not run."""
    if engine == ALL:
        return {name: text.replace(*_GREATEST) for name, text in written(ALL).items()}
    return written(ALL) | written(engine)


@cache
def placed(name: str) -> tuple[str, Given, bool]:
    """Give one as SQLite is told it: with places, what puts values there, and whether a new row's id is all it returns.

    Both are for speed: the driver would look for each value's name anew, and SQLite would keep what is returned in a
    table.
    """
    text = statements(ALL)[name]
    names, is_numbered = _VALUE.findall(text), text.startswith("INSERT") and text.endswith(_ID)
    given: Given = itemgetter(*names) if len(names) > 1 else partial(_each, names)
    return _VALUE.sub("?", text.removesuffix(_ID) if is_numbered else text), given, is_numbered


def _each(names: Sequence[str], values: Mapping[str, object]) -> Sequence[object]:
    return [values[name] for name in names]


def written(engine: str) -> dict[str, str]:
    """Read what stands in an engine's own file."""
    _about, *parts = _NAME.split((Path(__file__).parent / f"{engine}.sql").read_text("utf-8"))
    return {name: _COMMENT.sub("", text).strip() for name, text in zip(parts[::2], parts[1::2], strict=True)}


def revisions() -> frozenset[str]:
    """List those of the schema that this release knows: each by the name of its migration's file."""
    versions = Path(__file__).parent / "migrations" / "versions"
    return frozenset(path.stem.partition("_")[0] for path in versions.glob("*.py"))


def latest() -> str:
    """The revision that this release works with: that of its last migration."""
    return max(revisions())


def trouble(found: str | None) -> Reason | None:
    """Say why this release does not work with a spool of that revision; None if it does."""
    if found is not None and found.endswith((MOVED, MOVING)):
        return Reason.SPOOL_MOVED if found.endswith(MOVED) else Reason.SPOOL_MOVING
    if found == latest():
        return None
    return Reason.SPOOL_SCHEMA if found is None or found in revisions() else Reason.SPOOL_NEWER


def is_borne(bears: str | None) -> bool:
    """Tell whether this release may work with a newer schema that `bears` those of that revision and later."""
    return bears is not None and bears <= latest()
