"""Measures a spool that has kept millions of events beside an empty one, and what goes on while it is purged.

    python -m bench.growth [--kept N,N] [--purged N] [--beside CHECKOUT] [--postgresql] [--json]

Two whole gateways, each with its spool, take turns: callbacks as fast as they are answered, without a courier and
beside one; `/readyz` by its socket; and each list that an operator asks for, beyond what the same one takes of the
empty spool, which is the start of the command. Then N events become too old at once, and a courier starts that purges
them while callbacks come at a fixed rate: how late was what was delivered meanwhile, how long did that go on, and how
large did the log of the database get? CHECKOUT is one of another release, measured as well: by the names of 38b58b6 or
of today. Ends with status 1 if an event was lost or what was too old has not gone, never because of a time.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import socket
import sqlite3  # noqa: TID251 - its home has another name in the other release
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from bench import letters, load, offer, site
from gateway import clock

HERE = Path(__file__).resolve().parent
DOORS = ("ops", "ingress", "nginx")
FASTEST = 4000  # callbacks a second; none are left over for a door that is faster
OFFERED = 100  # callbacks a second, while it is purged
OFFER_SECONDS = 5
ASKED = 15
CALM_SECONDS = 5.0
MOST_PURGE_SECONDS = 1800.0
LAYING_KIB = 800_000  # of memory, for indexes that are written at random places
AGE_SECONDS = 60 * 24 * 3600.0  # more than anything is kept
LISTS = {
    "events": ("events", "list"),
    "events delivered": ("events", "list", "--state", "delivered"),
    "events pending": ("events", "list", "--state", "pending"),
    "events parked": ("events", "list", "--state", "parked"),
    "events of an account": ("events", "list", "--connector", "4711"),
    "events of a contact": ("events", "list", "--contact", "kept77"),
    "events of nobody": ("events", "list", "--contact", "+34999999999"),
    "events of a message": ("events", "list", "--message", "01J0000000000000000000TEST"),
    "events since": ("events", "list", "--since", "2040-01-01"),
    "sends": ("sends", "list"),
    "attachments": ("attachments", "list"),
    "audit": ("audit", "list"),
}
_AGE = "UPDATE {table} SET {column} = {then} WHERE {key} <= {count}"
_AGED = (("event", "settled_at", "id"), ("nonce", "seen_at", "event_id"))
_LATE = "SELECT settled_at - accepted_at, state FROM event WHERE id > {before}"
_OLD = "SELECT 1 FROM {table} WHERE {column} < {then} AND {key} <= {count} LIMIT 1"


def main() -> int:
    options = _options()
    if options.probe:
        print(json.dumps(_found(options.probe, options)))  # noqa: T201 - it is the answer
        return 0
    checkouts = [HERE.parent, *([options.beside.resolve()] if options.beside else [])]
    found = {
        f"{kept:,} of {checkout.name}": _probed(checkout, kept)
        for kept in map(int, options.kept.split(","))
        for checkout in checkouts
    }
    if options.json:
        print(json.dumps(found, indent=2))  # noqa: T201 - it is the answer
    else:
        _show(found)
    return 1 if any(one["wrong"] for one in found.values()) else 0


def _probed(checkout: Path, kept: int) -> dict[str, Any]:
    """What a checkout came to, on this Python and its packages."""
    asked = [*sys.argv[1:], "--probe", str(kept)]
    command = ["/usr/bin/env", f"PYTHONPATH={checkout}", sys.executable, "-P", str(HERE / "growth.py"), *asked]
    done = subprocess.run(command, cwd=checkout, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"{kept} kept failed in {checkout}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _show(found: dict[str, dict[str, Any]]) -> None:
    from rich.console import Console

    from bench import report

    heads = list(found)
    made = report.table("Growth", "kept", *heads)
    names = dict.fromkeys(name for one in found.values() for name in one)
    for name in names:
        made.add_row(name, *(_told(one.get(name)) for one in found.values()))
    Console().print(made)


def _told(value: Any) -> str:  # noqa: ANN401 - whatever was found
    return f"{value:,.3g}" if isinstance(value, float) else str(value)


class Pair:
    """An empty gateway and one whose spool has kept, before one Motion; and what was found so far."""

    def __init__(self, empty: site.Site, grown: site.Site, ask: Callable[[str], list[Any]], seconds: float) -> None:
        self.empty, self.grown, self.ask, self._seconds = empty, grown, ask, seconds
        self.found: dict[str, Any] = {}
        self.wrong: list[str] = []
        self._log = _spool(grown).with_name(_spool(grown).name + "-wal")
        self._most_log, self._over = 0.0, threading.Event()

    def each(self) -> tuple[site.Site, site.Site]:
        return self.empty, self.grown

    def turns(self, name: str, rounds: int) -> None:
        """Callbacks as fast as they are answered: the ratio of the two, and of the slowest hundredth."""
        rates, slow = [], []
        for _ in range(rounds):
            empty, grown = (self._load(one) for one in self.each())
            rates.append(grown.per_second / empty.per_second)
            slow.append(grown.p99_ms / empty.p99_ms)
            self.found |= {f"{name}/s, empty": empty.per_second, f"{name}/s": grown.per_second}
            self.found |= {f"{name}, p99 ms, empty": empty.p99_ms, f"{name}, p99 ms": grown.p99_ms}
        self.found |= {f"{name}, of empty": median(rates), f"{name}, p99 of empty": median(slow)}

    def _load(self, one: site.Site) -> load.Load:
        made = letters.written(one.folder / "letters", letters.genuine(one.sinch, int(FASTEST * self._seconds)))
        return load.finish(load.start(one.webhook_url, made, seconds=self._seconds))

    def ready(self) -> None:
        for name, one in (("/readyz ms, empty", self.empty), ("/readyz ms", self.grown)):
            [door] = one.folder.rglob("ops.sock")
            times = [_asked(door) for _ in range(ASKED)]
            self.found |= {name: 1000 * median(times), f"{name}, longest": 1000 * max(times)}

    def lists(self) -> None:
        """Seconds beyond those of the empty spool; the least of three."""
        for name, words in LISTS.items():
            turns = [[self._listed(one, words) for one in self.each()] for _ in range(3)]
            self.found[f"list of {name}, s"] = min(grown for _, grown in turns) - min(empty for empty, _ in turns)

    def _listed(self, one: site.Site, words: tuple[str, ...]) -> float:
        command = [sys.executable, "-m", "gateway", "--config", str(_config(one)), *words]
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode not in (0, 2):  # another release may not know it
            self.wrong.append(f"{words}: {done.stderr[-300:]!r}")
        return time.perf_counter() - began

    def purge(self, count: int) -> None:
        """Let so many be too old, and look at what is delivered while they go."""
        then = clock.WallClock().now() - AGE_SECONDS
        old = [{"table": table, "column": name, "key": key, "then": then, "count": count} for table, name, key in _AGED]
        for one in old:
            self.ask(_AGE.format(**one))
        if not _spool(self.grown).exists():
            # The courier before had its turn at purging a server's, and for minutes none has another.
            self.ask("DELETE FROM chore")
        with self.grown.running(*DOORS):
            self.grown.wait_until_open()
            with self.grown.running("courier"), self.watched("purge"):
                began = clock.steady()
                before = self._first_delivered()
                while clock.steady() - began < MOST_PURGE_SECONDS and self._is_old(old):
                    offer.send(self.grown, [*letters.genuine(self.grown.sinch, OFFERED * OFFER_SECONDS)], rate=OFFERED)
                self.found["purge, s"] = clock.steady() - began
                clock.pause(CALM_SECONDS)
        if self._is_old(old):
            self.wrong.append("not all that were too old have gone")
        rows = self.ask(_LATE.format(before=before))
        late = sorted(seconds for seconds, state in rows if state == "delivered")
        if len(late) < len(rows) or not rows:
            self.wrong.append(f"{len(rows) - len(late)} of {len(rows)} were not delivered")
        self.found |= {"purge, delivered": len(late), "purge, latest s": late[-1] if late else None}
        self.found["purge, 99 of 100 within s"] = late[len(late) * 99 // 100] if late else None

    def _first_delivered(self) -> int:
        """Wait until a courier that starts has delivered something: how long it took to start is not looked at."""
        offer.send(self.grown, [*letters.genuine(self.grown.sinch, 1)], rate=1)
        deadline = clock.steady() + offer.LATE_SECONDS
        while self.ask("SELECT 1 FROM event WHERE state = 'pending' LIMIT 1") and clock.steady() < deadline:
            clock.pause(0.1)
        [[last]] = self.ask("SELECT max(id) FROM event")
        return int(last)

    def _is_old(self, old: list[dict[str, Any]]) -> bool:
        return any(self.ask(_OLD.format(**one | {"then": one["then"] + 1})) for one in old)

    @contextlib.contextmanager
    def watched(self, name: str) -> Iterator[None]:
        """How large the log of SQLite's gets meanwhile, and how large it is in the end."""
        self._over.clear()
        self._most_log = 0.0
        watch = threading.Thread(target=self._watch)
        watch.start()
        try:
            yield
        finally:
            self._over.set()
            watch.join()
        self.found |= {f"log MB, {name}": self._most_log / 1e6, f"log MB, after {name}": self._log_bytes() / 1e6}

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self._most_log = max(self._most_log, self._log_bytes())

    def _log_bytes(self) -> float:
        with contextlib.suppress(OSError):
            return float(self._log.stat().st_size)
        return 0.0


def _found(kept: int, options: argparse.Namespace) -> dict[str, Any]:
    with _pair(kept, options) as pair:
        with contextlib.ExitStack() as stack:
            for one in pair.each():
                stack.enter_context(one.running(*DOORS))
                one.wait_until_open()
            with pair.watched("callbacks"):
                pair.turns("callbacks", options.rounds)
            pair.ready()
            for one in pair.each():
                stack.enter_context(one.running("courier"))
            with pair.watched("delivering"):
                pair.turns("beside a courier", options.rounds)
            pair.ready()
            pair.lists()
        pair.purge(options.purged)
        return pair.found | {"wrong": pair.wrong}


@contextlib.contextmanager
def _pair(kept: int, options: argparse.Namespace) -> Iterator[Pair]:
    from sandbox.listener import reserve

    with contextlib.ExitStack() as stack:
        port = stack.enter_context(reserve()).getsockname()[1]
        tables: list[dict[str, Any]] = [{}, {}]
        asks: list[Callable[[str], list[Any]]] = []
        for table in tables if options.postgresql else ():
            from bench.cluster import database

            server, spool = stack.enter_context(database())
            table |= {"spool": spool}
            asks.append(server.ask)
        empty, grown, twin = (stack.enter_context(site.built(motion_port=port, **one)) for one in (*tables, {}))
        stack.enter_context(site.stub(twin, motion_port=port))
        laid = _kept()
        words = laid.POSTGRESQL if options.postgresql else laid.SQLITE
        [account] = grown.settings.accounts
        began = clock.steady()
        with _alone(_spool(grown)) if not asks else contextlib.nullcontext(asks[1]) as ask:
            laid.lay(ask, words, count=kept, connector_id=account.connector_id, now=clock.WallClock().now())
        print(f"{kept} laid in {clock.steady() - began:.0f} s", file=sys.stderr)  # noqa: T201 - it takes long
        yield Pair(empty, grown, asks[1] if asks else _by_sqlite(_spool(grown)), options.seconds)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[Callable[[str], list[Any]]]:
    """Writes to a spool that nobody else has open, and that is of no use where it fails: without a log."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as driver:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{LAYING_KIB}"):
            driver.execute(f"PRAGMA {pragma}")
        yield lambda statement: driver.execute(statement).fetchall()
        driver.execute("PRAGMA journal_mode=WAL")


def _by_sqlite(path: Path) -> Callable[[str], list[Any]]:
    def ask(statement: str) -> list[Any]:
        with contextlib.closing(sqlite3.connect(path, timeout=30.0, isolation_level=None)) as driver:
            driver.execute("PRAGMA synchronous=OFF")
            return driver.execute(statement).fetchall()

    return ask


def _kept() -> Any:  # noqa: ANN401 - a module, which the other checkout may not have
    spec = importlib.util.spec_from_file_location("kept", HERE / "kept.py")
    if spec is None or spec.loader is None:
        raise ImportError(HERE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["kept"] = module
    spec.loader.exec_module(module)
    return module


def _spool(one: site.Site) -> Path:
    """The file of a spool that is one; of one on a server, where it would be."""
    return next(one.folder.rglob("spool.sqlite3"), one.folder / "spool.sqlite3")


def _config(one: Any) -> Path:  # noqa: ANN401 - of either release
    built = one.setup if hasattr(one, "setup") else one.stage
    return Path(built.state.config_file)


def _asked(door: Path) -> float:
    began = time.perf_counter()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(door))
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        while connection.recv(65536):
            pass
    return time.perf_counter() - began


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kept", default="1000000,5000000", help="kept events, one measurement each")
    parser.add_argument("--purged", type=int, default=1_000_000, help="of these how many become too old")
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT", help="a checkout of another release")
    parser.add_argument("--postgresql", action="store_true", help="on servers of PostgreSQL's, not in files")
    parser.add_argument("--rounds", type=int, default=4, help="how often both spools take turns (default 4)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each load (default 4)")
    parser.add_argument("--json", action="store_true", help="print everything that was found as JSON")
    parser.add_argument("--probe", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
