"""Measures what a flood does to right callbacks: those in quiet beside those under it, one right after the other.

    python -m bench.flood [--rate N] [--seconds N] [--rounds N] [--json]

Right ones come at a fixed rate, while the courier delivers; the flood as fast as it is answered, some ten to one:
forged from one address, forged from 40,000, and right ones that came before, played again. Ends with status 1 if a
callback that was answered 200 is not in the spool, never because of a time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import sqlalchemy as sa
from rich.console import Console

from bench import letters, load, offer, report, site
from bench.letters import Letter
from bench.load import Load
from bench.offer import Offer
from bench.site import Site
from gateway import clock
from gateway.store.schema import nonce
from sandbox.listener import reserve

RATE = 150  # right callbacks a second; what Sinch sends of an app is less
CONNECTIONS = 16  # of the flood
FORGED, ADDRESSES = 1000, 40_000
WORST = 10  # of each side, with the second at which they were due
BEGINS_SECONDS = 3.0  # wrk reads all that it sends first, on a core that the gateway had before


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Right callbacks without the flood, and under it."""

    quiet: Offer
    flooded: Offer
    flood: Load

    @property
    def sides(self) -> dict[str, Offer]:
        return {"quiet": self.quiet, "under it": self.flooded}

    @property
    def flood_per_second(self) -> float:
        return (self.flood.answered + self.flood.refused) / self.flood.seconds

    @property
    def accepted(self) -> float:
        """How many were answered 200, of those in quiet."""
        return len(self.flooded.accepted) / len(self.quiet.accepted)

    @property
    def later(self) -> float:
        """Their p99, of that in quiet."""
        return self.flooded.percentile(0.99) / self.quiet.percentile(0.99)


def _forged(gateway: Site, _sent: Sequence[Letter]) -> Iterator[Letter]:
    return letters.forged(gateway.sinch, FORGED)


def _from_everywhere(gateway: Site, _sent: Sequence[Letter]) -> Iterator[Letter]:
    for number, letter in enumerate(letters.forged(gateway.sinch, ADDRESSES)):
        address = f"X-Forwarded-For: 10.{number >> 16}.{number >> 8 & 255}.{number & 255}\r\n"
        yield dataclasses.replace(letter, request=letter.request.replace(b"\r\n", f"\r\n{address}".encode(), 1))


def _replayed(_gateway: Site, sent: Sequence[Letter]) -> Iterator[Letter]:
    return iter(sent)


FLOODS: dict[str, Callable[[Site, Sequence[Letter]], Iterator[Letter]]] = {
    "forged, from one address": _forged,
    "forged, from 40,000 addresses": _from_everywhere,
    "played again": _replayed,
}


def _turn(gateway: Site, kind: str, *, rate: int, seconds: float, wrong: list[str]) -> Turn:
    first, second = (list(letters.genuine(gateway.sinch, int(rate * seconds))) for _ in range(2))
    quiet = offer.send(gateway, first, rate=rate)
    path = letters.written(gateway.folder / "flood", FLOODS[kind](gateway, first))
    lasts = seconds + BEGINS_SECONDS
    running = load.start(gateway.webhook_url, path, seconds=lasts, cycle=True, connections=CONNECTIONS)
    clock.pause(BEGINS_SECONDS)
    flooded = offer.send(gateway, second, rate=rate)
    found = Turn(quiet=quiet, flooded=flooded, flood=load.finish(running))
    stored = {row.nonce for row in gateway.spooled(sa.select(nonce.c.nonce))}
    if lost := (quiet.accepted | flooded.accepted) - stored:
        wrong.append(f"{kind}: {len(lost)} callbacks were answered 200 and are not in the spool")
    return found


def _told(turn: Turn) -> dict[str, object]:
    told: dict[str, object] = {"flood": turn.flood_per_second, "accepted": turn.accepted, "p99": turn.later}
    each: dict[str, object] = {
        name: {"p99 ms": side.percentile(0.99), "worst": side.worst(WORST)} for name, side in turn.sides.items()
    }
    return told | each


def _show(turns: dict[str, list[Turn]], wrong: Sequence[str], console: Console) -> None:
    heads = ("flood/s", "right ones/s", "p99 ms, quiet", "under it", "number", "p99")
    made = report.table("Right callbacks under a flood: medians, and ratios to quiet", "flood", *heads)
    for kind, each in turns.items():
        rate = median(len(turn.flooded.accepted) / turn.flooded.seconds for turn in each)
        times = [
            median(one.percentile(0.99) for one in side)
            for side in ([turn.quiet for turn in each], [turn.flooded for turn in each])
        ]
        ratios = (median(turn.accepted for turn in each), median(turn.later for turn in each))
        flood = median(turn.flood_per_second for turn in each)
        made.add_row(kind, f"{flood:.0f}", f"{rate:.0f}", *(f"{ms:.1f}" for ms in times), *(f"{r:.2f}" for r in ratios))
    console.print(made)
    for kind, each in turns.items():
        console.print(f"\n{kind}: the slowest {WORST} of each turn, ms at which second")
        for number, turn in enumerate(each, 1):
            for name, side in turn.sides.items():
                slow = ", ".join(f"{ms:.0f} at {moment:.2f}" for moment, ms in side.worst(WORST))
                console.print(f"{number}, {name}: p99 {side.percentile(0.99):.1f} ms; {slow}")
    console.print("\n".join(wrong) or "None that was answered 200 is lost.")


def main() -> int:
    parser = report.parser("bench.flood", __doc__ or "", seconds=6.0, rounds=3)
    parser.add_argument("--rate", type=int, default=RATE, help=f"right callbacks a second (default {RATE})")
    options = parser.parse_args()
    wrong: list[str] = []
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(reserve()).getsockname()[1]
        server = {"trusted_proxies": ["127.0.0.1"]}
        gateway = stack.enter_context(site.built(motion_port=port, server=server))
        twin = stack.enter_context(site.built(motion_port=port))
        stack.enter_context(site.stub(twin, motion_port=port))
        stack.enter_context(gateway.running("ops", "ingress", "nginx", "courier"))
        gateway.wait_until_open()
        turns: dict[str, list[Turn]] = {kind: [] for kind in FLOODS}
        for _ in range(options.rounds):
            for kind, found in turns.items():
                told = {"rate": options.rate, "seconds": options.seconds}
                found.append(_turn(gateway, kind, **told, wrong=wrong))
    if options.json:
        plain = {kind: [_told(turn) for turn in found] for kind, found in turns.items()}
        print(json.dumps(plain | {"wrong": wrong}, indent=2))  # noqa: T201 - it is the answer
    else:
        _show(turns, wrong, Console())
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
