"""A spool that has kept millions of events: the database makes them by itself, and its indexes after most of them.

The rest comes with the indexes there, at random places: what is written whole has full pages, each of which splits at
the next row. One that has grown has room in its pages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox import callbacks
from sandbox.sinch import Sinch

CONTACTS = 100_000
APART_SECONDS = 0.05  # from one event to the next
WRITTEN_WHOLE = 0.7  # of all: then each page has split, and is filled to seven tenths

Ask = Callable[[str], list[tuple[Any, ...]]]


@dataclass(frozen=True, kw_only=True)
class Words:
    """What one engine says in other words than another. `series` counts from `first` to `last`, as `n`."""

    indexes: str  # name and definition of those that no table is without
    series: str
    digest: str  # as good as random
    padded: str  # `n`, as wide as any nonce
    literal: str  # of bytes, in hexadecimal digits
    afterwards: tuple[str, ...]


SQLITE = Words(
    indexes="SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name IN ('event', 'nonce') AND sql <> ''",
    series="(WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM s WHERE n < {last}) SELECT n FROM s)",
    digest="randomblob(32)",
    padded="printf('%026d', n)",
    literal="x'{}'",
    afterwards=(),
)
POSTGRESQL = Words(
    indexes="SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('event', 'nonce')"
    " AND indexname NOT LIKE '%_pkey'",
    series="generate_series({first}, {last}) AS s(n)",
    digest="sha256(int8send(n))",
    padded="lpad(CAST(n AS text), 26, '0')",
    literal="'\\x{}'::bytea",
    afterwards=("SELECT setval('event_id_seq', {count})", "VACUUM (ANALYZE)", "CHECKPOINT"),
)
_EVENTS = """
INSERT INTO event (
    id, connector_id, state, kind, key, original, lane, contact_id, identity, request_id, address, headers, query, body,
    body_digest, accepted_at, repeats, tries, failures, deaths, outcome, settled_at
)
SELECT n, {connector_id}, 'delivered', 'MESSAGE_INBOUND', {digest}, TRUE, 'kept:' || (n % {contacts}),
    'kept' || (n % {contacts}), 'number' || (n % {contacts}), 'kept-' || n, '127.0.0.1', '[]', '', {body}, {digest},
    {then}, 0, 1, 0, 0, '200', {then}
FROM {series}
"""
_NONCES = """
INSERT INTO nonce (connector_id, nonce, body_digest, event_id, seen_at)
SELECT {connector_id}, {padded}, {digest}, n, {then} FROM {series}
"""


def lay(ask: Ask, words: Words, *, count: int, connector_id: int, now: float) -> None:
    """Put so many delivered events into a spool that has none, and that nobody uses; `now` in Unix seconds."""
    letter = Sinch(url="", secret="").prepare(callbacks.text("Good morning, my parcel has not arrived yet. " * 2))
    made = {
        "digest": words.digest,
        "padded": words.padded,
        "body": words.literal.format(letter.body.hex()),
        "contacts": CONTACTS,
        "connector_id": connector_id,
        "then": f"{now} - ({count} - n) * {APART_SECONDS}",
    }
    indexes, whole = ask(words.indexes), int(count * WRITTEN_WHOLE)
    for name, _ in indexes:
        ask(f"DROP INDEX {name}")
    _fill(ask, made | {"series": words.series.format(first=1, last=whole)})
    for _, definition in indexes:
        ask(definition)
    _fill(ask, made | {"series": words.series.format(first=whole + 1, last=count)})
    for statement in words.afterwards:
        ask(statement.format(count=count))


def _fill(ask: Ask, made: dict[str, object]) -> None:
    ask(_EVENTS.format(**made))
    ask(_NONCES.format(**made))
