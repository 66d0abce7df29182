"""Measures what several machines cost and bring: one node on SQLite, one and two on PostgreSQL, side by side.

    python -m bench.cluster [--seconds N] [--rounds N] [--kept N] [--json]

How fast one, two and four couriers catch up with a backlog where Motion takes 20 ms for each; then callbacks a second,
as fast as they are answered. They take turns: a ratio is the median of those of each turn. All on this machine;
PostgreSQL with what makes it safe, and no standby. `--kept`: with so many events in either spool from before, some
1.5 kB each. Ends with status 1 if a count or an order is wrong, never because of a time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import secrets
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import sqlalchemy as sa
from rich.console import Console

from bench import backlog, kept, letters, load, report, site
from bench.site import Site
from gateway import clock, paths
from gateway.store import sqlite
from gateway.store.schema import event
from sandbox import child
from sandbox.cluster.database import DATABASE, USER, Server
from sandbox.listener import reserve

FASTEST = 4000  # callbacks a second; none are left over for a door that is faster
BACKLOG = 2000
COURIERS = (1, 2, 4)
DELIVERIES = 4  # at once, of each courier: so that what takes its time is Motion, not our two cores
MOTION_SECONDS = 0.02
CATCH_UP_SECONDS = 200.0
DOORS = ("ops", "ingress", "nginx")


@dataclass(frozen=True, kw_only=True)
class Round:
    """Callbacks a second, one right after the other."""

    sqlite: float
    one: float
    two: float


@dataclass(frozen=True, kw_only=True)
class Findings:
    rounds: list[Round]
    turns: list[dict[int, float]]  # couriers → deliveries a second, one right after the other
    wrong: list[str]

    def ratios(self) -> dict[str, float]:
        """What the issue of several machines is judged by."""
        found = {
            "one node on PostgreSQL, of SQLite": median(turn.one / turn.sqlite for turn in self.rounds),
            "two nodes on PostgreSQL, of SQLite": median(turn.two / turn.sqlite for turn in self.rounds),
            "two nodes, of one on PostgreSQL": median(turn.two / turn.one for turn in self.rounds),
        }
        for many in COURIERS[1:]:
            found[f"{many} couriers, of one"] = median(turn[many] / turn[1] for turn in self.turns)
        return found


@contextlib.contextmanager
def database() -> Iterator[tuple[Server, dict[str, str]]]:
    """A PostgreSQL server, and what `[spool]` says of it."""
    with tempfile.TemporaryDirectory() as name, reserve() as held:
        Path(name).chmod(0o711)
        password = secrets.token_urlsafe(24)
        server = Server("db", Path(name) / "db", held.getsockname()[1], password)
        server.create()
        try:
            yield server, {"url": f"postgresql://{USER}@127.0.0.1:{server.port}/{DATABASE}", "password": password}
        finally:
            server.stop()


@dataclass
class Bench:
    """Three nodes, of which two share a spool, and what was found wrong so far."""

    alone: Site
    nodes: tuple[Site, Site]
    seconds: float
    wrong: list[str]

    def round(self) -> Round:
        return Round(sqlite=self._rate(self.alone), one=self._rate(self.nodes[0]), two=self._rate(*self.nodes))

    def _rate(self, *nodes: Site) -> float:
        """Callbacks a second that these answer, each with a load of its own; all of them are in the spool."""
        before = _last(nodes[0])
        made = [letters.genuine(node.sinch, int(FASTEST * self.seconds / len(nodes))) for node in nodes]
        files = [letters.written(node.folder / "letters", each) for node, each in zip(nodes, made, strict=True)]
        each = load.CONNECTIONS // len(nodes)
        with contextlib.ExitStack() as stack:
            for node in nodes:
                stack.enter_context(node.running(*DOORS))
                node.wait_until_open()
            ways = [(node.webhook_url, file) for node, file in zip(nodes, files, strict=True)]
            running = [load.start(url, file, seconds=self.seconds, connections=each) for url, file in ways]
            ended = [load.finish(one) for one in running]
        answered = sum(one.answered for one in ended)
        unknown = sum(one.sent - one.answered - one.refused for one in ended)
        [[stored]] = nodes[0].spooled(sa.select(sa.func.count()).where(event.c.id > before))
        if not answered <= stored <= answered + unknown:
            self.wrong.append(f"{answered} were answered 200, {stored} are in the spool")
        return sum(one.per_second for one in ended)


def caught_up(spool: dict[str, str], couriers: int, wrong: list[str]) -> float:
    """Deliveries a second by so many couriers; what is wrong with what arrived is added to the list."""
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(reserve()).getsockname()[1]
        sites = [
            stack.enter_context(
                site.built(motion_port=port, server={"node": f"n{number}"}, spool=spool | {"deliveries": DELIVERIES})
            )
            for number in range(couriers)
        ]
        heard = sites[0].folder / "heard"
        heard.touch()
        slow = [sys.executable, "-m", "bench.slow", str(port), str(MOTION_SECONDS), str(heard)]
        stack.enter_context(child.running(slow, sites[0].folder / "slow.log"))
        before = _last(sites[0])
        backlog.fill(sites[0], BACKLOG)
        for each in sites:
            stack.enter_context(each.running("courier"))
        backlog.wait_for_lines(heard, BACKLOG // 10, most_seconds=CATCH_UP_SECONDS)  # all of them are there by now
        began, first = clock.steady(), backlog.lines(heard)
        backlog.wait_for_lines(heard, BACKLOG * 9 // 10, most_seconds=CATCH_UP_SECONDS)
        rate = (backlog.lines(heard) - first) / (clock.steady() - began)
        backlog.wait_for_lines(heard, BACKLOG, most_seconds=CATCH_UP_SECONDS)
        _settled(sites[0])
        found = backlog.disorder(sites[0], heard.read_text("utf-8").split(), behind=before)
        wrong += [f"{couriers} couriers: {word}" for word in found]
        return rate


def _last(node: Site) -> int:
    """The id of the last event in its spool."""
    [[last]] = node.spooled(sa.select(sa.func.coalesce(sa.func.max(event.c.id), 0)))
    return int(last)


def _settled(node: Site) -> None:
    deadline = clock.steady() + site.PATIENCE_SECONDS
    waiting = sa.select(event.c.id).where(event.c.state == "pending").limit(1)
    while node.spooled(waiting) and clock.steady() < deadline:
        clock.pause(0.1)


def found(*, seconds: float, rounds: int, kept_events: int) -> Findings:
    with contextlib.ExitStack() as stack:
        server, shared = stack.enter_context(database())
        port = stack.enter_context(reserve()).getsockname()[1]  # of a Motion that nobody asks
        alone = stack.enter_context(site.built(motion_port=port))
        nodes = [
            stack.enter_context(site.built(motion_port=port, server={"node": name}, spool=shared))
            for name in ("a", "b")
        ]
        if kept_events:
            _keep(alone, server, kept_events)
        bench = Bench(alone, (nodes[0], nodes[1]), seconds, [])
        turns = [{many: caught_up(shared, many, bench.wrong) for many in COURIERS} for _ in range(rounds)]
        measured = [bench.round() for _ in range(rounds)]
    return Findings(rounds=measured, turns=turns, wrong=bench.wrong)


def _keep(alone: Site, server: Server, count: int) -> None:
    """Have both spools hold so many events, nobody of whom waits."""
    [account] = alone.settings.accounts
    lay = partial(kept.lay, count=count, connector_id=account.connector_id, now=clock.WallClock().now())
    lay(server.ask, kept.POSTGRESQL)
    path = paths.spool(alone.settings)
    with contextlib.closing(sqlite.connect(path, patience_seconds=site.PATIENCE_SECONDS)) as connection:
        connection.execute("PRAGMA journal_mode=OFF")  # nothing is kept in it yet
        lay(lambda statement: connection.execute(statement).fetchall(), kept.SQLITE)
        connection.execute("PRAGMA journal_mode=WAL")


def show(findings: Findings, console: Console) -> None:
    rates = report.table("Callbacks answered 200, a second", "round", "SQLite", "PostgreSQL", "two nodes on it")
    for number, turn in enumerate(findings.rounds, 1):
        rates.add_row(str(number), f"{turn.sqlite:.0f}", f"{turn.one:.0f}", f"{turn.two:.0f}")
    heads = [f"couriers: {many}" for many in COURIERS]
    caught = report.table(f"Deliveries a second, Motion taking {MOTION_SECONDS * 1000:.0f} ms", "turn", *heads)
    for number, told in enumerate(findings.turns, 1):
        caught.add_row(str(number), *(f"{told[many]:.0f}" for many in COURIERS))
    ratios = report.table("Ratios", "of", "is")
    for what, ratio in findings.ratios().items():
        ratios.add_row(what, f"{ratio:.2f}")
    for made in (rates, caught, ratios):
        console.print(made)
    console.print("\n".join(findings.wrong) or "Counts and order are right.")


def main() -> int:
    parser = report.parser("bench.cluster", __doc__ or "", seconds=4.0, rounds=5)
    parser.add_argument("--kept", type=int, default=0, help="events that either spool has kept before (default 0)")
    options = parser.parse_args()
    findings = found(seconds=options.seconds, rounds=options.rounds, kept_events=options.kept)
    if options.json:
        print(json.dumps(dataclasses.asdict(findings) | {"ratios": findings.ratios()}, indent=2))  # noqa: T201
    else:
        show(findings, Console())
    return 1 if findings.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
