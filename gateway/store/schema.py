"""The tables of the spool's database, for SQLAlchemy. `migrations/` creates them; a test holds the two together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from gateway.store.dialects import INTEGER, Json, rows_of, text

ERROR = sa.exc.SQLAlchemyError


def engine(connect: Callable[[], Any], *, dialect: str = "sqlite") -> sa.Engine:
    """SQLAlchemy on connections that `connect` opens, for who puts statements together."""
    return sa.create_engine(f"{dialect}://", creator=connect, poolclass=sa.NullPool, hide_parameters=True)


metadata = sa.MetaData()

event = sa.Table(
    "event",
    metadata,
    sa.Column("id", INTEGER, primary_key=True),  # the order of acceptance
    sa.Column("connector_id", INTEGER, nullable=False),
    sa.Column("state", text(10), nullable=False),
    sa.Column("kind", text(64), nullable=False),
    sa.Column("key", sa.LargeBinary(32), nullable=False),
    sa.Column("original", sa.Boolean, nullable=False),  # the first with its key; never one rejected
    sa.Column("lane", text(300), nullable=False),
    sa.Column("contact_id", text(256), nullable=False),
    sa.Column("identity", text(256), nullable=False),
    sa.Column("request_id", text(64), nullable=False),
    sa.Column("address", text(45), nullable=False),  # the client's
    sa.Column("headers", Json, nullable=False),  # [[name, value], …] to forward
    sa.Column("query", text(), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("body_digest", sa.LargeBinary(32), nullable=False),
    sa.Column("accepted_at", sa.Float, nullable=False),  # epoch seconds, as all times here
    sa.Column("repeats", INTEGER, nullable=False, default=0),  # same bytes seen again
    sa.Column("tries", INTEGER, nullable=False, default=0),
    sa.Column("failures", INTEGER, nullable=False, default=0),  # tries that failed while Motion was up
    sa.Column("failing_since", sa.Float),
    sa.Column("deaths", INTEGER, nullable=False, default=0),  # couriers that died with it in hand, in a row
    sa.Column("outcome", text(64), nullable=False, default=""),  # of the last try; or why rejected or parked
    sa.Column("settled_at", sa.Float),
    sa.Column("findings", text(), nullable=False, server_default=""),  # their names, with blanks between
    sa.Column("history", text(), nullable=False, server_default=""),  # of the tries before the last one, a line each
    sa.Column("media", INTEGER, nullable=False, server_default="0"),  # links to files that are still to be seen to
    sa.Index("event_original", "connector_id", "key", unique=True, **rows_of("original")),
    sa.Index("event_kept", "connector_id", "key", **rows_of("NOT original")),
    sa.Index("event_pending", "lane", "id", **rows_of("state = 'pending'")),
    # Of what is settled: whoever takes a callback in pays nothing for these.
    sa.Index("event_settled", "state", "settled_at", **rows_of("state != 'pending'")),
    sa.Index("event_state", "state", "id", **rows_of("state != 'pending'")),
    sa.Index("event_connector", "connector_id", "state", "id", **rows_of("state != 'pending'")),
    sa.Index("event_contact", "contact_id", "id", **rows_of("state != 'pending' AND contact_id != ''")),
    sa.Index("event_identity", "identity", "id", **rows_of("state != 'pending' AND identity != ''")),
    sa.Index("event_accepted", "accepted_at", **rows_of("state != 'pending'")),
    sa.Index("event_media", "id", **rows_of("media > 0")),
    sqlite_autoincrement=True,
)

# How many events of a state were settled before a moment (`census`).
census = sa.Table(
    "census",
    metadata,
    sa.Column("state", text(10), primary_key=True),
    sa.Column("until", sa.Float, nullable=False),
    sa.Column("count", INTEGER, nullable=False),
)

nonce = sa.Table(
    "nonce",
    metadata,
    sa.Column("connector_id", INTEGER, primary_key=True),
    sa.Column("nonce", text(64), primary_key=True),
    sa.Column("body_digest", sa.LargeBinary(32), nullable=False),
    sa.Column("event_id", INTEGER, nullable=False),
    sa.Column("seen_at", sa.Float, nullable=False),
    sa.Index("nonce_seen", "seen_at"),
)

# One row for each contact (or lone event) that has something pending.
lane = sa.Table(
    "lane",
    metadata,
    sa.Column("lane", text(300), primary_key=True),
    sa.Column("first_event", INTEGER, nullable=False),  # its first pending one
    sa.Column("due_at", sa.Float, nullable=False),  # when that may be tried
    sa.Column("claimed_event", INTEGER),  # being delivered right now
    sa.Column("leased_until", sa.Float),
    sa.Column("courier", text(64)),  # that has it in hand, by its node; empty of one that is alone
    sa.Column("claim", INTEGER),  # which of its claims that is: whoever names another changes nothing
    sa.Column("suspect", sa.Boolean, nullable=False, server_default=sa.false()),  # a courier died with it in hand
    sa.Index("lane_due", "due_at"),
    sa.Index("lane_first", "first_event"),
    sa.Index("lane_leased", "leased_until", **rows_of("leased_until IS NOT NULL")),
    sa.Index("lane_suspect", "first_event", **rows_of("suspect")),
    # Its rows change with every event: they have room for that beside them, and what they were goes soon.
    postgresql_with={"fillfactor": 50, "autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 2000},
)

# What is known of each of Motion's attachments that somebody asked for; the files are in the vault.
attachment = sa.Table(
    "attachment",
    metadata,
    sa.Column("attachment_id", text(12), primary_key=True),
    # of the file; empty for one that was never acquired, or is forgotten
    sa.Column("digest", sa.LargeBinary(32)),
    sa.Column("size_bytes", INTEGER, nullable=False, default=0),
    sa.Column("name", text(255), nullable=False, default=""),  # as Motion gave it
    sa.Column("inspection", Json(none_as_null=True)),
    sa.Column("inspected_by", text(20), nullable=False, default=""),  # the release that did
    sa.Column("acquired_at", sa.Float),
    sa.Column("stored", sa.Boolean, nullable=False, default=False),  # of a release before `stored_file`, and not used
    # of its links
    sa.Column("live_until", sa.Float, nullable=False, default=0.0),  # the end of the last one known
    sa.Column("first_fetched_at", sa.Float),  # by the link that Motion built
    sa.Column("last_fetched_at", sa.Float),
    sa.Column("fetches", INTEGER, nullable=False, default=0),
    sa.Column("revoked_before", INTEGER),
    # of the last try to acquire it, where that failed
    sa.Column("failure", text(100), nullable=False, default=""),
    sa.Column("failure_status", INTEGER, nullable=False, default=0),  # as it was answered
    sa.Column("failure_digest", sa.LargeBinary(32)),  # of the bytes that were wanted; empty for any
    sa.Column("failed_at", sa.Float),
    # which node downloads it right now, and how long that counts
    sa.Column("bringer", text(64)),
    sa.Column("bringing_until", sa.Float),
    sa.Index("attachment_digest", "digest", **rows_of("digest IS NOT NULL")),
    sa.Index("attachment_stored", "digest", **rows_of("stored")),
)

# Which file of an attachment is where: in the vault of a node, or in the store that vaults share.
stored_file = sa.Table(
    "stored_file",
    metadata,
    sa.Column("place", text(64), primary_key=True),  # `attachments.register`: a node, "" for the only one, or the store
    sa.Column("digest", sa.LargeBinary(32), primary_key=True),
    sa.Column("size_bytes", INTEGER, nullable=False),
    sa.Column("since", sa.Float, nullable=False),
    sa.Column("leaving_until", sa.Float),  # it is being deleted there
    sa.Column("doubted", sa.Boolean, nullable=False, server_default=sa.false()),  # it had other bytes there
    sa.Index("stored_file_digest", "digest"),
)

# One row for each link to a file in an event of an account that has them fetched (`inbound.arrivals`).
inbound_file = sa.Table(
    "inbound_file",
    metadata,
    sa.Column("event_id", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("number", INTEGER, primary_key=True, autoincrement=False),  # from 1 on, as they stand in the body
    sa.Column("connector_id", INTEGER, nullable=False),
    sa.Column("place", text(128), nullable=False),  # where in the body: `inbound.places`
    sa.Column("url", text(), nullable=False),  # as Sinch gave it
    sa.Column("state", text(10), nullable=False),  # waiting, kept, held, released or failed
    sa.Column("digest", sa.LargeBinary(32)),  # of the file that was fetched
    sa.Column("size_bytes", INTEGER, nullable=False, server_default="0"),
    sa.Column("name", text(255), nullable=False, server_default=""),  # under which Motion gets it
    sa.Column("mime", text(127), nullable=False, server_default=""),  # and as what
    sa.Column("verdict", text(16), nullable=False, server_default=""),  # of `inbound.policy`
    sa.Column("reason", text(64), nullable=False, server_default=""),  # why it is held, marked or failed
    sa.Column("inspection", Json(none_as_null=True)),
    sa.Column("tries", INTEGER, nullable=False, server_default="0"),
    sa.Column("due_at", sa.Float, nullable=False, server_default="0"),  # when it may be tried
    sa.Column("fetcher", text(64)),  # that has it in hand
    sa.Column("leased_until", sa.Float),
    sa.Column("at", sa.Float, nullable=False),  # of the last that became of it
    sa.Index("inbound_file_due", "due_at", **rows_of("state = 'waiting'")),
    sa.Index("inbound_file_at", "at"),
    sa.Index("inbound_file_held", "event_id", **rows_of("state = 'held'")),
    sa.Index("inbound_file_digest", "digest", **rows_of("digest IS NOT NULL")),
)

# One row for each message that Motion asked to send.
send = sa.Table(
    "send",
    metadata,
    sa.Column("id", INTEGER, primary_key=True),
    sa.Column("reference", text(64), nullable=False),  # ours
    sa.Column("connector_id", INTEGER, nullable=False),
    sa.Column("app_id", text(256), nullable=False),
    sa.Column("kind", text(64), nullable=False),
    sa.Column("contact_id", text(256), nullable=False),
    sa.Column("identity", text(256), nullable=False),
    sa.Column("correlation_id", text(256), nullable=False),  # as it went out: Motion's, or our reference
    sa.Column("request_id", text(64), nullable=False),
    sa.Column("attachments", Json, nullable=False),  # [{field, attachment_id, digest, verdict, code}, …]
    sa.Column("outcome", text(10), nullable=False),
    sa.Column("status", INTEGER),  # of the answer that Motion got: HTTP
    sa.Column("code", text(64), nullable=False, default=""),
    sa.Column("message_id", text(256), nullable=False, default=""),  # Sinch's, from its answer
    sa.Column("tries", INTEGER, nullable=False, default=0),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("ended_at", sa.Float),
    sa.Column("words", text(1024), nullable=False, server_default=""),  # what Sinch said, or what happened
    sa.Column("window", text(10), nullable=False, server_default=""),  # whether WhatsApp's was open; "" of others
    sa.Column("heard_at", sa.Float),  # when the customer had written last
    sa.Index("send_reference", "reference", unique=True),
    sa.Index("send_message", "message_id", "connector_id", **rows_of("message_id != ''")),
    sa.Index("send_unanswered", "connector_id", "correlation_id", **rows_of("outcome IN ('sending', 'unknown')")),
    sa.Index("send_started", "started_at"),
    sqlite_autoincrement=True,
)

# What MESSAGE_DELIVERY and MESSAGE_SUBMIT callbacks tell of messages, ours or not.
report = sa.Table(
    "report",
    metadata,
    sa.Column("event_id", INTEGER, primary_key=True, autoincrement=False),  # of the callback
    sa.Column("connector_id", INTEGER, nullable=False),
    sa.Column("message_id", text(256), nullable=False),
    sa.Column("correlation_id", text(256), nullable=False),
    sa.Column("status", text(64), nullable=False),
    sa.Column("code", text(64), nullable=False),
    sa.Column("sub_code", text(64), nullable=False),
    sa.Column("channel_code", text(64), nullable=False),
    sa.Column("channel", text(64), nullable=False),
    sa.Column("reported_at", sa.Float, nullable=False),  # accepted by us
    sa.Column("description", text(256), nullable=False, server_default=""),
    sa.Index("report_message", "message_id", "connector_id"),
    sa.Index("report_correlation", "correlation_id", "connector_id", **rows_of("correlation_id != ''")),
    sa.Index("report_reported", "reported_at"),
)

# When each customer wrote last on WhatsApp; by both names, where both are known (`outbound.window`).
heard = sa.Table(
    "heard",
    metadata,
    sa.Column("contact_id", text(256), primary_key=True),
    sa.Column("identity", text(256), primary_key=True),
    sa.Column("connector_id", INTEGER, primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Index("heard_identity", "identity"),
    sqlite_with_rowid=False,
)

# What was turned away and is no event: one row for each reason and whom it was about, counted (`turned_away`).
turned_away = sa.Table(
    "turned_away",
    metadata,
    sa.Column("door", text(16), primary_key=True),
    sa.Column("reason", text(64), primary_key=True),
    sa.Column("about", text(64), primary_key=True),  # a connector, a host, …; "" for nobody in particular
    sa.Column("address", text(45), nullable=False),  # of the last client
    sa.Column("count", INTEGER, nullable=False),
    sa.Column("first_at", sa.Float, nullable=False),
    sa.Column("last_at", sa.Float, nullable=False),
)

# What the courier has found of Motion and is still so.
trouble = sa.Table(
    "trouble",
    metadata,
    sa.Column("finding", text(32), primary_key=True),
    sa.Column("about", text(80), primary_key=True),  # an account, or a kind of an account; "" for all
    sa.Column("reason", text(64), nullable=False),
    sa.Column("since", sa.Float, nullable=False),
    sa.Column("probe_at", sa.Float, nullable=False, server_default="0"),  # Motion, that is away: by one of all couriers
    sa.Column("probes", INTEGER, nullable=False, server_default="0"),  # in vain
)

# What one process of all does, whichever comes first (`chores`).
chore = sa.Table(
    "chore",
    metadata,
    sa.Column("name", text(32), primary_key=True),
    sa.Column("due_at", sa.Float, nullable=False),
)

# How it went lately, about a minute from row to row (`diagnosis.history`).
history = sa.Table(
    "history",
    metadata,
    sa.Column("id", INTEGER, primary_key=True),  # the order, whatever the clock said
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("oldest_seconds", sa.Float),  # how long the oldest event had waited by then; empty where none did
    sa.Column("counts", text(), nullable=False),  # in JSON: what all processes had counted by then, since ever
    sa.Column("node", text(64), nullable=False, server_default=""),  # whose processes; empty of one that is alone
)

# Who did what by a command (`audit`).
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", INTEGER, primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("action", text(16), nullable=False),
    sa.Column("who", text(64), nullable=False),  # the login behind sudo, or the next best name
    sa.Column("login", text(64), nullable=False),  # of the session, as the kernel has it
    sa.Column("account", text(64), nullable=False),  # as which it was done
    sa.Column("about", text(256), nullable=False),  # never a contact
    sa.Index("audit_at", "at"),
    sqlite_autoincrement=True,
)

# Who has signed in to the operations page (`page.sessions`).
session = sa.Table(
    "session",
    metadata,
    sa.Column("digest", sa.LargeBinary(32), primary_key=True),  # of the token in the visitor's cookie
    sa.Column("name", text(64), nullable=False),
    sa.Column("proof", sa.LargeBinary(32), nullable=False),  # of the password with which it began
    sa.Column("began_at", sa.Float, nullable=False),
    sa.Column("seen_at", sa.Float, nullable=False),
)

# Who shares the spool (`nodes`): as it has said last.
node = sa.Table(
    "node",
    metadata,
    sa.Column("name", text(64), primary_key=True),
    sa.Column("instance", text(32), nullable=False),  # tells its courier from another that has its name
    sa.Column("host", text(64), nullable=False),
    sa.Column("release", text(32), nullable=False),
    sa.Column("build", text(64), nullable=False),
    sa.Column("revision", text(16), nullable=False),  # of the schema that its release works with
    sa.Column("draining", sa.Boolean, nullable=False),
    sa.Column("seen_at", sa.Float, nullable=False),
    sa.Column("left_at", sa.Float),  # in good order
    sa.Column("rival_host", text(64), nullable=False, server_default=""),  # of another that has its name
    sa.Column("rival_at", sa.Float),
)

# What the doors of each node work with (`config.marks`): nothing that tells a secret.
node_door = sa.Table(
    "node_door",
    metadata,
    sa.Column("node", text(64), primary_key=True),
    sa.Column("door", text(16), primary_key=True),
    sa.Column("marks", text(), nullable=False),  # in JSON: [[setting, account or user, mark], …]
)
