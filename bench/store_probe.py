"""What an event costs the checkout that this runs in: `bench.store` starts it in two of them in turn.

    python -P bench/store_probe.py statements | door | catch-up

It knows the names of release 38b58b6 beside today's, and prints what it found as JSON.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

EVENTS = 4000  # of the statements
LANES = 100
AT_ONCE = 16  # claims, as a courier takes them by default
DOOR_SECONDS = 3.0
BACKLOG = 20_000
MOST_SECONDS = 300.0

_BODY = (
    '{{"app_id":"app-1","message":{{"id":"m{0}","contact_id":"c{1}",'
    '"channel_identity":{{"channel":"WHATSAPP","identity":"3460000{1}","app_id":""}},'
    '"contact_message":{{"text_message":{{"text":"{2}"}}}}}}}}'
)
_SIZES = re.compile(r"^(Pss|Rss): +([0-9]+) kB$", re.MULTILINE)


def statements() -> dict[str, float]:
    """Microseconds of CPU an event: to take one in, and to claim and settle one that arrived.

    "At once" is on greenlets, as the first door runs: those who come together share a commit, and no thread waits for
    another. What the greenlets cost by themselves is taken off.
    """
    from gevent import monkey

    monkey.patch_all()
    claims, database, events, intake, migrations = _modules()

    def callback(number: int) -> Any:  # noqa: ANN401 - of either release
        body = _BODY.format(number, number % LANES, "x" * 400).encode()
        return intake.Callback(
            connector_id=7,
            event=events.read(body, connector_id=7),
            body=body,
            headers=(("content-type", "application/json"), ("x-sinch-webhook-signature", "s" * 44)),
            query="",
            request_id=f"r{number}",
            address="192.0.2.1",
            nonce=f"nonce-{number:016}",
        )

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spool.sqlite3"
        migrations.migrate(path)
        with _opened(database, path, first=True) as door, _opened(database, path) as spool:
            letters = [callback(number) for number in range(2 * EVENTS)]
            alone = _cpu(lambda: [intake.accept(door, letter, now=1.0) for letter in letters[:EVENTS]])
            greenlets = _cpu(lambda: _at_once(lambda _letter: None, letters[EVENTS:]))
            at_once = _cpu(lambda: _at_once(lambda letter: intake.accept(door, letter, now=1.0), letters[EVENTS:]))
            settled = _cpu(lambda: _settle_all(claims, spool))
    return {
        "taken in, one by one": alone / EVENTS * 1e6,
        "taken in, 16 at once": (at_once - greenlets) / EVENTS * 1e6,
        "claimed and delivered": (settled / 2 - greenlets) / EVENTS * 1e6,
    }


def door() -> dict[str, float]:
    """Microseconds of CPU of the first door a callback, from its socket to its 200: alone, and 16 at a time."""
    from bench import letters, load, site
    from sandbox.listener import reserve

    found = {}
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(reserve()).getsockname()[1]
        gateway = stack.enter_context(site.built(motion_port=port))
        stack.enter_context(gateway.running("ops", "ingress", "nginx"))
        gateway.wait_until_open()
        for name, connections in (("at the door, one by one", 1), ("at the door, 16 at once", AT_ONCE)):
            written = letters.written(gateway.folder / "letters", letters.genuine(gateway.sinch, 12_000))
            before = sum(_cpu_of(process) for process in _processes("ingress", str(gateway.folder)))
            told = load.finish(load.start(gateway.webhook_url, written, seconds=DOOR_SECONDS, connections=connections))
            used = sum(_cpu_of(process) for process in _processes("ingress", str(gateway.folder))) - before
            if told.refused or told.broken:
                sys.exit(f"{told.refused} refused, {told.broken} broken of {told.sent}")
            found[name] = used / told.answered * 1e6
    return found


def catch_up() -> dict[str, float]:
    """Seconds of a courier that delivers a backlog, its CPU an event, and its memory, in MiB."""
    from bench import backlog, site
    from sandbox.listener import reserve

    with contextlib.ExitStack() as stack:
        port = stack.enter_context(reserve()).getsockname()[1]
        gateway, twin = (stack.enter_context(site.built(motion_port=port)) for _ in range(2))
        heard = stack.enter_context(site.stub(twin, motion_port=port))
        with _watched(str(gateway.folder)) as seen:
            caught = backlog.catch_up(gateway, heard, backlog=BACKLOG, most_seconds=MOST_SECONDS)
    if caught.wrong or caught.delivered < BACKLOG:
        sys.exit(f"{caught.delivered} of {BACKLOG} arrived; {'; '.join(caught.wrong)}")
    return {
        "catching up": caught.seconds,
        "the courier's CPU": seen["cpu"] / BACKLOG * 1e6,
        "the courier's memory": seen["rss"],
    }


def _modules() -> list[Any]:
    """claims, database, events, intake and migrations, by the names of this checkout."""
    names = ("delivery.claims", "store.engines", "ingress.events", "ingress.intake", "store.migrations")
    if not (Path.cwd() / "gateway" / "store").is_dir():
        names = ("spool.turns", "spool.database", "callbacks.events", "spool.intake", "spool.migrator")
    return [importlib.import_module(f"gateway.{name}") for name in names]


def _opened(database: Any, path: Path, **how: bool) -> contextlib.closing[Any]:  # noqa: ANN401 - of either release
    """As the door does where it is `first`, which nobody was in 38b58b6, or as the courier."""
    known = inspect.signature(database.Database).parameters.keys() & how.keys()
    return contextlib.closing(database.Database(path, patience_seconds=5.0, **{name: how[name] for name in known}))


def _settle_all(claims: Any, spool: Any) -> None:  # noqa: ANN401 - of either release
    while taken := claims.claim(spool, due_by=2.0, now=2.0, most=AT_ONCE, lease_seconds=90.0):
        _at_once(lambda each: claims.delivered(spool, each, outcome="200", now=2.0), taken)


def _at_once(work: Callable[[Any], object], those: list[Any]) -> None:
    import gevent

    for start in range(0, len(those), AT_ONCE):
        gevent.joinall([gevent.spawn(work, each) for each in those[start : start + AT_ONCE]])


def _cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _processes(command: str, mark: str) -> list[Path]:
    """Those that run this part of the gateway with that folder, in /proc."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_text("utf-8", errors="replace").rstrip("\0").split("\0")
            if words[-1] == command and any(mark in word for word in words):
                found.append(process)
    return found


def _cpu_of(process: Path) -> float:
    """Seconds that a process has used so far. Raises OSError."""
    return sum(map(int, (process / "stat").read_text().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def _watched(mark: str) -> Iterator[dict[str, float]]:
    """What the courier with that folder has used so far, looked at until the block ends."""
    seen, over = {"cpu": 0.0, "rss": 0.0}, threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            for process in _processes("courier", mark):
                with contextlib.suppress(OSError):
                    seen["cpu"] = _cpu_of(process)
                    sizes = dict(_SIZES.findall((process / "smaps_rollup").read_text()))
                    seen["rss"] = max(seen["rss"], int(sizes["Rss"]) / 1024)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


if __name__ == "__main__":
    print(json.dumps({"statements": statements, "door": door, "catch-up": catch_up}[sys.argv[1]]()))  # noqa: T201 - it is the answer
