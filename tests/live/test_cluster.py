"""The proof that nothing is lost over machines: any of them dies while callbacks pour in at both nodes.

By hand, whole, with any seed and length: `make no-loss CLUSTER=1 SEED=7 EVENTS=20000`. Here it is short, and the
courier that stands still has a short lease.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from sandbox.cluster import node, play
from sandbox.cluster.traffic import Plan

WHOLE = "WHOLE" in os.environ
SEED = int(os.environ.get("SEED", "1"))
EVENTS = int(os.environ.get("EVENTS", "10000")) if WHOLE else 600
CONTACTS = 500 if WHOLE else 50
LEASE_SECONDS = 15  # three times the deadline
SHORT: dict[str, Any] = {"spool": {"deadline": f"{LEASE_SECONDS // 3}s"}}


def hasty(config_file: Path) -> list[str]:
    return [sys.executable, "-m", "tests.live.hasty_courier", str(config_file), str(LEASE_SECONDS)]


def test_nothing_that_was_answered_200_is_lost_and_each_contact_keeps_its_order_whichever_machine_dies() -> None:
    console = Console(width=120)
    how = {"courier": node.courier_command} if WHOLE else SHORT | {"courier": hasty}
    with play.staged(console, **how) as stage:
        found = play.prove(stage, Plan(events=EVENTS, contacts=CONTACTS, seed=SEED), console)
        console.print(found.table())
        assert found.problems == ()
        assert found.events == EVENTS
        assert len(stage.diary.deeds) == 10
        assert [each.child.exit_status for each in stage.cluster.programs] == [None] * len(stage.cluster.programs)
