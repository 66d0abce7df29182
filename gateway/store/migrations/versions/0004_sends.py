"""What Motion sent, and what was reported of it: the third door's memory."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "send",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("reference", sa.String(64), nullable=False),
        sa.Column("connector_id", sa.Integer, nullable=False),
        sa.Column("app_id", sa.String(256), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("contact_id", sa.String(256), nullable=False),
        sa.Column("identity", sa.String(256), nullable=False),
        sa.Column("correlation_id", sa.String(256), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("attachments", sa.JSON, nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("message_id", sa.String(256), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sqlite_autoincrement=True,
    )
    op.create_index("send_reference", "send", ["reference"], unique=True)
    op.create_index("send_message", "send", ["message_id", "connector_id"], sqlite_where=sa.text("message_id != ''"))
    unanswered = sa.text("outcome IN ('sending', 'unknown')")
    op.create_index("send_unanswered", "send", ["connector_id", "correlation_id"], sqlite_where=unanswered)
    op.create_index("send_started", "send", ["started_at"])
    op.create_table(
        "report",
        sa.Column("event_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("connector_id", sa.Integer, nullable=False),
        sa.Column("message_id", sa.String(256), nullable=False),
        sa.Column("correlation_id", sa.String(256), nullable=False),
        sa.Column("status", sa.String(64), nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("sub_code", sa.String(64), nullable=False),
        sa.Column("channel_code", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(64), nullable=False),
        sa.Column("reported_at", sa.Float, nullable=False),
    )
    op.create_index("report_message", "report", ["message_id", "connector_id"])
    named = sa.text("correlation_id != ''")
    op.create_index("report_correlation", "report", ["correlation_id", "connector_id"], sqlite_where=named)
    op.create_index("report_reported", "report", ["reported_at"])


def downgrade() -> None:
    for table in ("report", "send"):
        op.drop_table(table)
