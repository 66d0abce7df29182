"""What is known of attachments: the second door's memory."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "attachment",
        sa.Column("attachment_id", sa.String(12), primary_key=True),
        sa.Column("digest", sa.LargeBinary(32)),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("inspection", sa.JSON),
        sa.Column("inspected_by", sa.String(20), nullable=False),
        sa.Column("acquired_at", sa.Float),
        sa.Column("stored", sa.Boolean, nullable=False),
        sa.Column("live_until", sa.Float, nullable=False),
        sa.Column("first_fetched_at", sa.Float),
        sa.Column("last_fetched_at", sa.Float),
        sa.Column("fetches", sa.Integer, nullable=False),
        sa.Column("revoked_before", sa.Integer),
        sa.Column("failure", sa.String(100), nullable=False),
        sa.Column("failure_status", sa.Integer, nullable=False),
        sa.Column("failure_digest", sa.LargeBinary(32)),
        sa.Column("failed_at", sa.Float),
    )
    op.create_index("attachment_stored", "attachment", ["digest"], sqlite_where=sa.text("stored"))


def downgrade() -> None:
    op.drop_table("attachment")
