"""Certificates from an authority by themselves: a real gateway, and Pebble with its bad nonces and odd orders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.listener import reserve
from tests.live.house import HOST, House, opened
from tests.live.pebble import Pebble, pebble

NONCES = {"PEBBLE_WFE_NONCEREJECT": "50"}


@dataclass(frozen=True)
class Stand:
    """A gateway that gets its certificate from an authority."""

    house: House
    authority: Pebble

    def order(self, *options: str, status: int = 0) -> str:
        return self.house.command("certs", "acme", *options, status=status)


@contextmanager
def standing(
    folder: Path, *, acme: dict[str, Any] | None = None, external: bool = False, **ways: str
) -> Iterator[Stand]:
    """An empty machine, whose gateway has just been started for the first time."""
    with reserve() as held, opened(started=False) as house:
        port = held.getsockname()[1]
        with pebble(folder / "pebble", http_port=port, external=external, **ways) as authority:
            house.tables["server"] |= {
                "http_port": port,
                "certificate": str(house.folder / "tls" / "fullchain.pem"),
                "private_key": str(house.folder / "tls" / "privkey.pem"),
            }
            ours = {"directory": authority.directory, "ca_file": str(authority.ca_file), "terms_agreed": True}
            house.tables["acme"] = ours | (acme or {})
            house.write_settings()
            house.run(house.typed("serve"))
            house.command("ready", "--wait", "120")
            yield Stand(house, authority)


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with standing(tmp_path_factory.mktemp("acme"), **NONCES) as made:
        yield made


def test_an_empty_machine_has_its_certificate_by_one_command(stand: Stand) -> None:
    said = stand.order()
    assert "nginx shows it" in said
    stand.house.folder.joinpath("ca.pem").write_bytes(stand.authority.root())
    assert stand.house.ask("/", host=HOST, method="GET").status == 404
    assert "Nothing to do" in stand.order()
