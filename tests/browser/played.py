"""A sandbox that has played its conversation, with its page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console

from sandbox import play
from sandbox.house import House
from sandbox.page import server


@dataclass(frozen=True)
class Played:
    """`ops` and `page` are addresses, without a slash at their end."""

    house: House
    ops: str
    page: str


@contextmanager
def played() -> Iterator[Played]:
    quiet = Console(quiet=True)
    with play.running(quiet) as house, server.serving(house) as page:
        for scene in play.SCENES:
            assert scene(house, quiet)
        yield Played(house, f"https://127.0.0.1:{house.state.ops_port}", page.rstrip("/"))
