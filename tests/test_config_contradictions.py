"""Settings that are each right and together wrong, and what deserves a warning."""

from __future__ import annotations

from typing import Any

import pytest

from tests.config_samples import ABSENT, account, problems, refusal, settings
from tests.together import together

KEY = "0123456789abcdef"
OTHER = {"connector_id": 8, "app_id": "app-2", "webhook_secrets": ["another secret of some length"]}
CLIENTS = {"outbound_clients": ["192.0.2.7"]}
LINKS = {"token_keys": [KEY]}
STORE = {"proxy_token": KEY, "store": "s3://files", "store_key_id": "AKIA", "store_key_secret": "a secret key"}
PAIR = {"outbound_certificate": "/tls/private.pem", "outbound_private_key": "/tls/private-key.pem"}
ANNA = {"name": "anna", "password_hash": f"scrypt:32768:8:1${'salt' * 4}${'0' * 128}"}

# what, tables, the keys that are told
CONTRADICTIONS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("delivered events kept as long as a signature", {"spool": {"keep_delivered": "25h"}}, ["spool.keep_delivered"]),
    (
        "signatures good for longer than events are kept",
        {"ingress": {"signature_max_age": "8d"}},
        ["spool.keep_delivered"],
    ),
    ("Motion is the gateway", {"motion": {"url": "http://gateway.example.com:8080"}}, ["motion.url"]),
    ("Motion is the gateway in capitals", {"motion": {"url": "https://GATEWAY.example.com/x"}}, ["motion.url"]),
    (
        "Motion is the gateway on loopback",
        {"server": {"public_url": "https://localhost:9000"}, "motion": {"url": "https://localhost:9000"}},
        ["motion.url"],
    ),
    ("operators beyond loopback", {"server": {"ops_address": "192.0.2.1"}}, ["server.ops_address"]),
    ("operators on every address", {"server": {"ops_address": "0.0.0.0"}}, ["server.ops_address"]),
    ("two users of a name", {"user": [ANNA, ANNA | {"name": "ANNA"}]}, ["user[1].name"]),
    ("a user without password", {"user": [ANNA, {"name": "bob"}]}, ["user[1].password_hash"]),
    ("an operator without password", {"ops": {"username": "operator"}}, ["ops.username"]),
    ("a password without operator", {"ops": {"password": "x"}}, ["ops.password"]),
    ("a user at Motion without password", {"motion": {"username": "gateway"}}, ["motion.username"]),
    ("a password at Motion without user", {"motion": {"password": "x"}}, ["motion.password"]),
    ("user and key at Motion", {"motion": {"username": "u", "password": "x", "api_key": "y"}}, ["motion.api_key"]),
    ("password and key at Motion", {"motion": {"password": "x", "api_key": "y"}}, ["motion.api_key"]),
    (
        "an authority that can ask at no port",
        {"acme": {"directory": "letsencrypt"}, "server": {"http_port": 0}},
        ["server.http_port"],
    ),
    (
        "an authority's pair in two folders",
        {"acme": {"directory": "letsencrypt"}, "server": {"private_key": "/etc/other/privkey.pem"}},
        ["server.private_key"],
    ),
    ("an account bound by no key", {"acme": {"eab_key_id": "kid-1"}}, ["acme.eab_key_id"]),
    ("credentials for anyone", {"outbound": {"vault_credentials": True}}, ["outbound.vault_credentials"]),
    (
        "a file larger than the vault",
        {"attachments": {"max_bytes": "1001MB", "vault_max_bytes": "1GB"}},
        ["attachments.max_bytes"],
    ),
    (
        "a customer's file larger than the vault",
        {"inbound": {"media": "keep", "max_bytes": "101MB"}, "attachments": {"vault_max_bytes": "100MB"}},
        ["inbound.max_bytes"],
    ),
    ("customers' files for a Motion that may not come", {"inbound": {"media": "through"}}, ["inbound.media"]),
    (
        "the same for one account",
        {"account": [account(inbound_media="through")]},
        ["account[0].inbound_media"],
    ),
    ("a store without a key", {"attachments": {"proxy_token": "t" * 16, "store": "s3://files"}}, ["attachments.store"]),
    (
        "a store's key without its secret",
        {"attachments": STORE | {"store_key_secret": ABSENT}},
        ["attachments.store_key_id"],
    ),
    ("a store without links", {"attachments": STORE | {"proxy_token": ABSENT}}, ["attachments.store"]),
    ("the address of no store", {"attachments": {"store_url": "https://s3.internal"}}, ["attachments.store_url"]),
    ("the key of no store", {"attachments": STORE | {"store": ""}}, ["attachments.store_key_id"]),
    *[
        (f"links under {path}", {"attachments": {"public_path": f"{path}{{id}}"}}, ["attachments.public_path"])
        for path in ("/media/", "/api/whatsapp/accounts/", "/.well-known/acme-challenge/")
    ],
    (
        "outbound on the public address",
        {"server": {"public_address": "192.0.2.1", "outbound_address": "192.0.2.1"}},
        ["server.outbound_address"],
    ),
    (
        "Sinch's names on the public address by default",
        {"server": {"public_address": "127.0.0.1", "public_port": 8443, "sinch_names": True}},
        ["server.outbound_address"],
    ),
    (
        "outbound on the public address by default",
        {"server": {"public_address": "127.0.0.1", **CLIENTS}, "attachments": LINKS},
        ["server.outbound_address"],
    ),
    ("outbound on every IPv4 address", {"server": {"outbound_address": "0.0.0.0"}}, ["server.outbound_address"]),
    (
        "outbound on every address",
        {"server": {"public_address": "192.0.2.1", "outbound_address": "::"}},
        ["server.outbound_address"],
    ),
    (
        "outbound under a public wildcard",
        {"server": {"public_port": 8444, **CLIENTS}, "attachments": LINKS},
        ["server.outbound_port"],
    ),
    (
        "outbound under a public IPv4 wildcard",
        {"server": {"public_address": "0.0.0.0", "public_port": 8444, **CLIENTS}, "attachments": LINKS},
        ["server.outbound_port"],
    ),
    (
        "outbound written down, without clients",
        {"server": {"outbound_port": 443}},
        ["server.outbound_port"],
    ),
    (
        "Sinch's names under a public wildcard",
        {"server": {"sinch_names": True, **CLIENTS, **PAIR}, "attachments": LINKS},
        ["server.sinch_names"],
    ),
    ("Sinch's names, without clients", {"server": {"sinch_names": True}}, ["server.sinch_names"]),
    (
        "Sinch's names on the port of redirects",
        {"server": {"sinch_names": True, "public_port": 8443, "http_port": 443}},
        ["server.sinch_names"],
    ),
    ("redirects on the public port", {"server": {"http_port": 443}}, ["server.http_port"]),
    ("operators on the public port", {"server": {"ops_port": 443}}, ["server.ops_port"]),
    ("operators on the port of redirects", {"server": {"ops_port": 80}}, ["server.ops_port"]),
    ("Motion's door without a key for links", {"server": CLIENTS}, ["server.outbound_clients"]),
    (
        "Motion's door with the links of Motion alone",
        {"server": CLIENTS, "attachments": {"proxy_token": KEY}},
        ["server.outbound_clients"],
    ),
    (
        "a private certificate without its key",
        {"server": PAIR | {"outbound_private_key": ""}},
        ["server.outbound_certificate"],
    ),
    (
        "a private key without its certificate",
        {"server": PAIR | {"outbound_certificate": ""}},
        ["server.outbound_private_key"],
    ),
    (
        "Sinch's names with the public certificate",
        {"server": {"public_address": "192.0.2.1", "sinch_names": True, **CLIENTS}, "attachments": LINKS},
        ["server.sinch_names"],
    ),
    (
        "Motion's door by the public name",
        {"server": {"outbound_names": ["gateway.internal", "Gateway.Example.com"]}},
        ["server.outbound_names[1]"],
    ),
    (
        "Motion's door by a name of Sinch's",
        {"server": {"outbound_names": ["auth.sinch.com"]}},
        ["server.outbound_names[0]"],
    ),
    (
        "operators on Motion's port",
        {"server": {"ops_port": 8444, **CLIENTS}, "attachments": LINKS},
        ["server.ops_port"],
    ),
    (
        "operators on the port of Sinch's names",
        {
            "server": {"public_address": "192.0.2.1", "sinch_names": True, "ops_port": 443, **CLIENTS, **PAIR},
            "attachments": LINKS,
        },
        ["server.ops_port"],
    ),
    ("neither secrets nor unsigned", {"account": [account(webhook_secrets=ABSENT)]}, ["account[0].webhook_secrets"]),
    ("unsigned with secrets", {"account": [account(unsigned="allow", receive_token=KEY)]}, ["account[0].unsigned"]),
    (
        "unsigned without a receive token",
        {"account": [account(unsigned="allow", webhook_secrets=[])]},
        ["account[0].unsigned"],
    ),
    ("a key id alone", {"account": [account(key_id="k")]}, ["account[0].key_id"]),
    ("a key secret alone", {"account": [account(key_secret="x")]}, ["account[0].key_secret"]),
    (
        "one connector twice",
        {"account": [account(), account(**OTHER | {"connector_id": 7})]},
        ["account[1].connector_id"],
    ),
    ("one app twice", {"account": [account(), account(**OTHER | {"app_id": "app-1"})]}, ["account[1].app_id"]),
    ("the PROXY protocol of nobody", {"server": {"proxy_protocol": True}}, ["server.proxy_protocol"]),
    (
        "one phone twice",
        {"account": [account(phone="+390211111111"), account(phone="390211111111", **OTHER)]},
        ["account[1].phone"],
    ),
    (
        "one secret of several twice",
        {
            "account": [
                account(webhook_secrets=["first secret of some length", "second secret of some length"]),
                account(**OTHER | {"webhook_secrets": ["third secret of some length", "second secret of some length"]}),
            ]
        },
        ["account[1].webhook_secrets"],
    ),
]

ALLOWED: list[tuple[str, dict[str, Any]]] = [
    ("delivered events kept a little longer than a signature", {"spool": {"keep_delivered": "90001s"}}),
    ("Motion beside the gateway", {"motion": {"url": "https://motion.example.com"}}),
    (
        "Motion on another port of loopback",
        {"server": {"public_url": "https://localhost:9000"}, "motion": {"url": "http://localhost:9001"}},
    ),
    ("several workers count in what they share", {"workers": {"ingress": 2, "attachments": 3, "outbound": 64}}),
    (
        "operators beyond loopback with a password",
        {"server": {"ops_address": "192.0.2.1"}, "ops": {"username": "operator", "password": "x"}},
    ),
    ("operators on loopback of IPv6", {"server": {"ops_address": "::1"}}),
    ("a key at Motion", {"motion": {"api_key": "x"}}),
    ("user and password at Motion", {"motion": {"username": "u", "password": "x"}}),
    (
        "credentials for whoever has the gateway key",
        {
            "outbound": {"vault_credentials": True, "gateway_key": KEY},
            "account": [account(key_id="k", key_secret="x")],
        },
    ),
    ("a store with its key", {"attachments": STORE}),
    ("customers' files through", {"inbound": {"media": "through"}, "server": CLIENTS, "attachments": LINKS}),
    (
        "customers' files that the only account passes on",
        {"inbound": {"media": "through"}, "account": [account(inbound_media="pass")]},
    ),
    ("a store for what is kept", {"inbound": {"media": "keep"}, "attachments": STORE | {"proxy_token": ABSENT}}),
    ("a file as large as the vault", {"attachments": {"max_bytes": "1GB", "vault_max_bytes": "1GB"}}),
    ("the public port differs from that of the URL", {"server": {"public_port": 8443}}),
    (
        "outbound under a public wildcard on another port",
        {"server": {"public_address": "::", **CLIENTS}, "attachments": LINKS},
    ),
    ("an outbound door that is off beside the public one", {"server": {"public_address": "127.0.0.1"}}),
    ("an outbound door that is off under the public one", {"server": {"public_port": 8444}}),
    (
        "outbound on IPv6 beside a public IPv4 wildcard on one port",
        {
            "server": {"public_address": "0.0.0.0", "public_port": 8444, "outbound_address": "fd00::1", **CLIENTS},
            "attachments": LINKS,
        },
    ),
    (
        "Sinch's names beside a named public address",
        {"server": {"public_address": "192.0.2.1", "sinch_names": True, **CLIENTS, **PAIR}, "attachments": LINKS},
    ),
    (
        "Sinch's names on the outbound port itself",
        {
            "server": {"public_address": "192.0.2.1", "sinch_names": True, "outbound_port": 443, **CLIENTS, **PAIR},
            "attachments": LINKS,
        },
    ),
    ("Motion's door with a certificate of its own", {"server": {**CLIENTS, **PAIR}, "attachments": LINKS}),
    ("a private certificate for a door that is off", {"server": PAIR}),
    (
        "Motion's door by names below the public one and Sinch's",
        {"server": {"outbound_names": ["x.gateway.example.com", "x.auth.sinch.com"], **CLIENTS}, "attachments": LINKS},
    ),
    ("no redirects", {"server": {"http_port": 0}}),
    (
        "unsigned with a receive token",
        {"account": [account(unsigned="allow", webhook_secrets=ABSENT, receive_token=KEY)]},
    ),
    ("signed with a receive token", {"account": [account(receive_token=KEY)]}),
    ("two accounts of one project", {"account": [account(), account(**OTHER)]}),
    ("two accounts without a phone", {"account": [account(phone=""), account(phone="", **OTHER)]}),
    ("a secret twice in one account", {"account": [account(webhook_secrets=["a secret of some length"] * 2)]}),
]


@together(("tables", "told"), [pytest.param(tables, told, id=what) for what, tables, told in CONTRADICTIONS])
def test_a_contradiction_is_refused_once_with_its_key(tables: dict[str, Any], told: list[str]) -> None:
    assert list(problems(refusal(**tables))) == told


@together("tables", [pytest.param(tables, id=what) for what, tables in ALLOWED])
def test_its_neighbour_is_allowed(tables: dict[str, Any]) -> None:
    assert settings(**tables).warnings == ()


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        pytest.param(
            {"spool": {"keep_delivered": "1h"}, "ingress": {"signature_max_age": "soon"}},
            ["ingress.signature_max_age"],
            id="retention",
        ),
        pytest.param({"server": {"http_port": 443, "public_port": "x"}}, ["server.public_port"], id="ports"),
        pytest.param(
            {"server": {"ops_address": "192.0.2.1"}, "ops": {"username": "a:b"}}, ["ops.username"], id="operators"
        ),
        pytest.param(
            {"account": [account(webhook_secrets=["x y", " "])]}, ["account[0].webhook_secrets[1]"], id="secrets"
        ),
        pytest.param(
            {"account": [account(phone="x"), account(phone="x", **OTHER)]},
            ["account[0].phone", "account[1].phone"],
            id="phones",
        ),
        pytest.param({"ops": 3, "server": {"ops_address": "192.0.2.1"}}, ["ops"], id="a whole table"),
        pytest.param({"account": [3, account()]}, ["account[0]"], id="a whole account"),
    ],
)
def test_a_contradiction_is_silent_while_a_key_of_it_is_not_understood(tables: dict[str, Any], told: list[str]) -> None:
    assert list(problems(refusal(**tables))) == told


def test_other_contradictions_are_told_although_a_key_is_not_understood() -> None:
    said = refusal(
        server={"public_port": "x", "ops_port": 8444, "public_prot": 1, **CLIENTS},
        attachments=LINKS,
        spool={"keep_delivered": "1h", "deliveries": 0},
        account=[account(region="ap", key_id="k"), account(**OTHER | {"app_id": "app-1", "phone": "x"})],
    )
    assert set(problems(said)) == {
        "server.public_port",
        "server.public_prot",
        "server.ops_port",
        "spool.deliveries",
        "spool.keep_delivered",
        "account[0].region",
        "account[0].key_id",
        "account[1].phone",
        "account[1].app_id",
    }


def test_a_repeated_secret_is_told_without_the_secret() -> None:
    said = refusal(account=[account(), account(**OTHER | {"webhook_secrets": account()["webhook_secrets"]})])
    assert "is that of account[0] as well" in said
    assert account()["webhook_secrets"][0] not in said


def test_a_third_account_is_told_by_the_first_owner() -> None:
    said = refusal(
        account=[account(), account(**OTHER), account(**OTHER | {"app_id": "app-3", "webhook_secrets": ["z" * 20]})]
    )
    assert "is that of account[1] as well" in problems(said)["account[2].connector_id"]


def test_sinchs_names_under_a_wildcard_are_told_to_name_the_public_address() -> None:
    said = problems(refusal(server={"sinch_names": True, **CLIENTS, **PAIR}, attachments=LINKS))["server.sinch_names"]
    assert "listens on 127.0.0.1:443, which collides with server.public_port on [::]:443" in said
    assert "name one address in server.public_address" in said


def test_an_override_that_contradicts_names_its_variable() -> None:
    assert "MOTION_GATEWAY_SERVER__OPS_PORT (server.ops_port) = 443" in refusal(
        {"MOTION_GATEWAY_SERVER__OPS_PORT": "443"}
    )


@together(
    ("tables", "warned"),
    [
        pytest.param({"motion": {"url": "http://motion.internal"}}, ["motion.url"], id="Motion in clear"),
        pytest.param({"motion": {"url": "http://127.0.0.1:9000"}}, [], id="Motion in clear on loopback"),
        pytest.param({"motion": {"url": "http://[::1]:9000"}}, [], id="Motion in clear on loopback of IPv6"),
        pytest.param({"motion": {"url": "http://localhost"}}, [], id="Motion in clear on localhost"),
        pytest.param({"sinch": {"eu": "http://sinch.example"}}, ["sinch.eu"], id="Sinch in clear"),
        pytest.param({"sinch": {"auth": "http://127.0.0.1:1"}}, [], id="a simulated Sinch"),
        pytest.param({"account": [account(webhook_secrets=["x" * 15])]}, ["account[0].webhook"], id="a short secret"),
        pytest.param(
            {"server": {"outbound_clients": ["0.0.0.0/0"]}, "attachments": LINKS},
            ["server.outbound_clients"],
            id="any client",
        ),
        pytest.param({"server": {"trusted_proxies": ["::/0"]}}, ["server.trusted_proxies"], id="any proxy"),
        pytest.param({"server": {"trusted_proxies": ["::/1"]}}, [], id="half the world"),
        pytest.param(
            {"server": {"sinch_names": True, "public_address": "192.0.2.1"}}, ["server.sinch_names"], id="idle names"
        ),
        pytest.param({"spool": {"lifeboat": "on"}}, ["spool.lifeboat"], id="idle lifeboat"),
        pytest.param(
            {
                "spool": {"url": "postgresql:///gateway"},
                "inbound": {"media": "through"},
                "server": CLIENTS,
                "attachments": LINKS,
            },
            ["attachments.store"],
            id="customers' files at one of several nodes",
        ),
        pytest.param(
            {"outbound": {"vault_credentials": True, "gateway_key": KEY}}, ["account[0]"], id="no key to send with"
        ),
        pytest.param(
            {
                "outbound": {"vault_credentials": True, "gateway_key": KEY},
                "account": [
                    account(key_id="k", key_secret="x"),
                    account(connector_id=8, app_id="app-2", webhook_secrets=["another webhook secret here"]),
                    account(connector_id=9, app_id="app-3", region="us", webhook_secrets=["a third webhook secret"]),
                ],
            },
            ["account[2]"],
            id="a key of the project, and none of another",
        ),
    ],
)
def test_what_is_allowed_and_doubtful_is_a_warning(tables: dict[str, Any], warned: list[str]) -> None:
    found = settings(**tables).warnings
    assert [warning.startswith(key) for warning, key in zip(found, warned, strict=True)] == [True] * len(warned)
