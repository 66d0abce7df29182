"""When each customer wrote last on WhatsApp, and of a send whether that was in time. Nothing else changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "heard",
        sa.Column("contact_id", sa.String(256), primary_key=True),
        sa.Column("identity", sa.String(256), primary_key=True),
        sa.Column("connector_id", sa.Integer, primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("heard_identity", "heard", ["identity"])
    op.add_column("send", sa.Column("window", sa.String(10), nullable=False, server_default=""))
    op.add_column("send", sa.Column("heard_at", sa.Float))


def downgrade() -> None:
    op.drop_column("send", "heard_at")
    op.drop_column("send", "window")
    op.drop_table("heard")
