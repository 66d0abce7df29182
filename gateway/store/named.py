"""The statements that go to a database's driver as text, each by its name: `sqlite.sql`, and what is said otherwise."""

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
