"""Other processes that write to a spool all the time, a long transaction after the other.

python -m tests.hogs SPOOL
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gateway.store import Run
from gateway.store.engines import Database

LONG = 5_000  # statements of a transaction


def much(run: Run) -> None:
    for _ in range(LONG):
        run("prove_writable")


@contextmanager
def writing(spool: Path, *, processes: int = 2) -> Iterator[None]:
    """Have so many write there until the block ends, three threads each."""
    with ExitStack() as stack:
        for _ in range(processes):
            command = [sys.executable, "-m", "tests.hogs", str(spool)]
            hog = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            stack.callback(hog.kill)
            assert hog.stdout is not None
            assert hog.stdout.readline() == b"began\n"
        yield


if __name__ == "__main__":
    database = Database(Path(sys.argv[1]), patience_seconds=60)

    def hog() -> None:
        while True:
            database.tell(much)

    for _ in range(3):
        threading.Thread(target=hog, daemon=True).start()
    print("began", flush=True)
    sys.stdin.read()
