"""What must be right together before there is a door for Motion's calls to Sinch."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.config.listeners import SINCH_NAMES
from gateway.config.problems import Problem
from gateway.config.tables import Settings


def minting(settings: Settings) -> Iterator[Problem]:
    """The door turns files of Motion into links of ours, which take a key."""
    if settings.server.has_outbound and not settings.attachments.token_keys:
        yield Problem(
            "server.outbound_clients",
            "opens a door that makes links to files, and attachments.token_keys is empty",
            "make a key with `openssl rand -base64 33 | tr '+/' '-_'` for the file of attachments.token_keys_file",
        )


def key_pair(settings: Settings) -> Iterator[Problem]:
    server = settings.server
    if server.outbound_certificate and not server.outbound_private_key:
        yield Problem(
            "server.outbound_certificate",
            "stands without its key",
            "write server.outbound_private_key too, or neither",
            f'"{server.outbound_certificate}"',
        )
    if server.outbound_private_key and not server.outbound_certificate:
        yield Problem(
            "server.outbound_private_key",
            "stands without its certificate",
            "write server.outbound_certificate too, or neither",
            f'"{server.outbound_private_key}"',
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


def names(settings: Settings) -> Iterator[Problem]:
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
