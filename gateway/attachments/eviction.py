"""Makes room in the vault: what has no live link goes first, what has one and was not fetched for a day after it.

Files go only under the vault's lock. `tidy`, `evict_named` and `evict_all` take it; who calls the others holds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gateway import telemetry
from gateway.attachments import register, vault
from gateway.attachments.decision import Record
from gateway.attachments.vault import Vault
from gateway.errors import CommandError
from gateway.store.engines import Database
from gateway.store.schema import attachment

UNUSED_SECONDS = 24 * 3600.0
CHUNK = 500  # rows in one transaction: callbacks wait behind it


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """`attachments.vault_max_bytes` and `server.min_free`."""

    vault_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class Stored:
    """A file in the vault, whichever attachments have it."""

    digest: bytes
    size_bytes: int


def make_room(files: Vault, database: Database, bounds: Bounds, *, size_bytes: int, on_disk: int, now: float) -> None:
    """For a file of that size, of which as much is on the disk already.

    Raises Unavailable if there is none, after all that may go has gone: the disk is the spool's too.
    """
    over_vault = stored_bytes(database) + size_bytes - bounds.vault_bytes
    over_disk = bounds.free_bytes + size_bytes - on_disk - files.free_bytes()
    short = max(over_vault, over_disk)
    if short > 0 and evict(files, database, _enough(evictable(database, now=now), short)) < short:
        raise vault.no_room()


def tidy(files: Vault, database: Database, *, now: float) -> None:
    """Clear away what processes that died left behind, and what is long over. Raises Unavailable."""
    files.clear_leftovers()
    with files.alone():
        reconcile(files, database)
        evict(files, database, over(database, now=now))
    register.purge(database, now=now)


def evict_named(files: Vault, database: Database, attachment_ids: Iterable[str]) -> int:
    """Delete the files of these attachments; returns how many.

    Raises CommandError, and deletes none, if the vault has no file of one of them.
    """
    with files.alone():
        digests = {_stored_of(database, attachment_id) for attachment_id in attachment_ids}
        going = [file for file in stored(database) if file.digest in digests]
        evict(files, database, going)
    return len(going)


def evict_all(files: Vault, database: Database) -> int:
    """Delete every file; returns how many."""
    with files.alone():
        going = stored(database)
        evict(files, database, going)
    return len(going)


def drop_former(files: Vault, database: Database, known: Record) -> None:
    """Delete the bytes that an attachment had before, unless another one has the same."""
    if known.digest and known.stored and not register.shared(database, known):
        evict(files, database, [Stored(known.digest, known.size_bytes)])


def evict(files: Vault, database: Database, chosen: Iterable[Stored]) -> int:
    """Returns how many bytes went."""
    going = list(chosen)
    for file in going:
        files.drop(file.digest)
    lost(database, [file.digest for file in going])
    size = sum(file.size_bytes for file in going)
    if going:
        telemetry.note("evicted", files=len(going), bytes=size)
    return size


def reconcile(files: Vault, database: Database) -> None:
    """Delete the files that nothing is recorded of, and record those as lost that are not there."""
    recorded, here = {file.digest for file in stored(database)}, set(files.digests())
    for digest in here - recorded:
        files.drop(digest)
    lost(database, recorded - here)


def lost(database: Database, digests: Iterable[bytes]) -> None:
    """Record that their files are not in the vault any more."""
    gone = list(digests)
    for at in range(0, len(gone), CHUNK):
        _record_lost(database, gone[at : at + CHUNK])


def stored_bytes(database: Database) -> int:
    """Of all files in the vault, each counted once."""
    files = _files().subquery()
    query = sa.select(sa.func.coalesce(sa.func.sum(files.c.size_bytes), 0))
    return int(database.read(lambda connection: connection.execute(query).scalar_one()))


def stored(database: Database) -> list[Stored]:
    """Every file in the vault."""
    return _read(database, _files())


def evictable(database: Database, *, now: float) -> list[Stored]:
    """The files that may go, in this order: without a live link, the longest unused first; then those with one."""
    live, used = _live(now), sa.func.max(register.used_at)
    return _read(database, _files().having(~live | (used < now - UNUSED_SECONDS)).order_by(live, used))


def over(database: Database, *, now: float) -> list[Stored]:
    """The files without a live link that were not used for `register.KEEP_SECONDS`."""
    used = sa.func.max(register.used_at)
    return _read(database, _files().having(~_live(now) & (used < now - register.KEEP_SECONDS)))


def _stored_of(database: Database, attachment_id: str) -> bytes:
    known = register.find(database, attachment_id)
    if known is None or known.digest is None or not known.stored:
        raise CommandError(f"the vault has no file of attachment {attachment_id}; nothing was evicted")
    return known.digest


def _live(now: float) -> sa.ColumnElement[bool]:
    return sa.func.max(attachment.c.live_until) > now


def _enough(candidates: Iterable[Stored], size_bytes: int) -> Iterator[Stored]:
    for file in candidates:
        if size_bytes <= 0:
            return
        size_bytes -= file.size_bytes
        yield file


def _files() -> sa.Select[Any]:
    size = sa.func.max(attachment.c.size_bytes).label("size_bytes")
    return sa.select(attachment.c.digest, size).where(sa.text("stored")).group_by(attachment.c.digest)


def _read(database: Database, files: sa.Select[Any]) -> list[Stored]:
    rows = database.read(lambda connection: connection.execute(files).all())
    return [Stored(row.digest, row.size_bytes) for row in rows]


def _record_lost(database: Database, digests: list[bytes]) -> None:
    theirs = sa.text("stored") & attachment.c.digest.in_(digests)
    database.write(lambda connection: register.change(connection, theirs, stored=False))
