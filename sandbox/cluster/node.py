"""One machine of the gateway: its settings, its folder, and `serve` on it; or a courier alone, for more of them."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sandbox import child
from sandbox.child import ChildError
from sandbox.cluster import programs
from sandbox.cluster.programs import Program
from sandbox.connection import Route
from sandbox.state import State

Command = Callable[[Path], list[str]]


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where a node listens, and where the front leads to it alone."""

    public: int
    ops: int
    outbound: int
    front: int


class Node(Program):
    """`serve` on a machine of its own."""

    def __init__(self, name: str, folder: Path, state: State, ports: Ports) -> None:
        self.folder, self.state_dir, self.config_file = folder, folder / "state", folder / "gateway.toml"
        self.public_port, self.ops_port, self.outbound_port = ports.public, ports.ops, ports.outbound
        self.front_port = ports.front
        folder.mkdir(mode=0o711)
        self.state_dir.mkdir(mode=0o711)
        self.route = Route(
            url=f"https://localhost:{ports.ops}/readyz", ca_file=state.ca_file, connect_to=("127.0.0.1", ports.ops)
        )
        command = child.serve_command(self.config_file)
        super().__init__(name, command, folder / "gateway.log", ready=lambda: programs.answers(self.route))

    @property
    def courier(self) -> int | None:
        """The process id of its courier, if it has one now."""
        return next((pid for pid, line in programs.family(self.child.pid).items() if line.endswith(" courier")), None)

    def kill_courier(self) -> None:
        """kill -9 it; `serve` starts another. Raises ChildError where there is none for long."""
        self.wait_for_courier()
        victim = self.courier
        programs.end([victim] if victim else [])
        programs.wait_for(lambda: self.courier != victim, f"the courier of {self.name} does not die")

    def wait_for_courier(self) -> None:
        """Until it has one. Raises ChildError."""
        programs.wait_for(lambda: self.courier, f"{self.name} has no courier")

    def command(self, *arguments: str) -> list[str]:
        """What an operator types there."""
        return [sys.executable, "-m", "gateway", "--config", str(self.config_file), *arguments]


class LoneCourier(Program):
    """One more courier, on a machine without doors."""

    def __init__(self, name: str, folder: Path, command: Command) -> None:
        self.folder, self.state_dir, self.config_file = folder, folder / "state", folder / "gateway.toml"
        folder.mkdir(mode=0o711)
        self.state_dir.mkdir(mode=0o711)
        super().__init__(name, command(self.config_file), folder / "gateway.log", ready=self._began)
        self._seen = 0

    def launch(self) -> None:
        self._seen = self.log.count("courier started")
        super().launch()

    def halt(self) -> None:
        """Have it stand still, as a machine does whose host is busy with something else."""
        os.kill(self.child.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        with contextlib.suppress(ProcessLookupError, ChildError):
            os.kill(self.child.pid, signal.SIGCONT)

    def _began(self) -> bool:
        return self.log.count("courier started") > self._seen


def courier_command(config_file: Path) -> list[str]:
    """What starts a courier alone."""
    return [sys.executable, "-m", "gateway", "--config", str(config_file), "courier"]
