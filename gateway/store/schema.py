"""The tables of the spool's database, for SQLAlchemy. `migrations/` creates them; a test holds the two together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from gateway import store

ERROR = sa.exc.SQLAlchemyError


def engine(connect: Callable[[], Any]) -> sa.Engine:
    """SQLAlchemy on connections that `connect` opens, for who puts statements together."""
    return sa.create_engine("sqlite://", creator=connect, poolclass=sa.NullPool, hide_parameters=True)


def part(ids: sa.Select[Any], place: store.Place, *, most: int) -> sa.Select[Any]:
    """Of a selection of ids the highest `most` below that place, or the lowest above it."""
    [id_of] = ids.selected_columns
    if place.id is not None:
        ids = ids.where(id_of < place.id if place.way > 0 else id_of > place.id)
    return ids.order_by(id_of.desc() if place.way > 0 else id_of).limit(most)


metadata = sa.MetaData()

event = sa.Table(
    "event",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),  # the order of acceptance
    sa.Column("connector_id", sa.Integer, nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("key", sa.LargeBinary(32), nullable=False),
    sa.Column("original", sa.Boolean, nullable=False),  # the first with its key; never one rejected
    sa.Column("lane", sa.String(300), nullable=False),
    sa.Column("contact_id", sa.String(256), nullable=False),
    sa.Column("identity", sa.String(256), nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Column("address", sa.String(45), nullable=False),  # the client's
    sa.Column("headers", sa.JSON, nullable=False),  # [[name, value], …] to forward
    sa.Column("query", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("body_digest", sa.LargeBinary(32), nullable=False),
    sa.Column("accepted_at", sa.Float, nullable=False),  # epoch seconds, as all times here
    sa.Column("repeats", sa.Integer, nullable=False, default=0),  # same bytes seen again
    sa.Column("tries", sa.Integer, nullable=False, default=0),
    sa.Column("failures", sa.Integer, nullable=False, default=0),  # tries that failed while Motion was up
    sa.Column("failing_since", sa.Float),
    sa.Column("deaths", sa.Integer, nullable=False, default=0),  # couriers that died with it in hand, in a row
    sa.Column("outcome", sa.String(64), nullable=False, default=""),  # of the last try; or why rejected or parked
    sa.Column("settled_at", sa.Float),
    sa.Column("findings", sa.Text, nullable=False, server_default=""),  # their names, with blanks between
    sa.Column("history", sa.Text, nullable=False, server_default=""),  # of the tries before the last one, a line each
    sa.Index("event_original", "connector_id", "key", unique=True, sqlite_where=sa.text("original")),
    sa.Index("event_pending", "lane", "id", sqlite_where=sa.text("state = 'pending'")),
    sa.Index("event_settled", "state", "settled_at"),
    sqlite_autoincrement=True,
)

nonce = sa.Table(
    "nonce",
    metadata,
    sa.Column("connector_id", sa.Integer, primary_key=True),
    sa.Column("nonce", sa.String(64), primary_key=True),
    sa.Column("body_digest", sa.LargeBinary(32), nullable=False),
    sa.Column("event_id", sa.Integer, nullable=False),
    sa.Column("seen_at", sa.Float, nullable=False),
    sa.Index("nonce_seen", "seen_at"),
)

# One row for each contact (or lone event) that has something pending.
lane = sa.Table(
    "lane",
    metadata,
    sa.Column("lane", sa.String(300), primary_key=True),
    sa.Column("first_event", sa.Integer, nullable=False),  # its first pending one
    sa.Column("due_at", sa.Float, nullable=False),  # when that may be tried
    sa.Column("claimed_event", sa.Integer),  # being delivered right now
    sa.Column("leased_until", sa.Float),
    sa.Index("lane_due", "due_at"),
    sa.Index("lane_first", "first_event"),
)

# What is known of each of Motion's attachments that somebody asked for; the files are in the vault.
attachment = sa.Table(
    "attachment",
    metadata,
    sa.Column("attachment_id", sa.String(12), primary_key=True),
    # of the file; empty for one that was never acquired, or is forgotten
    sa.Column("digest", sa.LargeBinary(32)),
    sa.Column("size_bytes", sa.Integer, nullable=False, default=0),
    sa.Column("name", sa.String(255), nullable=False, default=""),  # as Motion gave it
    sa.Column("inspection", sa.JSON(none_as_null=True)),
    sa.Column("inspected_by", sa.String(20), nullable=False, default=""),  # the release that did
    sa.Column("acquired_at", sa.Float),
    sa.Column("stored", sa.Boolean, nullable=False, default=False),  # the vault has it
    # of its links
    sa.Column("live_until", sa.Float, nullable=False, default=0.0),  # the end of the last one known
    sa.Column("first_fetched_at", sa.Float),  # by the link that Motion built
    sa.Column("last_fetched_at", sa.Float),
    sa.Column("fetches", sa.Integer, nullable=False, default=0),
    sa.Column("revoked_before", sa.Integer),
    # of the last try to acquire it, where that failed
    sa.Column("failure", sa.String(100), nullable=False, default=""),
    sa.Column("failure_status", sa.Integer, nullable=False, default=0),  # as it was answered
    sa.Column("failure_digest", sa.LargeBinary(32)),  # of the bytes that were wanted; empty for any
    sa.Column("failed_at", sa.Float),
    sa.Index("attachment_stored", "digest", sqlite_where=sa.text("stored")),
)

# One row for each message that Motion asked to send.
send = sa.Table(
    "send",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("reference", sa.String(64), nullable=False),  # ours
    sa.Column("connector_id", sa.Integer, nullable=False),
    sa.Column("app_id", sa.String(256), nullable=False),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("contact_id", sa.String(256), nullable=False),
    sa.Column("identity", sa.String(256), nullable=False),
    sa.Column("correlation_id", sa.String(256), nullable=False),  # as it went out: Motion's, or our reference
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Column("attachments", sa.JSON, nullable=False),  # [{field, attachment_id, digest, verdict, code}, …]
    sa.Column("outcome", sa.String(10), nullable=False),
    sa.Column("status", sa.Integer),  # of the answer that Motion got: HTTP
    sa.Column("code", sa.String(64), nullable=False, default=""),
    sa.Column("message_id", sa.String(256), nullable=False, default=""),  # Sinch's, from its answer
    sa.Column("tries", sa.Integer, nullable=False, default=0),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("ended_at", sa.Float),
    sa.Column("words", sa.String(1024), nullable=False, server_default=""),  # what Sinch said, or what happened
    sa.Column("window", sa.String(10), nullable=False, server_default=""),  # whether WhatsApp's was open; "" of others
    sa.Column("heard_at", sa.Float),  # when the customer had written last
    sa.Index("send_reference", "reference", unique=True),
    sa.Index("send_message", "message_id", "connector_id", sqlite_where=sa.text("message_id != ''")),
    sa.Index(
        "send_unanswered",
        "connector_id",
        "correlation_id",
        sqlite_where=sa.text("outcome IN ('sending', 'unknown')"),
    ),
    sa.Index("send_started", "started_at"),
    sqlite_autoincrement=True,
)

# What MESSAGE_DELIVERY and MESSAGE_SUBMIT callbacks tell of messages, ours or not.
report = sa.Table(
    "report",
    metadata,
    sa.Column("event_id", sa.Integer, primary_key=True, autoincrement=False),  # of the callback
    sa.Column("connector_id", sa.Integer, nullable=False),
    sa.Column("message_id", sa.String(256), nullable=False),
    sa.Column("correlation_id", sa.String(256), nullable=False),
    sa.Column("status", sa.String(64), nullable=False),
    sa.Column("code", sa.String(64), nullable=False),
    sa.Column("sub_code", sa.String(64), nullable=False),
    sa.Column("channel_code", sa.String(64), nullable=False),
    sa.Column("channel", sa.String(64), nullable=False),
    sa.Column("reported_at", sa.Float, nullable=False),  # accepted by us
    sa.Column("description", sa.String(256), nullable=False, server_default=""),
    sa.Index("report_message", "message_id", "connector_id"),
    sa.Index("report_correlation", "correlation_id", "connector_id", sqlite_where=sa.text("correlation_id != ''")),
    sa.Index("report_reported", "reported_at"),
)

# When each customer wrote last on WhatsApp; by both names, where both are known (`outbound.window`).
heard = sa.Table(
    "heard",
    metadata,
    sa.Column("contact_id", sa.String(256), primary_key=True),
    sa.Column("identity", sa.String(256), primary_key=True),
    sa.Column("connector_id", sa.Integer, primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Index("heard_identity", "identity"),
    sqlite_with_rowid=False,
)

# What was turned away and is no event: one row for each reason and whom it was about, counted (`turned_away`).
turned_away = sa.Table(
    "turned_away",
    metadata,
    sa.Column("door", sa.String(16), primary_key=True),
    sa.Column("reason", sa.String(64), primary_key=True),
    sa.Column("about", sa.String(64), primary_key=True),  # a connector, a host, …; "" for nobody in particular
    sa.Column("address", sa.String(45), nullable=False),  # of the last client
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("first_at", sa.Float, nullable=False),
    sa.Column("last_at", sa.Float, nullable=False),
)

# What the courier has found of Motion and is still so.
trouble = sa.Table(
    "trouble",
    metadata,
    sa.Column("finding", sa.String(32), primary_key=True),
    sa.Column("about", sa.String(80), primary_key=True),  # an account, or a kind of an account; "" for all
    sa.Column("reason", sa.String(64), nullable=False),
    sa.Column("since", sa.Float, nullable=False),
)

# How it went lately, about a minute from row to row (`diagnosis.history`).
history = sa.Table(
    "history",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),  # the order, whatever the clock said
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("oldest_seconds", sa.Float),  # how long the oldest event had waited by then; empty where none did
    sa.Column("counts", sa.Text, nullable=False),  # in JSON: what all processes had counted by then, since ever
)

# Who did what by a command (`audit`).
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("who", sa.String(64), nullable=False),  # the login behind sudo, or the next best name
    sa.Column("login", sa.String(64), nullable=False),  # of the session, as the kernel has it
    sa.Column("account", sa.String(64), nullable=False),  # as which it was done
    sa.Column("about", sa.String(256), nullable=False),  # never a contact
    sa.Index("audit_at", "at"),
    sqlite_autoincrement=True,
)

# Who has signed in to the operations page (`page.sessions`).
session = sa.Table(
    "session",
    metadata,
    sa.Column("digest", sa.LargeBinary(32), primary_key=True),  # of the token in the visitor's cookie
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("proof", sa.LargeBinary(32), nullable=False),  # of the password with which it began
    sa.Column("began_at", sa.Float, nullable=False),
    sa.Column("seen_at", sa.Float, nullable=False),
)
