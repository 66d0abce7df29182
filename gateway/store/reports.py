"""Delivery reports: what Sinch's callbacks tell of messages, and which of them tell of what Motion sent.

Rule 1. A report is filed with its callback, in one transaction (`ingress.intake`), whether its message is known or
        not: it may come before Sinch's answer has named the message.
Rule 2. The fate of a message is what the furthest of its reports tells, in the order of `FATES` and not of time.
Rule 3. A send that got no answer is joined by its correlation id to reports of one message that no other send has,
        and only if no other send without an answer carries that id.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from gateway.ingress.events import Report
from gateway.store.schema import report, send

# Each outweighs those before it, whenever it comes: what was delivered is not undone by a failure on another channel,
# and a failure not by word of an earlier step. A status that is not here decides nothing.
FATES = ("SUBMITTED", "SWITCHING_CHANNEL", "QUEUED_ON_CHANNEL", "FAILED", "DELIVERED", "READ")

# Without parameters, in the words of the indexes: SQLite does not see otherwise that they fit.
_EMPTY: sa.ColumnClause[str] = sa.literal_column("''")
_UNANSWERED = "{}.outcome IN ('sending', 'unknown')"


@dataclass(frozen=True, kw_only=True)
class Filed(Report):
    """A report, and the callback that brought it."""

    event_id: int
    reported_at: float


@dataclass(frozen=True)
class Evidence:
    """The reports on a send, in the order of time; `doubtful`: they may as well be on another one."""

    reports: tuple[Filed, ...] = ()
    doubtful: bool = False


_COLUMNS = [field.name for field in fields(Filed)]
_FILED = [report.c[name] for name in _COLUMNS]
_IN_TIME = (report.c.reported_at, report.c.event_id)

_OF_MESSAGE = sa.and_(
    send.c.message_id != _EMPTY,
    report.c.message_id == send.c.message_id,
    report.c.connector_id == send.c.connector_id,
)
_OF_CORRELATION = sa.and_(
    send.c.message_id == _EMPTY,
    sa.text(_UNANSWERED.format("send")),
    report.c.correlation_id != _EMPTY,
    report.c.correlation_id == send.c.correlation_id,
    report.c.connector_id == send.c.connector_id,
    report.c.reported_at >= send.c.started_at,
)


def fate(reports: Sequence[Filed]) -> Filed | None:
    """The report that decides; None if none does. They come in the order of time: of two equal ones the later."""
    telling = [told for told in reversed(reports) if told.status in FATES]
    return max(telling, key=lambda told: FATES.index(told.status), default=None)


def on(connection: sa.Connection, chosen: sa.Select[int]) -> dict[int, Evidence]:
    """The evidence on the sends with these ids; those without any are left out."""
    found: dict[int, list[tuple[int, Filed]]] = defaultdict(list)
    for query in (_by_message(chosen), _by_correlation(chosen)):
        for send_id, rivals, *columns in connection.execute(query.order_by(*_IN_TIME)):
            found[send_id].append((rivals, Filed(**dict(zip(_COLUMNS, columns, strict=True)))))
    return {send_id: _evidence(told) for send_id, told in found.items()}


def unanswered_about(message_id: str) -> sa.Select[int]:
    """The ids of sends without an answer that reports on this message may tell of."""
    return sa.select(send.c.id).join_from(send, report, _OF_CORRELATION).where(report.c.message_id == message_id)


def _by_message(chosen: sa.Select[int]) -> sa.Select[Any]:
    query = sa.select(send.c.id, sa.literal(0), *_FILED).join_from(send, report, _OF_MESSAGE)
    return query.where(send.c.id.in_(chosen))


def _by_correlation(chosen: sa.Select[int]) -> sa.Select[Any]:
    rival, owner = send.alias("rival"), send.alias("owner")
    rivals = sa.select(sa.func.count()).where(
        rival.c.connector_id == send.c.connector_id,
        rival.c.correlation_id == send.c.correlation_id,
        rival.c.id != send.c.id,
        sa.text(_UNANSWERED.format("rival")),
    )
    owned = sa.exists().where(
        owner.c.message_id != _EMPTY,
        owner.c.message_id == report.c.message_id,
        owner.c.connector_id == report.c.connector_id,
    )
    query = sa.select(send.c.id, rivals.scalar_subquery(), *_FILED).join_from(send, report, _OF_CORRELATION)
    return query.where(send.c.id.in_(chosen), ~owned)


def _evidence(found: Sequence[tuple[int, Filed]]) -> Evidence:
    messages = {told.message_id for _, told in found}
    doubtful = len(messages) > 1 or any(rivals for rivals, _ in found)
    return Evidence(tuple(told for _, told in found), doubtful)
