"""What is read out of the lines of nginx: who was turned away before any door."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.serving import nginx
from gateway.store import turned_away
from tests.config_samples import settings

CALLBACK = "/api/whatsapp/accounts/{}/notify"
LINE: dict[str, Any] = {
    "process": "nginx",
    "event": "edge",
    "status": 404,
    "method": "POST",
    "path": "other",
    "address": "192.0.2.1",
    "upstream_status": "",
    "port": 443,
    "host": "",
    "code": "",
}
FOUND = {
    "another host": ({"host": "old.example.com"}, ("edge", "wrong host", "old.example.com")),
    "another host, with the right path": (
        {"host": "203.0.113.5", "path": CALLBACK.format(7)},
        ("edge", "wrong host", "203.0.113.5"),
    ),
    "another path": ({}, ("edge", "unknown path", "")),
    "another path without TLS": ({"port": 80}, ("edge", "unknown path", "")),
    "a callback by GET": ({"path": CALLBACK.format(7), "method": "GET"}, ("edge", "wrong method", "7")),
    "a callback without TLS": ({"path": CALLBACK.format(7), "port": 80}, ("edge", "plain HTTP", "7")),
    "a number that nobody has": ({"path": CALLBACK.format(70)}, ("ingress", "unknown connector", "70")),
    "too much": ({"status": 413, "path": CALLBACK.format(7)}, ("edge", "body too large", "7")),
    "too often": ({"status": 429}, ("edge", "too many connections", "")),
    "another client at the private door": (
        {"status": 403, "port": 8444, "code": "CLIENT_NOT_ALLOWED"},
        ("outbound", "CLIENT_NOT_ALLOWED", ""),
    ),
}
NOT_FOUND = {
    "a door that is down": {"status": 503, "upstream_status": "502"},
    "a redirect": {"status": 301, "port": 80},
    "a file that could not be sent": {"status": 416, "upstream_status": "200"},
    "the office": {"port": 9443},
}


@pytest.mark.parametrize(("told", "found"), FOUND.values(), ids=FOUND)
def test_who_was_turned_away_is_read(told: dict[str, Any], found: tuple[str, str, str]) -> None:
    read = nginx.read_refusal(json.dumps(LINE | told), settings())
    assert read is not None
    assert (read["door"], read["reason"], read.get("about", ""), read["address"]) == (*found, "192.0.2.1")
    assert found[:2] in turned_away.kinds()


@pytest.mark.parametrize("told", NOT_FOUND.values(), ids=NOT_FOUND)
def test_what_is_no_refusal_of_a_stranger_is_passed_over(told: dict[str, Any]) -> None:
    assert nginx.read_refusal(json.dumps(LINE | told), settings()) is None


@pytest.mark.parametrize("line", ["", "signal process started", "[]", "17", "null", '"x"', "{", '{"event": "edge"}'])
def test_any_line_may_come(line: str) -> None:
    assert nginx.read_refusal(line, settings()) is None
