"""Settings that are each right and together wrong: one row and one small function per rule.

A rule stays silent while a key it relies on is not understood.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from gateway.config import authority, fields, listeners, problems
from gateway.config.problems import Problem
from gateway.config.tables import MANY, Account, Settings, Table, User
from gateway.config.validation import PartialSettings

T = TypeVar("T")


@dataclass(frozen=True)
class Rule(Generic[T]):
    """A check on the settings or on one row of a table, and the keys there that it relies on and names."""

    needs: tuple[str, ...]
    check: Callable[[T], Iterator[Problem]]


def find(found: PartialSettings) -> tuple[Problem, ...]:
    """Find every contradiction between settings that were understood: in general, within rows, between them."""
    return (
        *(problem for rule in RULES if found.knows(*rule.needs) for problem in rule.check(found.settings)),
        *_within_rows(found),
        *(problem for name, key in UNIQUE for problem in _shared(found, name, key)),
    )


def retention(settings: Settings) -> Iterator[Problem]:
    kept, age = settings.spool.keep_delivered, settings.ingress.signature_max_age
    if kept <= age:
        least = fields.write_duration(age)
        yield Problem(
            "spool.keep_delivered",
            f"must be longer than ingress.signature_max_age ({least}), or a repeated callback is not recognised",
            f"write more than {least}, or lower ingress.signature_max_age",
            f'"{fields.write_duration(kept)}"',
        )


@dataclass(frozen=True)
class Half:
    """One of two keys that stand together or not at all: how it is called, and what to write for it."""

    key: str
    called: str
    written: str = ""


USER = Half("username", "a username")
PASSWORD = Half("password", "a password", "password_file")
PROXY_USER = Half("proxy_username", "a username")
PROXY_PASSWORD = Half("proxy_password", "a password", "proxy_password_file")
CERTIFICATE, ITS_KEY = Half("outbound_certificate", "its certificate"), Half("outbound_private_key", "its key")
KEY_ID, KEY_SECRET = Half("key_id", "a key id"), Half("key_secret", "a key secret", "key_secret_file")
BINDING_ID, BINDING_KEY = Half("eab_key_id", "an id of its key"), Half("eab_key", "its key", "eab_key_file")
STORE_ID = Half("store_key_id", "a key id")
STORE_SECRET = Half("store_key_secret", "a key secret", "store_key_secret_file")


def apart(table: Table, first: Half, second: Half, *, where: str = "") -> Iterator[Problem]:
    """Tell of the one that stands without the other; `where`: the name of the table and a dot."""
    for one, other in ((first, second), (second, first)):
        value = getattr(table, one.key)
        if value and not getattr(table, other.key):
            yield Problem(
                f"{where}{one.key}",
                f"stands without {other.called}",
                f"write {where}{other.written or other.key} too, or neither",
                f'"{value}"' if isinstance(value, Path) else None,
            )


def pair(name: str, first: Half, second: Half) -> Rule[Settings]:
    """Make the rule of two keys of the table `name`."""
    needs = (f"{name}.{first.key}", f"{name}.{second.key}")
    return Rule(needs, lambda settings: apart(getattr(settings, name), first, second, where=f"{name}."))


def motion_credentials(settings: Settings) -> Iterator[Problem]:
    motion = settings.motion
    if motion.api_key and (motion.username or motion.password):
        yield Problem("motion.api_key", "stands beside username or password", "write the key, or the other two")
    else:
        yield from apart(motion, USER, PASSWORD, where="motion.")


def proxies(settings: Settings) -> Iterator[Problem]:
    for name in PROXIED:
        table = getattr(settings, name)
        yield from apart(table, PROXY_USER, PROXY_PASSWORD, where=f"{name}.")
        if table.proxy_username and table.proxy_password and not table.proxy:
            yield Problem(f"{name}.proxy_username", "stands without a proxy", f"write {name}.proxy too, or neither")


def vault_credentials(settings: Settings) -> Iterator[Problem]:
    if settings.outbound.vault_credentials and not settings.outbound.gateway_key:
        yield Problem(
            "outbound.vault_credentials",
            "must not be true without a gateway key, or anyone on Motion's network could send",
            "write outbound.gateway_key_file too, or false",
            "true",
        )


def vault_room(settings: Settings) -> Iterator[Problem]:
    vault = settings.attachments.vault_max_bytes
    said = {"attachments": settings.attachments.max_bytes, "inbound": settings.inbound.max_bytes}
    for table in (name for name, files in said.items() if files > vault and (name != "inbound" or settings.fetches)):
        yield Problem(
            f"{table}.max_bytes",
            f"must not be above attachments.vault_max_bytes ({fields.write_size(vault)})",
            f'write at most "{fields.write_size(vault)}", or a larger vault',
            f'"{fields.write_size(said[table])}"',
        )


def of_authority(settings: Settings) -> Iterator[Problem]:
    server = settings.server
    if settings.acme.is_wanted and not server.http_port:
        yield Problem("server.http_port", authority.ASKS_AT_80, 'write 80, or acme.directory = "off"', "0")
    if settings.acme.is_wanted and server.certificate.parent != server.private_key.parent:
        shown = f'"{server.private_key}"'
        yield Problem("server.private_key", authority.ONE_FOLDER, "write two files of one folder", shown)


def proof_of_origin(account: Account) -> Iterator[Problem]:
    if account.unsigned == "refuse" and not account.webhook_secrets:
        yield Problem(
            "webhook_secrets",
            'must not be empty while unsigned is "refuse": nothing could be verified',
            "write the secret of the webhook at Sinch",
        )
    if account.unsigned == "allow" and account.webhook_secrets:
        yield Problem(
            "unsigned",
            "must not allow unsigned callbacks while there are webhook secrets",
            'write "refuse", or remove webhook_secrets',
            '"allow"',
        )


def proof_of_unsigned(account: Account) -> Iterator[Problem]:
    if account.unsigned == "allow" and not account.receive_token:
        yield Problem(
            "unsigned",
            "must not allow unsigned callbacks without a receive token",
            "write receive_token: the token inside Motion's Receive URL",
            '"allow"',
        )


def proof_of_user(user: User) -> Iterator[Problem]:
    if not user.password_hash:
        yield Problem("password_hash", "is missing", "write one made by: motion-gateway users hash")


PROXIED = ("sinch", "motion", "acme")
PROXY_KEYS = ("proxy", "proxy_username", "proxy_password")
RULES: tuple[Rule[Settings], ...] = (
    Rule(("spool.keep_delivered", "ingress.signature_max_age"), retention),
    Rule(("server.health_path", "attachments.public_path"), listeners.health_path),
    Rule(("server.proxy_protocol", "server.trusted_proxies"), listeners.proxy_protocol),
    Rule(("server.public_url", "server.public_port", "motion.url"), listeners.loop),
    Rule(("server.ops_address", "ops.username", "ops.password"), listeners.ops_beyond_loopback),
    pair("ops", USER, PASSWORD),
    Rule(("motion.username", "motion.password", "motion.api_key"), motion_credentials),
    Rule(tuple(f"{table}.{key}" for table in PROXIED for key in PROXY_KEYS), proxies),
    Rule(("outbound.vault_credentials", "outbound.gateway_key"), vault_credentials),
    Rule(("attachments.max_bytes", "inbound.max_bytes", "attachments.vault_max_bytes"), vault_room),
    pair("attachments", STORE_ID, STORE_SECRET),
    Rule(tuple(f"attachments.{key}" for key in problems.STORE), problems.shared_vault),
    Rule(("server.outbound_clients", "attachments.token_keys"), listeners.outbound_minting),
    Rule(("inbound.media", "server.outbound_clients", "attachments.token_keys"), listeners.inbound_through),
    pair("server", CERTIFICATE, ITS_KEY),
    pair("acme", BINDING_ID, BINDING_KEY),
    Rule(authority.NEEDS, of_authority),
    Rule(("server.sinch_names", "server.outbound_clients", "server.outbound_certificate"), listeners.sinch_certificate),
    Rule(("server.outbound_names", "server.public_url"), listeners.outbound_names),
    Rule(("server.outbound_address", "server.public_address"), listeners.outbound_on_public_address),
    Rule(("server.outbound_address",), listeners.outbound_on_every_address),
    *(
        Rule((*first.needs, *second.needs), listeners.collision(first, second))
        for first, second in itertools.combinations(listeners.ENDPOINTS, 2)
    ),
)

ROW_RULES: Mapping[str, tuple[Rule[Any], ...]] = {
    "account": (
        Rule(("unsigned", "webhook_secrets"), proof_of_origin),
        Rule(("unsigned", "receive_token"), proof_of_unsigned),
        Rule((KEY_ID.key, KEY_SECRET.key), lambda account: apart(account, KEY_ID, KEY_SECRET)),
    ),
    "user": (Rule(("password_hash",), proof_of_user),),
}

# What may stand in one row of a table only, and how the values of a key are compared.
UNIQUE: Mapping[tuple[str, str], Callable[[Any], set[Hashable]]] = {
    ("account", "connector_id"): lambda account: {account.connector_id},
    ("account", "app_id"): lambda account: {account.app_id},
    ("account", "phone"): lambda account: {account.phone.removeprefix("+")} if account.phone else set(),
    ("account", "webhook_secrets"): lambda account: {secret.get_secret_value() for secret in account.webhook_secrets},
    ("user", "name"): lambda user: {user.name.lower()},
}


def _within_rows(found: PartialSettings) -> Iterator[Problem]:
    for name, rules in ROW_RULES.items():
        for index, row in enumerate(getattr(found.settings, MANY[name])):
            where = f"{name}[{index}]"
            for rule in rules:
                if found.knows(*(f"{where}.{key}" for key in rule.needs)):
                    yield from (replace(problem, key=f"{where}.{problem.key}") for problem in rule.check(row))


def _shared(found: PartialSettings, name: str, key: str) -> Iterator[Problem]:
    """Yield a problem for each row that repeats what an earlier one has under `key`."""
    owners: dict[Hashable, int] = {}
    for index, row in enumerate(getattr(found.settings, MANY[name])):
        if not found.knows(f"{name}[{index}].{key}"):
            continue
        values = UNIQUE[name, key](row)
        for owner in sorted({owners[value] for value in values if value in owners}):
            shown = problems.shown(key, getattr(row, key))
            told = f"is that of {name}[{owner}] as well"
            yield Problem(f"{name}[{index}].{key}", told, f"give each {name} its own", shown)
        owners |= {value: index for value in values if value not in owners}
