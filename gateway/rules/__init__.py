"""Rules as data: the tables that code reads, shipped beside this module."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any


def read(name: str) -> dict[str, Any]:
    """The table `name`, such as `whatsapp.toml`, as it stands there; nothing is proved yet."""
    return tomllib.loads(resources.files(__name__).joinpath(name).read_text("utf-8"))
