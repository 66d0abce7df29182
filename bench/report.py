"""What a run of the bench found, for people."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.backlog import CatchUp
from bench.load import Load
from bench.memory import Memory
from bench.offer import Offer


@dataclass(frozen=True, kw_only=True)
class Round:
    """Three loads, one right after the other: what moves the machine moves all of them."""

    stub: Load
    gateway: Load  # the ingress door alone
    delivering: Load  # the same while the courier delivers what came before


@dataclass(frozen=True, kw_only=True)
class Offered:
    """Callbacks at a fixed rate while the courier delivers, and what was thrown at the door beside them."""

    offer: Offer
    flood: Load | None


@dataclass(frozen=True, kw_only=True)
class Findings:
    rounds: list[Round]
    offered: list[Offered]
    catch_up: CatchUp
    memory: list[Memory]
    answered: int  # 200, in all
    stored: int
    wrong: list[str]

    def ratios(self) -> list[float]:
        """Of the gateway's rate to the stub's, round by round."""
        return [turn.gateway.per_second / turn.stub.per_second for turn in self.rounds]


def show(findings: Findings, console: Console) -> None:
    for table in (_loads(findings), _offers(findings), memory_table(findings.memory, title="Memory, MiB")):
        console.print(table)
    caught = findings.catch_up
    console.print(
        f"Catch-up: {caught.delivered} of {caught.backlog} events in {caught.seconds:.1f} s,"
        f" {caught.delivered / max(caught.seconds, 0.001):.0f}/s; {caught.repeated} repeated."
        f" The spool had taken them in {caught.filled_in_seconds:.1f} s,"
        f" {caught.backlog / caught.filled_in_seconds:.0f}/s."
    )
    console.print(f"{findings.answered} callbacks were answered 200, {findings.stored} are in the spool.")
    console.print("\n".join(findings.wrong) or "Counts and order are right.")


def _loads(findings: Findings) -> Table:
    made = table("As fast as it answers", "round", "to", "answered/s", "p50 ms", "p99 ms", "of the stub")
    for number, turn in enumerate(findings.rounds, 1):
        for name, load in (("stub", turn.stub), ("gateway", turn.gateway), ("… delivering", turn.delivering)):
            ratio = load.per_second / turn.stub.per_second
            made.add_row(str(number), name, f"{load.per_second:.0f}", *_times(load), f"{ratio:.4f}")
    ratios = findings.ratios()
    made.add_section()
    made.add_row("median", "gateway", "", "", "", f"{median(ratios):.4f}")
    made.add_row("spread", "", "", "", "", f"{min(ratios):.4f} to {max(ratios):.4f}")
    return made


def _offers(findings: Findings) -> Table:
    made = table(
        "Offered at a fixed rate", "offered/s", "answered 200/s", "p50 ms", "p99 ms", "others", "forged/s beside"
    )
    for offered in findings.offered:
        offer, flood = offered.offer, offered.flood
        others = ", ".join(f"{status or 'none'}: {count}" for status, count in offer.statuses.items() if status != 200)
        rate = len(offer.accepted) / offer.seconds
        times = (f"{offer.percentile(share):.1f}" for share in (0.5, 0.99))
        beside = f"{flood.refused / flood.seconds:.0f}" if flood else "-"
        made.add_row(str(offer.rate), f"{rate:.0f}", *times, others or "-", beside)
    return made


def memory_table(found: Sequence[Memory], *, title: str) -> Table:
    made = table(title, "process", "PSS", "RSS")
    for memory in found:
        made.add_row(memory.part, f"{memory.pss_mib}", f"{memory.rss_mib}")
    return made


def table(title: str, first: str, *others: str) -> Table:
    made = Table(title=title, title_justify="left")
    made.add_column(first)
    for name in others:
        made.add_column(name, justify="right")
    return made


def _times(load: Load) -> Iterator[str]:
    yield f"{load.p50_ms:.1f}"
    yield f"{load.p99_ms:.1f}"


def options(program: str, about: str, *, seconds: float, rounds: int) -> argparse.Namespace:
    """What most benches can be told, and are."""
    return parser(program, about, seconds=seconds, rounds=rounds).parse_args()


def parser(program: str, about: str, *, seconds: float, rounds: int) -> argparse.ArgumentParser:
    """What reads that, for who adds to it."""
    made = argparse.ArgumentParser(prog=f"python -m {program}", description=about.partition("\n")[0])
    made.add_argument("--seconds", type=float, default=seconds, help=f"of each load (default {seconds:g})")
    made.add_argument("--rounds", type=int, default=rounds, help=f"how often all take turns (default {rounds})")
    made.add_argument("--json", action="store_true", help="print everything that was found as JSON")
    return made
