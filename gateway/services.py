"""What a door's views and the courier work with, built once for a process: what it needs, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway import paths
from gateway.clock import Clock, SetClock, SteadyClock, WallClock
from gateway.config import Settings
from gateway.errors import GatewayError
from gateway.store.engines import Database, opened
from gateway.store.turned_away import Ring

if TYPE_CHECKING:
    from gateway.attachments.fetch import Shelf
    from gateway.counters import SharedWindows
    from gateway.limits import Limiter
    from gateway.sinch.client import Sinch

# Sinch is said to give up on an answer after some 15 s, and asks for one in 1 or 2.
DOOR_PATIENCE_SECONDS = 2.0
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Services:
    settings: Settings
    spool: Database
    turned_away: Ring
    limits: Limiter
    clock: Clock
    shelf: Shelf
    sinch: Sinch

    @property
    def node(self) -> str:
        """The name by which others on the same spool know this one; "" where it is alone."""
        return self.settings.server.node if self.spool.is_shared else ""


class Unbuilt:
    """Stands in the place of a service that a process has said not to need, and raises GatewayError when it is used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, _attribute: str) -> object:
        raise GatewayError(f"{self._name} is not among what this process needs")


def build(
    settings: Settings,
    *,
    needs: Collection[str] = (),
    patience_seconds: float = PATIENCE_SECONDS,
    first: bool = False,
    windows: SharedWindows | None = None,
) -> Services:
    """Build settings, spool and clock, and of the others those that `needs` names.

    `patience_seconds`: how long to wait for a spool that another process is writing to; `first`: before all others;
    `windows`: in which limits are counted with others, where it is not in Redis.
    """
    spool = opened(settings, patience_seconds=patience_seconds, first=first)
    clock: Clock = SetClock(spool.time) if spool.is_shared else WallClock()
    others: dict[str, Any] = {
        name: make(settings, spool, clock, windows) if name in needs else Unbuilt(name)
        for name, make in _MAKERS.items()
    }
    return Services(settings=settings, spool=spool, turned_away=Ring(spool, clock=clock), clock=clock, **others)


# What these import costs a process some ten MiB each: so it is imported where it is needed.


def _limits(settings: Settings, _spool: Database, _clock: Clock, windows: SharedWindows | None) -> Limiter:
    from gateway.limits import Limiter

    return Limiter(settings.limits.storage, clock=SteadyClock(), windows=windows)


def _shelf(settings: Settings, spool: Database, clock: Clock, _windows: SharedWindows | None) -> Shelf:
    from gateway.attachments.fetch import Shelf

    return Shelf(settings, spool, paths.vault(settings), clock=clock)


def _sinch(settings: Settings, _spool: Database, _clock: Clock, _windows: SharedWindows | None) -> Sinch:
    from gateway.sinch.client import Sinch

    return Sinch(settings.sinch, clock=SteadyClock())


_MAKERS: dict[str, Callable[[Settings, Database, Clock, SharedWindows | None], object]] = {
    "limits": _limits,
    "shelf": _shelf,
    "sinch": _sinch,
}
