"""Erases what is kept of a contact, so that no copy of it is left in the file or in its log."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from gateway.errors import CommandError, SpoolUnavailable
from gateway.outbound import record
from gateway.store import schema
from gateway.store.engines import Database
from gateway.store.schema import event, lane, report


@dataclass(frozen=True, kw_only=True)
class Erased:
    """How many went; `left`: events that stay because they are not delivered yet."""

    events: int
    sends: int = 0
    left: int = 0


def erase(database: Database, contact: str, *, pending_too: bool = False) -> Erased:
    """Erase the events of a contact, what was sent to it, and the reports of both.

    `contact`: a contact id or a channel identity. Raises CommandError if it names nobody.
    """
    if not contact.removeprefix("+"):
        raise CommandError("name the contact to erase; nothing was erased")
    erased = database.write(lambda connection: _erase(connection, contact, pending_too=pending_too))
    try:
        database.rewrite()
    except SpoolUnavailable as error:
        gone = erased.events + erased.sends
        raise CommandError(
            f"{gone} erased, but copies of their bytes stay in the file for now ({error.reason}): run this again"
        ) from error
    return erased


def _erase(connection: sa.Connection, contact: str, *, pending_too: bool) -> Erased:
    theirs = sa.or_(event.c.contact_id == contact, event.c.identity == contact.removeprefix("+"))
    going = theirs if pending_too else sa.and_(theirs, event.c.state != schema.PENDING)
    connection.execute(report.delete().where(report.c.event_id.in_(sa.select(event.c.id).where(going))))
    events = connection.execute(event.delete().where(going)).rowcount
    left = connection.execute(sa.select(sa.func.count()).select_from(event).where(theirs)).scalar_one()
    _drop_empty_lanes(connection)
    return Erased(events=events, sends=record.erase(connection, contact), left=left)


def _drop_empty_lanes(connection: sa.Connection) -> None:
    """A lane is named after its contact; one that is being delivered goes when that ends."""
    pending = sa.select(event.c.lane).where(event.c.state == schema.PENDING)
    empty = lane.delete().where(lane.c.claimed_event.is_(None), lane.c.lane.not_in(pending))
    connection.execute(empty)
