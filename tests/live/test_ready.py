"""`motion-gateway ready`, as the operator and the units ask it of a real gateway."""

from __future__ import annotations

import json
import os
import subprocess

from tests.live.house import House, opened

PROXIED = dict.fromkeys(("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
LOCKED = {"username": "op", "password": "of the office"}


def ready(house: House, *options: str) -> tuple[int, str]:
    """The exit status, and what it says."""
    command, told = house.typed("ready", *options), subprocess.PIPE
    done = subprocess.run(command, stdout=told, stderr=subprocess.STDOUT, text=True, env=os.environ | PROXIED)
    return done.returncode, done.stdout


def test_who_waits_for_a_start_hears_when_it_is_ready() -> None:
    with opened(started=False, ops=LOCKED) as house:
        house.write_settings()
        house.run(house.typed("serve"))
        assert ready(house, "--wait", "60") == (
            0,
            "Ready.\ncourier  ok\ningress  ok\nspool    ok\nevents   0 parked, 0 pending\n",
        )


def test_what_is_missing_is_told_until_nothing_answers_any_more() -> None:
    with opened(started=False, server={"ops_address": "0.0.0.0"}, ops=LOCKED) as house:
        house.start_parts({})
        courier, *_, nginx = house.children
        house.children.remove(courier)
        assert courier.stop() == 0
        status, said = ready(house, "--json")
        assert (status, json.loads(said)["checks"]["courier"]) == (1, "no courier is running")
        assert json.loads(said)["remedies"].keys() == {"courier"}
        house.children.remove(nginx)
        assert nginx.stop() == 0
        status, said = ready(house)
        assert status == 1
        assert said.startswith("Not ready.\nops  connection refused: start the gateway")


def test_settings_that_are_wrong_are_told_apart_from_a_gateway_that_is_not_ready() -> None:
    with opened(started=False) as house:
        house.tables["server"]["ops_port"] = 99999
        house.write_settings()
        assert ready(house)[0] == 2
