"""Which nodes share the spool, and marks of what each of their doors works with. Nothing else changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.dialects import text

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "node",
        sa.Column("name", text(64), primary_key=True),
        sa.Column("instance", text(32), nullable=False),
        sa.Column("host", text(64), nullable=False),
        sa.Column("release", text(32), nullable=False),
        sa.Column("build", text(64), nullable=False),
        sa.Column("revision", text(16), nullable=False),
        sa.Column("draining", sa.Boolean, nullable=False),
        sa.Column("seen_at", sa.Float, nullable=False),
        sa.Column("left_at", sa.Float),
        sa.Column("rival_host", text(64), nullable=False, server_default=""),
        sa.Column("rival_at", sa.Float),
    )
    op.create_table(
        "node_door",
        sa.Column("node", text(64), primary_key=True),
        sa.Column("door", text(16), primary_key=True),
        sa.Column("marks", text(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("node_door")
    op.drop_table("node")
