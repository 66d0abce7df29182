"""What lies beside the engines: statements, each by its name (`sqlite.sql`, and what is said otherwise); revisions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

ALL = "sqlite"  # has every one, with its why

_NAME = re.compile(r"^-- name: ([a-z_]+)\n", re.MULTILINE)
_COMMENT = re.compile(r"--.*")


@cache
def statements(engine: str) -> Mapping[str, str]:
    """Give those of an engine, without the comments that say why. One that is empty there is not run."""
    return written(ALL) | (written(engine) if engine != ALL else {})


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


def is_newer(revision: str | None) -> bool:
    """Tell whether a spool of that revision was written by a newer release."""
    return revision is not None and revision not in revisions()
