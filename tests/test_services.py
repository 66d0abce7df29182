"""What is built for a process: what it needs, and nothing that it does not."""

from __future__ import annotations

import pytest

from gateway import services
from gateway.clock import SetClock, WallClock
from gateway.doors import DOORS
from gateway.errors import GatewayError
from gateway.services import Unbuilt
from tests.config_samples import settings

OTHERS = ("limits", "shelf", "sinch")


@pytest.mark.parametrize("needs", [(), ("limits",), ("limits", "shelf"), OTHERS], ids="+".join)
def test_what_is_needed_is_built_and_nothing_else(needs: tuple[str, ...]) -> None:
    made = services.build(settings(), needs=needs)
    assert [name for name in OTHERS if not isinstance(getattr(made, name), Unbuilt)] == list(needs)


def test_who_uses_what_was_not_built_hears_so() -> None:
    made = services.build(settings(), needs=DOORS["ingress"].needs)
    with pytest.raises(GatewayError, match=r"^shelf is not among what this process needs$"):
        made.shelf.take(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "kind", "node"),
    [("sqlite", WallClock, ""), ("postgresql://gateway@db.internal/gateway", SetClock, "gateway-1")],
    ids=["a file of its own", "a database of several machines"],
)
def test_machines_that_share_a_spool_go_by_its_clock_and_by_their_names(url: str, kind: type, node: str) -> None:
    made = services.build(settings(spool={"url": url}, server={"node": "gateway-1"}))
    assert (type(made.clock), made.node) == (kind, node)
