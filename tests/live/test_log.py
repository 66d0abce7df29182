"""Nobody waits for who reads the log: a reader that stops, and one that comes back."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

from sandbox import callbacks
from tests.live.house import House, opened

MORE_THAN_A_PIPE_HOLDS = 400  # lines


class Reader:
    """Who reads what the gateway says, when it likes."""

    def __init__(self, pipe: int) -> None:
        self._pipe, self._read = pipe, b""

    def lines(self) -> list[dict[str, Any]]:
        """All that was said until now."""
        with contextlib.suppress(BlockingIOError):
            while more := os.read(self._pipe, 65536):
                self._read += more
        return [json.loads(line) for line in self._read.splitlines(keepends=True) if line.endswith(b"\n")]


@contextlib.contextmanager
def said_into_a_pipe(house: House, *command: str) -> Iterator[Reader]:
    """Run a command of the gateway whose standard error is a pipe."""
    path = house.folder / "said"
    os.mkfifo(path)
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    house.write_settings()
    house.run(["sh", "-c", 'exec "$@" 2>>' + str(path), "sh", *house.typed(*command)])
    yield Reader(pipe)
    os.close(pipe)


def test_a_reader_of_the_log_that_stops_holds_no_door_up() -> None:
    with opened(started=False) as house, said_into_a_pipe(house, "serve") as reader:
        house.wait_until_ready()
        letters = [callbacks.text(f"{number}") for number in range(MORE_THAN_A_PIPE_HOLDS)]
        assert {receipt.status for receipt in house.sinch().send_all(letters)} == {200}
        house.motion.wait_for_accepted(len(letters))
        house.settle()
        lines = reader.lines()
        house.wait_for(lambda: len([line for line in reader.lines() if line["event"] == "delivery"]) == len(letters))
        told = [line["event_id"] for line in reader.lines() if line["event"] == "ingress"]
        assert sorted(told) == sorted({event.id for event in house.events()})
        assert len(lines) < len(reader.lines())
