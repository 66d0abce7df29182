"""Measures the first door with all that there is for customers' files beside the same door without: turn by turn.

    python -m bench.inbound [--seconds N] [--rounds N] [--every N] [--json]

One callback of so many names a file. Ends with status 1 if a count or an order is wrong, never because of a time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import sqlalchemy as sa
from rich.console import Console

from bench import backlog, letters, load, memory, report, site
from bench.load import Load
from bench.site import Site
from gateway import clock, store
from gateway.store.schema import event
from sandbox.conversation.account import Key
from sandbox.listener import reserve
from sandbox.setup import Vendor

FASTEST = 4000  # callbacks a second
NOWHERE = "https://127.0.0.1:1"
SETTLED_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A load, and what each callback of it has cost the ingress door: CPU, user and system together."""

    load: Load
    cpu_us: float


@dataclass(frozen=True, kw_only=True)
class Turn:
    """The same callbacks to each: to its door alone, and while courier and fetcher see to what came."""

    plain: Taken
    full: Taken
    plain_delivering: Taken
    full_delivering: Taken


@dataclass(frozen=True, kw_only=True)
class InboundFindings:
    """`wrong`: what makes the run a failure."""

    turns: list[Turn]
    answered: dict[str, int]
    stored: dict[str, int]
    wrong: list[str]

    def ratios(self) -> dict[str, list[float]]:
        """Of the full door to the plain one, turn by turn: its rate, and its CPU."""
        alone = [(turn.full, turn.plain) for turn in self.turns]
        beside = [(turn.full_delivering, turn.plain_delivering) for turn in self.turns]
        return {
            "rate": [full.load.per_second / plain.load.per_second for full, plain in alone],
            "rate, delivering": [full.load.per_second / plain.load.per_second for full, plain in beside],
            "CPU": [full.cpu_us / plain.cpu_us for full, plain in alone],
            "CPU, delivering": [full.cpu_us / plain.cpu_us for full, plain in beside],
        }


@dataclass
class Lane:
    """One of the two gateways, and what it has answered."""

    site: Site
    media_url: str
    every: int
    seconds: float
    answered: int = 0
    unknown: int = 0

    def load(self) -> Taken:
        made = letters.with_files(
            self.site.sinch, int(FASTEST * self.seconds), media_url=self.media_url, every=self.every
        )
        path = letters.written(self.site.folder / "letters", made)
        before = memory.cpu_seconds(self.site.folder, "ingress")
        found = load.finish(load.start(self.site.webhook_url, path, seconds=self.seconds))
        used = memory.cpu_seconds(self.site.folder, "ingress") - before
        self.answered += found.answered
        self.unknown += found.sent - found.answered - found.refused
        return Taken(load=found, cpu_us=1e6 * used / max(1, found.answered))

    def delivering(self) -> Taken:
        with self.site.running("courier", *(("fetcher",) if self.site.settings.fetches else ())):
            return self.load()

    def stored(self) -> int:
        return len(self.site.spooled(sa.select(event.c.id)))

    def delivered(self) -> int:
        return len(self.site.spooled(sa.select(event.c.id).where(event.c.state == store.DELIVERED)))


def main() -> int:
    parser = report.parser("bench.inbound", __doc__ or "", seconds=3.0, rounds=4)
    parser.add_argument("--every", type=int, default=10, help="one callback of so many names a file (default 10)")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(reserve()).getsockname()[1]
        media = f"http://127.0.0.1:{port}"
        vendor = Vendor(eu=NOWHERE, us=NOWHERE, auth=NOWHERE, control_url="", key=Key())
        on: dict[str, dict[str, Any]] = {"inbound": {"media": "through", "hosts": [media]}, "motion": {"sign": "late"}}
        sites = [stack.enter_context(site.built(motion_port=port, sinch=vendor, **told)) for told in ({}, on)]
        heard = stack.enter_context(site.stub(sites[0], motion_port=port))
        plain, full = (Lane(one, media, options.every, options.seconds) for one in sites)
        findings = _found(plain, full, heard, rounds=options.rounds)
    if options.json:
        print(json.dumps({**dataclasses.asdict(findings), "ratios": findings.ratios()}, indent=2))  # noqa: T201
    else:
        _show(findings, Console())
    return 1 if findings.wrong else 0


def _found(plain: Lane, full: Lane, heard: Path, *, rounds: int) -> InboundFindings:
    turns: list[Turn] = []
    with plain.site.running("ops", "ingress", "nginx"), full.site.running("ops", "ingress", "nginx"):
        plain.site.wait_until_open()
        full.site.wait_until_open()
        for _ in range(rounds):
            door, seen_to = plain.load(), full.load()
            turns.append(
                Turn(plain=door, full=seen_to, plain_delivering=plain.delivering(), full_delivering=full.delivering())
            )
    lanes = {"plain": plain, "full": full}
    wrong = [said for name, lane in lanes.items() for said in _wrong(name, lane, heard)]
    return InboundFindings(
        turns=turns,
        answered={name: lane.answered for name, lane in lanes.items()},
        stored={name: lane.stored() for name, lane in lanes.items()},
        wrong=wrong,
    )


def _wrong(name: str, lane: Lane, heard: Path) -> list[str]:
    """Nothing where all that was answered is in the spool, and arrives once its courier has had the time."""
    stored, found = lane.stored(), list[str]()
    if not lane.answered <= stored <= lane.answered + lane.unknown:
        found.append(f"{name}: {lane.answered} callbacks were answered 200, {stored} are in the spool")
    with lane.site.running("courier", *(("fetcher",) if lane.site.settings.fetches else ())):
        _wait(lane, stored)
    ids = {row.request_id for row in lane.site.spooled(sa.select(event.c.request_id))}
    arrived = [one for one in heard.read_text("utf-8").split() if one in ids]
    return [*found, *(f"{name}: {said}" for said in backlog.disorder(lane.site, arrived))]


def _wait(lane: Lane, stored: int) -> None:
    deadline = clock.steady() + SETTLED_SECONDS
    while lane.delivered() < stored and clock.steady() < deadline:
        clock.pause(0.2)


def _show(findings: InboundFindings, console: Console) -> None:
    made = report.table(
        "A door without and with all for customers' files", "round", "to", "answered/s", "p99 ms", "CPU µs"
    )
    for number, turn in enumerate(findings.turns, 1):
        for words, one in (
            ("plain", turn.plain),
            ("full", turn.full),
            ("plain, delivering", turn.plain_delivering),
            ("full, delivering", turn.full_delivering),
        ):
            made.add_row(
                str(number), words, f"{one.load.per_second:.0f}", f"{one.load.p99_ms:.1f}", f"{one.cpu_us:.0f}"
            )
    console.print(made)
    for name, ratios in findings.ratios().items():
        console.print(f"{name}: median {median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}")
    console.print(f"answered 200: {findings.answered}; in the spool: {findings.stored}")
    console.print("\n".join(findings.wrong) or "Counts and order are right.")


if __name__ == "__main__":
    sys.exit(main())
