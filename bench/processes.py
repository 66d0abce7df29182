"""What a process costs before it has anything to do: its memory at rest, and the CPU of `motion-gateway --help`.

`python -m bench.processes --beside CHECKOUT` measures this checkout and another one in one run, with the same settings
and the same Python.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from rich.console import Console

from bench import memory, report
from sandbox import child, setup
from sandbox.child import Child
from sandbox.conversation.account import Key
from sandbox.setup import Setup, Vendor

HERE = Path(__file__).parents[1]
HELPS = 10  # how often --help is typed
NOWHERE = "https://127.0.0.1:1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beside", type=Path, required=True, help="another checkout, of an older release")
    checkouts = {"now": HERE, "before": parser.parse_args().beside.resolve()}
    vendor = Vendor(eu=NOWHERE, us=NOWHERE, auth=NOWHERE, control_url="", key=Key())
    with setup.built(motion_url=NOWHERE, control_url="", sinch=vendor) as made:
        plain = made.folder / "gateway-plain.toml"  # for both, without what older releases do not know: it stands last
        plain.write_text(made.state.config_file.read_text().partition("[[user]]")[0])
        rest = {name: _at_rest(made, checkout, plain) for name, checkout in checkouts.items()}
    helps: dict[str, list[float]] = {name: [] for name in checkouts}
    for _ in range(HELPS):
        for name, checkout in checkouts.items():
            helps[name].append(_cpu_seconds(checkout, "--help"))
    _show(rest, helps, Console())


def _at_rest(made: Setup, checkout: Path, settings: Path) -> dict[str, float]:
    """MiB (RSS) of the largest process of each part of a whole gateway that was just started."""
    state = f"MOTION_GATEWAY_SERVER__STATE_DIR={made.folder / checkout.name}"
    command = ["env", f"--chdir={checkout}", state, *child.serve_command(settings)]
    running = Child(command, made.state.log_file)
    try:
        running.wait_until_ready(made.state.ready_route())
        found: dict[str, float] = {}
        for one in memory.of(made.folder):
            found[one.part] = max(found.get(one.part, 0.0), one.rss_mib)
        return found
    finally:
        running.stop()


def _cpu_seconds(checkout: Path, *words: str) -> float:
    """What a command takes, user and system together."""
    command = [sys.executable, "-m", "gateway", *words]
    running = subprocess.Popen(command, cwd=checkout, stdout=subprocess.DEVNULL)
    _pid, _status, used = os.wait4(running.pid, 0)
    running.returncode = 0
    return used.ru_utime + used.ru_stime


def _show(rest: dict[str, dict[str, float]], helps: dict[str, list[float]], console: Console) -> None:
    made = report.table("At rest, MiB (RSS) of the largest process", "part", "before", "now", "less")
    for part, now in rest["now"].items():
        before = rest["before"][part]
        made.add_row(part, f"{before:.0f}", f"{now:.0f}", f"{before - now:.0f}")
    console.print(made)
    now, before = median(helps["now"]), median(helps["before"])
    console.print(f"--help: {before * 1000:.0f} ms of CPU before, {now * 1000:.0f} ms now: {now / before:.2f} of it.")


if __name__ == "__main__":
    main()
