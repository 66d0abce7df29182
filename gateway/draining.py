"""Whether balancers shall leave this node alone, though it still serves: a file in `run/` says so.

It is there while the node waits before it stops (`server.drain`), and from the moment an operator says so on.
"""

from __future__ import annotations

from pathlib import Path

from gateway import paths
from gateway.config import Settings

NAME = "draining"


def is_draining(settings: Settings) -> bool:
    """Tell whether it is to be left alone."""
    return _file(settings).exists()


def begin(settings: Settings) -> None:
    """Say that it is; who said so before has the first word on since when. Raises CommandError."""
    with paths.in_our_words(_file(settings)):
        _file(settings).touch()


def end(settings: Settings) -> None:
    """Say that it is not. Raises CommandError."""
    with paths.in_our_words(_file(settings)):
        _file(settings).unlink(missing_ok=True)


def _file(settings: Settings) -> Path:
    return paths.run(settings) / NAME
