"""Which addresses and ports the settings open, which get in each other's way, and what must be right before each."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway.config import addresses
from gateway.config.problems import Problem
from gateway.config.tables import ServerSettings, Settings

# Sinch's own names, which calls use that know of no gateway.
SINCH_NAMES = {"eu": "eu.conversation.api.sinch.com", "us": "us.conversation.api.sinch.com", "auth": "auth.sinch.com"}
SINCH_NAMES_PORT = 443
_OUTBOUND_KEYS = {"outbound_address", "outbound_port"}


@dataclass(frozen=True)
class Endpoint:
    """An address and port of nginx; `key` is the setting that opens it, `needs` are all it relies on."""

    key: str
    door: str
    address: str
    needs: tuple[str, ...]
    port: Callable[[ServerSettings], int]
    is_open: Callable[[ServerSettings], bool] = lambda server: True  # noqa: ARG005 — the shape of the others


def outbound_is_meant(server: ServerSettings) -> bool:
    """Tell whether the outbound door is on, or whether its address was written down all the same."""
    return bool(server.outbound_clients or server.sinch_names or server.model_fields_set & _OUTBOUND_KEYS)


ENDPOINTS = (
    Endpoint(
        "server.public_port",
        "public",
        "public_address",
        ("server.public_address", "server.public_port"),
        lambda server: server.public_port,
    ),
    Endpoint(
        "server.http_port",
        "http",
        "public_address",
        ("server.public_address", "server.http_port"),
        lambda server: server.http_port,  # 0, where it is off, is no other listener's port
    ),
    Endpoint(
        "server.outbound_port",
        "outbound",
        "outbound_address",
        ("server.outbound_address", "server.outbound_port", "server.outbound_clients", "server.sinch_names"),
        lambda server: server.outbound_port,
        outbound_is_meant,
    ),
    Endpoint(
        "server.sinch_names",
        "outbound",
        "outbound_address",
        ("server.outbound_address", "server.sinch_names"),
        lambda server: SINCH_NAMES_PORT,  # noqa: ARG005 — the shape of the others
        lambda server: server.sinch_names,
    ),
    Endpoint(
        "server.ops_port",
        "ops",
        "ops_address",
        ("server.ops_address", "server.ops_port"),
        lambda server: server.ops_port,
    ),
)


def opened(server: ServerSettings) -> Iterator[Endpoint]:
    """List those that nginx opens."""
    for endpoint in ENDPOINTS:
        if endpoint.is_open(server) and endpoint.port(server) and (endpoint.door != "outbound" or server.has_outbound):
            yield endpoint


def collision(first: Endpoint, second: Endpoint) -> Callable[[Settings], Iterator[Problem]]:
    """Make the check that two listeners of different doors do not share an address and port."""

    def check(settings: Settings) -> Iterator[Problem]:
        server = settings.server
        if first.door == second.door or not (first.is_open(server) and second.is_open(server)):
            return
        one, other = _bound(first, server), _bound(second, server)
        if first.port(server) == second.port(server) and overlap(one[0], other[0]):
            yield _collision(first, second, one, other)

    return check


def outbound_on_public_address(settings: Settings) -> Iterator[Problem]:
    server = settings.server
    if outbound_is_meant(server) and server.outbound_address == server.public_address:
        yield Problem(
            "server.outbound_address",
            "must not be server.public_address: the outbound door is for Motion alone",
            'write a private address such as "127.0.0.1" or the one Motion reaches',
            f'"{server.outbound_address}"',
        )


def outbound_on_every_address(settings: Settings) -> Iterator[Problem]:
    if _ip(settings.server.outbound_address).is_unspecified:
        yield Problem(
            "server.outbound_address",
            "must not be a wildcard, which includes the public address",
            'write a private address such as "127.0.0.1" or the one Motion reaches',
            f'"{settings.server.outbound_address}"',
        )


def outbound_minting(settings: Settings) -> Iterator[Problem]:
    """The door turns files of Motion into links of ours, which take a key."""
    if settings.server.has_outbound and not settings.attachments.token_keys:
        yield Problem(
            "server.outbound_clients",
            "opens a door that makes links to files, and attachments.token_keys is empty",
            "make a key with `openssl rand -base64 33 | tr '+/' '-_'` for the file of attachments.token_keys_file",
        )


def inbound_through(settings: Settings) -> Iterator[Problem]:
    """Links to what customers send in lead to the private listener, take a key, and change what was signed."""
    asked = [("inbound.media", account) for account in settings.accounts if not account.inbound_media]
    asked += [(f"account[{at}].inbound_media", one) for at, one in enumerate(settings.accounts) if one.inbound_media]
    for key in {key: None for key, account in asked if settings.media_of(account) == "through"}:
        if not settings.server.has_outbound:
            yield Problem(
                key,
                "has Motion fetch files at the private listener, and server.outbound_clients is empty",
                'write the addresses of Motion there, or "keep"',
                '"through"',
            )
        elif not settings.attachments.token_keys:
            yield Problem(
                key,
                "makes links to files, and attachments.token_keys is empty",
                "make a key with `openssl rand -base64 33 | tr '+/' '-_'` for the file of attachments.token_keys_file",
                '"through"',
            )


def sinch_certificate(settings: Settings) -> Iterator[Problem]:
    server = settings.server
    if server.has_outbound and server.sinch_names and not server.outbound_certificate:
        yield Problem(
            "server.sinch_names",
            "needs a certificate for Sinch's names, and the public one has none of them",
            "make one with `motion-gateway certs private-ca` for server.outbound_certificate, or write false",
            "true",
        )


def outbound_names(settings: Settings) -> Iterator[Problem]:
    """The private door goes by no name that means something else."""
    server = settings.server
    taken = {server.public_host: "the host of server.public_url, which Sinch and phones call"}
    taken |= dict.fromkeys(SINCH_NAMES.values(), "a name of Sinch's, which server.sinch_names stands for")
    for index, name in enumerate(server.outbound_names):
        if name in taken:
            yield Problem(
                f"server.outbound_names[{index}]",
                f"must not be {taken[name]}",
                'write the name by which Motion alone calls the gateway, such as "gateway.internal"',
                f'"{name}"',
            )


def proxy_protocol(settings: Settings) -> Iterator[Problem]:
    if settings.server.proxy_protocol and not settings.server.trusted_proxies:
        yield Problem(
            "server.proxy_protocol",
            "needs to know whose word to take: server.trusted_proxies is empty",
            "name the balancers in server.trusted_proxies, or write false",
            "true",
        )


def loop(settings: Settings) -> Iterator[Problem]:
    """Motion behind our own public name would send every callback back to us."""
    host, url = settings.server.public_host, settings.motion.url
    ports = {addresses.port(settings.server.public_url), settings.server.public_port}
    if addresses.host(url) == host and (not addresses.is_loopback(host) or addresses.port(url) in ports):
        yield Problem(
            "motion.url",
            "must not be the host of server.public_url, or callbacks would come back to the gateway",
            "write the name or address under which the gateway reaches Motion",
            f'"{url}"',
        )


def health_path(settings: Settings) -> Iterator[Problem]:
    path, links = settings.server.health_path, settings.attachments.public_path.partition("{id}")[0]
    if path and any(f"{path}/".startswith(taken) for taken in (*addresses.TAKEN_PATHS, links)):
        yield Problem(
            "server.health_path",
            "must not begin as Receive URLs and links do",
            'write one of its own such as "/health"',
            f'"{path}"',
        )


def ops_beyond_loopback(settings: Settings) -> Iterator[Problem]:
    server, ops = settings.server, settings.ops
    if not addresses.is_loopback(server.ops_address) and not (ops.username and ops.password):
        yield Problem(
            "server.ops_address",
            "must be loopback while [ops] has no username and password",
            'write "127.0.0.1", or write ops.username and ops.password_file',
            f'"{server.ops_address}"',
        )


def _bound(listener: Endpoint, server: ServerSettings) -> tuple[str, int]:
    return getattr(server, listener.address), listener.port(server)


def _collision(first: Endpoint, second: Endpoint, one: tuple[str, int], other: tuple[str, int]) -> Problem:
    remedy = "write another port"
    wild = next((listener for listener, place in ((first, one), (second, other)) if _ip(place[0]).is_unspecified), None)
    if wild and first.address != second.address:
        remedy = f'name one address in server.{wild.address} such as "192.0.2.10" instead of a wildcard, or {remedy}'
    return Problem(
        second.key,
        f"listens on {other[0]}:{other[1]}, which collides with {first.key} on {one[0]}:{one[1]}",
        remedy,
        "true" if second.key == "server.sinch_names" else str(other[1]),
    )


def overlap(one: str, other: str) -> bool:
    """Tell whether two addresses are equal, or one is a wildcard that covers the other; `[::]` covers IPv4 too."""
    first, second = _ip(one), _ip(other)
    return first == second or any(
        wild.is_unspecified and (wild.version == 6 or covered.version == 4)
        for wild, covered in ((first, second), (second, first))
    )


def _ip(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(address.strip("[]"))
