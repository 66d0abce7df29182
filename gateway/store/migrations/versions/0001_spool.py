"""The first schema: events, nonces, lanes.

It is released, and frozen: whoever upgrades has it on his disk as it stands here. What shall be otherwise is another
revision. tests/data/spool_0001.sql holds it to that.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "event",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("connector_id", sa.Integer, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("key", sa.LargeBinary(32), nullable=False),
        sa.Column("original", sa.Boolean, nullable=False),
        sa.Column("lane", sa.String(300), nullable=False),
        sa.Column("contact_id", sa.String(256), nullable=False),
        sa.Column("identity", sa.String(256), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("address", sa.String(45), nullable=False),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("query", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("body_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("accepted_at", sa.Float, nullable=False),
        sa.Column("repeats", sa.Integer, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failing_since", sa.Float),
        sa.Column("deaths", sa.Integer, nullable=False),
        sa.Column("outcome", sa.String(64), nullable=False),
        sa.Column("settled_at", sa.Float),
        sqlite_autoincrement=True,
    )
    op.create_index("event_original", "event", ["connector_id", "key"], unique=True, sqlite_where=sa.text("original"))
    op.create_index("event_pending", "event", ["lane", "id"], sqlite_where=sa.text("state = 'pending'"))
    op.create_index("event_settled", "event", ["state", "settled_at"])
    op.create_index("event_contact", "event", ["contact_id"])
    op.create_index("event_identity", "event", ["identity"])
    op.create_table(
        "nonce",
        sa.Column("connector_id", sa.Integer, primary_key=True),
        sa.Column("nonce", sa.String(64), primary_key=True),
        sa.Column("body_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("event_id", sa.Integer, nullable=False),
        sa.Column("seen_at", sa.Float, nullable=False),
    )
    op.create_index("nonce_seen", "nonce", ["seen_at"])
    op.create_table(
        "lane",
        sa.Column("lane", sa.String(300), primary_key=True),
        sa.Column("first_event", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Float, nullable=False),
        sa.Column("claimed_event", sa.Integer),
        sa.Column("leased_until", sa.Float),
    )
    op.create_index("lane_due", "lane", ["due_at"])
    op.create_index("lane_first", "lane", ["first_event"])


def downgrade() -> None:
    for table in ("lane", "nonce", "event"):
        op.drop_table(table)
