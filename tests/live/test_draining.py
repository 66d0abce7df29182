"""A node that is told to stop has balancers leave it alone first, and serves whoever comes meanwhile."""

from __future__ import annotations

import json
import signal

from gateway.config import load
from gateway.serving import supervisor
from sandbox import callbacks
from sandbox.child import Child
from tests.live.house import House, opened

HEALTH = "/health"
SERVER = {"drain": "60s", "health_path": HEALTH}


def health(house: House) -> tuple[int, bytes]:
    answer = house.ask(HEALTH, method="GET")
    return answer.status, answer.body


def is_served(house: House, name: str) -> bool:
    return house.sinch().send(callbacks.text(name)).status == 200


def stop_and_serve(house: House, told: Child) -> None:
    """Tell it to stop: balancers hear 503, whoever comes is served; and once more, after which it ends."""
    assert health(house) == (200, b"")
    told.signal(signal.SIGTERM)
    house.wait_for(lambda: health(house)[0] == 503)
    answer = house.ops("/readyz")
    assert (answer.status, json.loads(answer.body)["checks"]["drain"]) == (503, "draining")
    assert is_served(house, "while it drains")
    told.signal(signal.SIGTERM)
    house.wait_for(lambda: told.exit_status is not None)
    assert told.exit_status == 0


def test_a_gateway_that_is_told_to_stop_is_left_alone_before_its_doors_shut() -> None:
    with opened(server=SERVER) as house:
        [served] = house.children
        stop_and_serve(house, served)
        house.children.clear()
        [said] = house.decisions("serve", event="draining")
        assert said["seconds"] == 60
        assert len(house.events()) == 1
        house.start()  # and with a start it is over
        assert health(house) == (200, b"")
        house.command("drain")
        house.wait_for(lambda: health(house)[0] == 503)
        assert "draining" in house.command("ready", status=1)
        assert is_served(house, "drained by hand")
        house.command("drain", "--end")
        house.wait_for(lambda: health(house)[0] == 200)
        house.children[-1].signal(signal.SIGTERM)
        house.wait_for(lambda: health(house)[0] == 503)  # the end of the test is the second


def test_an_nginx_that_runs_by_itself_drains_too_and_the_doors_behind_it_stay() -> None:
    with opened(started=False, server=SERVER) as house:
        house.start_parts({"nginx": house.typed("nginx", "run")})
        names = [part.name for part in supervisor.parts(load(house.config, {}), house.config)]
        nginx = house.children.pop(names.index("nginx"))
        stop_and_serve(house, nginx)
        assert not house.ended()
