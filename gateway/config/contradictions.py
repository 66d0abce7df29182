"""Settings that are each right and together wrong: one row and one small function per rule.

A rule stays silent while a key it relies on is not understood.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from gateway.config import accounts, addresses, listeners, outbound, quantities
from gateway.config.drafting import Draft
from gateway.config.problems import Problem
from gateway.config.tables import Settings

Check: TypeAlias = Callable[[Settings], Iterator[Problem]]


@dataclass(frozen=True)
class Rule:
    """A check on the settings, and the full keys it relies on."""

    needs: tuple[str, ...]
    check: Check


def find(draft: Draft) -> tuple[Problem, ...]:
    """Every contradiction between the settings that were understood."""
    return (
        *(problem for rule in RULES if draft.knows(*rule.needs) for problem in rule.check(draft.settings)),
        *accounts.contradictions(draft),
    )


def retention(settings: Settings) -> Iterator[Problem]:
    kept, age = settings.spool.keep_delivered, settings.ingress.signature_max_age
    if kept <= age:
        least = quantities.write_duration(age)
        yield Problem(
            "spool.keep_delivered",
            f"must be longer than ingress.signature_max_age ({least}), or a repeated callback is not recognised",
            f"write more than {least}, or lower ingress.signature_max_age",
            f'"{quantities.write_duration(kept)}"',
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


def proxy_protocol(settings: Settings) -> Iterator[Problem]:
    if settings.server.proxy_protocol and not settings.server.trusted_proxies:
        yield Problem(
            "server.proxy_protocol",
            "needs to know whose word to take: server.trusted_proxies is empty",
            "name the balancers in server.trusted_proxies, or write false",
            "true",
        )


def shared_counters(settings: Settings) -> Iterator[Problem]:
    several = [f"workers.{door}" for door, count in settings.workers if count > 1]
    if several and settings.limits.storage == "memory://":
        yield Problem(
            "limits.storage",
            f"must not be memory:// while {' and '.join(several)} are above 1, or each worker counts alone",
            'write the address of a Redis or Valkey such as "redis://127.0.0.1:6379", or 1 worker',
            '"memory://"',
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


def ops_credentials(settings: Settings) -> Iterator[Problem]:
    if settings.ops.username and not settings.ops.password:
        yield Problem("ops.username", "stands without a password", "write ops.password_file too, or neither")
    if settings.ops.password and not settings.ops.username:
        yield Problem("ops.password", "stands without a username", "write ops.username too, or neither")


def motion_credentials(settings: Settings) -> Iterator[Problem]:
    motion = settings.motion
    if motion.api_key and (motion.username or motion.password):
        yield Problem("motion.api_key", "stands beside username or password", "write the key, or the other two")
    elif motion.username and not motion.password:
        yield Problem("motion.username", "stands without a password", "write motion.password_file too, or neither")
    elif motion.password and not motion.username:
        yield Problem("motion.password", "stands without a username", "write motion.username too, or neither")


def vault_credentials(settings: Settings) -> Iterator[Problem]:
    if settings.outbound.vault_credentials and not settings.outbound.gateway_key:
        yield Problem(
            "outbound.vault_credentials",
            "must not be true without a gateway key, or anyone on Motion's network could send",
            "write outbound.gateway_key_file too, or false",
            "true",
        )


def vault_room(settings: Settings) -> Iterator[Problem]:
    files, vault = settings.attachments.max_bytes, settings.attachments.vault_max_bytes
    if files > vault:
        yield Problem(
            "attachments.max_bytes",
            f"must not be above attachments.vault_max_bytes ({quantities.write_size(vault)})",
            f'write at most "{quantities.write_size(vault)}", or a larger vault',
            f'"{quantities.write_size(files)}"',
        )


def public_path(settings: Settings) -> Iterator[Problem]:
    path = settings.attachments.public_path
    taken = next((prefix for prefix in TAKEN_PATHS if path.startswith(prefix)), None)
    if taken:
        yield Problem(
            "attachments.public_path",
            f"must not begin with {taken}, which the gateway uses itself",
            'write the path of Motion\'s links, such as "/api/attachments/{id}/download"',
            f'"{path}"',
        )


TAKEN_PATHS = ("/media/", "/api/whatsapp/accounts/", "/.well-known/acme-challenge/")

RULES = (
    Rule(("spool.keep_delivered", "ingress.signature_max_age"), retention),
    Rule(("server.proxy_protocol", "server.trusted_proxies"), proxy_protocol),
    Rule(("server.public_url", "server.public_port", "motion.url"), loop),
    Rule(("limits.storage", "workers.ingress", "workers.attachments", "workers.outbound"), shared_counters),
    Rule(("server.ops_address", "ops.username", "ops.password"), ops_beyond_loopback),
    Rule(("ops.username", "ops.password"), ops_credentials),
    Rule(("motion.username", "motion.password", "motion.api_key"), motion_credentials),
    Rule(("outbound.vault_credentials", "outbound.gateway_key"), vault_credentials),
    Rule(("attachments.max_bytes", "attachments.vault_max_bytes"), vault_room),
    Rule(("attachments.public_path",), public_path),
    Rule(("server.outbound_clients", "attachments.token_keys"), outbound.minting),
    Rule(("server.outbound_certificate", "server.outbound_private_key"), outbound.key_pair),
    Rule(
        ("server.sinch_names", "server.outbound_clients", "server.outbound_certificate"),
        outbound.sinch_certificate,
    ),
    Rule(("server.outbound_names", "server.public_url"), outbound.names),
    Rule(("server.outbound_address", "server.public_address"), listeners.outbound_on_public_address),
    Rule(("server.outbound_address",), listeners.outbound_on_every_address),
    *(
        Rule((*first.needs, *second.needs), listeners.collision(first, second))
        for first, second in itertools.combinations(listeners.LISTENERS, 2)
    ),
)
