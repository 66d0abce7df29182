"""The worker of the first door: while one callback waits, others go on."""

from __future__ import annotations

import subprocess
import sys

# The second connection waits for a lock of the first, which gives it up once the second waits.
WAITING = """
import sys
from gateway.store import postgres  # as a door has it loaded before its worker begins
from gateway.serving.greenlets import Greenlets
worker = Greenlets.__new__(Greenlets)
worker.sockets = []
worker.patch()
import gevent
first, second = (postgres.connect(sys.argv[1], "") for _ in range(2))
first.execute("SELECT pg_advisory_lock(1)")
second.execute("SET lock_timeout = '20s'")
waits = gevent.spawn(second.execute, "SELECT pg_advisory_lock(1)")
asked = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
while not first.execute(asked).fetchall() and not waits.ready():
    gevent.sleep(0)
print("waits" if not waits.ready() else "stands still")
first.execute("SELECT pg_advisory_unlock(1)")
waits.get()
print("goes on")
"""


def test_who_waits_for_postgresql_lets_others_go_on(database_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WAITING, database_url], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.stdout, done.stderr) == ("waits\ngoes on\n", "")
