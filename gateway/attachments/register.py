"""What is known of each attachment: its bytes, its links, and why it could not be had. In the spool's database.

Rule 1. The bytes that were acquired for an attachment stay its bytes for as long as a link to it lives.
Rule 2. When the first fetch by Motion's own link was, and since when links are revoked, is never forgotten: what has
        ended shall not begin anew. All else goes `KEEP_SECONDS` after its last use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from gateway import __version__
from gateway.attachments.decision import Failure, Record
from gateway.errors import GatewayError
from gateway.inspection.structure import Inspection, Trait
from gateway.store.engines import Database
from gateway.store.schema import attachment

GRACE_SECONDS = 600.0  # until somebody fetches what was acquired, or makes a link to it
KEEP_SECONDS = 30 * 24 * 3600.0


used_at = sa.func.max(attachment.c.acquired_at, sa.func.coalesce(attachment.c.last_fetched_at, 0.0))
_NO_FAILURE: Mapping[str, Any] = {"failure": "", "failure_status": 0, "failure_digest": None, "failed_at": None}
_NO_BYTES: Mapping[str, Any] = {"digest": None, "size_bytes": 0, "name": "", "inspection": None, "inspected_by": ""}


def find(database: Database, attachment_id: str) -> Record | None:
    query = sa.select(attachment).where(attachment.c.attachment_id == attachment_id)
    row = database.read(lambda connection: connection.execute(query).first())
    return None if row is None else _record(row)


def listed(database: Database, *, most: int) -> list[Record]:
    """Those that something happened to last, the last one first."""
    happened = sa.func.max(sa.func.coalesce(used_at, 0.0), sa.func.coalesce(attachment.c.failed_at, 0.0))
    query = sa.select(attachment).order_by(happened.desc(), attachment.c.attachment_id).limit(most)
    return [_record(row) for row in database.read(lambda connection: connection.execute(query).all())]


def acquired(
    database: Database, attachment_id: str, *, digest: bytes, name: str, seen: Inspection, now: float
) -> Record:
    """Its file is in the vault. Returns what is known of it now."""
    row = _put(
        database,
        attachment_id,
        digest=digest,
        size_bytes=seen.size_bytes,
        name=name,
        inspection=_written(seen),
        inspected_by=__version__,
        acquired_at=now,
        stored=True,
        live_until=sa.func.max(attachment.c.live_until, now + GRACE_SECONDS),
        **_NO_FAILURE,
    )
    return _record(row)


def inspected(database: Database, attachment_id: str, seen: Inspection) -> None:
    """By this release, anew."""
    _put(database, attachment_id, inspection=_written(seen), inspected_by=__version__)


def failed(database: Database, attachment_id: str, error: GatewayError, *, digest: bytes | None, now: float) -> None:
    _put(
        database,
        attachment_id,
        failure=error.reason,
        failure_status=error.status,
        failure_digest=digest,
        failed_at=now,
    )


def fetched(database: Database, attachment_id: str, *, now: float, until: float, by_motions_link: bool) -> None:
    """Count a fetch; the link it came by lives until then, or since its first fetch for as long."""
    first = sa.func.coalesce(attachment.c.first_fetched_at, now)
    links = {"first_fetched_at": first, "live_until": sa.func.max(attachment.c.live_until, first + (until - now))}
    live = links if by_motions_link else {"live_until": sa.func.max(attachment.c.live_until, until)}
    _put(database, attachment_id, fetches=attachment.c.fetches + 1, last_fetched_at=now, **live)


def held(database: Database, attachment_id: str, *, digest: bytes, until: float, now: float) -> bool:
    """A link to these bytes is made that lives until then; False: links live to others, and nothing was changed.

    Others that no link lives to are forgotten: they would have come back to life with it.
    """
    mine = attachment.c.attachment_id == attachment_id
    others = mine & (attachment.c.digest != digest)

    def work(connection: sa.Connection) -> bool:
        connection.execute(insert(attachment).values(attachment_id=attachment_id).on_conflict_do_nothing())
        if connection.execute(
            sa.select(attachment.c.attachment_id).where(others & (attachment.c.live_until > now))
        ).first():
            return False
        change(connection, others, stored=False, **_NO_BYTES)
        change(connection, mine, live_until=sa.func.max(attachment.c.live_until, until))
        return True

    return database.write(work)


def shared(database: Database, known: Record) -> bool:
    """Whether another attachment has the same file in the vault."""
    same = sa.text("stored") & (attachment.c.digest == known.digest)
    query = sa.select(attachment.c.attachment_id).where(same & (attachment.c.attachment_id != known.attachment_id))
    return database.read(lambda connection: connection.execute(query.limit(1)).first()) is not None


def revoked(database: Database, attachment_id: str, *, before: int) -> None:
    """Its links open nothing that were made before that second; none that is known of lives."""
    latest = sa.func.max(sa.func.coalesce(attachment.c.revoked_before, 0), before)
    _put(database, attachment_id, revoked_before=latest, live_until=0.0)


def purge(database: Database, *, now: float) -> int:
    """Forget what has neither a file nor a live link, and was not used for long. Returns how many were forgotten."""
    since = now - KEEP_SECONDS
    unused = sa.func.coalesce(used_at, 0.0) < since
    over = sa.and_(
        ~attachment.c.stored,
        attachment.c.live_until <= now,
        unused,
        sa.func.coalesce(attachment.c.failed_at, 0.0) < since,
    )
    ended = attachment.c.first_fetched_at.is_not(None) | attachment.c.revoked_before.is_not(None)
    known = attachment.c.digest.is_not(None) | (attachment.c.failure != "")

    def work(connection: sa.Connection) -> int:
        stripped = change(connection, over & ended & known, **_NO_BYTES, **_NO_FAILURE)
        return stripped + connection.execute(attachment.delete().where(over & ~ended)).rowcount

    return database.write(work)


def _put(database: Database, attachment_id: str, **values: Any) -> sa.Row[Any]:  # noqa: ANN401 - columns are of any type
    """Change its row, made before if there is none, and return it."""
    mine = attachment.update().where(attachment.c.attachment_id == attachment_id)

    def work(connection: sa.Connection) -> sa.Row[Any]:
        connection.execute(insert(attachment).values(attachment_id=attachment_id).on_conflict_do_nothing())
        return connection.execute(mine.values(**values).returning(attachment)).one()

    return database.write(work)


def change(connection: sa.Connection, chosen: sa.ColumnElement[bool], **values: Any) -> int:  # noqa: ANN401 - as above
    """Returns how many rows were changed."""
    return connection.execute(attachment.update().where(chosen).values(**values)).rowcount


def _record(row: sa.Row[Any]) -> Record:
    columns = dict(row._mapping)
    reason, status = columns.pop("failure"), columns.pop("failure_status")
    digest, at = columns.pop("failure_digest"), columns.pop("failed_at")
    failure = Failure(reason=reason, status=status, digest=digest, at=at) if reason else None
    inspection = _inspection(columns.pop("inspection"), columns["size_bytes"])
    return Record(**columns, inspection=inspection, failure=failure)


def _written(seen: Inspection) -> dict[str, object]:
    return {
        "mime": seen.mime,
        "traits": sorted(seen.traits),
        "details": dict(seen.details),
        "opinion": seen.opinion,
        "reader": seen.reader,
    }


def _inspection(written: Mapping[str, Any] | None, size_bytes: int) -> Inspection | None:
    if written is None:
        return None
    known = {*map(str, Trait)}  # another release may have told more
    return Inspection(
        mime=written["mime"],
        size_bytes=size_bytes,
        traits=frozenset(Trait(word) for word in written["traits"] if word in known),
        details=written["details"],
        opinion=written["opinion"],
        reader=written["reader"],
    )
