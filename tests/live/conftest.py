"""Fixtures of the tests on real processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live.house import House, opened
from tests.live.private_edge import Edge, echo, standing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/live/" in item.path.as_posix():
            item.add_marker(pytest.mark.live)


@pytest.fixture(scope="session")
def _shared_house() -> Iterator[House]:
    with opened() as house:
        yield house


@pytest.fixture
def house(_shared_house: House) -> Iterator[House]:
    """A running gateway that several tests share: they tell their callbacks by fresh ids."""
    _shared_house.settle()
    _shared_house.motion.forget()
    yield _shared_house
    _shared_house.motion.assert_nothing_unexpected()


@pytest.fixture(scope="module")
def _edge() -> Iterator[Edge]:
    with standing() as edge:
        yield edge


@pytest.fixture
def edge(_edge: Edge) -> Edge:
    """One for all tests of a module that leave it as it was."""
    _edge.door.heard.clear()
    _edge.door.reply = echo
    return _edge
