"""On how many examples a property is tried: on a tenth before each commit, on all of them in CI (conftest.py)."""

from __future__ import annotations

from hypothesis import settings

ALL = 100  # hypothesis' own default


def examples(number: int) -> int:
    """`number` of examples in CI, and as large a share of them as the profile asks for; never fewer than five."""
    return max(5, number * settings.default.max_examples // ALL)
