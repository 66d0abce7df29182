"""What is told when it happens: findings, descriptions of reports, and what was turned away. Nothing else changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("event", sa.Column("findings", sa.Text, nullable=False, server_default=""))
    op.add_column("send", sa.Column("words", sa.String(1024), nullable=False, server_default=""))
    op.add_column("report", sa.Column("description", sa.String(256), nullable=False, server_default=""))
    op.create_table(
        "turned_away",
        sa.Column("door", sa.String(16), primary_key=True),
        sa.Column("reason", sa.String(64), primary_key=True),
        sa.Column("about", sa.String(64), primary_key=True),
        sa.Column("address", sa.String(45), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("first_at", sa.Float, nullable=False),
        sa.Column("last_at", sa.Float, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("turned_away")
    op.drop_column("report", "description")
    op.drop_column("send", "words")
    op.drop_column("event", "findings")
