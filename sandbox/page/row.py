"""What a row of things that may go wrong is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.callbacks import Customer
from sandbox.house import House


@dataclass(frozen=True, kw_only=True)
class Mischief:
    """The button's words, what to watch for, and what is done."""

    words: str
    watch: str
    do: Callable[[House, Customer], None]
