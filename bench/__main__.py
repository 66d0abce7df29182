"""Runs a bench of two revisions in turn, so that what moves the machine moves both, and tells each figure's ratio.

    python -m bench NAME --compare REV [--turns N] [options of that bench]

NAME is a module of bench/ that can be told `--json`; REV, whatever git knows by that name, runs from a checkout of its
own on this Python and its packages. Of what a bench finds several times in a run the median counts. Ends with status 1
if a run found something wrong, never because of a time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from bench import report

HERE = Path(__file__).resolve().parent.parent
GIT = "/usr/bin/git"

Figures = dict[str, list[float]]


def figures(found: Any, name: str = "") -> Iterator[tuple[str, float]]:  # noqa: ANN401 - whatever JSON holds
    """Give the numbers in what a bench has found, each with the way to it; what is alike in a list has one name."""
    if isinstance(found, dict):
        for key, value in found.items():
            if key != "pid":
                yield from figures(value, f"{name}.{key}".removeprefix("."))
    elif isinstance(found, list):
        for value in found:
            said = value.values() if isinstance(value, dict) else ()
            kind = next((f"[{word}]" for word in said if isinstance(word, str)), "")
            yield from figures(value, name + kind)
    elif isinstance(found, int | float) and not isinstance(found, bool):
        yield name, float(found)


def gathered(found: Any) -> Figures:  # noqa: ANN401 - as above
    """Give all numbers by their names."""
    numbers: Figures = {}
    for name, value in figures(found):
        numbers.setdefault(name, []).append(value)
    return numbers


def rows(before: list[Figures], now: list[Figures]) -> Iterator[tuple[str, ...]]:
    """Give each figure that both have: its medians, the median of its ratios, and the least and the most of them."""
    for name in before[0]:
        pairs = [
            (median(old[name]), median(new[name]))
            for old, new in zip(before, now, strict=True)
            if name in old and name in new
        ]
        ratios = [new / old for old, new in pairs if old]
        if ratios:
            medians = [f"{median(side):.4g}" for side in zip(*pairs, strict=True)]
            yield name, *medians, f"{median(ratios):.2f}", f"{min(ratios):.2f} to {max(ratios):.2f}"


@contextmanager
def _checkout(revision: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name) / "before"
        subprocess.run([GIT, "worktree", "add", "--quiet", "--detach", place, revision], cwd=HERE, check=True)
        try:
            yield place
        finally:
            subprocess.run([GIT, "worktree", "remove", "--force", place], cwd=HERE, check=True)


def _run(name: str, checkout: Path, options: list[str]) -> tuple[Figures, bool]:
    command = [
        "/usr/bin/env",
        f"PYTHONPATH={checkout}",
        sys.executable,
        "-P",
        "-m",
        f"bench.{name}",
        "--json",
        *options,
    ]
    done = subprocess.run(command, cwd=checkout, stdout=subprocess.PIPE, check=False)
    try:
        return gathered(json.loads(done.stdout)), done.returncode != 0
    except ValueError:
        sys.exit(f"bench.{name} gave no figures in {checkout}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", help="a module of bench/ that can be told --json, as ingress")
    parser.add_argument("--compare", required=True, metavar="REV", help="the other revision")
    parser.add_argument("--turns", type=int, default=3, help="how often both run (default 3)")
    told, options = parser.parse_known_args()
    before, now, wrong = list[Figures](), list[Figures](), False
    with _checkout(told.compare) as place:
        for _ in range(told.turns):
            for side, checkout in ((before, place), (now, HERE)):
                found, failed = _run(told.name, checkout, options)
                side.append(found)
                wrong |= failed
    made = report.table(f"bench.{told.name}, {told.turns} turns", "figure", told.compare, "here", "ratio", "spread")
    for row in rows(before, now):
        made.add_row(*row)
    Console().print(made)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
