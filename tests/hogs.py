"""Other processes that write to a spool all the time, a long transaction after the other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_PROGRAM = """
import sys, threading
from pathlib import Path
from gateway.store.engines import Database
database = Database(Path(sys.argv[1]), patience_seconds=60)
def much(run):
    for _ in range(5_000):
        run("prove_writable")
def hog():
    while True:
        database.tell(much)
for _ in range(3):
    threading.Thread(target=hog, daemon=True).start()
print("began", flush=True)
sys.stdin.read()
"""


@contextmanager
def writing(spool: Path, *, processes: int = 2) -> Iterator[None]:
    """Have so many write there until the block ends, three threads each."""
    with ExitStack() as stack:
        for _ in range(processes):
            command = [sys.executable, "-c", _PROGRAM, str(spool)]
            hog = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            stack.callback(hog.kill)
            assert hog.stdout is not None
            assert hog.stdout.readline() == b"began\n"
        yield
