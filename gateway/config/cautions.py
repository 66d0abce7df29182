"""What is allowed in the settings and still deserves a warning."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.config import addresses, fields
from gateway.config.tables import Settings


def find(settings: Settings) -> tuple[str, ...]:
    """One sentence for each thing the operator should know."""
    return tuple(sentence for check in CHECKS for sentence in check(settings))


def motion_in_clear(settings: Settings) -> Iterator[str]:
    if settings.motion.url.startswith("http://") and not addresses.is_loopback(addresses.host(settings.motion.url)):
        yield "motion.url begins with http://: messages and credentials cross the network unencrypted"


def sinch_in_clear(settings: Settings) -> Iterator[str]:
    for key in ("eu", "us", "auth"):
        url = getattr(settings.sinch, key)
        if url.startswith("http://") and not addresses.is_loopback(addresses.host(url)):
            yield f"sinch.{key} begins with http://: messages and credentials cross the network unencrypted"


def short_webhook_secrets(settings: Settings) -> Iterator[str]:
    for index, account in enumerate(settings.accounts):
        if any(len(secret.get_secret_value()) < fields.SHORTEST_KEY for secret in account.webhook_secrets):
            yield f"account[{index}].webhook_secrets holds one shorter than {fields.SHORTEST_KEY} characters"


def open_networks(settings: Settings) -> Iterator[str]:
    for key in ("outbound_clients", "trusted_proxies"):
        if any(network.prefixlen == 0 for network in getattr(settings.server, key)):
            yield f"server.{key} holds a network of every address: it keeps nobody out"


def idle_sinch_names(settings: Settings) -> Iterator[str]:
    if settings.server.sinch_names and not settings.server.outbound_clients:
        yield "server.sinch_names is true and server.outbound_clients is empty: the outbound door stays off"


def missing_vault_keys(settings: Settings) -> Iterator[str]:
    """A key is good for the whole of its project."""
    keyed = {(account.region, account.project_id) for account in settings.accounts if account.key_secret}
    for index, account in enumerate(settings.accounts):
        if settings.outbound.vault_credentials and (account.region, account.project_id) not in keyed:
            yield f"account[{index}] has no key_id and key_secret: outbound.vault_credentials cannot send for it"


CHECKS = (
    motion_in_clear,
    sinch_in_clear,
    short_webhook_secrets,
    open_networks,
    idle_sinch_names,
    missing_vault_keys,
)
