"""`turned-away list` through the running gateway: what nginx, the doors and a flood of strangers leave in it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import callbacks
from sandbox.connection import Request, exchange
from sandbox.listener import reserve
from tests.live.house import HOST, House, opened

NOTIFY = "/api/whatsapp/accounts/7/notify"
OTHER = "another secret of some length"


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with reserve() as plain, opened(server={"http_port": plain.getsockname()[1]}) as house:
        yield house


def rows(house: House, *options: str) -> dict[tuple[str, str, str], dict[str, Any]]:
    told = json.loads(house.command("turned-away", "list", "--json", *options))
    return {(row["door"], row["reason"], row["about"]): row for row in told}


def asked(house: House, kind: tuple[str, str, str]) -> None:
    """What a client does that is turned away so."""
    match kind:
        case ("edge", "wrong host", host):
            house.ask(NOTIFY, host=host, method="POST", body=b"{}")
        case ("edge", "unknown path", _):
            house.ask("/wp-login.php?token=a-secret-of-somebody", method="GET")
        case ("edge", "wrong method", _):
            house.ask(NOTIFY, method="GET")
        case ("edge", "body too large", _):
            house.ask(NOTIFY, method="POST", body=b"x" * (2 * 2**20))
        case ("edge", "plain HTTP", _):
            port = house.tables["server"]["http_port"]
            route = house.sinch(ca_file=None, connect_to=("127.0.0.1", port)).route
            plain = dataclasses.replace(route, url=f"http://{HOST}:{port}{NOTIFY}")
            exchange(plain, Request(target=NOTIFY, method="POST", body=b"{}"))
        case ("ingress", "signature wrong", _):
            house.sinch(secret=OTHER).send(callbacks.text("x"))
        case ("ingress", "signature header missing", _):
            house.sinch(secret=None).send(callbacks.text("x"))
        case ("ingress", "unknown connector, rightly signed", number):
            house.sinch(connector_id=int(number)).send(callbacks.text("x"))
        case ("ingress", "unknown connector", number):
            house.sinch(connector_id=int(number), secret=OTHER).send(callbacks.text("x"))


KINDS = (
    ("edge", "wrong host", "old.example.com"),
    ("edge", "wrong host", "203.0.113.5"),
    ("edge", "unknown path", ""),
    ("edge", "wrong method", "7"),
    ("edge", "body too large", "7"),
    ("edge", "plain HTTP", "7"),
    ("ingress", "signature wrong", "7"),
    ("ingress", "signature header missing", "7"),
    ("ingress", "unknown connector, rightly signed", "70"),
    ("ingress", "unknown connector", "71"),
)


@pytest.mark.parametrize("kind", KINDS, ids=" ".join)
def test_what_was_turned_away_is_listed_with_count_and_remedy(house: House, kind: tuple[str, str, str]) -> None:
    before = rows(house).get(kind, {"count": 0})["count"]
    for _ in range(2):
        asked(house, kind)
    house.wait_for(lambda: rows(house).get(kind, {"count": 0})["count"] == before + 2)
    row = rows(house, "--since", "1h")[kind]
    assert row["address"] == "127.0.0.1"
    assert row["remedy"]
    text = " ".join(house.command("turned-away", "list").split())
    assert kind[1] in text
    assert row["remedy"] in text


def test_a_flood_of_strangers_fills_nothing_and_drives_out_nothing(house: House) -> None:
    wrong = ("ingress", "unknown connector, rightly signed", "72")
    asked(house, wrong)
    asked(house, ("ingress", "signature wrong", "7"))
    for number in range(1000, 1200):
        asked(house, ("ingress", "unknown connector", str(number)))
        asked(house, ("edge", "wrong host", f"host-{number}.example.com"))
    house.wait_for(lambda: ("ingress", "unknown connector", "1199") in rows(house, "--most", "10000"))
    house.wait_for(lambda: ("edge", "wrong host", "host-1199.example.com") in rows(house, "--most", "10000"))
    kept = rows(house, "--most", "10000")
    assert wrong in kept
    assert ("ingress", "signature wrong", "7") in kept
    assert len([kind for kind in kept if kind[1] == "unknown connector"]) <= 40
    assert len([kind for kind in kept if kind[1] == "wrong host"]) <= 40


def test_nothing_that_a_stranger_has_sent_stays(house: House) -> None:
    asked(house, ("edge", "unknown path", ""))
    house.ask(NOTIFY, host="491701234567.example.com", method="POST", body=b"{}")
    house.wait_for(lambda: ("edge", "wrong host", "other") in rows(house, "--most", "10000"))
    told = house.command("turned-away", "list", "--most", "10000") + house.log
    assert "a-secret-of-somebody" not in told
    assert "491701234567" not in told
