"""What is listed as reachable, for settings of several kinds."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config import Settings
from gateway.diagnosis import exposure
from gateway.diagnosis.exposure import Directive
from gateway.outbound import allowed
from tests import page_samples
from tests.config_samples import account, settings
from tests.inbound_samples import THROUGH


def places(understood: Settings) -> set[tuple[str, str, str, str]]:
    return {(route.listener, route.host, route.path, route.audience) for route in exposure.routes(understood)}


def test_each_account_has_its_path_and_nothing_stands_for_several() -> None:
    two = settings(
        server={"http_port": 0, "public_address": "192.0.2.1"},
        account=[account(), account(connector_id=8, app_id="other", webhook_secrets=["another secret of some length"])],
    )
    notify = "/api/whatsapp/accounts/{}/notify"
    public = {row for row in places(two) if row[0] == "192.0.2.1:443"}
    host = two.server.public_host
    assert public == {
        ("192.0.2.1:443", host, notify.format(number), "everybody")
        for number in (account_.connector_id for account_ in two.accounts)
    }


FILES = {"public_path": "/files/{id}/get", "token_parameter": "key"}
OF_MOTION, MINTED = "/files/{id}/get?key={token}", "/media/{token}/{name}"


@pytest.mark.parametrize(
    ("links", "paths"),
    [
        ({}, set()),
        ({"proxy_token": "a token of some length"}, {OF_MOTION}),
        ({"token_keys": ["a key of some length"]}, {MINTED}),
        ({"proxy_token": "a token of some length", "token_keys": ["a key of some length"]}, {OF_MOTION, MINTED}),
    ],
    ids=["none", "Motion's", "minted", "both"],
)
def test_links_are_listed_where_there_are_any_for_whoever_has_one(links: dict[str, Any], paths: set[str]) -> None:
    understood = settings(server={"http_port": 0, "public_address": "192.0.2.1"}, attachments=FILES | links)
    files = [route for route in exposure.routes(understood) if route.answers == "attachments door"]
    assert {route.path for route in files} == paths
    assert {(route.listener, route.tls, route.host, route.methods, route.audience) for route in files} == (
        {("192.0.2.1:443", True, understood.server.public_host, ("GET", "HEAD"), "whoever has a link")}
        if paths
        else set()
    )


@pytest.mark.parametrize(
    ("server", "ops", "audience"),
    [
        ({}, {}, "this machine"),
        ({"ops_address": "::1"}, {}, "this machine"),
        (
            {"ops_address": "192.0.2.9"},
            {"username": "operator", "password": "a password of ours"},
            "operators with a password",
        ),
    ],
    ids=["loopback", "IPv6 loopback", "beyond"],
)
def test_the_office_and_its_page_are_for(server: dict[str, str], ops: dict[str, str], audience: str) -> None:
    office = [row for row in places(settings(server=server, ops=ops)) if row[0].endswith(":9443")]
    assert {row[2] for row in office} - page_samples.PATHS == {"/healthz", "/readyz", "/metrics"}
    assert {row[2] for row in office} >= page_samples.PATHS
    assert {row[3] for row in office} == {audience}


def test_plain_http_leads_to_https_and_proves_the_name() -> None:
    plain = [route for route in exposure.routes(settings()) if not route.tls]
    assert {route.answers for route in plain} == {"nginx: ACME files", "nginx: 301 to HTTPS"}
    assert {route.methods for route in plain} == {("GET", "HEAD")}
    assert not [route for route in exposure.routes(settings(server={"http_port": 0})) if not route.tls]


PRIVATE = {
    "http_port": 0,
    "public_address": "192.0.2.1",
    "outbound_clients": ["10.0.0.9"],
    "outbound_names": ["gateway.internal"],
    "outbound_certificate": "/tls/private.pem",
    "outbound_private_key": "/tls/private-key.pem",
}
EU, US, AUTH = "eu.conversation.api.sinch.com", "us.conversation.api.sinch.com", "auth.sinch.com"


@pytest.mark.parametrize(
    ("server", "hosts"),
    [
        ({"outbound_clients": []}, set()),
        ({}, {("127.0.0.1:8444", "127.0.0.1"), ("127.0.0.1:8444", "gateway.internal")}),
        (
            {"sinch_names": True, "outbound_port": 443, "outbound_address": "10.0.0.5"},
            {
                ("10.0.0.5:443", host) for host in ("10.0.0.5", "gateway.internal", EU, AUTH)
            },  # the one account is in the EU
        ),
    ],
    ids=["off", "an address of ours", "Sinch's names"],
)
def test_the_private_door_is_for_motion_by_each_of_its_names(
    server: dict[str, Any], hosts: set[tuple[str, str]]
) -> None:
    understood = settings(server=PRIVATE | server, attachments={"token_keys": ["a key of some length"]})
    calls = [route for route in exposure.routes(understood) if route.answers == "outbound door"]
    assert {(route.listener, route.host) for route in calls} == hosts
    assert {(route.tls, route.audience) for route in calls} <= {(True, "Motion (server.outbound_clients)")}
    assert {route.path for route in calls if route.host == AUTH} <= {"/oauth2/token"}
    paths = {host: {route.path for route in calls if route.host == host} for _, host in hosts}
    assert all("/oauth2/token" in paths[host] for host in paths.keys() - {EU, US})
    assert not [path for host in paths.keys() & {EU, US} for path in paths[host] if path.startswith(("/eu", "/us"))]


@pytest.mark.parametrize("management", [False, True])
def test_the_calls_that_pass_are_told_for_each_project(*, management: bool) -> None:
    understood = settings(
        server=PRIVATE, attachments={"token_keys": ["a key of some length"]}, outbound={"allow_management": management}
    )
    calls = [route for route in exposure.routes(understood) if route.answers == "outbound door"]
    told = {route.path: route.methods for route in calls if route.host == "gateway.internal"}
    base = "/eu/v1/projects/project-1/"
    assert told[base + "messages:send"] == ("POST",)
    assert told[base + "messages/{id}"] == ("DELETE", "GET", "PATCH")
    assert told["/oauth2/token"] == ("POST",)
    assert (base + "apps/{id}" in told) == management
    assert len(told) == 1 + len(allowed.by_path(management=management))


TEXTS = {
    "nothing": ("", ()),
    "a directive": ("a;", (Directive("a", ()),)),
    "arguments": ("a b  c;", (Directive("a", ("b", "c")),)),
    "a block": ("a { b; }", (Directive("a", (), (Directive("b", ()),)),)),
    "blocks in blocks": (
        "a { b { c; } d; }",
        (Directive("a", (), (Directive("b", (), (Directive("c", ()),)), Directive("d", ()))),),
    ),
    "quotes": ("a \"b; {c}\" 'd # e';", (Directive("a", ("b; {c}", "d # e")),)),
    "a quote that is escaped": (r'a "b\"c";', (Directive("a", (r"b\"c",)),)),
    "comments": ("# a;\nb; # c {\nd;", (Directive("b", ()), Directive("d", ()))),
    "a pattern with braces": ('location ~ "[0-9]{1,9}" { }', (Directive("location", ("~", "[0-9]{1,9}")),)),
    "a variable in braces": ("a ${b}c;", (Directive("a", ("${b}c",)),)),
}


@pytest.mark.parametrize(("text", "block"), TEXTS.values(), ids=TEXTS)
def test_a_configuration_is_read_as(text: str, block: tuple[Directive, ...]) -> None:
    assert exposure.directives(text) == Directive("main", (), block)


def test_directives_are_found_by_their_name() -> None:
    read = exposure.directives("a 1; b; a 2;")
    assert [found.arguments for found in read.all("a")] == [("1",), ("2",)]
    assert read.has("b")
    assert not read.has("c")


def test_links_to_files_of_customers_are_told_once_and_for_motion_alone() -> None:
    understood = settings(
        server=PRIVATE | THROUGH["server"], **{key: THROUGH[key] for key in ("attachments", "inbound")}
    )
    links = [route for route in exposure.routes(understood) if route.path == "/media/{token}/{name}"]
    private = [route for route in links if route.answers == "outbound door"]
    assert [(route.host, route.methods, route.audience) for route in private] == [
        (host, ("GET", "HEAD"), "Motion (server.outbound_clients)") for host in ("127.0.0.1", "gateway.internal")
    ]
    assert [route.answers for route in links if route not in private] == ["attachments door"]
