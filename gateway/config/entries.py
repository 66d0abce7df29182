"""One entry of the settings on its way from the file or the environment to its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.config import problems


@dataclass(frozen=True)
class Entry:
    """A value not read yet, the place it came from, and how a problem may show it."""

    value: object = field(repr=False)
    label: str
    shown: str | None

    @property
    def is_set(self) -> bool:
        """False for what stands for nothing: the empty text and the empty list."""
        return self.value not in ("", [])


def of_table(where: str, raw: Mapping[str, object]) -> dict[str, Entry]:
    """The entries of one table of the file; `where` is its name as the operator sees it."""
    return {
        key: Entry(value, f"{where}.{problems.name(key)}", problems.shown(key, value)) for key, value in raw.items()
    }
