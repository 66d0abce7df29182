"""Several couriers on one spool: whose a claim is, what is tried alone, when Motion may be asked again, when a chore is
due again, and whose minutes the history has. Nothing is taken away."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.dialects import INTEGER, rows_of, text

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("lane", sa.Column("courier", text(64)))
    op.add_column("lane", sa.Column("claim", INTEGER))
    op.add_column("lane", sa.Column("suspect", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("lane_leased", "lane", ["leased_until"], **rows_of("leased_until IS NOT NULL"))
    op.create_index("lane_suspect", "lane", ["first_event"], **rows_of("suspect"))
    op.add_column("trouble", sa.Column("probe_at", sa.Float, nullable=False, server_default="0"))
    op.add_column("trouble", sa.Column("probes", INTEGER, nullable=False, server_default="0"))
    op.add_column("history", sa.Column("node", text(64), nullable=False, server_default=""))
    op.create_table(
        "chore",
        sa.Column("name", text(32), primary_key=True),
        sa.Column("due_at", sa.Float, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("chore")
    op.drop_column("history", "node")
    op.drop_column("trouble", "probes")
    op.drop_column("trouble", "probe_at")
    op.drop_index("lane_suspect", "lane")
    op.drop_index("lane_leased", "lane")
    op.drop_column("lane", "suspect")
    op.drop_column("lane", "claim")
    op.drop_column("lane", "courier")
