"""How the commands write a moment: in the time of this machine, to the second."""

from __future__ import annotations

import datetime


def written(moment: float) -> str:
    """`moment`: seconds since the epoch."""
    return datetime.datetime.fromtimestamp(moment).astimezone().isoformat(sep=" ", timespec="seconds")
