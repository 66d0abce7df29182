"""Measures what an event costs the store and the courier, beside another checkout, in one run.

    python -m bench.store --beside CHECKOUT [--rounds N] [--json]

CHECKOUT is one of another release; both run on this Python and its packages, in turn, so that what moves the machine
moves both. Ends with status 1 if an event was lost or an order is wrong, never because of a time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median

from rich.console import Console

from bench import report

HERE = Path(__file__).resolve().parent.parent
PROBE = HERE / "bench" / "store_probe.py"
ROUNDS = {"statements": 5, "door": 3, "catch-up": 1}
UNITS = {
    "taken in, one by one": "µs of CPU",
    "taken in, 16 at once": "µs of CPU",
    "claimed and delivered": "µs of CPU",
    "at the door, one by one": "µs of CPU",
    "at the door, 16 at once": "µs of CPU",
    "catching up": "s",
    "the courier's CPU": "µs an event",
    "the courier's memory": "MiB (RSS)",
}


def main() -> int:
    options = _options()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in UNITS}
    for what, rounds in (
        ("statements", 5 * options.rounds),
        ("door", 3 * options.rounds),
        ("catch-up", options.rounds),
    ):
        for _ in range(rounds):
            theirs, ours = (_measured(what, checkout) for checkout in (options.beside.resolve(), HERE))
            for name in theirs:
                found[name].append((theirs[name], ours[name]))
    if options.json:
        print(json.dumps(found, indent=2))  # noqa: T201 - it is the answer
    else:
        _show(found, options.beside.name)
    return 0


def _measured(what: str, checkout: Path) -> dict[str, float]:
    done = subprocess.run(
        ["/usr/bin/env", f"PYTHONPATH={checkout}", sys.executable, "-P", str(PROBE), what],
        cwd=checkout,
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{what} failed in {checkout}")
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _show(found: dict[str, list[tuple[float, float]]], beside: str) -> None:
    made = report.table("An event and the store: medians", "what", beside, "here", "unit", "ratio", "spread")
    for name, pairs in found.items():
        ratios = [ours / theirs for theirs, ours in pairs]
        theirs, ours = (median(side) for side in zip(*pairs, strict=True))
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        made.add_row(name, f"{theirs:.1f}", f"{ours:.1f}", UNITS[name], f"{median(ratios):.2f}", spread)
    Console().print(made)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.store", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--beside", type=Path, required=True, metavar="CHECKOUT", help="a checkout of another release")
    parser.add_argument("--rounds", type=int, default=1, help="how often both take turns (default 1)")
    parser.add_argument("--json", action="store_true", help="print everything that was found as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
