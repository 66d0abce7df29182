"""Measures the first door side by side with the same nginx before a stub, and the courier behind it.

    python -m bench.ingress [--seconds N] [--rounds N] [--workers N] [--json]

`--workers`: of the door.

Ends with status 1 if a count or an order is wrong, never because of a time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console

from bench import backlog, letters, load, memory, offer, report, site
from bench.letters import Letter
from bench.load import Load
from bench.report import Findings, Offered, Round
from bench.site import Site
from gateway.store.schema import event, nonce
from sandbox.listener import reserve

FASTEST = 4000  # callbacks a second; none are left over for a door that is faster
OFFERS = (200, 1000)  # callbacks a second
OFFER_SECONDS = 6
BACKLOG = 20_000
CATCH_UP_SECONDS = 100.0


@dataclasses.dataclass
class Bench:
    """A gateway, its twin before the stub, and what was found so far."""

    gateway: Site
    twin: Site
    heard: Path
    seconds: float
    accepted: int = 0
    unknown: int = 0  # sent, and their answers not waited for
    wrong: list[str] = dataclasses.field(default_factory=list)

    def round(self) -> Round:
        path = self._letters()
        stub = load.finish(load.start(self.twin.webhook_url, path, seconds=self.seconds, cycle=True))
        gateway = self._counted(load.finish(load.start(self.gateway.webhook_url, path, seconds=self.seconds)))
        with self.gateway.running("courier"):
            delivering = self._counted(
                load.finish(load.start(self.gateway.webhook_url, self._letters(), seconds=self.seconds))
            )
        return Round(stub=stub, gateway=gateway, delivering=delivering)

    def offered(self, rate: int, *, flooded: bool) -> Offered:
        sent = list(letters.genuine(self.gateway.sinch, rate * OFFER_SECONDS))
        forged = letters.written(self.gateway.folder / "forged", letters.forged(self.gateway.sinch, 1000))
        flood = load.start(self.gateway.webhook_url, forged, seconds=OFFER_SECONDS, cycle=True) if flooded else None
        found = offer.send(self.gateway, sent, rate=rate)
        self._check_each(sent, found.accepted)
        return Offered(offer=found, flood=load.finish(flood) if flood else None)

    def stored(self) -> int:
        """How many events are in the spool; notes where that is not what was answered, or not in order."""
        stored = len(self.gateway.spooled(sa.select(event.c.id)))
        if not self.accepted <= stored <= self.accepted + self.unknown:
            self.wrong.append(f"{self.accepted} callbacks were answered 200, {stored} are in the spool")
        self.wrong += backlog.disorder(self.gateway, self.heard.read_text("utf-8").split())
        return stored

    def _letters(self) -> Path:
        made = letters.genuine(self.gateway.sinch, int(FASTEST * self.seconds))
        return letters.written(self.gateway.folder / "letters", made)

    def _counted(self, found: Load) -> Load:
        self.accepted += found.answered
        self.unknown += found.sent - found.answered - found.refused
        return found

    def _check_each(self, sent: Sequence[Letter], accepted: set[str]) -> None:
        stored = {row.nonce for row in self.gateway.spooled(sa.select(nonce.c.nonce))}
        if lost := accepted - stored:
            self.wrong.append(f"{len(lost)} callbacks were answered 200 and are not in the spool")
        self.accepted += len(accepted)
        self.unknown += len(sent) - len(accepted)


def main() -> int:
    parser = report.parser("bench.ingress", __doc__ or "", seconds=3.0, rounds=4)
    parser.add_argument("--workers", type=int, default=1, help="of the door (default 1)")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(reserve()).getsockname()[1]
        gateway, twin, late = (
            stack.enter_context(site.built(motion_port=port, workers={"ingress": count}))
            for count in (options.workers, 1, 1)
        )
        heard = stack.enter_context(site.stub(twin, motion_port=port))
        findings = _found(Bench(gateway, twin, heard, options.seconds), late, rounds=options.rounds)
    if options.json:
        print(json.dumps(_plain(findings), indent=2))  # noqa: T201 - it is the answer
    else:
        report.show(findings, Console())
    return 1 if findings.wrong else 0


def _found(bench: Bench, late: Site, *, rounds: int) -> Findings:
    with bench.twin.running("nginx"), bench.gateway.running("ops", "ingress", "nginx"):
        bench.twin.wait_until_open()
        bench.gateway.wait_until_open()
        turns = [bench.round() for _ in range(rounds)]
        with bench.gateway.running("courier"):
            offered = [bench.offered(rate, flooded=flooded) for rate in OFFERS for flooded in (False, True)]
            sizes = memory.of(bench.gateway.folder)
    stored = bench.stored()
    caught = backlog.catch_up(late, bench.heard, backlog=BACKLOG, most_seconds=CATCH_UP_SECONDS)
    return Findings(
        rounds=turns,
        offered=offered,
        catch_up=caught,
        memory=sizes,
        answered=bench.accepted,
        stored=stored,
        wrong=[*bench.wrong, *caught.wrong],
    )


def _plain(findings: Findings) -> dict[str, object]:
    plain = dataclasses.asdict(findings)
    plain["ratios"] = findings.ratios()
    for offered, told in zip(findings.offered, plain["offered"], strict=True):
        for name in ("accepted", "latencies"):
            del told["offer"][name]
        told["offer"] |= {"p50_ms": offered.offer.percentile(0.5), "p99_ms": offered.offer.percentile(0.99)}
    return plain


if __name__ == "__main__":
    sys.exit(main())
