"""The units as text: what stands in them, for tests that weigh them and tests that run them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "deploy" / "systemd"
COMMON = FOLDER / "motion-gateway-.service.d" / "10-common.conf"
PROGRAM = "/usr/local/bin/motion-gateway"


@dataclass(frozen=True)
class Unit:
    path: Path

    @property
    def name(self) -> str:
        return self.path.stem.removeprefix("motion-gateway-")

    def all(self, key: str) -> list[str]:
        """Every value of a key, in the order in which systemd reads them: those that all have in common come last."""
        common = [COMMON] if self.path.suffix == ".service" else []
        lines = [line for file in (self.path, *common) for line in file.read_text("utf-8").splitlines()]
        return [line.partition("=")[2] for line in lines if line.startswith(f"{key}=")]

    def one(self, key: str) -> str:
        [value] = self.all(key)
        return value

    def system_calls(self) -> set[str]:
        """What SystemCallFilter lets through: systemd.exec(5)."""
        sets = dict(_system_call_sets())
        allowed = _expanded("@default", sets)
        for line in self.all("SystemCallFilter"):
            named = set().union(*(_expanded(word, sets) for word in line.removeprefix("~").split()))
            allowed = allowed - named if line.startswith("~") else allowed | named
        return allowed


SERVICES = {unit.name: unit for unit in map(Unit, sorted(FOLDER.glob("*.service")))}
TARGET = Unit(FOLDER / "motion-gateway.target")


def in_order() -> list[Unit]:
    """The services, each after those that stand in its After."""
    files = {unit.path.name: unit for unit in SERVICES.values()}
    earlier = {name: set(" ".join(unit.all("After")).split()) & set(files) for name, unit in files.items()}
    return [files[name] for name in TopologicalSorter(earlier).static_order()]


def _system_call_sets() -> Iterator[tuple[str, list[str]]]:
    told = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True)
    plain = told.stdout.replace("\x1b[0m", "")  # systemd 255 writes that into a pipe, too
    for paragraph in plain.split("\n\n"):
        lines = paragraph.splitlines()
        if lines and lines[0].startswith("@"):
            yield lines[0], [line.strip() for line in lines[1:] if line.strip() and "#" not in line]


def _expanded(word: str, sets: dict[str, list[str]]) -> set[str]:
    if not word.startswith("@"):
        return {word}
    return set().union(*(_expanded(member, sets) for member in sets[word]))
