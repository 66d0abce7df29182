"""`doctor` beside a running gateway: all is well, or each cause that is planted is told with its remedy."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live.house import House, opened


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with opened() as house:
        yield house


def looked(house: House) -> dict[str, Any]:
    """What doctor says; its exit status is that of the worst."""
    done = subprocess.run(house.typed("doctor", "--json"), capture_output=True, text=True, check=False)
    assert done.stderr == ""
    said: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == {"fine": 0, "note": 0, "warning": 1, "fault": 2}[said["level"]]
    assert all(each["sentence"] and each["remedy"] for each in said["complaints"])
    return said


def test_all_is_well_with_a_healthy_gateway(house: House) -> None:
    said = looked(house)
    assert said["fine"]
    assert [each["id"] for each in said["complaints"]] == ["certs.private_ca"]
    assert house.command("doctor").endswith(" s.\n")


def test_a_gateway_that_is_down_is_told_and_all_else_is_looked_at() -> None:
    with opened(started=False) as house:
        house.write_settings()
        house.command("migrate")
        said = looked(house)
    assert [each["id"] for each in said["complaints"]] == ["gateway.down", "certs.private_ca"]
