"""Nobody waits for who reads the log: a reader that stops, and one that comes back."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import callbacks
from tests.live.house import HOST, PATIENCE_SECONDS, House, opened

MORE_THAN_A_PIPE_HOLDS = 400  # lines
MORE_THAN_IS_KEPT = 15_000  # lines of nginx's, in two pipes and in memory
OF_A_CONNECTION = 1000  # nginx takes no more requests by one
STRANGER = f"GET /nothing HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


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


def strangers(house: House, count: int) -> int:
    """Ask so often for nothing, over one connection; returns how often it was answered."""
    context = ssl.create_default_context(cafile=str(house.folder / "ca.pem"))
    with (
        socket.create_connection(("127.0.0.1", house.public_port), PATIENCE_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as wrapped,
    ):
        wrapped.sendall(STRANGER * count)
        heard = b""
        with contextlib.suppress(TimeoutError):
            while heard.count(b"HTTP/1.1 404") < count and (more := wrapped.recv(65536)):
                heard += more
    return heard.count(b"HTTP/1.1 404")


def told(reader: Reader, kind: str) -> list[int]:
    """The events of all lines of a kind until now."""
    return [line["event_id"] for line in reader.lines() if line["event"] == kind]


def test_a_reader_of_the_log_that_stops_holds_no_door_up() -> None:
    with opened(started=False) as house, said_into_a_pipe(house, "serve") as reader:
        house.wait_until_ready()
        letters = [callbacks.text(f"{number}") for number in range(MORE_THAN_A_PIPE_HOLDS)]
        assert {receipt.status for receipt in house.sinch().send_all(letters)} == {200}
        house.motion.wait_for_accepted(len(letters))
        house.settle()
        filed = {event.id for event in house.events()}
        for kind in ("ingress", "delivery"):
            house.wait_for(lambda kind=kind: len(told(reader, kind)) == len(letters))
            assert set(told(reader, kind)) == filed


@pytest.mark.parametrize("command", [["serve"], ["nginx", "run"]], ids=["serve", "the unit of nginx"])
def test_a_gateway_that_is_stopped_holds_up_neither_who_signs_nor_strangers(command: list[str]) -> None:
    with opened(started=command == ["serve"]) as house:
        if not house.children:
            house.start_parts({"nginx": house.typed(*command)})
        front = house.children[-1]
        front.signal(signal.SIGSTOP)
        try:
            answered = sum(strangers(house, OF_A_CONNECTION) for _ in range(MORE_THAN_IS_KEPT // OF_A_CONNECTION))
            assert answered == MORE_THAN_IS_KEPT
            assert house.sinch().send(callbacks.text("in between")).status == 200
            house.motion.wait_for_accepted(1)
        finally:
            front.signal(signal.SIGCONT)
        house.settle()
        assert front.stop() == 0
        lines = [json.loads(line) for line in front.log_file.read_text("utf-8").splitlines()]
        told = Counter(line["status"] for line in lines if line["event"] == "edge")[404]
        counted = sum(line["count"] for line in lines if "addresses" in line)
        lost = sum(line["lines"]["edge"] for line in lines if line["event"] == "lines lost")
        assert (told + counted + lost, lost > 0) == (MORE_THAN_IS_KEPT, True)
        house.children.remove(front)


def test_lines_about_strangers_are_counted_above_a_rate_and_those_about_callbacks_are_not() -> None:
    with opened(limits={"failed_signatures_per_address": "20/day"}) as house:
        sinch, forger = house.sinch(), house.sinch(secret="not the secret of anybody")
        forged = forger.prepare(callbacks.text("forged"))
        answers = [forger.post(forged).status for _ in range(150)]
        assert set(answers) == {401, 429}
        assert strangers(house, 300) == 300
        for number in range(5):
            assert sinch.send(callbacks.text(f"{number}")).status == 200
        house.settle()
        assert house.children.pop().stop() == 0
        counted = {(line["door"], line["reason"]): line["count"] for line in house.lines if "addresses" in line}
        assert counted[("edge", "unknown path")] == 200
        assert counted[("ingress", "limit of failed signatures per address")] == answers.count(429) - 100
        assert len(house.decisions("nginx", status=404)) == 100
        assert (
            len(house.decisions("ingress", reason="accepted")) == len(house.decisions("courier", event="delivery")) == 5
        )
