"""What the courier has found of Motion, for the office to say. Nothing else changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "trouble",
        sa.Column("finding", sa.String(32), primary_key=True),
        sa.Column("about", sa.String(80), primary_key=True),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("since", sa.Float, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("trouble")
