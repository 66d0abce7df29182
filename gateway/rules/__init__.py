"""Rules as data: the tables that code reads, shipped beside this module.

Nothing in them is believed unread: who reads a table proves it first, and an error names the row.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.errors import SettingsError

# Who acts on a code, and whether the same may be sent again: `reasons.toml` says each in words.
Who = Literal["wait", "agent", "operator", "sinch", "meta", "xcally"]
Retry = Literal["later", "changed", "no", "itself", "none"]


class StrictTable(BaseModel):
    """Nothing unknown, nothing changed later. Lists, numbers and switches are what TOML made of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Proved = TypeVar("Proved", bound=StrictTable)


def read(name: str) -> dict[str, Any]:
    """Read the table `name`, such as `whatsapp.toml`, as it stands there; nothing is proved yet."""
    return tomllib.loads(resources.files(__name__).joinpath(name).read_text("utf-8"))


def prove(document: Mapping[str, Any], table: type[Proved], *, file: str) -> Proved:
    """Prove that the document is such a table. Raises SettingsError, which lists every problem with its row."""
    try:
        return table.model_validate(document)
    except ValidationError as error:
        raise wrong(file, [f"{_place(document, found['loc'])}: {found['msg']}" for found in error.errors()]) from error


def wrong(file: str, problems: Sequence[str]) -> SettingsError:
    """Make the error that says so of a table of ours."""
    return SettingsError("\n".join((f"rules/{file} is wrong.", *(f"  {problem}" for problem in problems))))


def _place(document: Mapping[str, Any], location: tuple[int | str, ...]) -> str:
    """Say where something is wrong, with the name of its row if it has one."""
    found: Any = document
    words = []
    for step in location:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            found = None
        name = found.get("name", found.get("mime")) if isinstance(step, int) and isinstance(found, dict) else None
        words.append(f"'{name}'" if name else str(step))
    return " ".join(words)
