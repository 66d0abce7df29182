"""What is wrong with the settings, told so that the operator can put it right; and what deserves a warning.

1. A problem names its key, shows the value where that can be no secret, and says what to write.
2. The values of secrets, phone numbers and unknown keys are never shown; of others only those whose look
   says that they hold no password, and never whole lists and tables.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gateway import printable
from gateway.config import addresses, databases, kinds, tables
from gateway.config.tables import Settings

LONGEST_SHOWN = 80

_PLAIN_URL = re.compile(r"[0-9A-Za-z+.-]*://[0-9A-Za-z.\[\]_-]*(:[0-9]*)?(/[0-9A-Za-z._~/-]*)?")
_SECRET_NAME = re.compile(r"secret|password|token|key|phone")
_NO_SECRET = {"token_ttl", "unknown_tokens_per_address"}
_NOTHING_LIKE_IT = "remove it; docs/settings.md lists every setting"


@dataclass(frozen=True)
class Problem:
    """One thing to put right: `key` as the operator wrote it, `shown` the value, or None."""

    key: str
    complaint: str
    remedy: str
    shown: str | None = None

    def __str__(self) -> str:
        equals = "" if self.shown is None else f" = {self.shown}"
        return f"  {self.key}{equals}\n      {self.complaint} → {self.remedy}"


@dataclass(frozen=True)
class Written:
    """A value not read yet, the place it came from, and how a problem may show it."""

    value: object = field(repr=False)
    label: str
    shown: str | None

    @property
    def is_set(self) -> bool:
        """False for what stands for nothing: the empty text and the empty list."""
        return self.value not in ("", [])


def message(found: Sequence[Problem], *, whose: str) -> str:
    """Tell all problems in one text; `whose` they are begins it."""
    return "\n".join([f"{whose} {printable.counted(len(found), 'problem')}:", "", *map(str, found)])


def shown(key: str, value: object) -> str | None:
    """Write `value` of the known setting `key` as a message may show it, or None."""
    if _SECRET_NAME.search(key) and key not in _NO_SECRET:
        return None
    if isinstance(value, str):
        return None if _may_hide_a_password(value) else json.dumps(_short(value), ensure_ascii=False)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 64 else "a very large number"
    return str(value) if isinstance(value, float) else None


def name(key: str) -> str:
    """Write a name out of the file or the environment, safe to print."""
    return _short(printable.text(key))


def place(file: object) -> str:
    """Write the path of a file, safe to print and whole: who is to look for it needs all of it."""
    return printable.text(str(file))


def remedy_for_key(unknown: str, table: str) -> str:
    """Guess the remedy for the key `unknown` in `table`."""
    close = _close(unknown, tables.keys(tables.TABLES[table]))
    elsewhere = [other for other, model in tables.TABLES.items() if unknown in tables.keys(model)]
    if elsewhere and (not close or unknown in tables.keys(tables.TABLES[elsewhere[0]])):
        return f"write it under {_header(elsewhere[0])}"
    return f"did you mean {close}?" if close else _NOTHING_LIKE_IT


def remedy_for_table(unknown: str) -> str:
    """Guess the remedy for `unknown` at the top of the file."""
    elsewhere = [name for name, model in tables.TABLES.items() if unknown in tables.keys(model)]
    if elsewhere:
        return f"write it under {_header(elsewhere[0])}"
    close = _close(unknown, tables.TABLES)
    return f"did you mean {_header(close)}?" if close else _NOTHING_LIKE_IT


def remedy_for_variable(unknown: str, known: Iterable[str]) -> str:
    """Guess the remedy for the environment variable `unknown`."""
    close = _close(unknown.upper(), known)
    return f"did you mean {close}?" if close else "unset it; docs/settings.md lists every setting"


def _may_hide_a_password(value: str) -> bool:
    if not value.isprintable() or any(mark in value for mark in "@?#"):
        return True
    return "//" in value and not _PLAIN_URL.fullmatch(value)


def _short(value: str) -> str:
    return value if len(value) <= LONGEST_SHOWN else f"{value[:LONGEST_SHOWN]}…"


def _close(unknown: str, known: Iterable[str]) -> str:
    wanted = unknown.upper() if unknown.isupper() else unknown.lower()
    return next(iter(difflib.get_close_matches(wanted, list(known), n=1)), "")


def _header(name: str) -> str:
    return f"[[{name}]]" if name in tables.MANY else f"[{name}]"


def warnings(settings: Settings) -> tuple[str, ...]:
    """Write one sentence for each thing that the operator should know."""
    return tuple(sentence for check in WARNINGS for sentence in check(settings))


def motion_in_clear(settings: Settings) -> Iterator[str]:
    if settings.motion.url.startswith("http://") and not addresses.is_loopback(addresses.host(settings.motion.url)):
        yield "motion.url begins with http://: messages and credentials cross the network unencrypted"


def sinch_in_clear(settings: Settings) -> Iterator[str]:
    for key in ("eu", "us", "auth"):
        url = getattr(settings.sinch, key)
        if url.startswith("http://") and not addresses.is_loopback(addresses.host(url)):
            yield f"sinch.{key} begins with http://: messages and credentials cross the network unencrypted"


def notices_in_clear(settings: Settings) -> Iterator[str]:
    for key in ("url", "ping_url"):
        told = getattr(settings.notify, key)
        origin = addresses.split(told.get_secret_value())[0] if told else ""
        if origin.startswith("http://") and not addresses.is_loopback(addresses.host(origin)):
            yield f"notify.{key} begins with http://: it crosses the network unencrypted, and what is told does"


def proxy_password_in_clear(settings: Settings) -> Iterator[str]:
    for name in ("sinch", "motion"):
        table = getattr(settings, name)
        if table.proxy and table.proxy_password and not addresses.is_loopback(addresses.host(table.proxy)):
            yield f"{name}.proxy_password crosses the network unencrypted: give that user no other right"


def proxy_to_this_machine(settings: Settings) -> Iterator[str]:
    if settings.motion.proxy and addresses.is_loopback(addresses.host(settings.motion.url)):
        yield "motion.url is on this machine, and motion.proxy would look for it on its own"


def short_webhook_secrets(settings: Settings) -> Iterator[str]:
    for index, account in enumerate(settings.accounts):
        if any(len(secret.get_secret_value()) < kinds.SHORTEST_KEY for secret in account.webhook_secrets):
            yield f"account[{index}].webhook_secrets holds one shorter than {kinds.SHORTEST_KEY} characters"


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


STORE = ("store", "store_url", "store_key_id", "store_key_secret", "proxy_token", "token_keys")  # what it looks at
_STORE_KEYS = "attachments.store_key_id and attachments.store_key_secret_file"


def shared_vault(settings: Settings) -> Iterator[Problem]:
    """A store needs a key; and whatever is said of a store says nothing without one."""
    ours = settings.attachments
    if ours.store and not (ours.store_key_secret or ours.store_key_id):
        yield Problem("attachments.store", "stands without a key", f"write {_STORE_KEYS} too", f'"{ours.store}"')
    if not ours.store:
        for key in ("store_url", "store_key_id"):
            if value := getattr(ours, key):
                told = f'"{value}"' if key == "store_url" else None
                yield Problem(f"attachments.{key}", "stands without a store", "write attachments.store too", told)
    elif not ours.has_links and not settings.fetches:
        remedy = "write attachments.proxy_token_file or attachments.token_keys_file too, or leave the store out"
        yield Problem("attachments.store", "stands without links to files", remedy, f'"{ours.store}"')


def store_in_clear(settings: Settings) -> Iterator[str]:
    url = settings.attachments.store_url or ""
    if url.startswith("http://") and not addresses.is_loopback(addresses.host(url)):
        yield "attachments.store_url begins with http://: customers' files cross the network unencrypted"


def spool_in_clear(settings: Settings) -> Iterator[str]:
    if databases.hosts(settings.spool.url) and not databases.proves_server(settings.spool.url):
        yield "spool.url has no sslmode=verify-full: who is between could read customers' texts, and be the server"


def idle_beside_a_file(settings: Settings) -> Iterator[str]:
    if settings.spool.password and not databases.is_shared(settings.spool.url):
        yield 'spool.password is written and spool.url is "sqlite": a file asks for no password'
    if settings.spool.lifeboat and not databases.is_shared(settings.spool.url):
        yield 'spool.lifeboat is on and spool.url is "sqlite": it is for a PostgreSQL that is away'


def files_at_one_node(settings: Settings) -> Iterator[str]:
    through = any(settings.media_of(account) == "through" for account in settings.accounts)
    if through and databases.is_shared(settings.spool.url) and not settings.attachments.store:
        yield "attachments.store is not set: of several nodes only the one that has fetched a customer's file has it"


WARNINGS = (
    motion_in_clear,
    sinch_in_clear,
    notices_in_clear,
    proxy_password_in_clear,
    proxy_to_this_machine,
    short_webhook_secrets,
    open_networks,
    idle_sinch_names,
    missing_vault_keys,
    store_in_clear,
    spool_in_clear,
    idle_beside_a_file,
    files_at_one_node,
)
